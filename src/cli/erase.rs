//! `sessionlake erase`: takes sessions out of the lake for good.

use std::fmt::Write as _;

use chrono::{SecondsFormat, Utc};
use clap::Args as ClapArgs;
use sessionlake::custody::{EraseOptions, EraseReceipt, Selection, erase};
use sessionlake::lake::layout::LEAF_BUDGET;
use sessionlake::zones::read_instant;
use sessionlake::{Error, Result};

use super::exit;
use super::ingest::{limits, watched};
use super::printer::{TellingArgs, counted};
use super::shared::{Shared, size};

/// Takes sessions out of the lake for good: those that any of the conditions finds.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Nothing is erased without --yes. Rows go from sessions, quarantine and sightings, and later exports do not bring them back. \
                        Earlier versions keep them until --purge or vacuum removes their files. Results, reports and exports that were made \
                        before are not the lake's to erase.\n\n\
                        Examples:\n  sessionlake erase --session-id 028d0111110d4e60342e5e3262\n  \
                        sessionlake erase --phone '+1 202 555 0143' --anywhere --purge --yes\n  \
                        sessionlake erase --before 2024-01-01 --yes"
)]
pub struct Args {
    /// Sessions with this id; may be repeated
    #[arg(long, value_name = "ID")]
    session_id: Vec<String>,
    /// Sessions with this phone number, however it is written; may be repeated
    #[arg(long, value_name = "NUMBER")]
    phone: Vec<String>,
    /// Sessions whose JSON has this e-mail address; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    email: Vec<String>,
    /// Sessions that a condition of SQL holds for, on the columns of stored_sessions; may be repeated
    #[arg(long = "where", value_name = "SQL")]
    conditions: Vec<String>,
    /// Sessions that started before
    #[arg(long, value_name = "DATE")]
    before: Option<String>,
    /// Looks for phone numbers inside of JSON texts too; sessions that have one go as a whole
    #[arg(long)]
    anywhere: bool,
    /// Removes earlier versions at once, with their files and their part of the log: history begins anew
    #[arg(long)]
    purge: bool,
    /// Erases; without it what would go is only counted
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    telling: TellingArgs,
}

/// Runs the command.
///
/// # Errors
/// No lake there; a condition that is no SQL; storage errors, conflicts.
pub async fn run(shared: &Shared, args: Args) -> Result<u8> {
    let settings = shared.settings()?;
    let before = args.before.as_deref().map(|text| read_instant("--before", text, settings.engine.time_zone));
    let selection = Selection {
        session_ids: args.session_id,
        phones: args.phone,
        emails: args.email,
        conditions: args.conditions,
        before: before.transpose()?,
        anywhere: args.anywhere,
    };
    if selection.is_empty() {
        return Err(Error::usage("erase needs to know which sessions")
            .with_hint("name them with --session-id, --phone, --email, --where or --before"));
    }
    for (flag, texts) in [
        ("--session-id", &selection.session_ids),
        ("--phone", &selection.phones),
        ("--email", &selection.emails),
        ("--where", &selection.conditions),
    ] {
        if texts.iter().any(|text| text.trim().is_empty()) {
            return Err(Error::usage(format!("{flag} is empty")));
        }
    }
    let options = EraseOptions {
        selection,
        erases: args.yes,
        purge: args.purge && args.yes,
        remembers: true,
        leaf_budget: LEAF_BUDGET,
        now: Utc::now(),
        engine: settings.engine.clone(),
    };
    let lake = settings.lake()?;
    let receipt = watched(shared, None, &limits(&settings), |limits| {
        let (lake, options) = (&lake, &options);
        async move { erase(lake, options, &limits).await }
    })
    .await?;
    args.telling.tell(shared.quiet, &receipt, describe)?;
    Ok(exit::FINE)
}

fn describe(receipt: &EraseReceipt) -> String {
    let mut text = String::new();
    let found = format!(
        "{}, {} in quarantine, {}",
        counted(receipt.sessions, "session", "sessions"),
        counted(receipt.quarantined, "record", "records"),
        counted(receipt.sightings, "sighting", "sightings"),
    );
    let files = format!("{} of {}", counted(receipt.files, "data file", "data files"), size(receipt.bytes));
    if !receipt.erased {
        let _ = writeln!(text, "{found} would go, from {files}; nothing was erased, --yes does it");
        return text;
    }
    let _ = writeln!(text, "{} erased {found}, from {files}", receipt.at.to_rfc3339_opts(SecondsFormat::Secs, true));
    for (table, version) in &receipt.versions {
        let _ = writeln!(text, "{table} is at version {version}");
    }
    if receipt.fingerprints > 0 {
        let kept = counted(receipt.fingerprints, "session is", "sessions are");
        let _ = writeln!(text, "{kept} not taken in again, unless by ingest --with-erased");
    }
    match receipt.purged {
        true => {
            let gone = counted(receipt.purged_files, "file", "files");
            let _ = writeln!(text, "earlier versions are gone, with {gone}");
        }
        false => {
            let _ = writeln!(
                text,
                "earlier versions still hold them: vacuum removes those a week after, and erase --purge at once"
            );
        }
    }
    let _ = writeln!(
        text,
        "not the lake's to erase: exports, results and reports made before, caches of readers, copies and backups of the lake"
    );
    text
}
