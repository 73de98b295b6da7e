use serde_json::{Map, Value, json};

use crate::{events::EventType, money::Currency};

/// The JSON Schema (draft 2020-12) of an event's body, as consumers read it.
///
/// It refuses what decoding refuses, but for what no schema can tell: how a
/// number is written (`1e3`, `1499.000`), and a field given twice. Too many
/// decimals are refused where the currency has none; for others `multipleOf`
/// would be needed, by which common validators refuse `19.99`, because they
/// divide floats.
pub fn schema(event: EventType) -> Value {
    let mut schema = event.struct_schema().to_value();
    plain(&mut schema);

    let type_of_body = json!({ "const": event.name(), "description": "Which event it is." });
    schema["properties"]["type"] = type_of_body;
    if let Some(required) = schema["required"].as_array_mut() {
        required.insert(0, "type".into());
    }
    schema["x-topic"] = event.topic().name().into();
    schema["x-key"] = key(event).into();

    let rules = money_rules(&schema);
    if !rules.is_empty() {
        schema["allOf"] = rules.into();
    }
    schema
}

/// The field that is the record's key, as on the wire.
pub(super) fn key(event: EventType) -> String {
    let mut words = event.key_field().split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut name, word| {
        let (initial, rest) = word.split_at(1);
        name.push_str(&initial.to_ascii_uppercase());
        name.push_str(rest);
        name
    })
}

/// What a reference in a schema stands for, without the descriptions of its use.
pub(super) fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    target.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

/// Formats of Rust's numbers mean nothing elsewhere, and strict validators
/// refuse them: their limits are told instead.
fn plain(schema: &mut Value) {
    if let Value::Object(object) = schema {
        let largest = match object.get("format").and_then(Value::as_str) {
            Some("uint32") => Some(u64::from(u32::MAX)),
            Some("uint64") => Some(u64::MAX),
            Some("double") => None,
            _ => return object.values_mut().for_each(plain),
        };
        object.remove("format");
        if let Some(largest) = largest {
            object.insert("maximum".to_owned(), largest.into());
        }
    } else if let Value::Array(schemas) = schema {
        schemas.iter_mut().for_each(plain);
    }
}

/// What is asked of an amount and its currency together.
fn money_rules(schema: &Value) -> Vec<Value> {
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let amount = properties.iter().find(|(_, of)| of.to_string().contains("#/$defs/Amount"));
    let Some((amount, _)) = amount else {
        return Vec::new();
    };
    let required = schema["required"].as_array();
    let is_optional = !required.is_some_and(|required| required.contains(&json!(amount)));
    let whole = if is_optional { json!(["integer", "null"]) } else { json!("integer") };
    let with = |name: &str, of: Value| json!({ "required": [name], "properties": { name: of } });
    let mut rules = vec![json!({
        "if": with("currency", json!({ "enum": Currency::WITHOUT_DECIMALS })),
        "then": { "properties": { amount: { "type": whole } } },
    })];
    if is_optional {
        rules.push(json!({
            "if": with(amount, json!({ "type": "number" })),
            "then": with("currency", json!({ "type": "string" })),
        }));
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_as_on_the_wire() {
        assert_eq!(key(EventType::OrderCreated), "orderId");
        assert_eq!(key(EventType::SigningKeyPublished), "keyId");
        assert_eq!(key(EventType::StockChanged), "sku");
    }
}
