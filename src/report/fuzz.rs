//! What is asked of any job file, manifest of a run, and text that is masked. The fuzz targets call it (`crate::fuzz`).

use std::collections::BTreeMap;
use std::path::Path;

use chrono::DateTime;

use super::redact::Redaction;
use super::{Job, Manifest, Report};
use crate::error::Error;
use crate::script::Clock;
use crate::zones::Tz;

/// A SQL file that every report of a job of the fuzz target has.
const SQL: &str = "-- title: A\n-- unit: s\n-- param: n integer = 1\nselect $n as n";

fn no_internal(error: &Error) -> Result<(), String> {
    match error {
        Error::Internal(_) => Err(format!("an internal error: {error}")),
        _ => Ok(()),
    }
}

/// Reads bytes as the manifest of a run: it names no file elsewhere, and what is written of it is read as the same.
pub(crate) fn run_json(bytes: &[u8]) -> Result<(), String> {
    let path = Path::new("run.json");
    let manifest = match Manifest::from_bytes(path, bytes) {
        Ok(manifest) => manifest,
        Err(error) => return no_internal(&error),
    };
    for output in manifest.outputs() {
        if Path::new(&output.file).components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
            return Err(format!("{:?} is not in the folder", output.file));
        }
    }
    let written = serde_json::to_vec_pretty(&manifest).map_err(|error| format!("not written: {error}"))?;
    match Manifest::from_bytes(path, &written) {
        Ok(read) if serde_json::to_vec_pretty(&read).is_ok_and(|again| again == written) => Ok(()),
        Ok(read) => Err(format!("{manifest:?} is read as {read:?}")),
        Err(error) => Err(format!("{error} of what was written of {manifest:?}")),
    }
}

/// Reads bytes as a job file: its mistakes have a line of it, its reports and windows are made or refused.
pub(crate) fn job(bytes: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(bytes);
    let job = match Job::from_text(Path::new("jobs/fuzz.toml"), &text, &|_| Ok(SQL.to_owned())) {
        Ok(job) => job,
        Err(error) if !error.to_string().starts_with("jobs/fuzz.toml") => return Err(format!("no place: {error}")),
        Err(error) => return no_internal(&error),
    };
    let as_of = DateTime::from_timestamp_micros(1_795_219_200_000_000).unwrap_or_default();
    let clock = Clock { as_of, time_zone: Tz::UTC };
    if let Err(error) = job.windows(None, None, None, &mut BTreeMap::new(), &clock) {
        no_internal(&error)?;
    }
    for definition in job.reports {
        if let Err(error) = Report::new(definition) {
            no_internal(&error)?;
        }
    }
    Ok(())
}

/// Masks a text, whose first line is the name of its column: what was masked is masked no further, JSON stays JSON, and a number and an address that
/// are put beside the text do not show.
pub(crate) fn redaction(bytes: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(bytes);
    let (name, value) = text.split_once('\n').unwrap_or(("", &text));
    let redaction = Redaction::standard();
    let shown = redaction.named(name, value);
    let again = redaction.named(name, &shown);
    if again != shown {
        return Err(format!("{name:?}: {value:?} is shown as {shown:?}, and that as {again:?}"));
    }
    let is_json = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if value.trim_start().starts_with(['{', '[']) && is_json(value) && !is_json(&shown) {
        return Err(format!("{name:?}: {value:?} is shown as {shown:?}, which is no JSON"));
    }
    // Which of two is which could not be told.
    if value.contains("5550143") || value.contains("mary") {
        return Ok(());
    }
    let with_both = format!("{value} call +12025550143, write mary@example.org.");
    let shown = redaction.text(&with_both);
    if shown.contains("2025550143") || shown.contains("mary@example") {
        return Err(format!("{with_both:?} is shown as {shown:?}"));
    }
    Ok(())
}
