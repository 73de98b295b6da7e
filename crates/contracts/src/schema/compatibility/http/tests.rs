use super::*;

fn released() -> Value {
    let json = |schema: &str| {
        let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
        json!({ "application/json": { "schema": schema } })
    };
    let problem = json!({ "schema": { "$ref": "#/components/schemas/Problem" } });
    let error = json!({ "content": { "application/problem+json": problem } });
    json!({
        "info": { "version": "1.2.3" },
        "paths": {
            "/orders": {
                "get": {
                    "parameters": [
                        { "in": "query", "name": "limit", "schema": { "type": "integer", "maximum": 100 } },
                    ],
                    "responses": { "200": { "content": json("Order") }, "400": error },
                },
                "post": {
                    "security": [{ "bearer": [] }, { "cookie": [] }],
                    "parameters": [
                        { "in": "header", "name": "Key", "required": true, "schema": { "type": "string" } },
                    ],
                    "requestBody": { "content": json("Draft") },
                    "responses": {
                        "202": {
                            "content": json("Order"),
                            "headers": { "Location": { "schema": { "type": "string" } } },
                        },
                        "401": error,
                        "422": error,
                    },
                },
            },
        },
        "components": { "schemas": {
            "Draft": {
                "type": "object",
                "additionalProperties": false,
                "required": ["items"],
                "properties": {
                    "items": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 9,
                        "items": { "type": "string", "minLength": 1 },
                    },
                    "note": { "type": ["string", "null"] },
                    "speed": { "type": "string", "enum": ["FAST", "SLOW"] },
                    "gift": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Gift" }] },
                },
            },
            "Gift": {
                "type": "object",
                "required": ["card"],
                "properties": { "card": { "type": "string" }, "ribbon": { "type": "string" } },
            },
            "Order": {
                "type": "object",
                "required": ["id", "status"],
                "properties": {
                    "id": { "type": "string" },
                    "status": { "type": "string", "enum": ["OPEN", "ENDED"] },
                    "version": { "type": "integer", "minimum": 1 },
                    "reason": { "type": ["string", "null"] },
                },
            },
            "Problem": {
                "type": "object",
                "required": ["detail"],
                "properties": { "detail": { "type": "string" } },
            },
        } },
    })
}

fn set(document: Value) -> BTreeMap<PathBuf, Value> {
    [("shop.json".into(), document)].into()
}

/// What is said, after the service's name, and that nothing else is.
#[track_caller]
fn breaks(change: impl Fn(&mut Value), expected: &[&str]) {
    let mut current = released();
    change(&mut current);
    let found = breaking_http_changes(&set(released()), &set(current));
    let expected: Vec<_> = expected.iter().map(|text| format!("shop {text}")).collect();
    assert_eq!(found, expected);
}

/// The same of both answers that are an order.
#[track_caller]
fn breaks_answers(change: impl Fn(&mut Value), problem: &str) {
    let answers = ["GET /orders answer.200", "POST /orders answer.202"];
    let expected = answers.map(|answer| format!("{answer}.application/json{problem}"));
    breaks(change, &expected.each_ref().map(String::as_str));
}

#[track_caller]
fn breaks_nothing(change: impl Fn(&mut Value)) {
    breaks(change, &[]);
}

fn get(document: &mut Value) -> &mut Value {
    &mut document["paths"]["/orders"]["get"]
}

fn post(document: &mut Value) -> &mut Value {
    &mut document["paths"]["/orders"]["post"]
}

fn schema<'a>(document: &'a mut Value, name: &str) -> &'a mut Value {
    &mut document["components"]["schemas"][name]
}

fn remove(from: &mut Value, name: &str) {
    assert!(from.as_object_mut().unwrap().remove(name).is_some(), "{name}");
}

#[test]
fn additions_and_words_break_nothing() {
    breaks_nothing(|_| {});
    breaks_nothing(|document| {
        document["paths"]["/stock"] = document["paths"]["/orders"].clone();
        document["paths"]["/orders"]["delete"] = get(document).clone();
    });
    breaks_nothing(|document| {
        let parameters = get(document)["parameters"].as_array_mut().unwrap();
        parameters.push(json!({ "in": "query", "name": "cursor", "schema": { "type": "string" } }));
        get(document)["requestBody"] = json!({ "content": {} });
        let content = &mut post(document)["responses"]["202"]["content"];
        content["text/csv"] = json!({ "schema": { "type": "string" } });
    });
    breaks_nothing(|document| {
        for name in ["Draft", "Gift", "Order", "Problem"] {
            schema(document, name)["properties"]["more"] = json!({ "type": "string" });
            schema(document, name)["description"] = name.into();
        }
    });
    breaks_nothing(|document| {
        post(document)["responses"]["503"] = post(document)["responses"]["422"].clone();
        remove(&mut post(document)["responses"], "401");
        post(document)["summary"] = "Places an order.".into();
        get(document)["parameters"][0]["schema"]["default"] = 20.into();
    });
}

