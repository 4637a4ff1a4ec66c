//! Prints a table for people: bordered, numbers to the right, the number of rows below.
//!
//! On a terminal of known width, columns too wide for it are narrowed, widest first, and cells that do not fit end in `…`;
//! the last line says how many. Without a width nothing is cut.

use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::aligned::{Cell, CellKind, Column, Style, push_padded, push_visibly};
use super::{Color, FormatOptions};

/// No column is narrowed below this, so that something of it is left to see.
const NARROWEST: usize = 5;

/// The style of tables.
#[derive(Debug)]
pub(super) struct Table {
    width: Option<usize>,
    color: Color,
    cut_cells: u64,
}

impl Table {
    /// Makes the style from the options.
    pub(super) fn new(options: &FormatOptions) -> Self {
        Self { width: options.table_width, color: options.color, cut_cells: 0 }
    }

    fn push_line(&mut self, cells: &[Cell], columns: &[Column], out: &mut String) {
        for (cell, column) in cells.iter().zip(columns) {
            out.push_str("| ");
            let style = match (self.color, cell.kind) {
                (Color::Always, CellKind::Header) => "\x1b[1m",
                (Color::Always, CellKind::Null) => "\x1b[2m",
                _ => "",
            };
            out.push_str(style);
            if self.width.is_some() && cell.width > column.width {
                let cut = cut(&cell.text, column.width);
                push_padded(&cut, cut.width(), *column, out);
                self.cut_cells += 1;
            } else {
                push_padded(&cell.text, cell.width, *column, out);
            }
            if !style.is_empty() {
                out.push_str("\x1b[0m");
            }
            out.push(' ');
        }
        out.push_str("|\n");
    }
}

impl Style for Table {
    fn escape(&self, text: &str, out: &mut String) {
        for character in text.chars() {
            if !push_visibly(character, out) {
                out.push(character);
            }
        }
    }

    fn limit(&self, widths: &mut [usize]) {
        let Some(total) = self.width else { return };
        // Borders and a space on each side of a cell.
        let room = total.saturating_sub(3 * widths.len() + 1);
        narrow(widths, room);
    }

    fn begin(&mut self, header: &[Cell], columns: &[Column], out: &mut String) {
        if !columns.is_empty() {
            push_border(columns, out);
            self.push_line(header, columns, out);
            push_border(columns, out);
        }
    }

    fn row(&mut self, cells: &[Cell], columns: &[Column], out: &mut String) {
        self.push_line(cells, columns, out);
    }

    fn end(&mut self, columns: &[Column], rows: u64, out: &mut String) {
        if rows > 0 && !columns.is_empty() {
            push_border(columns, out);
        }
        let noun = if rows == 1 { "row" } else { "rows" };
        let _ = match self.cut_cells {
            0 => writeln!(out, "({rows} {noun})"),
            1 => writeln!(out, "({rows} {noun}; 1 cell is cut to fit the terminal)"),
            cells => writeln!(out, "({rows} {noun}; {cells} cells are cut to fit the terminal)"),
        };
    }
}

fn push_border(columns: &[Column], out: &mut String) {
    for column in columns {
        out.push('+');
        out.extend(std::iter::repeat_n('-', column.width + 2));
    }
    out.push_str("+\n");
}

