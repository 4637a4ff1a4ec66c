//! Makes one report: runs its plan, writes its files, and says what came of it.

use std::fs;
use std::path::PathBuf;

use arrow::array::RecordBatch;
use futures::StreamExt;

use super::expect::{Check, Expectation, Tally};
use super::manifest::{ReportRecord, ReportStatus, hash_text};
use super::outputs::{Outputs, Shown, WrittenOutputs, all_files};
use super::prepare::Prepared;
use super::request::{Request, in_time};
use super::rows::Recut;
use super::spec::{Report, prefixed};
use super::veil::{Veil, Veiled};
use crate::engine::Node;
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

/// Where a report stopped.
enum Stopped {
    /// Where its rows are computed.
    Running(Error),
    /// Where they are looked at and written.
    Writing(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Writing(error)
    }
}

/// A report on its way into its files.
struct Writing<'a> {
    prepared: &'a Prepared,
    tallies: Vec<Tally>,
    outputs: Outputs,
    rows: u64,
}

impl Writing<'_> {
    fn write(&mut self, batches: Vec<RecordBatch>) -> Result<()> {
        for mut batch in batches {
            if let Some(redaction) = self.prepared.veil.redaction() {
                batch = redaction.batch(&batch)?;
            }
            self.rows += batch.num_rows() as u64;
            for tally in &mut self.tallies {
                tally.add(&batch)?;
            }
            self.outputs.write(&batch)?;
        }
        Ok(())
    }
}

impl Surroundings {
    /// Runs a report, and removes what it wrote if it fails. The error is masked where the results are.
    pub async fn report(&self, prepared: Prepared) -> (Ended, Option<Error>) {
        let stopwatch = &self.request.stopwatch;
        let begun = stopwatch();
        let made = in_time(self.request.deadline, self.make(&prepared)).await.and_then(|made| made);
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
                self.remove(&prepared.report);
                let record = failed(record, &error);
                (Ended { record, report: prepared.report, shown: None }, Some(error))
            }
        }
    }

    /// Runs a report on other processes where it may, and in this one where it may not or they fail: an error is then the one that this process meets.
    async fn make(&self, prepared: &Prepared) -> Result<(WrittenOutputs, Vec<Check>)> {
        if let Some(plan) = prepared.there() {
            match self.write(prepared, plan).await {
                Ok(written) => return Ok(written),
                Err(Stopped::Writing(error)) => return Err(error),
                Err(Stopped::Running(error)) => {
                    let error = prepared.veil.error(error).to_string();
                    // Behind the first line is SQL, which logs do not hold.
                    let why = error.lines().next().unwrap_or_default();
                    let id = prepared.report.id();
                    tracing::warn!(report = id, "the report fails on workers, and runs in this process: {why}");
                    self.remove(&prepared.report);
                }
            }
        }
        self.write(prepared, prepared.plan()).await.map_err(|stopped| match stopped {
            Stopped::Running(error) | Stopped::Writing(error) => error,
        })
    }

    /// Removes what a report has written.
    fn remove(&self, report: &Report) {
        for file in all_files(report) {
            let _ = fs::remove_file(self.folder.join(file));
        }
    }

    async fn write(&self, prepared: &Prepared, plan: Node) -> Result<(WrittenOutputs, Vec<Check>), Stopped> {
        let report = &prepared.report;
        let options = FormatOptions {
            time_zone: self.request.engine.time_zone,
            about: self.about(prepared),
            ..FormatOptions::default()
        };
        let tallies = report.checks.iter().map(Expectation::start).collect();
        let outputs = Outputs::create(&self.folder, report, &options, prepared.schema(), self.request.html_rows)?;
        let mut writing = Writing { prepared, tallies, outputs, rows: 0 };
        let running = |error| Stopped::Running(prepared.located(error));
        let context = prepared.engine.context().task_ctx();
        let mut stream = datafusion::physical_plan::execute_stream(plan, context).map_err(running)?;
        let mut recut = Recut::of(&prepared.schema());
        while let Some(batch) = stream.next().await {
            writing.write(recut.add(batch.map_err(running)?).map_err(Stopped::Running)?)?;
        }
        writing.write(recut.finish()?)?;
        let Writing { tallies, outputs, rows, .. } = writing;
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
