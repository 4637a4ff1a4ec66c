//! The table of a report: headers with scope, numbers on the right and in groups, instants as local times.
//!
//! Numbers are rounded for reading and long texts folded; the files beside the page have every value as it is, and the caption
//! says so.

use std::fmt::Write;

use crate::zones::Tz;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Schema};

use super::Section;
use super::escape::{Escaped, shortened};
use crate::format::Cells;
use crate::report::chart::text;

/// Characters of a text that is shown unfolded.
const UNFOLDED: usize = 240;
/// Characters of a folded text that stay visible.
const FOLDED: usize = 120;
/// Rows after which a table scrolls inside its own box.
const TALL: usize = 25;

/// How the cells of a column are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Text,
    /// Numbers, their thousands in groups.
    Grouped,
    /// Numbers that are names, such as years and versions.
    Plain,
    /// Numbers with as many decimals as the column has.
    Float(u8),
    Instant,
}

/// Whether a number of a table was rounded for reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rounding {
    None,
    Some,
}

/// Last words of the names of columns whose numbers are names.
const NAMES: [&str; 18] = [
    "id", "ids", "number", "no", "nr", "code", "year", "zip", "postcode", "version", "hour", "port", "key", "month",
    "week", "day", "index", "phone",
];

fn look(name: &str, data_type: &DataType) -> Look {
    match data_type {
        DataType::Dictionary(_, value) => look(name, value),
        DataType::Timestamp(_, _) => Look::Instant,
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Look::Float(0),
        other if other.is_numeric() => {
            let name = name.to_ascii_lowercase();
            let last = name.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
            if NAMES.contains(&last) { Look::Plain } else { Look::Grouped }
        }
        _ => Look::Text,
    }
}

