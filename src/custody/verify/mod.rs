//! Compares a lake's log with its files, and with `deep` everything that files say twice.
//!
//! Each file is read once, its columns of values only or all of them, and what is found is told file by file. Memory holds the pages that are being
//! read and a key for each session, which go to temporary files beyond the limit, so that it does not grow with the lake.

mod file;
mod leaves;
mod memory;
mod repair;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use futures::StreamExt;
use serde::{Deserialize, Serialize};

use self::memory::{Memory, Stage};
use super::TABLES;
use crate::error::{Error, Result};
use crate::ingest::{KeyStore, Limits, PARTITIONS, Progress, RowPlace};
use crate::lake::{DataFile, Lake, Snapshot, Table, Version, layout};

/// Faults that are told one by one; of more the number is told.
const TOLD_FAULTS: usize = 10_000;

/// What a verification does.
#[derive(Clone)]
pub struct VerifyOptions {
    /// Whether all bytes are read, and compared with what is computed from them.
    pub deep: bool,
    /// Whether files are written anew where that loses nothing.
    pub repair: bool,
    /// Columns for JSON paths that a file which is written anew has at most.
    pub leaf_budget: usize,
    /// The present instant.
    pub now: DateTime<Utc>,
    /// A file that remembers what a deep verification has read, while it runs: one that was stopped goes on from there.
    pub memory: Option<PathBuf>,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// A table or its log cannot be read.
    Log,
    /// A checkpoint cannot be read; the log is whole without it.
    Checkpoint,
    /// A file that the log lists is not there.
    Missing,
    /// A file has another size than the log says.
    Size,
    /// A file's bytes are not those that were written, or it cannot be read.
    Damaged,
    /// A file is not in the folder of its table.
    Outside,
    /// A file has other rows than the log says.
    Rows,
    /// What the log says of a file's columns is not so.
    Statistics,
    /// The rows of a file are not in the order of their starts.
    Order,
    /// A row lacks what every row has.
    Value,
    /// Two rows have one session id.
    TwiceStored,
    /// A row's content hash is not that of its columns.
    ContentHash,
    /// A column beside the text gives another answer than the text.
    Leaves,
    /// The index of session ids is damaged, or says something else than the files.
    Index,
}

impl FaultKind {
    /// Says whether writing the file anew from its rows puts this right and loses nothing.
    fn is_repairable(self) -> bool {
        matches!(
            self,
            Self::Checkpoint | Self::Statistics | Self::Order | Self::ContentHash | Self::Leaves | Self::Index
        )
    }
}

/// Something that is wrong with a lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The table.
    pub table: String,
    /// The file, by its path from the table's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The kind.
    pub kind: FaultKind,
    /// What is wrong, without what rows hold.
    pub what: String,
    /// Whether `repair` puts it right.
    pub repairable: bool,
}

/// A table that was verified.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedTable {
    /// The table's name.
    pub table: String,
    /// The version.
    pub version: Version,
    /// Its files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows that were read.
    pub rows: u64,
    /// Files without checksums, of earlier versions of ours or other programs.
    pub without_checksums: u64,
    /// Files in the folder that no version has and that no run under way writes; they do no harm.
    pub left_behind: u64,
    /// Files whose bytes were not read again, since a verification that was stopped had read them and found nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub read_before: u64,
    /// Documents that were walked to be compared with the columns beside them.
    #[serde(skip)]
    pub documents: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// Whether all bytes were read.
    pub deep: bool,
    /// The tables that the lake has.
    pub tables: Vec<VerifiedTable>,
    /// What is wrong, and was not put right.
    pub faults: Vec<Fault>,
    /// Faults beyond those that are listed.
    #[serde(default)]
    pub more_faults: u64,
    /// What was put right.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repaired: Vec<Fault>,
    /// The versions that putting right made, by table.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<String, Version>,
}

/// Collects what is wrong.
#[derive(Debug, Default)]
struct Faults {
    table: &'static str,
    list: Vec<Fault>,
    more: u64,
}

