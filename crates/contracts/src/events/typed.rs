use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize,
    de::{
        DeserializeSeed, Deserializer, Error, IntoDeserializer as _, MapAccess, Visitor,
        value::MapAccessDeserializer,
    },
};

/// The name of the field that says of which type a body is.
const TYPE: &str = "type";

/// Reads a body in one pass: its `type`, wherever it stands, has to be `name`, once; all else is the event's.
///
/// # Errors
///
/// Say that it is not what it has to be, but neither what nor where.
pub(super) fn from_slice<'de, T: Deserialize<'de>>(
    name: &str,
    json: &'de [u8],
) -> serde_json::Result<T> {
    let mut json = serde_json::Deserializer::from_slice(json);
    let event = Body { name, event: PhantomData }.deserialize(&mut json)?;
    json.end()?;
    Ok(event)
}

/// Stands for an event in its body.
struct Body<'n, T> {
    name: &'n str,
    event: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Body<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Body<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
        let mut fields = Fields { all: fields, name: self.name, is_typed: false };
        let event = T::deserialize(MapAccessDeserializer::new(&mut fields))?;
        if fields.is_typed { Ok(event) } else { Err(Error::missing_field(TYPE)) }
    }
}

/// The fields of a body without its type, which is checked as it goes by.
struct Fields<'n, A> {
    all: A,
    name: &'n str,
    is_typed: bool,
}

/// Borrowed unless characters in it are escaped.
#[derive(Deserialize)]
struct Text<'t>(#[serde(borrow)] Cow<'t, str>);

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fields<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(Text(key)) = self.all.next_key()? {
            if key != TYPE {
                return seed.deserialize(key.into_deserializer()).map(Some);
            }
            let Text(name) = self.all.next_value()?;
            if self.is_typed || name != self.name {
                return Err(Error::custom("another type"));
            }
            self.is_typed = true;
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.all.next_value_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Event, EventType, OrderCompleted};

    const FIELDS: &str = r#""orderId":"ord_00000000000000000000000000","traceId":"0000000000000000000000000000000a""#;

    #[test]
    fn every_event_is_read_in_one_pass() {
        for &event_type in EventType::ALL {
            let topic = event_type.topic().name();
            let golden = format!("{}/golden/{topic}/{event_type}", env!("CARGO_MANIFEST_DIR"));
            let minimal = std::fs::read(format!("{golden}.json")).unwrap();
            assert!(Event::is_read_in_one_pass(event_type, &minimal), "{event_type}");
            if let Ok(full) = std::fs::read(format!("{golden}.full.json")) {
                assert!(
                    Event::is_read_in_one_pass(event_type, &full),
                    "{event_type} with all its fields"
                );
            }
        }
    }

    #[test]
    fn a_body_is_read_wherever_its_type_stands() {
        let read = |json: &str| from_slice::<OrderCompleted>("OrderCompleted", json.as_bytes());
        let first = read(&format!(r#"{{"type":"OrderCompleted",{FIELDS}}}"#)).unwrap();
        let last = read(&format!(r#"{{{FIELDS},"other":[1],"type":"OrderCompleted"}} "#)).unwrap();
        assert_eq!(first, last);
        assert_eq!(
            first,
            read(&format!(r#"{{"t\u0079pe":"OrderComplete\u0064",{FIELDS}}}"#)).unwrap()
        );

        for wrong in [
            format!(r"{{{FIELDS}}}"),
            format!(r#"{{"type":"OrderCompleted",{FIELDS},"type":"OrderCompleted"}}"#),
            format!(r#"{{"type":"OrderFailed",{FIELDS}}}"#),
            format!(r#"{{"type":7,{FIELDS}}}"#),
            format!(r#"[{{"type":"OrderCompleted",{FIELDS}}}]"#),
            format!(r#"{{"type":"OrderCompleted",{FIELDS}}} 1"#),
            format!(r#"{{"type":"OrderCompleted",{FIELDS}"#),
        ] {
            assert!(read(&wrong).is_err(), "{wrong}");
        }
    }
}
