//! Entry points of the fuzz targets, for engines for fuzzing and the test that replays the corpus; not a part of the interface.
//!
//! Each target takes any bytes and checks what must hold of them, be they good or bad: an error says what does not. What a target checks stands beside
//! what it is about, in the `fuzz.rs` of each module.

/// A check of any bytes, by the name of its folder in `fuzz/corpus`.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name.
    pub name: &'static str,
    /// Says what does not hold of some bytes.
    pub check: fn(&[u8]) -> Result<(), String>,
}

pub use crate::serve::pg::fuzz::{framed, talk};

/// All targets, in the order of their names.
pub const TARGETS: &[Target] = &[
    Target { name: "archives", check: crate::ingest::fuzz::archives },
    Target { name: "columnar", check: crate::ingest::fuzz::columnar },
    Target { name: "delimited", check: crate::ingest::fuzz::delimited },
    Target { name: "footers", check: crate::engine::fuzz::footers },
    Target { name: "ids", check: crate::lake::fuzz::ids },
    Target { name: "job", check: crate::report::fuzz::job },
    Target { name: "json", check: crate::json::fuzz::json },
    Target { name: "json_exports", check: crate::ingest::fuzz::json_exports },
    Target { name: "leaves", check: crate::shred::fuzz::leaves },
    Target { name: "log", check: crate::lake::fuzz::log },
    Target { name: "manifest", check: crate::shred::fuzz::manifest },
    Target { name: "packed", check: crate::ingest::fuzz::packed },
    Target { name: "parameters", check: crate::script::fuzz::parameters },
    Target { name: "pg_messages", check: crate::serve::pg::fuzz::messages },
    Target { name: "pg_values", check: crate::serve::pg::fuzz::values },
    Target { name: "redaction", check: crate::report::fuzz::redaction },
    Target { name: "run_json", check: crate::report::fuzz::run_json },
    Target { name: "sheets", check: crate::ingest::fuzz::sheets },
    Target { name: "sql", check: crate::script::fuzz::sql },
    Target { name: "walk", check: crate::shred::document::fuzz::walk },
];
