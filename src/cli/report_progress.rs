//! Says on stderr how a run of reports goes.
//!
//! On a terminal one line is kept up to date: how many reports have ended, the rows read so far, which run now. Elsewhere every
//! report is a log line when it ends, for people or as JSON. What went wrong is a line of its own in both.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sessionlake::Error;
use sessionlake::report::{Event, Reading, ReportRecord, ReportStatus};

use super::exit;
use super::printer::counted;
use super::shared::{LogFormat, Shared};

/// How often the live line is drawn anew.
const REFRESH: Duration = Duration::from_millis(200);

/// Says how runs go. Clones say it in the same place.
#[derive(Clone)]
pub struct Voice {
    quiet: bool,
    log_format: LogFormat,
    live: Option<ProgressBar>,
    state: Arc<Mutex<State>>,
}

/// What the live line shows.
#[derive(Default)]
struct State {
    running: Vec<(String, Reading)>,
    /// Rows that the reports which ended have read.
    rows: u64,
}

/// Takes the live line away when the command ends, however it ends.
pub struct Clearing(Option<ProgressBar>);

impl Drop for Clearing {
    fn drop(&mut self) {
        if let Some(live) = &self.0 {
            live.finish_and_clear();
        }
    }
}

impl Voice {
    /// Chooses how to talk. The live line is there until the second value is dropped.
    pub fn of(shared: &Shared) -> (Self, Clearing) {
        let log_format = shared.log_format();
        let live = (shared.shows_progress() && log_format == LogFormat::Text).then(|| {
            let style = ProgressStyle::with_template("{prefix}{bar:20} {pos} of {len} reports, {elapsed}{wide_msg}");
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(5));
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        let clearing = Clearing(live.clone());
        (Self { quiet: shared.quiet, log_format, live, state: Arc::default() }, clearing)
    }

    /// Begins to talk of the next of several runs.
    pub fn begin(&self, name: &str, number: usize, count: usize) {
        *self.state() = State::default();
        if let Some(live) = self.live.as_ref().filter(|_| count > 1) {
            live.set_prefix(format!("{name} ({number} of {count}) "));
        }
    }

    /// Says what happens in a run.
    pub fn event(&self, event: &Event<'_>) {
        self.follow(event);
        if let Event::Finished { record, ended, total } = event {
            self.ended(record, *ended, *total);
        }
    }

    /// Follows a run on the live line alone.
    pub fn follow(&self, event: &Event<'_>) {
        match event {
            Event::Planned { total, ended } => {
                if let Some(live) = &self.live {
                    live.set_length(*total as u64);
                    live.set_position(*ended as u64);
                }
            }
            Event::Started { id, reading } => self.state().running.push(((*id).to_owned(), reading.clone())),
            Event::Finished { record, ended, .. } => {
                let mut state = self.state();
                let place = state.running.iter().position(|(id, _)| *id == record.definition.id);
                if let Some(place) = place {
                    let (_, reading) = state.running.remove(place);
                    state.rows += reading.rows();
                }
                drop(state);
                if let Some(live) = &self.live {
                    live.set_position(*ended as u64);
                }
            }
        }
        self.refresh();
    }

    /// Waits for work, and keeps the live line up to date meanwhile.
    pub async fn watching<T>(&self, work: impl Future<Output = T>) -> T {
        if self.live.is_none() {
            return work.await;
        }
        let mut work = std::pin::pin!(work);
        let mut ticks = tokio::time::interval(REFRESH);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = ticks.tick() => self.refresh(),
            }
        }
    }

    fn refresh(&self) {
        if let Some(live) = &self.live {
            let state = self.state();
            let rows = state.rows + state.running.iter().map(|(_, reading)| reading.rows()).sum::<u64>();
            let running: Vec<&str> = state.running.iter().map(|(id, _)| id.as_str()).collect();
            live.set_message(line(rows, &running));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints a line, beside the live one.
    pub fn note(&self, text: &str) {
        match &self.live {
            Some(live) => live.suspend(|| exit::note(text)),
            None => exit::note(text),
        }
    }

    /// Prints errors, beside the live line, and returns the exit code of the first.
    pub fn errors(&self, errors: &[Error]) -> u8 {
        let print = || errors.iter().for_each(exit::print);
        match &self.live {
            Some(live) => live.suspend(print),
            None => print(),
        }
        errors.first().map_or(exit::SQL, exit::code)
    }

    /// How log lines look; none are printed but errors where it is to be quiet.
    pub fn log_format(&self) -> Option<LogFormat> {
        (!self.quiet).then_some(self.log_format)
    }

    /// Says that a report has ended.
    fn ended(&self, record: &ReportRecord, ended: usize, total: usize) {
        let failed = record.status == ReportStatus::Failed;
        if self.quiet && !failed {
            return;
        }
        let checks = failed_checks(record);
        if self.log_format == LogFormat::Json {
            let line = serde_json::json!({
                "event": "report", "id": record.definition.id, "status": record.status.name(), "rows": record.rows,
                "seconds": record.seconds, "ended": ended, "total": total, "error": record.error,
                "checks_failed": checks, "notes": record.notes,
            });
            self.note(&line.to_string());
            return;
        }
        let id = &record.definition.id;
        if failed {
            let error = record.error.as_deref().unwrap_or_default();
            self.note(&format!("[{ended}/{total}] {id}: failed: {error}"));
        } else if self.live.is_none() {
            let rows = counted(record.rows, "row", "rows");
            self.note(&format!("[{ended}/{total}] {id}: {rows}, {:.2} s", record.seconds));
        }
        for check in checks {
            self.note(&format!("{id}: check failed: {check}"));
        }
        for note in &record.notes {
            self.note(&format!("{id}: {note}"));
        }
        if let (true, Some(hint)) = (failed, &record.hint) {
            self.note(&format!("hint: {hint}"));
        }
    }
}

/// Lists the checks of a report that do not hold, with what they found.
pub fn failed_checks(record: &ReportRecord) -> Vec<String> {
    let failed = record.checks.iter().filter(|check| !check.passed);
    failed
        .map(|check| match check.found {
            Some(found) => format!("{}, found {found}", check.text),
            None => check.text.clone(),
        })
        .collect()
}

/// What stands behind the bar: the rows read, and what runs.
fn line(rows: u64, running: &[&str]) -> String {
    let mut digits = rows.to_string();
    let mut place = digits.len();
    while place > 3 {
        place -= 3;
        digits.insert(place, ',');
    }
    let names = if running.is_empty() { String::new() } else { format!(": {}", running.join(", ")) };
    format!(", {digits} {} read{names}", if rows == 1 { "row" } else { "rows" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_live_line_says_rows_and_what_runs() {
        assert_eq!(line(0, &[]), ", 0 rows read");
        assert_eq!(line(1, &["a"]), ", 1 row read: a");
        assert_eq!(line(1_234_567, &["a", "b"]), ", 1,234,567 rows read: a, b");
        assert_eq!(line(999, &[]), ", 999 rows read");
    }
}
