//! How records wait in the outbox: those of a transaction together, in as few rows as hold them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

/// A row of this size fills a page of 8 KiB, with what the page and the row's other columns need.
const PACK_BYTES: usize = 8000;

/// What is told of a record apart from what it holds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Head<'p> {
    pub(crate) id: Uuid,
    pub(crate) topic: &'p str,
    pub(crate) key: &'p str,
    #[serde(rename = "type")]
    pub(crate) event_type: &'p str,
    pub(crate) traceparent: &'p str,
}

/// A record as it is read from a pack. Its names are texts: an older version that leads after a roll-back
/// publishes what a newer one has left as it is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Packed<'p> {
    pub(crate) id: Uuid,
    #[serde(borrow)]
    pub(crate) topic: Cow<'p, str>,
    #[serde(borrow)]
    pub(crate) key: Cow<'p, str>,
    #[serde(borrow, rename = "type")]
    pub(crate) event_type: Cow<'p, str>,
    #[serde(borrow)]
    pub(crate) traceparent: Cow<'p, str>,
    /// The body of an event.
    #[serde(borrow)]
    pub(crate) event: Option<&'p RawValue>,
    /// What a copy of a dead letter is, which has headers of its own.
    pub(crate) copy: Option<LetterCopy>,
}

/// Headers and body of a copy of a dead letter.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LetterCopy {
    pub(crate) headers: Vec<(String, String)>,
    /// In base64: it can be anything.
    pub(crate) payload: String,
}

/// The packs of a transaction, in order.
#[derive(Debug, Default)]
pub(crate) struct Packs {
    /// JSON arrays that lack their last bracket.
    open: Vec<Vec<u8>>,
    records: Vec<i32>,
}

impl Packs {
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.open.clear();
        self.records.clear();
    }

    /// Adds an event by its body, which is JSON.
    pub(crate) fn event(&mut self, head: &Head<'_>, body: &[u8]) {
        self.push(head, b"event", body);
    }

    /// Adds a copy of a dead letter.
    pub(crate) fn copy(&mut self, head: &Head<'_>, copy: &LetterCopy) {
        self.push(head, b"copy", &json(copy));
    }

    fn push(&mut self, head: &Head<'_>, field: &[u8], content: &[u8]) {
        let mut record = json(head);
        // Its closing brace follows the content.
        record.pop();
        record.extend_from_slice(b",\"");
        record.extend_from_slice(field);
        record.extend_from_slice(b"\":");
        record.extend_from_slice(content);
        record.push(b'}');
        match (self.open.last_mut(), self.records.last_mut()) {
            (Some(pack), Some(records)) if pack.len() + record.len() + 2 <= PACK_BYTES => {
                pack.push(b',');
                pack.append(&mut record);
                *records += 1;
            }
            _ => {
                let mut pack = Vec::with_capacity(PACK_BYTES.max(record.len() + 2));
                pack.push(b'[');
                pack.append(&mut record);
                self.open.push(pack);
                self.records.push(1);
            }
        }
    }

    /// The packs, and how many records are in each.
    pub(crate) fn take(&mut self) -> (Vec<Vec<u8>>, Vec<i32>) {
        let (mut packs, records) =
            (std::mem::take(&mut self.open), std::mem::take(&mut self.records));
        for pack in &mut packs {
            pack.push(b']');
        }
        (packs, records)
    }
}

#[expect(clippy::expect_used, reason = "a struct of strings into memory cannot fail")]
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("strings to JSON")
}

/// The records of a pack.
pub(crate) fn unpack(pack: &[u8]) -> serde_json::Result<Vec<Packed<'_>>> {
    serde_json::from_slice(pack)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(id: u128, key: &str) -> Head<'_> {
        let id = Uuid::from_u128(id);
        Head { id, topic: "stock.v1", key, event_type: "StockChanged", traceparent: "00-1-2-01" }
    }

    proptest! {
        /// Whatever is packed comes out as it was and in order, and only what is too large for a row of
        /// its own makes one larger.
        #[test]
        fn what_is_packed_is_unpacked(
            records in prop::collection::vec(("\\PC{0,20}", 0usize..9000), 0..50),
        ) {
            let mut packs = Packs::default();
            let bodies: Vec<_> = records.iter().map(|(_, size)| format!("\"{}\"", "x".repeat(*size))).collect();
            for (at, ((key, _), body)) in records.iter().zip(&bodies).enumerate() {
                packs.event(&head(at as u128, key), body.as_bytes());
            }
            let (packs, counts) = packs.take();
            let mut at = 0;
            for (pack, count) in packs.iter().zip(counts) {
                let unpacked = unpack(pack).unwrap();
                prop_assert_eq!(unpacked.len(), usize::try_from(count).unwrap());
                prop_assert!(pack.len() <= PACK_BYTES || count == 1);
                for packed in unpacked {
                    prop_assert_eq!(packed.id, Uuid::from_u128(at as u128));
                    prop_assert_eq!(&packed.key, &records[at].0);
                    prop_assert_eq!(packed.event.unwrap().get(), &bodies[at]);
                    at += 1;
                }
            }
            prop_assert_eq!(at, records.len());
        }
    }

    #[test]
    fn a_copy_has_headers_of_its_own() {
        let copy = LetterCopy {
            headers: vec![("a".to_owned(), "\u{1}\"".to_owned())],
            payload: "AP8=".to_owned(),
        };
        let mut packs = Packs::default();
        packs.copy(&head(1, "k"), &copy);
        let (packs, _) = packs.take();
        let unpacked = unpack(&packs[0]).unwrap();
        let read = unpacked[0].copy.as_ref().unwrap();
        assert_eq!((&read.headers, &read.payload), (&copy.headers, &copy.payload));
        assert!(unpacked[0].event.is_none());
    }
}
