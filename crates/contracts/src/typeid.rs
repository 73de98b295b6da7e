use crate::ids::IdError;

/// Crockford's base32 in lower case: no i, l, o or u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Characters of a suffix: 130 bits, of which the first two are always zero.
const LENGTH: usize = 26;

/// For each byte its value in the alphabet, or `NONE`.
const VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut value = 0;
    while value < 32 {
        values[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    values
};
const NONE: u8 = u8::MAX;

pub(crate) fn encode(bits: u128) -> impl Iterator<Item = char> {
    (0..LENGTH)
        .rev()
        .map(move |place| char::from(ALPHABET[(bits >> (5 * place)) as usize & 31]))
}

pub(crate) fn decode(suffix: &str) -> Result<u128, IdError> {
    if suffix.len() != LENGTH {
        return Err(IdError::Length);
    }
    let mut bits = 0;
    for (position, byte) in suffix.bytes().enumerate() {
        let value = VALUES[usize::from(byte)];
        if value == NONE {
            return Err(IdError::Character { position });
        }
        if position == 0 && value > 7 {
            return Err(IdError::Overflow);
        }
        bits = bits << 5 | u128::from(value);
    }
    Ok(bits)
}
