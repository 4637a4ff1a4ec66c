//! What a session is told: its limits, its clock and zone, and how its plans run.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use chrono::{DateTime, Utc};

use super::scan::Leaves;
use crate::zones::Tz;

/// What a session may use, and what it sees as now.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The instant that is now for every query, and up to which running sessions have run.
    pub as_of: DateTime<Utc>,
    /// The zone of local days.
    pub time_zone: Tz,
    /// Bytes of memory that operators may hold; beyond it they spill to disk.
    pub memory_limit_bytes: usize,
    /// Bytes of disk that spilling may take.
    pub spill_limit_bytes: u64,
    /// Where to spill; `None` is the system's temporary folder.
    pub temporary_folder: Option<PathBuf>,
    /// Threads that a query runs on.
    pub threads: NonZeroUsize,
    /// Whether scans read leaf columns in place of JSON text.
    pub leaves: Leaves,
}

/// Says in the settings of a session that the files of a statement have been counted: it is planned once more.
#[derive(Debug)]
pub(super) struct AlreadyCounted;

/// How the parts of a plan run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Execution {
    /// In partitions on several threads: the fastest. Rows meet operators in any order. Sums and means are the same all the same, but the last
    /// digits of variances and correlations may differ between runs.
    #[default]
    Parallel,
    /// In one partition, files in the order of their paths: rows meet every operator in one order, whatever the machine.
    InOrder,
}

/// Returns 70 % of the memory that this process may use: the least of the machine's and the control group's.
pub fn default_memory_limit() -> usize {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?.to_owned();
        Some(line.split_whitespace().nth(1)?.parse::<usize>().ok()? * 1024)
    });
    let group = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok()?.trim().parse::<usize>().ok());
    let available = [machine, group].into_iter().flatten().min().unwrap_or(4 << 30);
    available / 10 * 7
}
