//! `sessionlake vacuum`: removes the files of the lake that no kept version has.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{SecondsFormat, TimeDelta, Utc};
use clap::Args as ClapArgs;
use sessionlake::custody::{VacuumOptions, VacuumReport, VacuumedTable, vacuum};
use sessionlake::functions::parse_duration;
use sessionlake::lake::{Leaving, Why};
use sessionlake::{Error, Result};

use super::exit;
use super::ingest::limits;
use super::printer::{TellingArgs, counted};
use super::shared::{Shared, size};

/// Files that are named one by one where the result is for people.
const NAMED_FILES: usize = 10;

/// Removes the files of the lake that no kept version has: those of earlier versions, and those that killed runs left.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Nothing is removed without --yes. Files that no Delta program names so stay, and so do files of runs under way.\n\n\
                        Examples:\n  sessionlake vacuum\n  sessionlake vacuum --retention 30d --yes"
)]
pub struct Args {
    /// For how long a version stays readable after another took its place, such as 7d or 12h
    #[arg(long, value_name = "TIME", default_value = "7d")]
    retention: String,
    /// Removes the files; without it they are only shown
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    telling: TellingArgs,
}

/// Runs the command.
///
/// # Errors
/// No lake there; a retention that cannot be read; storage errors, conflicts.
pub async fn run(shared: &Shared, args: Args) -> Result<u8> {
    let settings = shared.settings()?;
    let options = VacuumOptions { retention: parse_retention(&args.retention)?, now: Utc::now(), removes: args.yes };
    let report = vacuum(&settings.lake()?, options, &limits(&settings)).await?;
    args.telling.tell(shared.quiet, &report, describe)?;
    Ok(exit::FINE)
}

/// Reads a length of time, of which 0 is one.
fn parse_retention(text: &str) -> Result<TimeDelta> {
    let seconds = match text.trim() {
        "0" => Some(0.0),
        text => parse_duration(text),
    };
    // More than a century is no time that anyone means.
    let has_unit = text.trim() == "0" || text.contains(|c: char| c.is_alphabetic() || c == ':');
    match seconds.filter(|seconds| (0.0..=3.2e9).contains(seconds) && has_unit) {
        Some(seconds) => Ok(TimeDelta::milliseconds((seconds * 1e3) as i64)),
        None => Err(Error::usage(format!("--retention is not a time: {text:?}")).with_hint("write it as 7d, 12h or 0")),
    }
}

/// Says of a reason what it is for people.
fn words(why: Why, count: u64) -> String {
    match why {
        Why::OldVersions => counted(count, "file of earlier versions", "files of earlier versions"),
        Why::NoVersion => counted(count, "file of no version", "files of no version"),
        Why::Unfinished => counted(count, "unfinished file", "unfinished files"),
    }
}

fn describe(report: &VacuumReport) -> String {
    let mut text = String::new();
    for table in &report.tables {
        describe_table(&mut text, table);
    }
    let sum = format!("{}, {}", counted(report.files, "file", "files"), size(report.bytes));
    let since = report.kept_since.to_rfc3339_opts(SecondsFormat::Secs, true);
    let _ = match (report.files, report.removed) {
        (0, _) => writeln!(text, "nothing to remove; versions of {since} and later are kept"),
        (_, true) => writeln!(text, "removed {sum}; versions of {since} and later are kept"),
        (_, false) => {
            writeln!(text, "{sum} in all; nothing was removed, --yes does it. Versions of {since} and later are kept")
        }
    };
    text
}

fn describe_table(text: &mut String, table: &VacuumedTable) {
    let mut reasons: BTreeMap<Why, (u64, u64)> = BTreeMap::new();
    for file in &table.files {
        let (files, bytes) = reasons.entry(file.why).or_default();
        *files += 1;
        *bytes += file.bytes;
    }
    let found: Vec<String> =
        reasons.iter().map(|(why, (files, bytes))| format!("{}, {}", words(*why, *files), size(*bytes))).collect();
    let found = if found.is_empty() { "nothing".to_owned() } else { found.join("; ") };
    let _ = writeln!(text, "{}: {found}", table.table);
    for Leaving { path, bytes, why, .. } in table.files.iter().take(NAMED_FILES) {
        let _ = writeln!(
            text,
            "  {path}: {}, {}",
            size(*bytes),
            match why {
                Why::OldVersions => format!("no version from {} on has it", table.kept_from),
                Why::NoVersion => "a run that was killed left it".to_owned(),
                Why::Unfinished => "part of a file that a killed process was writing".to_owned(),
            }
        );
    }
    if let Some(more) = table.files.len().checked_sub(NAMED_FILES).filter(|more| *more > 0) {
        let _ = writeln!(text, "  and {more} more, which --format json lists");
    }
    for (count, why) in [
        (table.under_way, "of runs under way"),
        (table.young, "of no version and not a day old: another program may be about to commit them"),
    ] {
        if count > 0 {
            let _ = writeln!(text, "  {} {why}: kept", counted(count, "file is", "files are"));
        }
    }
    if !table.unknown.is_empty() {
        let names: Vec<&str> = table.unknown.iter().take(NAMED_FILES).map(String::as_str).collect();
        let more = if table.unknown.len() > NAMED_FILES { ", …" } else { "" };
        let _ = writeln!(text, "  not of a table, and kept: {}{more}", names.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retention_is_a_length_of_time() {
        let hours = |text: &str| parse_retention(text).unwrap().num_hours();
        assert_eq!([hours("7d"), hours("12h"), hours("0"), hours("1d 12h")], [168, 12, 0, 36]);
        for wrong in ["", "soon", "-1h", "1e30", "30"] {
            assert!(parse_retention(wrong).is_err(), "{wrong}");
        }
    }
}
