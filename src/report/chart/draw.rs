//! The pen: SVG elements with fixed decimals and escaped text, and the parts that charts share.

use std::fmt::{Display, Write};

use super::data::{Plot, Series};
use super::scale::{Linear, Unit};
use crate::report::html::escape::{Escaped, shortened};

/// Width of every chart in its own units.
pub(super) const WIDTH: f64 = 720.0;
/// Height of charts whose height does not follow from their rows.
pub(super) const HEIGHT: f64 = 300.0;
/// The size of the text.
const FONT: f64 = 12.0;
/// Mean width of a letter.
const LETTER: f64 = 7.4;
/// Longest label at an axis, in characters.
pub(super) const LABEL: usize = 26;

/// Estimates the width of a text, as wide as the widest of the common fonts sets it.
pub(super) fn text_width(text: &str) -> f64 {
    let width = |letter: char| match letter {
        'i' | 'j' | 'l' | '.' | ',' | ';' | ':' | '\'' | '|' | '!' => 4.2,
        'f' | 't' | 'r' | ' ' | '(' | ')' | '-' | '/' | 'I' => 5.2,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 11.8,
        'A'..='Z' => 8.8,
        ' '..='~' => 7.7,
        '\u{0}'..='\u{24ff}' => 8.2,
        _ => 12.2,
    };
    text.chars().map(width).sum()
}

/// A length with at most one decimal.
pub(super) struct Length(pub(super) f64);

impl Display for Length {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{:.1}", self.0);
        let text = text.strip_suffix(".0").unwrap_or(&text);
        f.write_str(if text == "-0" { "0" } else { text })
    }
}

/// Where a text stands against its point.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// What stands for a series in the legend.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mark {
    Square,
    Line,
}

/// A rectangle of the drawing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Area {
    pub(super) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(super) fn height(&self) -> f64 {
        self.bottom - self.top
    }
}

/// A drawing in the making.
#[derive(Debug, Default)]
pub(super) struct Drawing {
    body: String,
}

impl Drawing {
    /// Writes a text; a long one is shortened, and whole in its tooltip.
    pub(super) fn text(&mut self, x: f64, y: f64, anchor: Anchor, class: &str, text: &str, most: usize) {
        let short = shortened(text, most);
        let half = text_width(&short) / 2.0;
        // A label at an end of an axis is moved in, not cut.
        let x = if matches!(anchor, Anchor::Middle) { x.min(WIDTH - half).max(half) } else { x };
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let _ = write!(self.body, "<text x=\"{}\" y=\"{}\"{anchor} class=\"{class}\">", Length(x), Length(y));
        if short != text {
            let _ = write!(self.body, "<title>{}</title>", Escaped(text));
        }
        let _ = write!(self.body, "{}</text>", Escaped(&short));
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let _ = write!(
            self.body,
            "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" class=\"{class}\"/>",
            Length(from.0),
            Length(from.1),
            Length(to.0),
            Length(to.1)
        );
    }

    /// Draws a rectangle with a tooltip; without one where it is empty.
    pub(super) fn rectangle(&mut self, area: Area, class: &str, tooltip: &str) {
        let _ = write!(
            self.body,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" class=\"{class}\"",
            Length(area.left),
            Length(area.top),
            Length(area.width().max(0.0)),
            Length(area.height().max(0.0))
        );
        if tooltip.is_empty() {
            self.body.push_str("/>");
        } else {
            let _ = write!(self.body, "><title>{}</title></rect>", Escaped(tooltip));
        }
    }

    pub(super) fn circle(&mut self, x: f64, y: f64, radius: f64, class: &str, tooltip: &str) {
        let _ = write!(
            self.body,
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" class=\"{class}\"><title>{}</title></circle>",
            Length(x),
            Length(y),
            Length(radius),
            Escaped(tooltip)
        );
    }

    /// Draws a path along points; a closed one goes back to its first.
    pub(super) fn path(&mut self, points: &[(f64, f64)], class: &str, end: &str) {
        if points.is_empty() {
            return;
        }
        self.body.push_str("<path d=\"");
        for (index, (x, y)) in points.iter().enumerate() {
            let command = if index == 0 { 'M' } else { 'L' };
            let _ = write!(self.body, "{command}{} {}", Length(*x), Length(*y));
        }
        let _ = write!(self.body, "{end}\" class=\"{class}\"/>");
    }

    /// Draws the names of the series above the chart and returns the height they take; one series needs none.
    pub(super) fn legend(&mut self, series: &[Series], mark: Mark, left: f64) -> f64 {
        if series.len() < 2 {
            return 0.0;
        }
        let left = if matches!(mark, Mark::Line) { left + 12.0 } else { left };
        let (mut x, mut y) = (left, 14.0);
        for (index, series) in series.iter().enumerate() {
            let short = shortened(&series.name, LABEL);
            let width = 18.0 + text_width(&short) + if matches!(mark, Mark::Line) { 30.0 } else { 16.0 };
            if x + width > WIDTH && x > left {
                x = left;
                y += 20.0;
            }
            match mark {
                Mark::Square => {
                    let area = Area { left: x, top: y - 9.0, right: x + 12.0, bottom: y + 2.0 };
                    self.rectangle(area, &format!("f {}", color(index)), "");
                }
                Mark::Line => {
                    self.path(&[(x - 12.0, y - 4.0), (x + 14.0, y - 4.0)], &format!("l {}", color(index)), "");
                }
            }
            self.text(x + 18.0, y, Anchor::Start, "", &series.name, LABEL);
            x += width;
        }
        y + 12.0
    }

    /// Draws the lines and numbers of a vertical axis, and what its numbers are above it.
    pub(super) fn vertical_axis(&mut self, area: Area, axis: &Linear, unit: Unit<'_>, title: &str) {
        for tick in &axis.ticks {
            let y = area.bottom - axis.place(*tick) * area.height();
            let class = if *tick == 0.0 { "base" } else { "grid" };
            self.line((area.left, y), (area.right, y), class);
            self.text(area.left - 8.0, y + 4.0, Anchor::End, "muted", &axis.label(*tick, unit), LABEL);
        }
        self.text(0.0, area.top - 12.0, Anchor::Start, "muted", title, 60);
    }

    /// Writes the positions below an area: on round moments or numbers where the axis has them, else every so many.
    pub(super) fn positions(&mut self, area: Area, plot: &Plot, place: &dyn Fn(usize) -> f64, every: usize) {
        let y = area.bottom + 18.0;
        let label = |index: usize| plot.positions.get(index).map_or("", |position| position.short.as_str());
        let most = ((area.width() / every.max(1) as f64) / LETTER) as usize;
        for index in (0..plot.positions.len()).step_by(every.max(1)) {
            self.text(place(index), y, Anchor::Middle, "muted", label(index), most.clamp(6, LABEL));
        }
    }

    /// Closes the drawing.
    pub(super) fn finish(self, width: f64, height: f64, title: &str, description: &str) -> String {
        format!(
            "<svg class=\"chart\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\" \
             xmlns=\"http://www.w3.org/2000/svg\" font-size=\"{FONT}\" fill=\"currentColor\" font-family=\"sans-serif\">\
             <title>{2}</title><desc>{3}</desc>{4}</svg>",
            Length(width),
            Length(height),
            Escaped(title),
            Escaped(description),
            self.body
        )
    }
}

/// Returns the class of a series' colour.
pub(super) fn color(series: usize) -> String {
    format!("s{}", series % super::data::MOST_SERIES + 1)
}
