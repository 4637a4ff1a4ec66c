//! `run.json`: what a run was made from, and what came of it.
//!
//! It holds all that is needed to make the run again: the SQL itself, the lake's version, the clock, the parameters. Seconds and
//! memory are here only, so that the outputs of two runs of the same are the same bytes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::expect::Check;
use super::job::Privacy;
use super::spec::Definition;
use super::veil::Masked;
use super::window::Window;
use crate::engine::Spent;
use crate::error::{Error, Result, io_error};

/// The file in the folder of a run.
pub const FILE: &str = "run.json";

/// The layout of the file; a later one is refused.
const FORMAT: u32 = 1;

/// What a run was made from, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The layout of this file.
    pub format: u32,
    /// The version of sessionlake that made the run.
    pub sessionlake: String,
    /// The name of the job.
    pub job: String,
    /// The title of the job.
    pub title: String,
    /// What the job is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// The lake and its versions.
    pub lake: LakeRecord,
    /// The instant that was now.
    pub as_of: DateTime<Utc>,
    /// The zone of local days, by its IANA name.
    pub time_zone: String,
    /// The release of the rules of time zones, such as `2026f`; empty in runs of earlier versions.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub time_zone_release: String,
    /// The stretch of time that the run looked at.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub window: Option<Window>,
    /// Whether personal data was masked.
    pub privacy: Privacy,
    /// The names of the rules that masked it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub redaction_rules: Vec<String>,
    /// Rows that the page shows of each report, at most.
    pub html_rows: usize,
    /// Seconds that the run took.
    pub seconds: f64,
    /// Seconds of planning, of running the reports and of writing the page, by these names; empty in runs of earlier versions.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub phases: BTreeMap<String, f64>,
    /// What the run asked of the lake, that of its planning included, as `--stats` counts it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub spent: Option<Spent>,
    /// The page over all reports.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub page: Option<Output>,
    /// The reports in the order of the page.
    pub reports: Vec<ReportRecord>,
}

/// The lake of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LakeRecord {
    /// An absolute path or a URL.
    pub uri: String,
    /// The version of the lake.
    pub version: u64,
    /// The version of its quarantine, which has versions of its own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub quarantine_version: Option<u64>,
}

/// How a report ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportStatus {
    /// It ran, and its checks hold.
    Done,
    /// It ran, and a check does not hold. Its outputs are whole.
    CheckFailed,
    /// It did not run to its end, and has no outputs.
    Failed,
}

impl ReportStatus {
    /// Returns the name that manifests use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::CheckFailed => "check-failed",
            Self::Failed => "failed",
        }
    }
}

/// One report of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportRecord {
    /// The report itself, with the values that were given for its parameters.
    #[serde(flatten)]
    pub definition: Definition,
    /// Parameters that were given and stand here masked: a run that is made again asks for them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub hidden_parameters: Vec<String>,
    /// Whether something is masked in the SQL, which then comes from its file.
    #[serde(skip_serializing_if = "Masked::is_no", default)]
    pub hidden_sql: Masked,
    /// SHA-256 of the SQL text as it stands here.
    pub sql_sha256: String,
    /// Every parameter with the value it had in the end, as SQL shows it.
    pub bound: Vec<(String, String)>,
    /// SHA-256 of all that the result depends on: SQL, parameters, clock where it is read, data files. Empty where some of it is
    /// hidden, since phone numbers can be guessed from a hash.
    pub fingerprint: String,
    /// How it ended.
    pub status: ReportStatus,
    /// Rows of the result.
    pub rows: u64,
    /// Seconds that it took.
    pub seconds: f64,
    /// Memory that it could hold before it spilled, in bytes. Part of the recipe: sums of floats that were spilled are added up
    /// in another order.
    pub memory_limit_bytes: usize,
    /// The most bytes that its operators held at once.
    pub peak_memory_bytes: usize,
    /// Its files.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub outputs: Vec<Output>,
    /// The rows that the page shows, kept so that the page can be written again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub page_rows: Option<Output>,
    /// What its chart is drawn from, where that is more than the rows that the page shows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub chart_rows: Option<Output>,
    /// What a reader of the outputs should know, in whole sentences.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notes: Vec<String>,
    /// What its checks found.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub checks: Vec<Check>,
    /// Why it failed, with the place in the SQL file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// What helps against the error.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
}

impl ReportRecord {
    /// Lists the files of the report, those that only the page needs too.
    pub fn files(&self) -> impl Iterator<Item = &Output> {
        self.outputs.iter().chain(&self.page_rows).chain(&self.chart_rows)
    }
}

