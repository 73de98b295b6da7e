//! Bodies that are not what they should be.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::Value;

use super::mutate::TEXTS;
use super::request::noise;

/// Stands for what no JSON value of ours can hold.
const RAW: &str = "@raw@";

/// Values as they are written.
const LITERALS: [&str; 26] = [
    "null",
    "true",
    "0",
    "-0",
    "-1",
    "1.5",
    "1.0",
    "1e0",
    "1e2",
    "0.000000000000000000000000000001",
    "1e400",
    "-1e400",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "123456789012345678901234567890123456789012345678901234567890",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"\\x\"",
    "[]",
    "{}",
];

/// Another body, made of a right one.
pub fn mutate(right: &[u8], random: &mut StdRng) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(right) else { return right.to_vec() };
    match random.random_range(0..100) {
        0..60 => replaced(&mut value, random),
        60..70 => {
            if let Some(object) = object_in(&mut value, random)
                && let Some(name) = object.keys().cloned().collect::<Vec<_>>().choose(random)
            {
                object.remove(name);
            }
            value.to_string().into_bytes()
        }
        70..78 => {
            if let Some(object) = object_in(&mut value, random) {
                let names = ["unknown", "__proto__", "role", "isAdmin", "price", "\0", ""];
                let name = (*names.choose(random).unwrap()).to_owned();
                object.insert(name, Value::from(1));
            }
            value.to_string().into_bytes()
        }
        78..84 => twice(&value),
        _ => bytes(value.to_string().into_bytes(), random),
    }
}

/// With something else in one place.
fn replaced(value: &mut Value, random: &mut StdRng) -> Vec<u8> {
    let literal = match random.random_range(0..10) {
        0 => format!("\"{}\"", "x".repeat(random.random_range(1..70_000))),
        1 => format!("{}{}", "[".repeat(2000), "]".repeat(2000)),
        2 => format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100)),
        3 => Value::from((0..200).collect::<Vec<_>>()).to_string(),
        4 | 5 => Value::from(*TEXTS.choose(random).unwrap()).to_string(),
        _ => (*LITERALS.choose(random).unwrap()).to_owned(),
    };
    *somewhere(value, random) = Value::from(RAW);
    value.to_string().replacen(&format!("\"{RAW}\""), &literal, 1).into_bytes()
}

/// A place in a value, however deep.
fn somewhere<'v>(value: &'v mut Value, random: &mut StdRng) -> &'v mut Value {
    let children = match value {
        Value::Array(items) => items.len(),
        Value::Object(fields) => fields.len(),
        _ => 0,
    };
    if children == 0 || random.random_bool(0.15) {
        return value;
    }
    let at = random.random_range(0..children);
    match value {
        Value::Array(items) => somewhere(&mut items[at], random),
        Value::Object(fields) => somewhere(fields.values_mut().nth(at).unwrap(), random),
        _ => value,
    }
}

fn object_in<'v>(
    value: &'v mut Value,
    random: &mut StdRng,
) -> Option<&'v mut serde_json::Map<String, Value>> {
    // The body itself, or an item of its first list.
    let has_items = value.as_object()?.values().any(Value::is_array);
    if has_items && random.random_bool(0.5) {
        let items = value.as_object_mut()?.values_mut().find_map(Value::as_array_mut)?;
        return items.first_mut()?.as_object_mut();
    }
    value.as_object_mut()
}

/// With each field there twice.
fn twice(value: &Value) -> Vec<u8> {
    let text = value.to_string();
    let fields = text.trim_start_matches('{').trim_end_matches('}');
    format!("{{{fields},{fields}}}").into_bytes()
}

/// Changed without regard to what it means.
fn bytes(mut body: Vec<u8>, random: &mut StdRng) -> Vec<u8> {
    let at = random.random_range(0..body.len().max(1));
    match random.random_range(0..9) {
        0 => body.truncate(at),
        1 => body.clear(),
        2 => body.splice(0..0, *b"\xef\xbb\xbf").for_each(drop),
        3 => body.insert(at, *[0x00, 0x80, 0xff, b'"', b'\\', b'{', b'\n'].choose(random).unwrap()),
        4 => body.extend(b" trailing"),
        5 => body.extend(body.clone()),
        6 => body.splice(0..0, vec![b' '; 60_000]).for_each(drop),
        7 => body = noise(random),
        _ => body = "[".repeat(random.random_range(1..60_000)).into_bytes(),
    }
    body
}
