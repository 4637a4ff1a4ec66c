//! Tests of the binary and of the project's shape, in one binary since each links all of DataFusion.
//!
//! | module | what |
//! | --- | --- |
//! | [`cli`] | the command line as its users and their scripts meet it: streams, exit codes, parameters, limits, configuration |
//! | [`cli_page`] | `docs/cli.md` is what the commands say of themselves |
//! | [`imports`] | which module may name which, and what may be named where |
//! | [`pages`] | the data model and the invariants on the pages are those of the code |
//! | [`readme`] | transcripts in README.md and docs/ are what the commands print |
//! | [`samples`] | `data/`: every file does at ingest what data/README.md says |

#![expect(clippy::unwrap_used, clippy::panic, reason = "all of it is a test")]

mod cli;
mod cli_page;
mod imports;
mod pages;
mod readme;
mod samples;
mod support;
