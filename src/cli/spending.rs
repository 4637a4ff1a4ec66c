//! What a command costs, as `--stats` says it: requests, bytes, files, rows, and time by phase.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sessionlake::lake::Costs;

use super::exit;

/// What a command costs.
#[derive(Debug)]
pub struct Spending {
    /// What the lake counts in.
    pub costs: Arc<Costs>,
    started: Instant,
    /// Time by phase, in the order in which they began.
    phases: Mutex<Vec<(&'static str, Duration)>>,
}

impl Default for Spending {
    fn default() -> Self {
        Self { costs: Arc::default(), started: Instant::now(), phases: Mutex::default() }
    }
}

impl Spending {
    /// Adds the time since an instant to a phase.
    pub fn add(&self, phase: &'static str, since: Instant) {
        let mut phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        match phases.iter_mut().find(|(name, _)| *name == phase) {
            Some((_, time)) => *time += since.elapsed(),
            None => phases.push((phase, since.elapsed())),
        }
    }

    /// Says it all on stderr, bytes as `size` writes them.
    pub fn tell(&self, size: fn(u64) -> String) {
        let spent = self.costs.spent();
        exit::note(&format!(
            "stats: requests {} ({} get, {} head, {} put, {} list, {} delete), {} fetched, {} sent",
            spent.requests(),
            spent.gets,
            spent.heads,
            spent.puts,
            spent.lists,
            spent.deletes,
            size(spent.bytes_fetched),
            size(spent.bytes_sent)
        ));
        let read = spent.files - spent.files_left_out_by_log - spent.files_left_out_by_blooms;
        exit::note(&format!(
            "stats: files {read} of {}, left out {} by the log and {} by bloom filters; rows {}; {} spilled",
            spent.files,
            spent.files_left_out_by_log,
            spent.files_left_out_by_blooms,
            spent.rows_scanned,
            size(spent.bytes_spilled)
        ));
        let phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        let phases: Vec<String> = phases.iter().map(|(name, time)| format!(", {name} {} s", seconds(*time))).collect();
        exit::note(&format!("stats: time {} s{}", seconds(self.started.elapsed()), phases.concat()));
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}
