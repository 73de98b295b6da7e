//! Which partition a key goes to.

/// The hash by which relays choose the partition of a key: it is the hash modulo the topic's number of partitions.
///
/// Kafka's own, `murmur2` with the sign cut off, as its Java clients compute it
/// (`org.apache.kafka.common.utils.Utils`) and librdkafka as `murmur2`.
pub fn key_hash(key: &str) -> u32 {
    murmur2(key.as_bytes()) & 0x7fff_ffff
}

/// `MurmurHash2` by Austin Appleby, of 32 bits, with Kafka's seed.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let (words, rest) = data.as_chunks::<4>();
    let mut hash = SEED ^ length;
    for word in words {
        let word = u32::from_le_bytes(*word).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ (word ^ (word >> 24)).wrapping_mul(M);
    }
    if !rest.is_empty() {
        let rest = rest.iter().rev().fold(0, |word, byte| (word << 8) | u32::from(*byte));
        hash = (hash ^ rest).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values are those of Kafka's own test, `UtilsTest.testMurmur2`.
    #[test]
    fn the_hash_is_kafkas() {
        for (key, expected) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), expected, "{key}");
        }
    }
}
