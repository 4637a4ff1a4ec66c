//! What a server counts of itself. There is nothing of a question in it: no SQL, no value, no user.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::limits::Doors;
use crate::error::Error;

/// The ways that questions come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// PostgreSQL's.
    Postgres,
    /// Flight SQL.
    Flight,
    /// HTTP.
    Http,
}

impl Protocol {
    const ALL: [Self; 3] = [Self::Postgres, Self::Flight, Self::Http];

    /// The name in metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "pg",
            Self::Flight => "flight",
            Self::Http => "http",
        }
    }
}

/// How a question ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Answered,
    /// By its client, or by a connection that ended.
    Stopped,
    /// Its statement is wrong.
    Refused,
    /// A limit of memory, time, rows or bytes.
    Limited,
    Failed,
}

impl Ending {
    const ALL: [Self; 5] = [Self::Answered, Self::Stopped, Self::Refused, Self::Limited, Self::Failed];

    const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Stopped => "stopped",
            Self::Refused => "refused",
            Self::Limited => "limited",
            Self::Failed => "failed",
        }
    }

    /// What an error makes of a question.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Sql(_) | Error::Usage { .. } | Error::NotFound { .. } => Self::Refused,
            Error::Limit { .. } => Self::Limited,
            Error::Cancelled => Self::Stopped,
            _ => Self::Failed,
        }
    }
}

/// Upper bounds of the times that are counted, in seconds.
const BOUNDS: [f64; 8] = [0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0];

/// Counters of one server.
#[derive(Debug, Default)]
pub struct Metrics {
    connections: [AtomicU64; 3],
    logins_refused: AtomicU64,
    /// By protocol, then by ending.
    questions: [[AtomicU64; 5]; 3],
    rows: AtomicU64,
    bytes: AtomicU64,
    /// Questions that took no longer than each bound; the last counts all.
    times: [AtomicU64; BOUNDS.len() + 1],
    time_us: AtomicU64,
}

impl Metrics {
    /// Counts a connection.
    pub fn connected(&self, protocol: Protocol) {
        add(self.connections.get(protocol as usize), 1);
    }

    /// Counts a log-in that was refused.
    pub fn login_refused(&self) {
        add(Some(&self.logins_refused), 1);
    }

    pub(super) fn ended(&self, protocol: Protocol, ending: Ending, took: Duration) {
        add(self.questions.get(protocol as usize).and_then(|endings| endings.get(ending as usize)), 1);
        let seconds = took.as_secs_f64();
        let from = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.times.iter().skip(from).for_each(|count| add(Some(count), 1));
        add(Some(&self.time_us), u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub(super) fn sent(&self, rows: u64, bytes: u64) {
        add(Some(&self.rows), rows);
        add(Some(&self.bytes), bytes);
    }

    /// Writes everything as OpenMetrics text.
    pub(super) fn text(&self, doors: &Doors, held_bytes: usize) -> String {
        let mut out = String::new();
        let mut family = |name: &str, kind: &str, help: &str, samples: &[(String, f64)]| {
            let _ = writeln!(out, "# TYPE sessionlake_{name} {kind}\n# HELP sessionlake_{name} {help}");
            for (labels, value) in samples {
                let _ = writeln!(out, "sessionlake_{name}{labels} {value}");
            }
        };
        let plain = |value: f64| [(String::new(), value)];
        let total = |value: f64| [("_total".to_owned(), value)];
        family("connections_open", "gauge", "Connections now.", &plain(doors.seats_taken() as f64));
        family("questions_running", "gauge", "Questions that are computed now.", &plain(doors.running() as f64));
        family("questions_waiting", "gauge", "Questions that wait for their turn now.", &plain(doors.waiting() as f64));
        family("memory_held_bytes", "gauge", "Bytes that operators hold now.", &plain(held_bytes as f64));
        let connections = Protocol::ALL.map(|protocol| {
            (format!("_total{{protocol=\"{}\"}}", protocol.name()), count(self.connections.get(protocol as usize)))
        });
        family("connections", "counter", "Connections since the start.", &connections);
        family("logins_refused", "counter", "Log-ins that were refused.", &total(count(Some(&self.logins_refused))));
        let questions = Protocol::ALL.iter().flat_map(|protocol| {
            Ending::ALL.iter().map(|ending| {
                let counted = self.questions.get(*protocol as usize).and_then(|of| of.get(*ending as usize));
                let labels = format!("_total{{protocol=\"{}\",ending=\"{}\"}}", protocol.name(), ending.name());
                (labels, count(counted))
            })
        });
        family("questions", "counter", "Questions that ended, by how.", &questions.collect::<Vec<_>>());
        family("rows", "counter", "Rows that were sent.", &total(count(Some(&self.rows))));
        family("answer_bytes", "counter", "Bytes of answers that were sent.", &total(count(Some(&self.bytes))));
        let bounds = BOUNDS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        let mut times: Vec<(String, f64)> = bounds
            .zip(&self.times)
            .map(|(bound, counted)| (format!("_bucket{{le=\"{bound}\"}}"), count(Some(counted))))
            .collect();
        times.push(("_sum".to_owned(), count(Some(&self.time_us)) / 1e6));
        times.push(("_count".to_owned(), count(self.times.last())));
        family("question_seconds", "histogram", "How long questions took, from asking to the last row.", &times);
        out.push_str("# EOF\n");
        out
    }
}

fn add(counter: Option<&AtomicU64>, value: u64) {
    if let Some(counter) = counter {
        counter.fetch_add(value, Ordering::Relaxed);
    }
}

fn count(counter: Option<&AtomicU64>) -> f64 {
    counter.map_or(0.0, |counter| counter.load(Ordering::Relaxed) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::Limits;

    #[test]
    fn counts_stand_in_their_families() {
        let metrics = Metrics::default();
        metrics.connected(Protocol::Postgres);
        metrics.ended(Protocol::Http, Ending::Limited, Duration::from_millis(50));
        metrics.ended(Protocol::Http, Ending::Answered, Duration::from_secs(1000));
        metrics.sent(3, 40);
        let text = metrics.text(&Doors::new(Limits::default()), 7);
        for line in [
            "sessionlake_connections_total{protocol=\"pg\"} 1",
            "sessionlake_questions_total{protocol=\"http\",ending=\"limited\"} 1",
            "sessionlake_question_seconds_bucket{le=\"0.02\"} 0",
            "sessionlake_question_seconds_bucket{le=\"0.1\"} 1",
            "sessionlake_question_seconds_bucket{le=\"+Inf\"} 2",
            "sessionlake_question_seconds_count 2",
            "sessionlake_question_seconds_sum 1000.05",
            "sessionlake_rows_total 3",
            "sessionlake_memory_held_bytes 7",
        ] {
            assert!(text.lines().any(|known| known == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