#[test]
fn a_request_may_be_allowed_more() {
    breaks_nothing(|document| {
        schema(document, "Draft")["required"] = json!([]);
        let fields = &mut schema(document, "Draft")["properties"];
        remove(&mut fields["items"], "minItems");
        fields["items"]["maxItems"] = 10.into();
        fields["items"]["items"]["minLength"] = 0.into();
        fields["speed"]["enum"] = json!(["FAST", "SLOW", "NOW"]);
        fields["speed"]["type"] = json!(["string", "null"]);
    });
    breaks_nothing(|document| {
        remove(&mut schema(document, "Draft")["properties"]["speed"], "enum");
        remove(schema(document, "Draft"), "additionalProperties");
        get(document)["parameters"][0]["schema"]["maximum"] = 200.into();
        post(document)["parameters"][0]["required"] = false.into();
        remove(post(document), "security");
    });
}

#[test]
fn an_answer_may_be_held_to_more() {
    breaks_nothing(|document| {
        schema(document, "Order")["required"] = json!(["id", "status", "version", "reason"]);
        let fields = &mut schema(document, "Order")["properties"];
        fields["status"]["enum"] = json!(["OPEN"]);
        fields["version"]["minimum"] = 2.into();
        fields["version"]["maximum"] = 9.into();
        fields["reason"]["type"] = "string".into();
    });
}

#[test]
fn a_service_or_an_operation_removed() {
    let found = breaking_http_changes(&set(released()), &BTreeMap::new());
    assert_eq!(found, ["shop: removed; clients ask it"]);
    let operation = |document: &mut Value| remove(&mut document["paths"]["/orders"], "post");
    breaks(operation, &["POST /orders: removed; clients ask for it"]);
    let path = |document: &mut Value| remove(&mut document["paths"], "/orders");
    breaks(
        path,
        &["GET /orders: removed; clients ask for it", "POST /orders: removed; clients ask for it"],
    );
}

#[test]
fn a_parameter_removed_narrowed_or_newly_required() {
    let removed = |document: &mut Value| get(document)["parameters"] = json!([]);
    breaks(removed, &["GET /orders request.query.limit: removed; clients send it"]);
    let moved = |document: &mut Value| get(document)["parameters"][0]["in"] = "header".into();
    breaks(moved, &["GET /orders request.query.limit: removed; clients send it"]);
    let narrowed = |document: &mut Value| {
        get(document)["parameters"][0]["schema"]["maximum"] = 50.into();
    };
    let problem = "GET /orders request.query.limit: `maximum` changed from 100 to 50";
    breaks(narrowed, &[problem]);
    let bounded = |document: &mut Value| {
        post(document)["parameters"][0]["schema"]["maxLength"] = 64.into();
    };
    breaks(bounded, &["POST /orders request.header.Key: `maxLength` changed from none to 64"]);
    let another_type = |document: &mut Value| {
        post(document)["parameters"][0]["schema"]["type"] = "integer".into();
    };
    let problem = "POST /orders request.header.Key: `type` changed from \"string\" to \"integer\"";
    breaks(another_type, &[problem]);
    let required = |document: &mut Value| get(document)["parameters"][0]["required"] = true.into();
    breaks(required, &["GET /orders request.query.limit: became required; clients leave it out"]);
    let new = |document: &mut Value| {
        let parameters = get(document)["parameters"].as_array_mut().unwrap();
        parameters.push(json!({ "in": "query", "name": "of", "required": true, "schema": {} }));
    };
    breaks(new, &["GET /orders request.query.of: is new and required; clients leave it out"]);
}

#[test]
fn a_body_removed_newly_required_or_of_another_media_type() {
    let removed = |document: &mut Value| remove(post(document), "requestBody");
    breaks(removed, &["POST /orders request.body: removed; clients send it"]);
    let required = |document: &mut Value| post(document)["requestBody"]["required"] = true.into();
    breaks(required, &["POST /orders request.body: became required; clients leave it out"]);
    let new = |document: &mut Value| {
        get(document)["requestBody"] = json!({ "required": true, "content": {} });
    };
    breaks(new, &["GET /orders request.body: is new and required; clients leave it out"]);
    let media = |document: &mut Value| {
        let content = &mut post(document)["requestBody"]["content"];
        content["text/csv"] = content["application/json"].take();
        remove(content, "application/json");
    };
    breaks(media, &["POST /orders request.body.application/json: removed; clients send it"]);
}

