//! Makes one report: runs its plan, writes its files, and says what came of it.

use std::fs;
use std::path::PathBuf;

use futures::StreamExt;

use super::expect::{Check, Expectation, Tally};
use super::manifest::{ReportRecord, ReportStatus, hash_text};
use super::outputs::{Outputs, Shown, WrittenOutputs, all_files};
use super::prepare::Prepared;
use super::request::Request;
use super::spec::{Report, prefixed};
use super::veil::{Veil, Veiled};
use crate::error::{Error, Result, as_flags};
use crate::format::FormatOptions;

/// A report that has ended, with what the page shows of it.
pub struct Ended {
    pub record: ReportRecord,
    pub report: Report,
    pub shown: Option<Shown>,
}

/// What a report needs to know of its run.
pub struct Surroundings {
    /// The folder that it is written into.
    pub folder: PathBuf,
    /// What the run is made from, for formats with a place for it.
    pub facts: Vec<(String, String)>,
    /// The run.
    pub request: Request,
}

/// Begins the record of a report that has not run.
fn record(veiled: Veiled) -> ReportRecord {
    ReportRecord {
        sql_sha256: hash_text(&veiled.definition.sql),
        definition: veiled.definition,
        hidden_parameters: veiled.parameters,
        hidden_sql: veiled.sql,
        bound: Vec::new(),
        fingerprint: String::new(),
        status: ReportStatus::Failed,
        rows: 0,
        seconds: 0.0,
        memory_limit_bytes: 0,
        peak_memory_bytes: 0,
        outputs: Vec::new(),
        page_rows: None,
        chart_rows: None,
        notes: Vec::new(),
        checks: Vec::new(),
        error: None,
        hint: None,
    }
}

/// Says of a report that could not be planned why; the error is masked already.
pub fn broken(report: Report, error: &Error, veil: &Veil) -> Ended {
    let record = failed(record(veil.definition(&report.definition)), error);
    Ended { record, report, shown: None }
}

/// Adds to a record why its report failed.
fn failed(record: ReportRecord, error: &Error) -> ReportRecord {
    ReportRecord {
        error: Some(as_flags(&error.to_string()).into_owned()),
        hint: error.hint().map(|hint| as_flags(hint).into_owned()),
        ..record
    }
}

impl Surroundings {
    /// Runs a report, and removes what it wrote if it fails. The error is masked where the results are.
    pub async fn report(&self, prepared: Prepared) -> (Ended, Option<Error>) {
        let stopwatch = &self.request.stopwatch;
        let begun = stopwatch();
        let made = self.make(&prepared).await;
        let record = ReportRecord {
            seconds: stopwatch() - begun,
            memory_limit_bytes: prepared.engine.options().memory_limit_bytes,
            peak_memory_bytes: prepared.engine.peak_memory_bytes(),
            bound: prepared.bound,
            fingerprint: prepared.fingerprint,
            ..record(prepared.veiled)
        };
        match made {
            Ok((written, checks)) => {
                let status = match checks.iter().all(|check| check.passed) {
                    true => ReportStatus::Done,
                    false => ReportStatus::CheckFailed,
                };
                let record = ReportRecord {
                    status,
                    rows: written.rows,
                    outputs: written.outputs,
                    page_rows: Some(written.page_rows),
                    chart_rows: written.chart_rows,
                    notes: written.notes,
                    checks,
                    ..record
                };
                (Ended { record, report: prepared.report, shown: Some(written.shown) }, None)
            }
            Err(error) => {
                let error = prepared.veil.error(prefixed(error, &prepared.report.script.file));
                for file in all_files(&prepared.report) {
                    let _ = fs::remove_file(self.folder.join(file));
                }
                let record = failed(record, &error);
                (Ended { record, report: prepared.report, shown: None }, Some(error))
            }
        }
    }

    async fn make(&self, prepared: &Prepared) -> Result<(WrittenOutputs, Vec<Check>)> {
        let report = &prepared.report;
        let options = FormatOptions {
            time_zone: self.request.engine.time_zone,
            about: self.about(prepared),
            ..FormatOptions::default()
        };
        let mut tallies: Vec<_> = report.checks.iter().map(Expectation::start).collect();
        let mut outputs = Outputs::create(&self.folder, report, &options, prepared.schema(), self.request.html_rows)?;
        let located = |error| prepared.located(error);
        let context = prepared.engine.context().task_ctx();
        let mut stream = datafusion::physical_plan::execute_stream(prepared.plan(), context).map_err(located)?;
        let mut rows = 0;
        while let Some(batch) = stream.next().await {
            let mut batch = batch.map_err(located)?;
            if let Some(redaction) = prepared.veil.redaction() {
                batch = redaction.batch(&batch)?;
            }
            rows += batch.num_rows() as u64;
            for tally in &mut tallies {
                tally.add(&batch)?;
            }
            outputs.write(&batch)?;
        }
        let written = outputs.finish(&self.folder, rows)?;
        Ok((written, tallies.iter().map(Tally::verdict).collect()))
    }

    /// Says what made a report, for formats with a place for it.
    fn about(&self, prepared: &Prepared) -> Vec<(String, String)> {
        let definition = &prepared.veiled.definition;
        let mut about = vec![("Title".to_owned(), definition.title.clone())];
        about.extend(definition.description.clone().map(|text| ("Description".to_owned(), text)));
        about.extend(definition.unit.clone().map(|text| ("Unit".to_owned(), text)));
        about.extend(self.facts.iter().cloned());
        let parameters = prepared.bound.iter().cloned();
        about.extend(parameters.map(|(name, value)| (format!("Parameter {name}"), value)));
        about.push(("SQL file".to_owned(), definition.file.clone()));
        about.push(("SQL".to_owned(), definition.sql.clone()));
        about
    }
}