/// A file of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The path from the run's folder, with `/`.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// The layout that this build writes.
    pub const fn format() -> u32 {
        FORMAT
    }

    /// Reads the manifest of a folder; none where it has none.
    ///
    /// # Errors
    /// A manifest that cannot be read or understood.
    pub fn find(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(io_error(path)(error)),
        };
        Self::from_bytes(&path, &text).map(Some)
    }

    /// Reads the bytes of a manifest.
    pub(super) fn from_bytes(path: &Path, text: &[u8]) -> Result<Self> {
        let wrong = |what: String| {
            Error::usage(format!("{}: not the manifest of a run: {what}", path.display()))
                .with_hint("reports are made again with sessionlake report run, into another folder")
        };
        let value: serde_json::Value = serde_json::from_slice(text).map_err(|e| wrong(e.to_string()))?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(format) if format == u64::from(FORMAT) => {}
            Some(format) => return Err(wrong(format!("its format {format} is not of this version"))),
            None => return Err(wrong("it has no format".to_owned())),
        }
        let manifest: Self = serde_json::from_value(value).map_err(|e| wrong(e.to_string()))?;
        for output in manifest.outputs() {
            // A manifest that was tampered with must not name files elsewhere.
            let tame = output.file.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
            if !tame || output.file.contains(['\\', '\0', ':']) {
                return Err(wrong(format!("the output {:?} is not in the folder", output.file)));
            }
        }
        Ok(manifest)
    }

    /// Reads the manifest of a folder.
    ///
    /// # Errors
    /// As [`Manifest::find`], and a folder without one.
    pub fn read(folder: &Path) -> Result<Self> {
        Self::find(folder)?.ok_or_else(|| Error::NotFound {
            message: format!("there is no run in {:?}", folder.display().to_string()),
            hint: Some(format!("a run has a {FILE}; sessionlake report list finds those below a folder")),
        })
    }

    /// Writes the manifest into a folder, to the disk.
    ///
    /// # Errors
    /// Storage errors.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        let mut text = serde_json::to_vec_pretty(self).map_err(Error::internal)?;
        text.push(b'\n');
        fs::write(&path, text).map_err(io_error(&path))?;
        File::open(&path).and_then(|file| file.sync_all()).map_err(io_error(&path))
    }

    /// Lists every file of the run but the manifest.
    pub fn outputs(&self) -> impl Iterator<Item = &Output> {
        self.reports.iter().flat_map(|report| report.files()).chain(&self.page)
    }

    /// Counts the reports that ended in a certain way.
    pub fn count(&self, status: ReportStatus) -> usize {
        self.reports.iter().filter(|report| report.status == status).count()
    }

    /// Lists the outputs that are no longer in the folder as they were written: what is missing, and what has other bytes.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn damaged(&self, folder: &Path) -> Result<Vec<String>> {
        let mut damaged = Vec::new();
        for output in self.outputs() {
            match hash_file(&folder.join(&output.file)) {
                Ok((bytes, sha256)) if bytes == output.bytes && sha256 == output.sha256 => {}
                Ok(_) => damaged.push(format!("{} was changed", output.file)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    damaged.push(format!("{} is missing", output.file));
                }
                Err(error) => return Err(io_error(folder.join(&output.file))(error)),
            }
        }
        Ok(damaged)
    }
}

/// Hashes a text.
pub fn hash_text(text: &str) -> String {
    hexadecimal(&Sha256::digest(text.as_bytes()))
}

/// Writes a hash as text.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hashes a file, and counts its bytes.
fn hash_file(path: &Path) -> std::io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok((bytes, hexadecimal(&hasher.finalize())));
        }
        bytes += count as u64;
        hasher.update(buffer.get(..count).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn manifest(outputs: &[&str]) -> Manifest {
        let output = |file: &&str| Output { file: (**file).to_owned(), bytes: 2, sha256: hash_text("ab") };
        Manifest {
            format: FORMAT,
            sessionlake: "0".to_owned(),
            job: "j".to_owned(),
            title: "J".to_owned(),
            description: None,
            lake: LakeRecord { uri: "/lake".to_owned(), version: 3, quarantine_version: None },
            as_of: DateTime::UNIX_EPOCH,
            time_zone: "UTC".to_owned(),
            time_zone_release: "2026f".to_owned(),
            window: None,
            privacy: Privacy::Kept,
            redaction_rules: Vec::new(),
            html_rows: 10,
            seconds: 0.25,
            phases: BTreeMap::new(),
            spent: None,
            page: None,
            reports: vec![ReportRecord {
                definition: Definition { id: "a".to_owned(), ..Definition::default() },
                hidden_parameters: Vec::new(),
                hidden_sql: Masked::No,
                sql_sha256: String::new(),
                bound: vec![("n".to_owned(), "1".to_owned())],
                fingerprint: String::new(),
                status: ReportStatus::Done,
                rows: 1,
                seconds: 0.5,
                memory_limit_bytes: 1,
                peak_memory_bytes: 0,
                outputs: outputs.iter().map(output).collect(),
                page_rows: None,
                chart_rows: None,
                notes: Vec::new(),
                checks: vec![],
                error: None,
                hint: None,
            }],
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Manifest::find(folder.path()).unwrap(), None);
        assert!(matches!(Manifest::read(folder.path()), Err(Error::NotFound { .. })));
        let written = manifest(&["a.csv", ".page/a.arrow"]);
        written.write(folder.path()).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), written);
    }

    #[test]
    fn a_manifest_that_names_files_elsewhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["../a.csv", "/etc/passwd", "a//b", "./a", "..", "c:\\a"] {
            manifest(&[file]).write(folder.path()).unwrap();
            assert!(Manifest::read(folder.path()).unwrap_err().to_string().contains("is not in the folder"), "{file}");
        }
        for text in ["", "[]", "{}", "{\"format\": 2}", "{\"format\": 1}"] {
            fs::write(folder.path().join(FILE), text).unwrap();
            assert!(matches!(Manifest::read(folder.path()), Err(Error::Usage { .. })), "{text}");
        }
    }

    #[test]
    fn changed_and_missing_outputs_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let made = manifest(&["a.csv", "b.csv", "c.csv"]);
        fs::write(folder.path().join("a.csv"), "ab").unwrap();
        fs::write(folder.path().join("b.csv"), "ax").unwrap();
        assert_eq!(made.damaged(folder.path()).unwrap(), ["b.csv was changed", "c.csv is missing"]);
    }

    #[test]
    fn hashes_are_those_of_sha256sum() {
        assert_eq!(hash_text("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
