//! Says on stderr how a run of reports goes.
//!
//! On a terminal one line is kept up to date: how many reports have ended, the rows read so far, which run now. Elsewhere every
//! report is a log line when it ends, for people or as JSON. What went wrong is a line of its own in both.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use sessionlake::Error;
use sessionlake::report::{Event, Reading, ReportRecord, ReportStatus};

use super::exit;
use super::printer::counted;
use super::shared::{LogFormat, Shared};

/// How often the live line is drawn anew.
const REFRESH: Duration = Duration::from_millis(200);

/// The live line before anything runs.
const PLANNING: &str = "{prefix}planning, {elapsed}";
/// The live line of reports that run.
const RUNNING: &str = "{prefix}{bar:20} {pos} of {len} reports, {elapsed}{wide_msg}";

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

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
            let bar = ProgressBar::with_draw_target(
                None,
                ProgressDrawTarget::term_like_with_hz(Box::<Terminal>::default(), 5),
            );
            bar.with_style(style(PLANNING))
        });
        let clearing = Clearing(live.clone());
        (Self { quiet: shared.quiet, log_format, live, state: Arc::default() }, clearing)
    }

    /// Begins to talk of the next of several runs.
    pub fn begin(&self, name: &str, number: usize, count: usize) {
        *self.state() = State::default();
        if let Some(live) = &self.live {
            live.set_style(style(PLANNING));
            if count > 1 {
                live.set_prefix(format!("{name} ({number} of {count}) "));
            }
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
                    live.set_style(style(RUNNING));
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

/// The terminal as the live line sees it: a few columns narrower. The line is filled with blanks to its end, and a `^C` that the
/// terminal writes behind it would begin a line of its own, so that the live one could no longer be cleared.
#[derive(Debug, Default)]
struct Terminal {
    pending: Mutex<String>,
}

/// Columns that stay free.
const FREE_COLUMNS: u16 = 3;

impl Terminal {
    fn add(&self, text: &str) -> io::Result<()> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
        Ok(())
    }

    /// Moves the cursor, as ECMA-48 writes it.
    fn go(&self, count: usize, direction: char) -> io::Result<()> {
        if count == 0 { Ok(()) } else { self.add(&format!("\x1b[{count}{direction}")) }
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        let size = terminal_size::terminal_size_of(io::stderr());
        size.map_or(80, |(terminal_size::Width(columns), _)| columns).saturating_sub(FREE_COLUMNS).max(1)
    }

    fn move_cursor_up(&self, count: usize) -> io::Result<()> {
        self.go(count, 'A')
    }

    fn move_cursor_down(&self, count: usize) -> io::Result<()> {
        self.go(count, 'B')
    }

    fn move_cursor_right(&self, count: usize) -> io::Result<()> {
        self.go(count, 'C')
    }

    fn move_cursor_left(&self, count: usize) -> io::Result<()> {
        self.go(count, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.add(text)?;
        self.add("\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.add(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.add("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let text = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        let mut stderr = io::stderr().lock();
        stderr.write_all(text.as_bytes())?;
        stderr.flush()
    }
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

    #[test]
    fn a_terminal_gets_what_is_drawn_when_it_is_flushed() {
        let terminal = Terminal::default();
        terminal.clear_line().unwrap();
        terminal.move_cursor_up(0).unwrap();
        terminal.move_cursor_up(2).unwrap();
        terminal.write_line("a").unwrap();
        assert_eq!(terminal.pending.lock().unwrap().as_str(), "\r\x1b[2K\x1b[2Aa\n");
    }
}
