use serde_json::json;

use super::*;

fn released() -> Value {
    json!({
        "type": "object",
        "description": "An order was placed.",
        "required": ["orderId", "status", "items"],
        "properties": {
            "orderId": { "$ref": "#/$defs/OrderId" },
            "customerId": { "anyOf": [{ "$ref": "#/$defs/OrderId" }, { "type": "null" }] },
            "status": { "type": "string", "enum": ["PENDING", "FAILED"] },
            "items": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["qty"],
                    "properties": { "qty": { "type": "integer", "maximum": 9 } },
                },
            },
            "note": { "type": ["string", "null"] },
        },
        "x-key": "orderId",
        "$defs": { "OrderId": { "type": "string", "pattern": "^ord_" } },
    })
}

fn set(schema: Value) -> BTreeMap<PathBuf, Value> {
    [("orders.v1/OrderCreated.json".into(), schema)].into()
}

fn found(change: impl Fn(&mut Value)) -> Vec<String> {
    let mut current = released();
    change(&mut current);
    breaking_changes(&set(released()), &set(current))
}

/// Both what is said, after the event's name, and that nothing else is.
#[track_caller]
fn breaks(change: impl Fn(&mut Value), expected: &[&str]) {
    let expected: Vec<_> =
        expected.iter().map(|text| format!("orders.v1/OrderCreated{text}")).collect();
    assert_eq!(found(change), expected);
}

#[test]
fn additions_and_words_break_nothing() {
    assert_eq!(found(|_| {}), Vec::<String>::new());
    let added = found(|schema| {
        schema["properties"]["gift"] = json!({ "type": ["boolean", "null"] });
        schema["properties"]["items"]["items"]["properties"]["gift"] = json!({ "type": "boolean" });
    });
    assert_eq!(added, Vec::<String>::new());
    let told = found(|schema| {
        schema["description"] = "Someone placed an order.".into();
        schema["title"] = "Order".into();
        schema["properties"]["note"]["examples"] = json!(["thanks"]);
        schema["$defs"]["Unused"] = json!({ "type": "string" });
    });
    assert_eq!(told, Vec::<String>::new());
    let mut more = set(released());
    more.insert("orders.v1/OrderPraised.json".into(), released());
    assert_eq!(breaking_changes(&set(released()), &more), Vec::<String>::new());
}

#[test]
fn a_definition_written_in_place_is_the_same() {
    let inlined = found(|schema| {
        schema["properties"]["orderId"] = schema["$defs"]["OrderId"].clone();
    });
    assert_eq!(inlined, Vec::<String>::new());
}

#[test]
fn an_event_removed() {
    let found = breaking_changes(&set(released()), &BTreeMap::new());
    assert_eq!(found, ["orders.v1/OrderCreated: removed; its consumers would wait in vain"]);
}

#[test]
fn a_field_removed() {
    let optional = |schema: &mut Value| {
        schema["properties"].as_object_mut().unwrap().remove("note");
    };
    breaks(optional, &[".note: removed; consumers read it"]);
    let required = |schema: &mut Value| {
        schema["properties"].as_object_mut().unwrap().remove("status");
        schema["required"] = json!(["orderId", "items"]);
    };
    breaks(required, &[".status: removed; consumers read it"]);
}

#[test]
fn a_required_field_added() {
    let change = |schema: &mut Value| {
        schema["properties"]["gift"] = json!({ "type": "boolean" });
        schema["required"] = json!(["orderId", "status", "items", "gift"]);
    };
    breaks(change, &[".gift: is new and required; records without it were published"]);
}

#[test]
fn a_field_that_becomes_required_or_optional() {
    let required = |schema: &mut Value| {
        schema["required"] = json!(["orderId", "status", "items", "note"]);
    };
    breaks(required, &[".note: became required; records without it were published"]);
    let optional = |schema: &mut Value| schema["required"] = json!(["orderId", "items"]);
    breaks(optional, &[".status: became optional; released consumers refuse records without it"]);
    let none = |schema: &mut Value| {
        schema["properties"]["items"]["items"].as_object_mut().unwrap().remove("required");
    };
    breaks(none, &[".items[].qty: became optional; released consumers refuse records without it"]);
}

#[test]
fn a_type_changed() {
    let change = |schema: &mut Value| {
        schema["properties"]["items"]["items"]["properties"]["qty"]["type"] = "number".into();
    };
    breaks(change, &[".items[].qty: `type` changed from \"integer\" to \"number\""]);
    let nullable = |schema: &mut Value| schema["properties"]["note"]["type"] = "string".into();
    breaks(nullable, &[".note: `type` changed from [\"string\",\"null\"] to \"string\""]);
}

#[test]
fn an_enumeration_narrowed_or_widened() {
    let narrowed = |schema: &mut Value| schema["properties"]["status"]["enum"] = json!(["PENDING"]);
    breaks(narrowed, &[".status: no longer allows \"FAILED\"; records with it were published"]);
    let widened = |schema: &mut Value| {
        schema["properties"]["status"]["enum"] = json!(["LOST", "PENDING", "FAILED"]);
    };
    breaks(widened, &[".status: allows \"LOST\" as well; released consumers refuse it"]);
    let opened = |schema: &mut Value| {
        schema["properties"]["status"].as_object_mut().unwrap().remove("enum");
    };
    breaks(opened, &[".status: `enum` changed from [\"PENDING\",\"FAILED\"] to none"]);
}

#[test]
fn a_limit_changed_either_way() {
    let wider = |schema: &mut Value| {
        schema["properties"]["items"]["items"]["properties"]["qty"]["maximum"] = 10.into();
    };
    breaks(wider, &[".items[].qty: `maximum` changed from 9 to 10"]);
    let dropped = |schema: &mut Value| {
        schema["properties"]["items"].as_object_mut().unwrap().remove("minItems");
    };
    breaks(dropped, &[".items: `minItems` changed from 1 to none"]);
    let new = |schema: &mut Value| schema["properties"]["note"]["maxLength"] = 80.into();
    breaks(new, &[".note: `maxLength` changed from none to 80"]);
}

#[test]
fn a_definition_changed_wherever_it_is_used() {
    let change = |schema: &mut Value| {
        schema["$defs"]["OrderId"]["pattern"] = "^order_".into();
    };
    let problem = "`pattern` changed from \"^ord_\" to \"^order_\"";
    breaks(change, &[&format!(".customerId: {problem}"), &format!(".orderId: {problem}")]);
}

#[test]
fn another_key() {
    let change = |schema: &mut Value| schema["x-key"] = "customerId".into();
    breaks(change, &[": `x-key` changed from \"orderId\" to \"customerId\""]);
}

#[test]
fn additional_fields_forbidden() {
    let change = |schema: &mut Value| schema["additionalProperties"] = false.into();
    breaks(change, &[": `additionalProperties` changed from none to false"]);
}