/// Writes the table of a section with its caption.
pub(super) fn write(section: &Section, zone: Tz, out: &mut String) {
    let schema: &Schema = &section.schema;
    let looks = schema.fields().iter().enumerate().map(|(index, field)| match look(field.name(), field.data_type()) {
        Look::Float(_) => Look::Float(decimals(section, index)),
        other => other,
    });
    let looks: Vec<Look> = looks.collect();
    let shown: usize = section.batches.iter().map(RecordBatch::num_rows).sum();
    let title = Escaped(&section.title);
    if shown == 0 {
        let _ = writeln!(out, "<p class=\"muted\">No rows.</p>");
        return;
    }
    let mut body = String::new();
    let mut rounding = Rounding::None;
    for batch in &section.batches {
        rows(batch, &looks, zone, &mut rounding, &mut body);
    }
    let tall = if shown > TALL { " tall" } else { "" };
    let _ = writeln!(
        out,
        "<div class=\"scroll{tall}\" role=\"region\" aria-label=\"Table: {title}\" tabindex=\"0\">\n<table>\n<caption><span>{}</span></caption>\n<thead><tr>",
        caption(section, &looks, shown, rounding, zone)
    );
    for (field, look) in schema.fields().iter().zip(&looks) {
        let class = if is_right(*look) { " class=\"n\"" } else { "" };
        let _ = write!(out, "<th scope=\"col\"{class}>{}</th>", Escaped(field.name()));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    out.push_str(&body);
    out.push_str("</tbody>\n</table>\n</div>\n");
}

fn is_right(look: Look) -> bool {
    matches!(look, Look::Grouped | Look::Plain | Look::Float(_))
}

fn caption(section: &Section, looks: &[Look], shown: usize, rounding: Rounding, zone: Tz) -> String {
    let rows =
        |count: u64| if count == 1 { "1 row".to_owned() } else { format!("{} rows", text::grouped(count as f64)) };
    let mut caption = if section.total_rows > shown as u64 {
        format!("The first {} of {}", text::grouped(shown as f64), rows(section.total_rows))
    } else {
        rows(shown as u64)
    };
    let is_instant = |(field, look): (&arrow::datatypes::FieldRef, &Look)| {
        *look == Look::Instant && matches!(field.data_type(), DataType::Timestamp(_, Some(_)))
    };
    if section.schema.fields().iter().zip(looks).any(is_instant) {
        let _ = write!(caption, "; times in {}", Escaped(zone.name()));
    }
    if rounding == Rounding::Some {
        caption.push_str("; numbers rounded");
    }
    caption
}

fn rows(batch: &RecordBatch, looks: &[Look], zone: Tz, rounding: &mut Rounding, out: &mut String) {
    let columns: Vec<(Cells<'_>, Look)> = batch
        .columns()
        .iter()
        .zip(looks)
        .map(|(array, look)| (Cells::for_people(array.as_ref() as &dyn Array, zone), *look))
        .collect();
    for row in 0..batch.num_rows() {
        out.push_str("<tr>");
        for (index, (cells, look)) in columns.iter().enumerate() {
            let class = if is_right(*look) { " class=\"n\"" } else { "" };
            // The first column names its row, unless it is a number.
            let (open, close) = if index == 0 && !is_right(*look) { ("th scope=\"row\"", "th") } else { ("td", "td") };
            let _ = write!(out, "<{open}{class}>");
            match cells.text(row) {
                None => out.push_str("<span class=\"nil\">–</span>"),
                Some(text) => cell(&text, *look, rounding, out),
            }
            let _ = write!(out, "</{close}>");
        }
        out.push_str("</tr>\n");
    }
}

fn cell(value: &str, look: Look, rounding: &mut Rounding, out: &mut String) {
    match look {
        Look::Grouped => out.push_str(&text::group(value)),
        Look::Plain => out.push_str(value),
        Look::Float(decimals) => {
            let shown = match value.parse::<f64>() {
                Ok(number) => float(number, decimals),
                Err(_) => value.to_owned(),
            };
            if shown.replace(',', "").parse::<f64>().ok() != value.parse::<f64>().ok() {
                *rounding = Rounding::Some;
            }
            out.push_str(&shown);
        }
        Look::Instant => {
            let _ = write!(out, "<time datetime=\"{}\">{}</time>", Escaped(value), Escaped(&instant(value)));
        }
        Look::Text if value.chars().nth(UNFOLDED).is_some() => {
            let short = shortened(value, FOLDED);
            let _ = write!(out, "<details><summary>{}</summary>{}</details>", Escaped(&short), Escaped(value));
        }
        Look::Text => {
            let _ = write!(out, "{}", Escaped(value));
        }
    }
}

/// Returns the decimals that a column of floats is shown with: the fewer, the larger its numbers.
fn decimals(section: &Section, column: usize) -> u8 {
    let mut largest = 0.0_f64;
    let mut whole = true;
    for batch in &section.batches {
        let Some(floats) = batch.columns().get(column).and_then(|array| cast(array, &DataType::Float64).ok()) else {
            continue;
        };
        for value in floats.as_primitive::<Float64Type>().iter().flatten().filter(|value| value.is_finite()) {
            largest = largest.max(value.abs());
            whole &= value.fract() == 0.0;
        }
    }
    match largest {
        _ if whole => 0,
        largest if largest >= 100.0 => 1,
        largest if largest >= 1.0 => 2,
        _ => 3,
    }
}

/// Writes a float with fixed decimals; one that would lose itself in them, or is very large, as it reads best.
fn float(value: f64, decimals: u8) -> String {
    let lost = value != 0.0 && value.abs() < 0.5 * 10_f64.powi(-i32::from(decimals));
    if lost || !value.is_finite() || value.abs() >= 1e15 {
        return text::grouped(value);
    }
    let shown = format!("{value:.*}", usize::from(decimals));
    // Minus zero is zero.
    if value == 0.0 { shown.trim_start_matches('-').to_owned() } else { text::group(&shown) }
}

/// Makes RFC 3339 readable: a blank for the T, whole seconds, and no offset, which the caption has.
fn instant(text: &str) -> String {
    let Some((date, time)) = text.split_once('T') else { return text.to_owned() };
    let clock: String = time.chars().take_while(|c| c.is_ascii_digit() || *c == ':').collect();
    if clock == "00:00:00" && !time.contains('.') && !time.contains(['+', '-', 'Z']) {
        return date.to_owned();
    }
    format!("{date} {clock}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_short() {
        assert_eq!(instant("2026-11-20T14:03:05.514+01:00"), "2026-11-20 14:03:05");
        assert_eq!(instant("2026-11-20T00:00:00Z"), "2026-11-20 00:00:00");
        assert_eq!(instant("2026-11-20T00:00:00"), "2026-11-20");
    }

    #[test]
    fn floats_have_the_decimals_of_their_column() {
        for (value, decimals, text) in [
            (0.755, 2, "0.76"),
            (-0.0, 1, "0.0"),
            (12_345.678, 1, "12,345.7"),
            (0.000_01, 3, "1.000e-5"),
            (1e300, 1, "1.000e300"),
        ] {
            assert_eq!(float(value, decimals), text);
        }
        assert_eq!(float(f64::NAN, 2), "NaN");
    }

    #[test]
    fn numbers_that_are_names_keep_their_digits_together() {
        assert_eq!(look("sessions", &DataType::Int64), Look::Grouped);
        for name in ["customer_number", "Version", "workflow id", "year"] {
            assert_eq!(look(name, &DataType::Int64), Look::Plain, "{name}");
        }
        assert_eq!(look("id", &DataType::Utf8View), Look::Text);
    }
}
