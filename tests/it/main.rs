//! Integration tests, in one binary because each links all of DataFusion. A module a subject:
//!
//! - `concurrency`: several writers and readers at once
//! - `ingest`: what becomes of records: order, repetition, quarantine, replay
//! - `lake`: what is on disk: files, statistics, log, checkpoints, damage, kills
//! - `lakes`: small states, exports and lakes that the others use
//! - `python`: the lake read and changed by other engines
//! - `queries`: the queries that ship, each with its expected answers
//! - `shredding`: the proof that leaf columns are invisible

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "all of it is a test; what is skipped is said")]

mod concurrency;
mod ingest;
mod lake;
mod lakes;
mod python;
mod queries;
mod shredding;
