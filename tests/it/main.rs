//! Integration tests, in one binary because each links all of DataFusion. A module a subject:
//!
//! - `lake`: what is on disk — files, statistics, log, checkpoints, damage, kills
//! - `ingest`: what becomes of records — order, repetition, quarantine, replay
//! - `concurrency`: several writers and readers at once
//! - `python`: the lake read and changed by other engines
//! - `lakes`: small states, exports and lakes that the others use

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "all of it is a test; what is skipped is said")]

mod concurrency;
mod ingest;
mod lake;
mod lakes;
mod python;
