//! A validator with the schema refuses what decoding refuses, at the same field.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use contracts::{
    events::{Event, EventType},
    schema,
};
use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use serde_json::{Value, json};

use crate::golden::{full, minimal};

static VALIDATORS: LazyLock<BTreeMap<EventType, Validator>> = LazyLock::new(|| {
    let validator = |event| {
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        options.build(&schema::schema(event)).unwrap()
    };
    EventType::ALL.iter().map(|event| (*event, validator(*event))).collect()
});

/// Pointers to the fields at which the schema refuses a body.
pub fn refused(event: EventType, body: &Value) -> BTreeSet<String> {
    VALIDATORS[&event].iter_errors(body).map(|error| pointer(&error)).collect()
}

fn pointer(error: &ValidationError) -> String {
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            format!("{}/{}", error.instance_path(), property.as_str().unwrap())
        }
        _ => error.instance_path().to_string(),
    }
}

/// Decoding stops at the first fault, the schema names all.
#[track_caller]
fn agree(event: EventType, body: &Value) {
    let refused = refused(event, body);
    match Event::decode(event, body.to_string().as_bytes()) {
        Ok(_) => assert!(refused.is_empty(), "{event} is decoded, refused at {refused:?}: {body}"),
        Err(error) => {
            let path = error.field().unwrap().replace(['[', '.'], "/").replace(']', "");
            assert!(
                refused.contains(&format!("/{path}")),
                "{error}, but refused at {refused:?}: {body}"
            );
        }
    }
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn bodies() -> impl Iterator<Item = (EventType, Value)> {
    EventType::ALL
        .iter()
        .flat_map(|event| [minimal(*event), full(*event)].map(|json| (*event, value(&json))))
}

#[test]
fn every_golden_sample_is_valid() {
    for (event, body) in bodies() {
        assert_eq!(refused(event, &body), BTreeSet::new(), "{event}");
    }
}

#[test]
fn a_field_removed_is_refused_where_decoding_refuses_it() {
    for (event, body) in bodies() {
        for name in body.as_object().unwrap().keys() {
            let mut without = body.clone();
            without.as_object_mut().unwrap().remove(name);
            agree(event, &without);
        }
        for name in value(&minimal(event)).as_object().unwrap().keys() {
            let mut without = body.clone();
            without.as_object_mut().unwrap().remove(name);
            assert_eq!(refused(event, &without), BTreeSet::from([format!("/{name}")]));
        }
    }
}

#[test]
fn a_wrong_value_is_refused_where_decoding_refuses_it() {
    let wrong = [
        json!(null),
        json!(true),
        json!({}),
        json!([]),
        json!([7]),
        json!(7),
        json!(-1),
        json!(0.5),
        json!(1.5e300),
        json!(4_294_967_296_u64),
        json!(u64::MAX),
        json!(""),
        json!("7"),
        json!("ord_81k2pmez20eegr3cp3tkjzc1rr"),
        json!("ord_01k2pmez20eegr3cp3tkjzc1ru"),
        json!("cust_01k2pmez20eegr3cp3tkjzc1rr"),
        json!("ord_01k2pmez20eegr3cp3tkjzc1rr "),
        json!("00000000000000000000000000000000"),
        json!("4BF92F3577B34DA6A3CE929D0E0E4736"),
        json!("a/b"),
        json!("x".repeat(65)),
        json!("inr"),
        json!("KWD"),
        json!("XXX"),
        json!("2025-08-15"),
        json!("2025-08-15T10:30:00"),
        json!("2025-13-15T10:30:00Z"),
        json!("2025-08-15T12:30:00.5+02:00"),
        json!("a@b"),
        json!("a@b@c.org"),
        json!("a@"),
        json!("a b@c.org"),
        json!(format!("{}@example.org", "a".repeat(250))),
        json!("B".repeat(43)),
        json!("A".repeat(43)),
        json!("PENDING"),
        json!("CARD_DECLINED"),
    ];
    for (event, body) in bodies() {
        for name in body.as_object().unwrap().keys() {
            for wrong in &wrong {
                let mut body = body.clone();
                body[name] = wrong.clone();
                agree(event, &body);
            }
        }
    }
}

#[test]
fn a_wrong_line_is_refused_where_decoding_refuses_it() {
    let event = EventType::OrderCreated;
    for line in [
        json!({ "qty": 2 }),
        json!({ "sku": "SKU-1" }),
        json!({ "sku": "no sku", "qty": 2 }),
        json!({ "sku": "SKU-1", "qty": 0 }),
        json!({ "sku": "SKU-1", "qty": 1.5 }),
        json!({ "sku": "SKU-1", "qty": 4_294_967_296_u64 }),
        json!({ "sku": "SKU-1", "qty": "2" }),
        json!({ "sku": "SKU-1", "qty": null }),
        json!(7),
        json!(null),
    ] {
        let mut body = value(&full(event));
        body["items"][1] = line;
        assert!(!refused(event, &body).is_empty(), "{body}");
        agree(event, &body);
    }
}

#[test]
fn unknown_fields_are_valid() {
    for (event, mut body) in bodies() {
        body["sinceTomorrow"] = json!({ "a": [null] });
        assert_eq!(refused(event, &body), BTreeSet::new(), "{event}");
    }
    let event = EventType::OrderCreated;
    let mut body = value(&full(event));
    body["items"][0]["gift"] = true.into();
    assert_eq!(refused(event, &body), BTreeSet::new());
}

#[test]
fn amounts_of_a_currency_without_decimals_are_whole() {
    let event = EventType::ProductUpdated;
    let mut body = value(&full(event));
    assert_eq!(body["currency"], "JPY");
    body["price"] = json!(5.5);
    assert_eq!(refused(event, &body), ["/price".to_owned()].into());
    agree(event, &body);
    body["currency"] = "KWD".into();
    agree(event, &body);
}

/// Known from the documentation of `contracts::schema::schema`.
#[test]
fn what_no_schema_can_tell_is_left_to_decoding() {
    let event = EventType::OrderCreated;
    for total in ["1e3", "1499.000", "1499.001"] {
        let json = full(event).replace("1499.00", total);
        assert_eq!(Event::decode(event, json.as_bytes()).unwrap_err().field(), Some("total"));
        assert_eq!(refused(event, &value(&json)), BTreeSet::new());
    }
}