/// Narrows the widest columns to one common width so that all of them fit the room; what is left over by rounding goes to the
/// first of those.
fn narrow(widths: &mut [usize], room: usize) {
    let total = |cap: usize, widths: &[usize]| widths.iter().map(|width| (*width).min(cap)).sum::<usize>();
    let widest = widths.iter().copied().max().unwrap_or_default();
    if total(widest, widths) <= room {
        return;
    }
    // The largest cap that fits, by halving: the sum grows with the cap.
    let (mut low, mut high) = (NARROWEST, widest.max(NARROWEST));
    while low < high {
        let middle = (low + high).div_ceil(2);
        if total(middle, widths) <= room {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    let mut spare = room.saturating_sub(total(low, widths));
    for width in widths.iter_mut().filter(|width| **width > low) {
        *width = low + usize::from(spare > 0);
        spare = spare.saturating_sub(1);
    }
}

/// Shortens text to a width of at least 1, `…` included.
fn cut(text: &str, width: usize) -> String {
    let room = width.saturating_sub(1);
    let mut end = 0;
    let mut used = 0;
    for (index, character) in text.char_indices() {
        used += character.width().unwrap_or_default();
        if used > room {
            break;
        }
        end = index + character.len_utf8();
    }
    // Characters can join to something wider than their sum; then there is room for fewer.
    let mut short = text.get(..end).unwrap_or_default().to_owned();
    while short.width() > room && short.pop().is_some() {}
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray, StringViewArray};
    use proptest::prelude::*;

    use super::super::OutputFormat;
    use super::super::testing::{batch, render, text_strategy};
    use super::*;

    fn two_columns(texts: Vec<Option<&str>>) -> arrow::array::RecordBatch {
        let numbers = Int64Array::from_iter((0..texts.len() as i64).map(|n| (n % 3 != 2).then_some(n * 1_000)));
        let columns: [(&str, ArrayRef); 2] =
            [("workflow", Arc::new(StringArray::from(texts)) as _), ("n", Arc::new(numbers) as _)];
        batch(columns)
    }

    #[test]
    fn columns_line_up_numbers_to_the_right_wide_characters_counted_twice() {
        let rows = two_columns(vec![Some("日本"), Some("e\u{301}té"), None, Some("a\tb\u{1b}[1m\n")]);
        let expected = "\
+-----------------+------+
| workflow        |    n |
+-----------------+------+
| 日本            |    0 |
| e\u{301}té             | 1000 |
| NULL            | NULL |
| a\\tb\\u{1b}[1m\\n | 3000 |
+-----------------+------+
(4 rows)
";
        assert_eq!(render(OutputFormat::Table, &FormatOptions::default(), &[rows]), expected);
    }

    #[test]
    fn an_empty_result_has_a_header_and_says_so() {
        let shown = render(OutputFormat::Table, &FormatOptions::default(), &[two_columns(vec![])]);
        assert_eq!(shown, "+----------+---+\n| workflow | n |\n+----------+---+\n(0 rows)\n");
    }

    #[test]
    fn a_terminal_narrows_the_widest_columns_and_says_what_is_cut() {
        let long = "x".repeat(100);
        let rows = two_columns(vec![Some("short"), Some(&long)]);
        let options = FormatOptions { table_width: Some(30), ..FormatOptions::default() };
        let shown = render(OutputFormat::Table, &options, &[rows]);
        let expected = format!("| {}… | 1000 |", "x".repeat(18));
        assert!(shown.lines().any(|line| line == expected), "{shown}");
        assert!(shown.lines().all(|line| line.width() <= 30 || line.starts_with('(')), "{shown}");
        assert!(shown.ends_with("(2 rows; 1 cell is cut to fit the terminal)\n"), "{shown}");
    }

    #[test]
    fn a_wide_cell_after_the_sample_is_shown_whole_or_cut_visibly() {
        let long = "y".repeat(40);
        let rows = two_columns(vec![Some("a"), Some(&long)]);
        let options = FormatOptions { sample_rows: 1, ..FormatOptions::default() };
        let shown = render(OutputFormat::Table, &options, std::slice::from_ref(&rows));
        assert!(shown.contains(&format!("| {long} | 1000 |")), "{shown}");
        let options = FormatOptions { table_width: Some(80), ..options };
        let shown = render(OutputFormat::Table, &options, &[rows]);
        assert!(shown.contains("| yyyyyyy… |"), "{shown}");
        assert!(shown.ends_with("(2 rows; 2 cells are cut to fit the terminal)\n"), "{shown}");
    }

    #[test]
    fn colours_are_there_only_when_asked_for() {
        let rows = two_columns(vec![None]);
        assert!(!render(OutputFormat::Table, &FormatOptions::default(), std::slice::from_ref(&rows)).contains('\x1b'));
        let options = FormatOptions { color: Color::Always, ..FormatOptions::default() };
        let shown = render(OutputFormat::Table, &options, &[rows]);
        assert!(shown.contains("\x1b[1mworkflow\x1b[0m") && shown.contains("\x1b[2mNULL    \x1b[0m"), "{shown:?}");
    }

    proptest! {
        #[test]
        fn all_lines_are_equally_wide(
            texts in prop::collection::vec(prop::option::of(text_strategy()), 1..10),
            width in prop::option::of(20_usize..60),
        ) {
            let column: StringViewArray = texts.iter().map(|text| text.as_deref()).collect();
            let numbers: Int64Array = (0..texts.len() as i64).collect();
            let rows = batch([("text", Arc::new(column) as _), ("n", Arc::new(numbers) as _)]);
            let options = FormatOptions { table_width: width, ..FormatOptions::default() };
            let shown = render(OutputFormat::Table, &options, &[rows]);
            let lines: Vec<&str> = shown.lines().collect();
            prop_assert_eq!(lines.len(), texts.len() + 5);
            for line in &lines[..lines.len() - 1] {
                prop_assert_eq!(line.width(), lines[0].width(), "{:?}", line);
            }
            prop_assert!(width.is_none_or(|width| lines[0].width() <= width));
        }

        #[test]
        fn narrowed_columns_use_the_room(widths in prop::collection::vec(0_usize..200, 1..12), room in 0_usize..300) {
            let mut narrowed = widths.clone();
            narrow(&mut narrowed, room);
            let total: usize = narrowed.iter().sum();
            for (old, new) in widths.iter().zip(&narrowed) {
                prop_assert!(new <= old && (new == old || *new >= NARROWEST));
            }
            if widths.iter().sum::<usize>() <= room {
                prop_assert_eq!(&narrowed, &widths);
            } else if room >= NARROWEST * widths.len() {
                prop_assert_eq!(total, room);
            }
        }
    }
}
