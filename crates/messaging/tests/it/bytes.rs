//! Produces what no client library lets through: a header whose name is not UTF-8.
//!
//! One Produce request (version 3) with one record batch (version 2), by hand.

use test_support::eventually;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::world::PATIENCE;

pub async fn produce(
    brokers: &str,
    topic: &str,
    partition: i32,
    headers: &[(&[u8], &[u8])],
    payload: &[u8],
) {
    let batch = record_batch(headers, payload);
    let mut body = Vec::new();
    body.extend(0i16.to_be_bytes()); // Produce
    body.extend(3i16.to_be_bytes()); // version
    body.extend(1i32.to_be_bytes()); // correlation id
    body.extend((-1i16).to_be_bytes()); // no client id
    body.extend((-1i16).to_be_bytes()); // no transaction
    body.extend((-1i16).to_be_bytes()); // acks: all
    body.extend(10_000i32.to_be_bytes()); // time-out
    body.extend(1i32.to_be_bytes()); // topics
    body.extend(i16::try_from(topic.len()).unwrap().to_be_bytes());
    body.extend(topic.as_bytes());
    body.extend(1i32.to_be_bytes()); // partitions
    body.extend(partition.to_be_bytes());
    body.extend(i32::try_from(batch.len()).unwrap().to_be_bytes());
    body.extend(batch);

    eventually(PATIENCE, async || {
        let answer = ask(brokers, &body).await;
        // Behind correlation id, topic count, topic, partition count and partition.
        let at = 4 + 4 + 2 + topic.len() + 4 + 4;
        match i16::from_be_bytes([answer[at], answer[at + 1]]) {
            0 => Some(()),
            // Not the leader of the new topic yet.
            6 => None,
            code => panic!("the broker answers with error {code}"),
        }
    })
    .await;
}

async fn ask(brokers: &str, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(brokers).await.unwrap();
    stream.write_i32(i32::try_from(request.len()).unwrap()).await.unwrap();
    stream.write_all(request).await.unwrap();
    let length = usize::try_from(stream.read_i32().await.unwrap()).unwrap();
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await.unwrap();
    answer
}

fn record_batch(headers: &[(&[u8], &[u8])], payload: &[u8]) -> Vec<u8> {
    let mut record = vec![0]; // attributes
    varint(&mut record, 0); // time delta
    varint(&mut record, 0); // offset delta
    varint(&mut record, -1); // no key
    varint(&mut record, i64::try_from(payload.len()).unwrap());
    record.extend(payload);
    varint(&mut record, i64::try_from(headers.len()).unwrap());
    for part in headers.iter().flat_map(|(name, value)| [name, value]) {
        varint(&mut record, i64::try_from(part.len()).unwrap());
        record.extend(*part);
    }

    let mut checked = Vec::new();
    checked.extend(0i16.to_be_bytes()); // attributes
    checked.extend(0i32.to_be_bytes()); // last offset delta
    checked.extend([0; 16]); // first and last time
    checked.extend((-1i64).to_be_bytes()); // no producer
    checked.extend((-1i16).to_be_bytes()); // its epoch
    checked.extend((-1i32).to_be_bytes()); // its sequence
    checked.extend(1i32.to_be_bytes()); // records
    varint(&mut checked, i64::try_from(record.len()).unwrap());
    checked.extend(record);

    let mut batch = Vec::new();
    batch.extend(0i64.to_be_bytes()); // first offset
    batch.extend(i32::try_from(checked.len() + 9).unwrap().to_be_bytes());
    batch.extend(0i32.to_be_bytes()); // leader epoch
    batch.push(2); // format
    batch.extend(crc32c(&checked).to_be_bytes());
    batch.extend(checked);
    batch
}

/// Zigzag, then seven bits a byte.
fn varint(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    out.push(rest.to_le_bytes()[0]);
}

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    })
}
