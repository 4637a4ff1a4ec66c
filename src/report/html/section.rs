//! One report of the page: what it says, where its chart does not say it already, its table, and where it comes from.

use std::fmt::Write;

use crate::error::as_flags;
use crate::zones::Tz;

use super::escape::Escaped;
use super::summary::{badge, figure_list, link, links, shown_rows};
use super::{Drawing, Figures, Placed, Status, table};
use crate::report::chart::{self, ChartKind, text};

/// Writes a section.
pub(super) fn write(report: &Placed<'_>, zone: Tz, out: &mut String) {
    let section = report.section;
    let place = &report.place;
    let _ = write!(
        out,
        "<section class=\"card report\" id=\"{place}\" aria-labelledby=\"{place}.title\">\n<h2 id=\"{place}.title\">{} ",
        Escaped(&section.title)
    );
    // That all is well is said at the top.
    if section.status != Status::Done {
        badge(&section.status, out);
    }
    out.push_str("</h2>\n");
    let is_above = matches!(report.drawing, Drawing::Above);
    if let Some(description) = section.description.as_ref().filter(|_| !is_above) {
        let _ = writeln!(out, "<p class=\"description\">{}</p>", Escaped(description));
    }
    if let Status::Failed(error) = &section.status {
        let _ = writeln!(
            out,
            "<div class=\"note bad\"><strong>This report failed.</strong><pre>{}</pre></div>",
            Escaped(error)
        );
    }
    checks(report, out);
    let failed = matches!(section.status, Status::Failed(_));
    if !failed {
        if let Drawing::Unfit(error) = &report.drawing {
            not_drawn(error, out);
        }
        if let Err(error) = figures(report, zone, out) {
            not_drawn(&error, out);
        }
        cut(report, out);
        notes(report, out);
        table::write(section, zone, out);
    }
    foot(report, out);
    out.push_str("</section>\n");
}

fn checks(report: &Placed<'_>, out: &mut String) {
    let section = report.section;
    let mut checks: Vec<(&str, bool)> = section.checks.iter().map(|(text, passed)| (text.as_str(), *passed)).collect();
    if let Status::CheckFailed(failed) = &section.status {
        // A check that is only in the status is told all the same.
        for text in failed {
            if !checks.iter().any(|(known, passed)| known == text && !passed) {
                checks.push((text, false));
            }
        }
    }
    if checks.is_empty() {
        return;
    }
    out.push_str("<ul class=\"checks\" aria-label=\"Checks\">\n");
    for (text, passed) in checks {
        let badge = if passed {
            "<span class=\"badge good\">✓ holds</span>"
        } else {
            "<span class=\"badge warn\">! does not hold</span>"
        };
        let _ = writeln!(out, "<li>{badge} <code>{}</code></li>", Escaped(text));
    }
    out.push_str("</ul>\n");
}

fn figures(report: &Placed<'_>, zone: Tz, out: &mut String) -> crate::Result<()> {
    let Some(spec) = report.chart.as_ref().filter(|spec| spec.kind == ChartKind::Number) else { return Ok(()) };
    if report.figures == Figures::AtTop {
        return Ok(());
    }
    let figures = chart::figures(spec, &report.section.batches, zone)?;
    if !figures.is_empty() {
        figure_list(&figures, out);
        out.push_str("<p></p>\n");
    }
    Ok(())
}

/// Says why the chart of a report, or its figures, cannot be shown.
fn not_drawn(error: &crate::Error, out: &mut String) {
    let says = match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    };
    let _ = writeln!(out, "<p class=\"note warn\">The chart could not be drawn: {}</p>", Escaped(&as_flags(&says)));
}

/// Says that rows are left out, and where they are.
fn cut(report: &Placed<'_>, out: &mut String) {
    let section = report.section;
    let shown = shown_rows(&section.batches);
    if section.total_rows <= shown {
        return;
    }
    let _ = write!(
        out,
        "<p class=\"note warn\">This page shows the first {} of {} rows",
        text::grouped(shown as f64),
        text::grouped(section.total_rows as f64)
    );
    out.push('.');
    let is_csv = |(label, address): &&(String, String)| {
        label.eq_ignore_ascii_case("csv") || address.to_ascii_lowercase().ends_with(".csv")
    };
    if let Some((label, address)) = section.files.iter().find(is_csv).or_else(|| section.files.first()) {
        out.push_str(" All rows: ");
        link(label, address, out);
        out.push('.');
    }
    out.push_str("</p>\n");
}

fn notes(report: &Placed<'_>, out: &mut String) {
    for note in &report.section.notes {
        let _ = writeln!(out, "<p class=\"note warn\">{}</p>", Escaped(note));
    }
}

fn foot(report: &Placed<'_>, out: &mut String) {
    let section = report.section;
    if !section.sql.trim().is_empty() || !section.parameters.is_empty() {
        out.push_str("<details class=\"sql\"><summary>SQL and parameters</summary>\n");
        origin(report, out);
        // Folded text is not printed by every browser: paper has a copy.
        out.push_str("</details>\n<div class=\"print\" aria-hidden=\"true\">\n");
        origin(report, out);
        out.push_str("</div>\n");
    }
    out.push_str("<div class=\"foot\">");
    if !section.files.is_empty() {
        out.push_str("<span>Files: ");
        links(&section.files, out);
        out.push_str("</span>");
    }
    if !section.links.is_empty() {
        out.push_str("<span>See also: ");
        links(&section.links, out);
        out.push_str("</span>");
    }
    out.push_str("<span class=\"up\">");
    if matches!(report.drawing, Drawing::Above) {
        let title = Escaped(&section.title);
        let _ = write!(out, "<a href=\"#{}.chart\" aria-label=\"Chart of {title}\">Chart</a> · ", report.place);
    }
    out.push_str("<a href=\"#top\">Back to the summary</a></span></div>\n");
}

fn origin(report: &Placed<'_>, out: &mut String) {
    let section = report.section;
    if !section.parameters.is_empty() {
        out.push_str("<dl class=\"facts\">");
        for (name, value) in &section.parameters {
            let _ = write!(out, "<dt>{}</dt><dd>{}</dd>", Escaped(name), Escaped(value));
        }
        out.push_str("</dl>\n");
    }
    if !section.sql.trim().is_empty() {
        let _ = writeln!(out, "<pre tabindex=\"0\"><code>{}</code></pre>", Escaped(section.sql.trim_end()));
    }
}
