//! What a command costs, as `--stats` says it: requests, bytes, files, rows, and time by phase.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sessionlake::lake::Costs;

use super::exit;

/// What a command costs.
#[derive(Debug)]
pub struct Spending {
    /// What the lake counts in.
    pub costs: Arc<Costs>,
    started: Instant,
}

impl Default for Spending {
    fn default() -> Self {
        let started = Instant::now();
        Self { costs: Arc::new(Costs::timed(Arc::new(move || started.elapsed()))), started }
    }
}

impl Spending {
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
        let phases = self.costs.phases();
        let phases: Vec<String> = phases.iter().map(|(name, time)| format!(", {name} {} s", seconds(*time))).collect();
        exit::note(&format!("stats: time {} s{}", seconds(self.started.elapsed()), phases.concat()));
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}
