//! Where a page of the catalogue ended, as clients hand it back. They are not to read it, so that it
//! may become something else one day.

use contracts::ids::Sku;

/// The cursor behind the product of that SKU.
pub fn after(sku: &Sku) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value & 15)]);
    sku.as_str().bytes().flat_map(|byte| [digit(byte >> 4), digit(byte)]).collect()
}

/// The SKU the cursor stands behind, unless it is none of ours.
pub fn read(cursor: &str) -> Option<Sku> {
    let digits: Vec<u8> = cursor
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16)?).ok())
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    let text = String::from_utf8(bytes).ok()?;
    if rest.is_empty() { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn other_texts_are_no_cursors() {
        for text in ["", "4", "zz", "534b55-", "534b552", "20", "ff", "é", &"41".repeat(65)] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back(text in "[A-Za-z0-9._-]{1,64}") {
            let sku: Sku = text.parse().unwrap();
            prop_assert_eq!(read(&after(&sku)), Some(sku));
        }

        #[test]
        fn any_text_is_a_cursor_or_not(text in "\\PC{0,140}") {
            let _ = read(&text);
        }
    }
}
