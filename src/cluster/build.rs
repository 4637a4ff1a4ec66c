//! Which build a worker is of, and which lake it reads: stages are for processes that would plan and compute alike.

use std::sync::LazyLock;

use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::{schema, zones};

/// The number of the form in which stages are sent; a change of `engine/stages/codec.rs` or of what a stage may hold is a new one.
const FORM: u32 = 1;
/// What stands between the parts of what a worker says of itself.
const BETWEEN: char = '\n';

/// What makes answers differ: the version of the program, of the engine, of the rules of time zones, and the columns.
pub fn build() -> &'static str {
    static BUILD: LazyLock<String> = LazyLock::new(|| {
        let columns = xxh3_64(format!("{:?}", schema::stored_schema()).as_bytes());
        let engine = datafusion::DATAFUSION_VERSION;
        let (version, zones) = (env!("CARGO_PKG_VERSION"), zones::release());
        format!("sessionlake {version}, engine {engine}, form {FORM}, zones {zones}, columns {columns:016x}")
    });
    &BUILD
}

/// What a worker says of itself.
pub fn told(lake: &Lake, instance: &str) -> String {
    [build(), &lake.uri(), instance].join(&BETWEEN.to_string())
}

/// Returns the process that said so.
pub fn instance(told: &str) -> Option<&str> {
    told.split(BETWEEN).nth(2)
}

/// Returns the process of a worker that is of this build and reads the lake.
///
/// # Errors
/// Another build, another lake.
pub fn require(told: &str, lake: &Lake, place: &str) -> Result<String> {
    let mut parts = told.split(BETWEEN);
    let (of, reads, instance) = (parts.next(), parts.next(), parts.next());
    if of != Some(build()) {
        let message =
            format!("the worker at {place} is of another build: {:?}, and this is {:?}", told_build(of), build());
        return Err(
            Error::usage(message).with_hint("start the same program, with the same time zones, on all machines")
        );
    }
    if reads != Some(lake.uri().as_str()) {
        let message = format!(
            "the worker at {place} reads the lake at {:?}, and not that at {:?}",
            reads.unwrap_or_default(),
            lake.uri()
        );
        return Err(Error::usage(message).with_hint("name the lake in the same way, by ⟨lake⟩, on all machines"));
    }
    Ok(instance.unwrap_or_default().to_owned())
}

fn told_build(of: Option<&str>) -> &str {
    of.filter(|of| !of.is_empty()).unwrap_or("nothing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_build_that_reads_the_same_lake_will_do() {
        let (lake, other) = (Lake::at("/data/lake").unwrap(), Lake::at("/data/other").unwrap());
        let told = told(&lake, "one");
        assert_eq!(require(&told, &lake, "a:1").unwrap(), "one");
        assert_eq!(instance(&told), Some("one"));
        assert!(require(&told, &other, "a:1").unwrap_err().to_string().contains("/data/lake"));
        for odd in ["", "x", &told.replace("form 1", "form 2")] {
            assert!(require(odd, &lake, "a:1").is_err(), "{odd}");
        }
    }
}