#[test]
fn a_field_of_a_request_removed_narrowed_or_newly_required() {
    let body = "POST /orders request.body.application/json";
    let removed = |document: &mut Value| {
        remove(&mut schema(document, "Draft")["properties"], "note");
    };
    breaks(removed, &[&format!("{body}.note: removed; clients send it")]);
    let required = |document: &mut Value| {
        schema(document, "Draft")["required"] = json!(["items", "note"]);
    };
    breaks(required, &[&format!("{body}.note: became required; clients leave it out")]);
    let new = |document: &mut Value| {
        schema(document, "Draft")["properties"]["date"] = json!({ "type": "string" });
        schema(document, "Draft")["required"] = json!(["items", "date"]);
    };
    breaks(new, &[&format!("{body}.date: is new and required; clients leave it out")]);
    let never_null = |document: &mut Value| {
        schema(document, "Draft")["properties"]["note"]["type"] = "string".into();
    };
    let problem = "`type` changed from [\"string\",\"null\"] to \"string\"";
    breaks(never_null, &[&format!("{body}.note: {problem}")]);
    let fewer_members = |document: &mut Value| {
        schema(document, "Draft")["properties"]["speed"]["enum"] = json!(["FAST"]);
    };
    breaks(fewer_members, &[&format!("{body}.speed: no longer allows \"SLOW\"; clients send it")]);
    let fewer_items = |document: &mut Value| {
        schema(document, "Draft")["properties"]["items"]["maxItems"] = 8.into();
    };
    breaks(fewer_items, &[&format!("{body}.items: `maxItems` changed from 9 to 8")]);
    let longer = |document: &mut Value| {
        schema(document, "Draft")["properties"]["items"]["items"]["minLength"] = 2.into();
    };
    breaks(longer, &[&format!("{body}.items[]: `minLength` changed from 1 to 2")]);
    let within_one_of = |document: &mut Value| {
        remove(&mut schema(document, "Gift")["properties"], "ribbon");
    };
    breaks(within_one_of, &[&format!("{body}.gift.ribbon: removed; clients send it")]);
}

#[test]
fn more_asked_of_callers() {
    let token = |document: &mut Value| get(document)["security"] = json!([{ "bearer": [] }]);
    breaks(token, &["GET /orders: asks more of its callers; some are refused"]);
    let no_cookie = |document: &mut Value| post(document)["security"] = json!([{ "bearer": [] }]);
    breaks(no_cookie, &["POST /orders: asks more of its callers; some are refused"]);
    let admins = |document: &mut Value| {
        post(document)["security"] = json!([{ "bearer": ["admin"] }, { "cookie": ["admin"] }]);
    };
    breaks(admins, &["POST /orders: asks more of its callers; some are refused"]);
}

#[test]
fn less_asked_of_callers() {
    let mut old = released();
    post(&mut old)["security"] = json!([{ "bearer": ["admin"] }]);
    assert_eq!(breaking_http_changes(&set(old), &set(released())), Vec::<String>::new());
}

#[test]
fn another_status_of_success() {
    let change = |document: &mut Value| {
        let responses = &mut post(document)["responses"];
        responses["201"] = responses["202"].take();
        remove(responses, "202");
    };
    breaks(
        change,
        &[
            "POST /orders answer: allows \"201\" as well; clients do not know it",
            "POST /orders answer.202: removed; clients read it",
        ],
    );
}

#[test]
fn a_part_of_an_answer_removed() {
    let header = |document: &mut Value| remove(&mut post(document)["responses"]["202"], "headers");
    breaks(header, &["POST /orders answer.202.headers.Location: removed; clients read it"]);
    let body = |document: &mut Value| remove(&mut get(document)["responses"]["200"], "content");
    breaks(body, &["GET /orders answer.200.application/json: removed; clients read it"]);
}

#[test]
fn a_field_of_an_answer_removed_optional_or_widened() {
    let removed = |document: &mut Value| {
        remove(&mut schema(document, "Order")["properties"], "reason");
    };
    breaks_answers(removed, ".reason: removed; clients read it");
    let optional = |document: &mut Value| schema(document, "Order")["required"] = json!(["id"]);
    breaks_answers(optional, ".status: became optional; clients rely on it");
    let another_type = |document: &mut Value| {
        schema(document, "Order")["properties"]["id"]["type"] = "integer".into();
    };
    breaks_answers(another_type, ".id: `type` changed from \"string\" to \"integer\"");
    let nullable = |document: &mut Value| {
        schema(document, "Order")["properties"]["id"]["type"] = json!(["string", "null"]);
    };
    breaks_answers(nullable, ".id: `type` changed from \"string\" to [\"string\",\"null\"]");
    let another_member = |document: &mut Value| {
        schema(document, "Order")["properties"]["status"]["enum"] =
            json!(["OPEN", "ENDED", "LOST"]);
    };
    breaks_answers(another_member, ".status: allows \"LOST\" as well; clients do not know it");
    let lower = |document: &mut Value| {
        schema(document, "Order")["properties"]["version"]["minimum"] = 0.into();
    };
    breaks_answers(lower, ".version: `minimum` changed from 1 to 0");
}

#[test]
fn a_problem_is_told_of_once() {
    let change = |document: &mut Value| {
        schema(document, "Problem")["required"] = json!([]);
    };
    let problem = "detail: became optional; clients rely on it";
    breaks(change, &[&format!("errors.application/problem+json.{problem}")]);
}

#[test]
fn a_major_version_may_break() {
    breaks_nothing(|document| {
        document["info"]["version"] = "2.0.0".into();
        remove(&mut document["paths"], "/orders");
    });
    let minor = |document: &mut Value| {
        document["info"]["version"] = "1.3.0".into();
        remove(&mut document["paths"]["/orders"], "get");
    };
    breaks(minor, &["GET /orders: removed; clients ask for it"]);
}