impl Faults {
    fn add(&mut self, file: Option<&str>, kind: FaultKind, what: impl Into<String>) {
        if self.list.len() == TOLD_FAULTS {
            self.more += 1;
            return;
        }
        self.list.push(Fault {
            table: self.table.to_owned(),
            file: file.map(str::to_owned),
            kind,
            what: what.into(),
            repairable: kind.is_repairable(),
        });
    }

    fn take(&mut self, found: Vec<(String, FaultKind, String)>) {
        for (file, kind, what) in found {
            self.add(Some(&file), kind, what);
        }
    }
}

/// Verifies the newest version of a lake's tables, and puts right what can be if told.
///
/// # Errors
/// No lake there; temporary space that runs out; a run stopped from outside; of a repair those of a commit. What is wrong with the lake is in the
/// report.
pub async fn verify(lake: &Lake, options: &VerifyOptions, limits: &Limits) -> Result<VerifyReport> {
    let mut report = VerifyReport {
        deep: options.deep,
        tables: Vec::new(),
        faults: Vec::new(),
        more_faults: 0,
        repaired: Vec::new(),
        versions: BTreeMap::new(),
    };
    lake.enter("verifying");
    let mut is_there = false;
    let memory = options.memory.as_ref().filter(|_| options.deep);
    let memory = memory.map_or_else(Memory::default, |path| Memory::open(path, options.now));
    let read = Arc::new(Mutex::new(Progress::default()));
    for name in TABLES {
        limits.check()?;
        let mut faults = Faults { table: name, ..Faults::default() };
        let mut table = match lake.open(name).await {
            Ok(Some(table)) => table,
            Ok(None) => continue,
            Err(error @ Error::Storage { .. }) => {
                is_there = true;
                faults.add(None, FaultKind::Log, error.to_string());
                report.faults.append(&mut faults.list);
                continue;
            }
            Err(error) => return Err(error),
        };
        is_there = true;
        for (file, what) in table.damaged_checkpoints().await? {
            faults.add(Some(&file), FaultKind::Checkpoint, what);
        }
        let verified = verify_table(&mut table, &mut faults, options, limits, &read, &memory).await;
        match verified {
            Ok(verified) => report.tables.push(verified),
            Err(error @ Error::Storage { .. }) => faults.add(None, FaultKind::Log, error.to_string()),
            Err(error) => return Err(error),
        }
        if options.repair && faults.list.iter().any(|fault| fault.repairable) {
            lake.enter("repairing");
            if faults.list.iter().any(|fault| fault.repairable && fault.kind != FaultKind::Index) {
                let version = repair::repair(&mut table, &faults.list, options, limits).await?;
                report.versions.insert(name.to_owned(), version);
            }
            if faults.list.iter().any(|fault| fault.kind == FaultKind::Index) {
                table.index_sessions_anew(options.now.timestamp_millis()).await?;
            }
            let (repaired, left): (Vec<Fault>, Vec<Fault>) =
                faults.list.iter().cloned().partition(|fault| repair::is_put_right(fault, &faults.list));
            report.repaired.extend(repaired);
            faults.list = left;
        }
        report.more_faults += faults.more;
        report.faults.append(&mut faults.list);
    }
    memory.end();
    match is_there {
        true => Ok(report),
        false => Err(Error::NotFound {
            message: format!("there is no lake at {:?}", lake.name),
            hint: Some("sessionlake ingest makes one".to_owned()),
        }),
    }
}

