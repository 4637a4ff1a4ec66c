//! Puts the reports of a run together into `index.html`.

use std::path::Path;

use crate::zones::Tz;

use super::html::{self, Page, Section, Status};
use super::job::Privacy;
use super::manifest::{Manifest, Output, ReportRecord, ReportStatus};
use super::outputs::{HashedFile, Shown};
use super::spec::Report;
use crate::error::Result;
use crate::format::OutputFormat;

/// The page in the folder of a run.
pub const FILE: &str = "index.html";

/// Writes the page of a run; `reports` has a report and the rows to show for each record of the manifest, in its order.
///
/// # Errors
/// Storage errors.
pub fn write(folder: &Path, manifest: &Manifest, reports: &[(&Report, Option<&Shown>)], zone: Tz) -> Result<Output> {
    let sections =
        manifest.reports.iter().zip(reports).map(|(record, (report, shown))| section(record, report, *shown)).collect();
    let subtitle = match (&manifest.window, &manifest.description) {
        (Some(window), Some(description)) => format!("{} · {description}", window.title()),
        (Some(window), None) => window.title(),
        (None, Some(description)) => description.clone(),
        (None, None) => String::new(),
    };
    let page = Page { title: manifest.title.clone(), subtitle, facts: facts(manifest, zone), reports: sections };
    let file = HashedFile::create(folder, FILE.to_owned())?;
    let mut sink = file.sink();
    html::write(&page, zone, &mut sink)?;
    drop(sink);
    file.finish()
}

/// Says what a run was made from, as name and value. No time of the machine is among it: two runs of the same give the same page.
pub fn facts(manifest: &Manifest, zone: Tz) -> Vec<(String, String)> {
    let mut facts = vec![
        ("Lake".to_owned(), manifest.lake.uri.clone()),
        ("Version".to_owned(), manifest.lake.version.to_string()),
        ("As of".to_owned(), manifest.as_of.with_timezone(&zone).to_rfc3339()),
        ("Time zone".to_owned(), zone.name().to_owned()),
    ];
    if let Some(window) = &manifest.window {
        let days = match window.from == window.last() {
            true => window.from.to_string(),
            false => format!("{} to {}, both included", window.from, window.last()),
        };
        facts.push(("Window".to_owned(), days));
    }
    if manifest.privacy == Privacy::Redacted {
        facts.push(("Personal data".to_owned(), "phone numbers, e-mail addresses and names are masked".to_owned()));
    }
    facts.push(("Made by".to_owned(), format!("sessionlake {}", manifest.sessionlake)));
    facts
}

fn section(record: &ReportRecord, report: &Report, shown: Option<&Shown>) -> Section {
    let definition = &record.definition;
    let status = match record.status {
        ReportStatus::Done => Status::Done,
        ReportStatus::Failed => Status::Failed(record.error.clone().unwrap_or_default()),
        ReportStatus::CheckFailed => Status::CheckFailed(
            record.checks.iter().filter(|check| !check.passed).map(|check| check.text.clone()).collect(),
        ),
    };
    let label = |output: &Output| output.file.rsplit('.').next().unwrap_or_default().to_owned();
    Section {
        id: definition.id.clone(),
        title: definition.title.clone(),
        description: definition.description.clone(),
        status,
        unit: definition.unit.clone(),
        chart: report.chart.clone(),
        schema: shown
            .map_or_else(|| std::sync::Arc::new(arrow::datatypes::Schema::empty()), |shown| shown.schema.clone()),
        batches: shown.map_or_else(Vec::new, |shown| shown.batches.clone()),
        drawn: shown.and_then(|shown| shown.drawn.clone()),
        total_rows: record.rows,
        notes: record.notes.clone(),
        files: record
            .outputs
            .iter()
            .map(|output| {
                (
                    label(output).parse::<OutputFormat>().map_or_else(|_| label(output), |f| f.name().to_owned()),
                    output.file.clone(),
                )
            })
            .collect(),
        sql: definition.sql.clone(),
        parameters: record.bound.clone(),
        checks: record.checks.iter().map(|check| (check.text.clone(), check.passed)).collect(),
        links: definition.links.iter().map(|link| (link.clone(), link.clone())).collect(),
    }
}
