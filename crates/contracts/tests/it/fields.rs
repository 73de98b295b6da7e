//! Each field of each event, absent or wrong in turn, is named by the error;
//! what was in it is not repeated.

use std::collections::BTreeMap;

use contracts::events::{DecodeError, Event, EventType};
use serde_json::value::RawValue;

use crate::golden::{full, minimal};

/// Text of each top-level field; keeps digits, unlike `serde_json::Value`.
type Fields = BTreeMap<String, Box<RawValue>>;

fn fields(json: &str) -> Fields {
    serde_json::from_str(json).unwrap()
}

fn decode(event_type: EventType, fields: &Fields) -> Result<Event, DecodeError> {
    Event::decode(event_type, &serde_json::to_vec(fields).unwrap())
}

fn with(json: &str, field: &str, value: &str) -> Fields {
    let mut fields = fields(json);
    fields.insert(field.to_owned(), RawValue::from_string(value.to_owned()).unwrap());
    fields
}

fn order(field: &str, value: &str) -> DecodeError {
    let body = with(&full(EventType::OrderCreated), field, value);
    decode(EventType::OrderCreated, &body).expect_err(value)
}

#[test]
fn unknown_fields_are_ignored() {
    for &event_type in EventType::ALL {
        let golden = full(event_type);
        let known = Event::decode(event_type, golden.as_bytes());
        for value in ["1e999", "null", "{\"a\":[{}]}", "\"ü\"", "[[[]]]"] {
            assert_eq!(decode(event_type, &with(&golden, "sinceTomorrow", value)), known);
        }
    }
    let line = r#"[{"sku":"SKU-1","qty":2,"gift":true}]"#;
    let body = with(&minimal(EventType::OrderCreated), "items", line);
    assert!(decode(EventType::OrderCreated, &body).is_ok());
}

#[test]
fn a_missing_required_field_is_named() {
    for &event in EventType::ALL {
        let required = fields(&minimal(event));
        for field in required.keys() {
            let mut body = required.clone();
            body.remove(field);
            let error = DecodeError::Missing { event, field: field.clone() };
            assert_eq!(decode(event, &body), Err(error));
        }
    }
}

#[test]
fn optional_fields_may_be_absent_or_null() {
    for &event_type in EventType::ALL {
        let golden = full(event_type);
        let required = fields(&minimal(event_type));
        for field in fields(&golden).keys().filter(|field| !required.contains_key(*field)) {
            // A total without its currency is no money.
            if (event_type, field.as_str()) == (EventType::OrderCompleted, "currency") {
                continue;
            }
            let mut body = fields(&golden);
            body.remove(field);
            let absent = decode(event_type, &body).unwrap();
            assert_eq!(decode(event_type, &with(&golden, field, "null")), Ok(absent));
        }
    }
}

#[test]
fn a_field_of_a_wrong_type_is_named() {
    for &event_type in EventType::ALL {
        let golden = full(event_type);
        let required = fields(&minimal(event_type));
        for (field, value) in fields(&golden) {
            let mut wrong = vec!["true", "{}", "[]", "-1", "1.5e300", "1e999"];
            if required.contains_key(&field) {
                wrong.push("null");
            }
            wrong.push(if value.get().starts_with('"') { "7" } else { "\"7\"" });
            for value in wrong {
                let error = decode(event_type, &with(&golden, &field, value)).unwrap_err();
                assert_eq!(error.field(), Some(field.as_str()), "{value}: {error}");
            }
        }
    }
}

#[test]
fn what_a_wrong_field_held_is_not_repeated() {
    let secrets = [
        "\"leak@example.org\"",
        "\"leak`, expected leak at line 1 column 1\"",
        "\"missing field `leak`\"",
        "{\"leak\":\"leak\"}",
        "[\"leak\"]",
        "3735928559.25",
    ];
    for &event_type in EventType::ALL {
        let golden = full(event_type);
        for field in fields(&golden).keys() {
            for secret in secrets {
                // Free text takes any string.
                let Err(error) = decode(event_type, &with(&golden, field, secret)) else {
                    continue;
                };
                let text = format!("{error} {error:?}");
                assert!(!text.contains("leak") && !text.contains("3735928559"), "{text}");
                assert!(error.field().unwrap().starts_with(field.as_str()), "{text}");
            }
        }
    }
}

