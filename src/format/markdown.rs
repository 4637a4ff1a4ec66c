//! Prints a Markdown pipe table, as GitHub and most renderers take it.
//!
//! Pipes and backslashes are escaped and line ends become `<br>`, so a row stays a row; all other Markdown and HTML in a value is
//! left as it is. Cells are padded up to a limit, for those who read the source, and never cut.

use super::aligned::{Cell, Column, Side, Style, push_padded, push_visibly};

/// The widest padding; one long value must not fill every other row with spaces.
const WIDEST_PADDING: usize = 60;

/// A delimiter row needs at least three dashes in some renderers.
const NARROWEST: usize = 3;

/// The style of Markdown tables.
#[derive(Debug)]
pub(super) struct Markdown;

impl Style for Markdown {
    fn escape(&self, text: &str, out: &mut String) {
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '|' => out.push_str("\\|"),
                '\\' => out.push_str("\\\\"),
                '\r' if characters.peek() == Some(&'\n') => {}
                '\n' | '\r' | '\u{2028}' | '\u{2029}' => out.push_str("<br>"),
                other => {
                    if !push_visibly(other, out) {
                        out.push(other);
                    }
                }
            }
        }
    }

    fn limit(&self, widths: &mut [usize]) {
        for width in widths {
            *width = (*width).clamp(NARROWEST, WIDEST_PADDING);
        }
    }

    fn begin(&mut self, header: &[Cell], columns: &[Column], out: &mut String) {
        if columns.is_empty() {
            return;
        }
        self.row(header, columns, out);
        for column in columns {
            out.push_str("| ");
            match column.side {
                Side::Left => out.extend(std::iter::repeat_n('-', column.width)),
                Side::Right => {
                    out.extend(std::iter::repeat_n('-', column.width.saturating_sub(1)));
                    out.push(':');
                }
            }
            out.push(' ');
        }
        out.push_str("|\n");
    }

    fn row(&mut self, cells: &[Cell], columns: &[Column], out: &mut String) {
        for (cell, column) in cells.iter().zip(columns) {
            out.push_str("| ");
            push_padded(&cell.text, cell.width, *column, out);
            out.push(' ');
        }
        out.push_str("|\n");
    }

    fn end(&mut self, _columns: &[Column], _rows: u64, _out: &mut String) {}
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray, StringViewArray};
    use proptest::prelude::*;

    use super::super::testing::{batch, render, text_strategy};
    use super::super::{FormatOptions, OutputFormat};

    #[test]
    fn pipes_backslashes_and_line_ends_are_escaped_and_numbers_stand_right() {
        let texts = StringArray::from(vec![Some("a|b"), Some("c:\\d\r\ne"), None, Some("<b>")]);
        let numbers = Int64Array::from(vec![1, 20, 300, 4]);
        let rows = batch([("text", Arc::new(texts) as _), ("n", Arc::new(numbers) as _)]);
        let expected = "\
| text       |   n |
| ---------- | --: |
| a\\|b       |   1 |
| c:\\\\d<br>e |  20 |
| NULL       | 300 |
| <b>        |   4 |
";
        assert_eq!(render(OutputFormat::Markdown, &FormatOptions::default(), &[rows]), expected);
    }

    /// Counts the cells of a row: pipes that no backslash escapes, less one.
    fn count_cells(line: &str) -> usize {
        let mut pipes = 0;
        let mut characters = line.chars();
        while let Some(character) = characters.next() {
            match character {
                '\\' => drop(characters.next()),
                '|' => pipes += 1,
                _ => {}
            }
        }
        pipes - 1
    }

    proptest! {
        #[test]
        fn every_line_has_as_many_cells_as_columns(
            rows in prop::collection::vec(prop::collection::vec(prop::option::of(text_strategy()), 3), 0..10),
        ) {
            let column = |index: usize| -> Arc<StringViewArray> {
                Arc::new(rows.iter().map(|row| row[index].as_deref()).collect())
            };
            let batch = batch([("a|b", column(0) as _), ("\\", column(1) as _), ("c", column(2) as _)]);
            let shown = render(OutputFormat::Markdown, &FormatOptions::default(), &[batch]);
            prop_assert_eq!(shown.lines().count(), rows.len() + 2);
            for line in shown.lines() {
                prop_assert_eq!(count_cells(line), 3, "{:?}", line);
            }
        }
    }
}