async fn verify_table(
    table: &mut Table,
    faults: &mut Faults,
    options: &VerifyOptions,
    limits: &Limits,
    read: &Arc<Mutex<Progress>>,
    memory: &Memory,
) -> Result<VerifiedTable> {
    // Whatever is there longer than any version is needed by none.
    let left_behind = table.leavings(DateTime::UNIX_EPOCH, options.now).await?.files.len() as u64;
    let snapshot = table.snapshot()?;
    let mut verified = VerifiedTable {
        table: table.name.to_owned(),
        version: snapshot.version,
        files: snapshot.files.len() as u64,
        bytes: snapshot.size_bytes(),
        left_behind,
        ..VerifiedTable::default()
    };
    let keys = Arc::new(Mutex::new(KeyStore::new(limits.memory_bytes / 4)));
    let mut checks = futures::stream::iter(snapshot.files.iter().cloned().enumerate())
        .map(|(index, file)| {
            // Its ids are compared with those of all others in any case.
            let read_before = options.deep && memory.has(table.name, &file, Stage::Rows);
            let check = file::Check {
                table: table.clone(),
                index: u32::try_from(index).unwrap_or(u32::MAX),
                deep: options.deep && !read_before,
                keys: Arc::clone(&keys),
                limits: limits.clone(),
            };
            async move {
                let checked = tokio::spawn(async move { (check.file(&file).await, file) });
                let (found, file) = checked.await.map_err(Error::internal)?;
                found.map(|found| (found, file, read_before))
            }
        })
        .buffered(limits.threads.get());
    while let Some(found) = checks.next().await {
        let (found, file, read_before) = found?;
        verified.read_before += u64::from(read_before);
        if options.deep && !read_before && found.faults.is_empty() {
            memory.note(table.name, &file, Stage::Rows);
        }
        verified.rows += found.rows;
        verified.without_checksums += u64::from(!found.is_sealed);
        faults.take(found.faults);
        let progress = {
            let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
            read.bytes += found.bytes;
            read.rows += found.rows;
            *read
        };
        (limits.progress)(progress);
    }
    drop(checks);
    if table.name == layout::SESSIONS {
        twice_stored(&snapshot, &keys, faults, limits)?;
        for (file, what) in table.index_faults().await? {
            faults.add(Some(&file), FaultKind::Index, what);
        }
        if options.deep {
            let is_readable = |file: &&DataFile| !faults.has_unreadable(&file.path);
            let readable: Vec<DataFile> = snapshot.files.iter().filter(is_readable).cloned().collect();
            let unread = readable.into_iter().filter(|file| !memory.has(table.name, file, Stage::Leaves));
            let mut comparisons = futures::stream::iter(unread)
                .map(|file| {
                    let (table, limits) = (table.clone(), limits.clone());
                    async move {
                        let compared = tokio::spawn(async move {
                            limits.check()?;
                            let compared = leaves::compare(&table, &file, &limits).await?;
                            Ok::<_, Error>((compared, file))
                        });
                        compared.await.map_err(Error::internal)?
                    }
                })
                .buffered(limits.threads.get());
            while let Some(compared) = comparisons.next().await {
                let (compared, file) = compared?;
                if compared.faults.is_empty() {
                    memory.note(table.name, &file, Stage::Leaves);
                }
                verified.documents += compared.documents;
                faults.take(compared.faults);
            }
        }
    }
    Ok(verified)
}

impl Faults {
    /// Says whether a file cannot be read as it is.
    fn has_unreadable(&self, file: &str) -> bool {
        let is_unreadable =
            |kind| matches!(kind, FaultKind::Missing | FaultKind::Size | FaultKind::Damaged | FaultKind::Outside);
        self.list.iter().any(|fault| fault.file.as_deref() == Some(file) && is_unreadable(fault.kind))
    }
}

/// Finds rows with one session id.
fn twice_stored(snapshot: &Snapshot, keys: &Arc<Mutex<KeyStore>>, faults: &mut Faults, limits: &Limits) -> Result<()> {
    let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
    let place = |place: RowPlace| match place {
        RowPlace::Stored { file, row } => snapshot.files.get(file as usize).map(|file| (file, row)),
        RowPlace::Incoming(_) => None,
    };
    for partition in 0..PARTITIONS {
        limits.check()?;
        let mut keys = keys.load(partition)?;
        keys.sort_unstable_by_key(|key| key.session);
        for (first, second) in keys.iter().zip(keys.iter().skip(1)).filter(|(a, b)| a.session == b.session) {
            let (Some((first, row)), Some((file, other))) = (place(first.place), place(second.place)) else { continue };
            faults.add(
                Some(&file.path),
                FaultKind::TwiceStored,
                format!("row {other} has the session id of row {row} of {}", path_of(first)),
            );
        }
    }
    Ok(())
}

fn path_of(file: &DataFile) -> &str {
    &file.path
}