#[test]
fn a_field_given_twice_is_named() {
    for &event_type in EventType::ALL {
        let golden = minimal(event_type);
        for (field, value) in fields(&golden) {
            let twice = golden.replacen('{', &format!("{{\"{field}\":{value},"), 1);
            let error = Event::decode(event_type, twice.as_bytes()).unwrap_err();
            assert_eq!(error.field(), Some(field.as_str()), "{error}");
        }
    }
}

#[test]
fn a_field_inside_a_list_is_named_by_its_path() {
    for (line, path) in [
        (r#"{"qty":2}"#, "items[1].sku"),
        (r#"{"sku":"SKU-1"}"#, "items[1].qty"),
        (r#"{"sku":"no sku","qty":2}"#, "items[1].sku"),
        (r#"{"sku":"SKU-1","qty":0}"#, "items[1].qty"),
        (r#"{"sku":"SKU-1","qty":-1}"#, "items[1].qty"),
        (r#"{"sku":"SKU-1","qty":1.5}"#, "items[1].qty"),
        (r#"{"sku":"SKU-1","qty":4294967296}"#, "items[1].qty"),
        (r#"{"sku":"SKU-1","qty":1e999}"#, "items[1].qty"),
        (r#"{"sku":"SKU-1","qty":"2"}"#, "items[1].qty"),
        ("7", "items[1]"),
    ] {
        let error = order("items", &format!(r#"[{{"sku":"SKU-1","qty":2}},{line}]"#));
        assert_eq!(error.field(), Some(path), "{error}");
    }
}

#[test]
fn values_that_break_a_rule_are_named() {
    for (field, value, message) in [
        ("items", "[]", "field `items`: must not be empty"),
        ("total", "-0.01", "field `total`: must not be negative"),
        ("total", "1499.001", "field `total`: must not have more than 2 decimals"),
        ("total", "1e3", "field `total`: must be a plain decimal number"),
        ("total", "99999999999999999999", "field `total`: is out of range"),
        ("currency", "\"ZZZ\"", "field `currency`: must be an ISO 4217 currency code"),
        ("orderId", "\"cust_1\"", "field `orderId`: must start with `ord_`"),
        ("orderId", "\"\\ud800\"", "field `orderId`: "),
        ("createdAt", "\"2025-08-15\"", "field `createdAt`: "),
        ("createdAt", "\"2025-08-15T10:30:00\"", "field `createdAt`: "),
        ("paymentMethod", "1", "field `paymentMethod`: expected a string"),
    ] {
        let error = order(field, value).to_string();
        assert!(error.starts_with(&format!("OrderCreated: {message}")), "{error}");
    }
}

#[test]
fn a_closed_set_tells_its_members() {
    let body = with(&full(EventType::OrderUpdated), "status", "\"SHIPPED\"");
    let error = decode(EventType::OrderUpdated, &body).unwrap_err().to_string();
    let sets = "must be one of PENDING, COMPLETED, FAILED, CANCELLED";
    assert_eq!(error, format!("OrderUpdated: field `status`: {sets}"));
}

#[test]
fn a_total_needs_its_currency() {
    let event = EventType::OrderCompleted;
    let mut body = fields(&full(event));
    body.remove("currency");
    let missing = DecodeError::Missing { event, field: "currency".to_owned() };
    assert_eq!(decode(event, &body), Err(missing));
}

#[test]
fn the_body_must_be_of_the_type_asked_for() {
    for &event_type in EventType::ALL {
        let golden = minimal(event_type);
        for other in EventType::ALL.iter().filter(|other| **other != event_type) {
            let error = Event::decode(*other, golden.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), format!("{other}: field `type`: expected `{other}`"));
        }
    }
}

#[test]
fn what_is_no_object_is_told_apart_from_what_is_no_json() {
    for json in ["[]", " [\"OrderCreated\"]", "7", "null", "\"leak\""] {
        let error = Event::decode(EventType::OrderCreated, json.as_bytes()).unwrap_err();
        assert_eq!(error.field(), Some("."), "{json}: {error}");
        assert!(!error.to_string().contains("leak"));
    }
    let golden = minimal(EventType::OrderCreated);
    let cut = &golden[..golden.len() - 1];
    for json in ["", "{", "leak", "{}{}", "{\"leak\"}", cut, &format!("{golden},")] {
        let error = Event::decode(EventType::OrderCreated, json.as_bytes()).unwrap_err();
        assert!(matches!(error, DecodeError::Syntax { .. }), "{json}: {error}");
        assert!(!error.to_string().contains("leak"));
    }
}
