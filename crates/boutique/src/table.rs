//! Tables for people: columns as wide as what is in them.

use std::fmt::Write as _;

/// The rows below the heads; what stands in the last column may be of any length.
pub fn table<const N: usize>(heads: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heads[column].len()]).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    let heads = heads.map(str::to_owned);
    for row in [&heads].into_iter().chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Writing to a string cannot fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["orders", "7"], ["x", "12345"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(["service", "lag"], &rows), "service  lag\norders   7\nx        12345\n");
    }
}
