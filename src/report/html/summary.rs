//! The top of the page: how the run went, its figures, and what needs a look; and, below the charts, the way to every report.

use std::fmt::Write;

use crate::zones::Tz;
use arrow::array::RecordBatch;

use super::escape::{Escaped, file_address, is_safe_link};
use super::{Page, Placed, Status};
use crate::report::chart::{self, ChartKind, text};

/// Figures at the top; a report with more shows all of them in its section.
const MOST_FIGURES: usize = 8;
/// Characters of a figure beyond which its letters are smaller.
const LONG_FIGURE: usize = 9;
/// Characters of an error's first line at the top.
const ERROR: usize = 160;

/// Writes the header of the page: how the run went, its figures, and what needs a look.
pub(super) fn write(page: &Page, reports: &[Placed<'_>], zone: Tz, out: &mut String) {
    let _ = writeln!(
        out,
        "<header class=\"top\" id=\"top\">\n<h1>{}</h1>\n<p class=\"subtitle\">{}</p>",
        Escaped(&page.title),
        Escaped(&page.subtitle)
    );
    verdict(reports, out);
    out.push_str("</header>\n<main id=\"content\">\n");
    figures(reports, zone, out);
    needs_a_look(reports, out);
}

/// Writes the list of reports, and what the run was made from.
pub(super) fn write_index(page: &Page, reports: &[Placed<'_>], out: &mut String) {
    index(reports, out);
    facts(page, out);
}

fn verdict(reports: &[Placed<'_>], out: &mut String) {
    let failed = reports.iter().filter(|report| matches!(report.section.status, Status::Failed(_))).count();
    let unheld = reports.iter().filter(|report| matches!(report.section.status, Status::CheckFailed(_))).count();
    let all = reports.len();
    let several = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let (class, mark, says) = match (failed, unheld, all) {
        (0, 0, 0) => ("warn", "!", "There are no reports in this run".to_owned()),
        (0, 0, 1) => ("good", "✓", "The report ran and its checks hold".to_owned()),
        (0, 0, _) => ("good", "✓", format!("All {all} reports ran and their checks hold")),
        (0, _, _) => ("warn", "!", format!("All reports ran; checks do not hold in {unheld} of {all}")),
        (_, 0, _) => ("bad", "✗", format!("{} of {all} failed", several(failed, "report", "reports"))),
        _ => {
            let failed = several(failed, "report", "reports");
            ("bad", "✗", format!("{failed} of {all} failed; checks do not hold in {unheld}"))
        }
    };
    let _ = writeln!(
        out,
        "<p class=\"verdict {class}\"><span class=\"mark\" aria-hidden=\"true\">{mark}</span><span>{says}</span></p>"
    );
}

fn figures(reports: &[Placed<'_>], zone: Tz, out: &mut String) {
    let mut groups = String::new();
    for (report, shown) in top_figures(reports, zone) {
        let title = Escaped(&report.section.title);
        let _ = writeln!(groups, "<div class=\"group\"><h3><a href=\"#{}\">{title}</a></h3>", report.place);
        figure_list(&shown, &mut groups);
        groups.push_str("</div>\n");
    }
    if !groups.is_empty() {
        let _ = writeln!(
            out,
            "<section aria-labelledby=\"figures\">\n<h2 id=\"figures\" class=\"sr\">Key figures</h2>\n{groups}</section>"
        );
    }
}

/// Chooses the reports whose figures stand at the top: whole reports, as far as there is room. Their sections do not say them
/// again.
pub(super) fn top_figures<'a>(reports: &'a [Placed<'a>], zone: Tz) -> Vec<(&'a Placed<'a>, Vec<chart::Figure>)> {
    let mut left = MOST_FIGURES;
    let mut chosen = Vec::new();
    for report in reports {
        let Some(spec) = report.chart.as_ref().filter(|spec| spec.kind == ChartKind::Number) else { continue };
        // A spec that does not fit is told in its own section.
        let Ok(figures) = chart::figures(spec, &report.section.batches, zone) else { continue };
        if figures.is_empty() || figures.len() > left {
            continue;
        }
        left -= figures.len();
        chosen.push((report, figures));
    }
    chosen
}

/// Writes figures as tiles.
pub(super) fn figure_list(figures: &[chart::Figure], out: &mut String) {
    out.push_str("<ul class=\"figures\">\n");
    for figure in figures {
        let before = figure.before.as_deref().map(|text| format!("<span class=\"before\">{}</span>", Escaped(text)));
        let before = before.unwrap_or_default();
        let class = if figure.value.chars().count() > LONG_FIGURE { "value long" } else { "value" };
        let _ = writeln!(
            out,
            "<li><span class=\"{class}\">{}</span><span class=\"label\">{}</span>{before}</li>",
            Escaped(&figure.value),
            Escaped(&figure.label)
        );
    }
    out.push_str("</ul>\n");
}

fn needs_a_look(reports: &[Placed<'_>], out: &mut String) {
    let mut items = String::new();
    for report in reports {
        let link = format!("<a href=\"#{}\">{}</a>", report.place, Escaped(&report.section.title));
        let says = match &report.section.status {
            Status::Done => continue,
            Status::Failed(error) => {
                let line = error.lines().next().unwrap_or_default();
                let line = super::escape::shortened(line, ERROR);
                format!("<span class=\"badge bad\">✗ failed</span> {link}: {}", Escaped(&line))
            }
            Status::CheckFailed(checks) => {
                let checks: Vec<String> =
                    checks.iter().map(|check| format!("<code>{}</code>", Escaped(check))).collect();
                format!("<span class=\"badge warn\">! check</span> {link}: {}", checks.join(", "))
            }
        };
        let _ = writeln!(items, "<li>{says}</li>");
    }
    if !items.is_empty() {
        let _ = writeln!(
            out,
            "<section class=\"card\" aria-labelledby=\"look\">\n<h2 id=\"look\">What needs a look</h2>\n<ul class=\"look\">\n{items}</ul>\n</section>"
        );
    }
}

/// Writes links to files, separated by blanks; an address that is not safe is left as text.
pub(super) fn links(links: &[(String, String)], out: &mut String) {
    for (index, (label, address)) in links.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        link(label, address, out);
    }
}

/// Writes one link, or its text alone where the address is not safe.
pub(super) fn link(label: &str, address: &str, out: &mut String) {
    if is_safe_link(address) {
        let rel = if address.to_ascii_lowercase().starts_with("https:") { " rel=\"noreferrer\"" } else { "" };
        let _ = write!(out, "<a href=\"{}\"{rel}>{}</a>", Escaped(address), Escaped(label));
    } else if is_safe_link(&file_address(address)) && !address.contains([':', '\\']) && !address.starts_with('/') {
        // The name of a file with blanks and the like, given as it is.
        let _ = write!(out, "<a href=\"{}\">{}</a>", Escaped(&file_address(address)), Escaped(label));
    } else {
        let _ = write!(out, "<span>{} ({})</span>", Escaped(label), Escaped(address));
    }
}

/// Writes how a report ended, as a badge that does not need its colour.
pub(super) fn badge(status: &Status, out: &mut String) {
    out.push_str(match status {
        Status::Done => "<span class=\"badge good\">✓ done</span>",
        Status::Failed(_) => "<span class=\"badge bad\">✗ failed</span>",
        Status::CheckFailed(_) => "<span class=\"badge warn\">! check</span>",
    });
}

fn index(reports: &[Placed<'_>], out: &mut String) {
    if reports.is_empty() {
        return;
    }
    // That all is well is said at the top already.
    let has_status = reports.iter().any(|report| report.section.status != Status::Done);
    let status = if has_status { "<th scope=\"col\">Status</th>" } else { "" };
    let _ = write!(
        out,
        "<section class=\"card\" aria-labelledby=\"reports\">\n<h2 id=\"reports\">Reports</h2>\n<div class=\"scroll\"><table class=\"index\">\n<thead><tr>\
         <th scope=\"col\">Report</th>{status}<th scope=\"col\" class=\"n\">Rows</th><th scope=\"col\">Files</th></tr></thead>\n<tbody>\n"
    );
    for report in reports {
        let section = report.section;
        let _ = write!(out, "<tr><th scope=\"row\"><a href=\"#{}\">{}</a></th>", report.place, Escaped(&section.title));
        if has_status {
            out.push_str("<td>");
            badge(&section.status, out);
            out.push_str("</td>");
        }
        let rows = match section.status {
            Status::Failed(_) => "–".to_owned(),
            _ => text::grouped(section.total_rows as f64),
        };
        let unit = if rows == "1" { "row" } else { "rows" };
        let _ = write!(out, "<td class=\"n\">{rows}<span class=\"unit\"> {unit}</span></td><td>");
        links(&section.files, out);
        out.push_str("</td></tr>\n");
    }
    out.push_str("</tbody>\n</table></div>\n</section>\n");
}

fn facts(page: &Page, out: &mut String) {
    if page.facts.is_empty() {
        return;
    }
    out.push_str(
        "<section class=\"card\" aria-labelledby=\"run\">\n<h2 id=\"run\">About this run</h2>\n<dl class=\"facts\">\n",
    );
    for (name, value) in &page.facts {
        let _ = writeln!(out, "<dt>{}</dt><dd>{}</dd>", Escaped(name), Escaped(value));
    }
    out.push_str("</dl>\n</section>\n");
}

/// Counts the rows that a section shows.
pub(super) fn shown_rows(batches: &[RecordBatch]) -> u64 {
    batches.iter().map(|batch| batch.num_rows() as u64).sum()
}
