//! Tests of the binary and of the project's shape, in one binary since each links all of DataFusion.
//!
//! | module | what |
//! | --- | --- |
//! | [`queries`] | `queries/`: every report gives the answers in `tests/queries/` |

#![expect(clippy::unwrap_used, clippy::panic, reason = "all of it is a test")]

mod queries;
