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
    (0..LENGTH).rev().map(move |place| char::from(ALPHABET[(bits >> (5 * place)) as usize & 31]))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(bits: u128) -> String {
        encode(bits).collect()
    }

    #[test]
    fn known_vectors() {
        for (bits, suffix) in [
            (0, "00000000000000000000000000"),
            (1, "00000000000000000000000001"),
            (10, "0000000000000000000000000a"),
            (16, "0000000000000000000000000g"),
            (32, "00000000000000000000000010"),
            (u128::MAX, "7zzzzzzzzzzzzzzzzzzzzzzzzz"),
            (0x0189_0a5d_ac96_774b_bcce_b302_099a_8057, "01h455vb4pex5vsknk084sn02q"),
            (0x0110_c853_1d09_52d8_d73e_1194_e95b_5f19, "0123456789abcdefghjkmnpqrs"),
        ] {
            assert_eq!(text(bits), suffix);
            assert_eq!(decode(suffix), Ok(bits));
        }
    }

    #[test]
    fn a_wrong_suffix_says_what_is_wrong() {
        for (suffix, error) in [
            ("", IdError::Length),
            ("0000000000000000000000000", IdError::Length),
            ("000000000000000000000000000", IdError::Length),
            ("80000000000000000000000000", IdError::Overflow),
            ("zzzzzzzzzzzzzzzzzzzzzzzzzz", IdError::Overflow),
            ("0000000000000000000000000A", IdError::Character { position: 25 }),
            ("0i000000000000000000000000", IdError::Character { position: 1 }),
            ("00l00000000000000000000000", IdError::Character { position: 2 }),
            ("000o0000000000000000000000", IdError::Character { position: 3 }),
            ("0000u000000000000000000000", IdError::Character { position: 4 }),
            ("00000-00000000000000000000", IdError::Character { position: 5 }),
            ("é000000000000000000000000", IdError::Character { position: 0 }),
        ] {
            assert_eq!(decode(suffix), Err(error), "{suffix}");
        }
    }

    proptest! {
        #[test]
        fn every_value_comes_back(bits: u128) {
            prop_assert_eq!(decode(&text(bits)), Ok(bits));
        }

        #[test]
        fn every_text_that_decodes_is_the_one_encoded(suffix in "[0-9a-z]{26}") {
            if let Ok(bits) = decode(&suffix) {
                prop_assert_eq!(text(bits), suffix);
            }
        }

        #[test]
        fn text_sorts_as_the_value(a: u128, b: u128) {
            prop_assert_eq!(text(a).cmp(&text(b)), a.cmp(&b));
        }
    }
}
