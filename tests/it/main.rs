//! Integration tests, in one binary because each links all of DataFusion. A module a subject:
//!
//! - `cli`: the command line as a user types it
//! - `cli_page`: docs/cli.md is what the commands say of themselves
//! - `concurrency`: several writers and readers at once
//! - `counting`: a store that counts what is read
//! - `crafted_logs`: logs as other writers may leave them: statistics and actions of any shape
//! - `crafted_rows`: rows that no ingest writes, which `verify` finds
//! - `damaged_files`: flipped bits in data files and in the log
//! - `damaged_logs`: logs with damaged files, and logs that ask for more than we write
//! - `faults`: storage that fails at every call, fsyncs that are refused, temporary space that runs out
//! - `foreign_files`: data files of another writer: NaN, partitions, odd types, our keys in their footers
//! - `foreign_logs`: logs whose statistics another writer cut or left out
//! - `fuzzing`: the corpus of the fuzz targets, replayed
//! - `imports`: who may import whom
//! - `ingest`: what becomes of records: order, repetition, quarantine, replay
//! - `lake`: what is on disk: files, statistics, log, checkpoints, damage, kills
//! - `lakes`: small states, exports and lakes that the others use
//! - `log`: what is read of a log, and of files while a plan is made
//! - `model`: sequences of commands, compared with a small model of the table
//! - `pages`: the data model and the invariants on the pages are those of the code
//! - `phones`: phone numbers of all countries, as libphonenumber reads them
//! - `postgres`: the answers of statements that a PostgreSQL server was asked too
//! - `python`: the lake read and changed by other engines
//! - `queries`: the queries that ship, each with its expected answers
//! - `readme`: the transcripts of README and docs
//! - `redacted_reports`: a run that masks says nothing of what it masks
//! - `report`: folders of reports: whole or not at all, and the same again
//! - `samples`: what ingest says of the files in `data`
//! - `serve_http`: the HTTP server as clients meet it
//! - `session_index`: the index of session ids, whatever becomes of it
//! - `shredding`: the proof that leaf columns are invisible
//! - `stores`: lakes in object stores, and stores with bad habits
//! - `support`: what the tests of the command line share
//! - `upkeep`: files merged by ingests and by `optimize`, beside other writers

#![expect(clippy::unwrap_used, clippy::print_stderr, clippy::panic, reason = "all of it is a test")]

mod cli;
mod cli_page;
mod cluster;
mod concurrency;
mod counting;
mod crafted_logs;
mod crafted_rows;
mod damaged_files;
mod damaged_logs;
mod faults;
mod foreign_files;
mod foreign_logs;
mod foreign_rows;
mod fuzzing;
mod imports;
mod ingest;
mod interop;
mod lake;
mod lakes;
mod log;
mod model;
mod pages;
mod phones;
mod postgres;
mod python;
mod queries;
mod readme;
mod redacted_reports;
mod report;
mod samples;
mod serve;
mod serve_http;
mod session_index;
mod shredding;
mod stores;
mod support;
mod upkeep;
