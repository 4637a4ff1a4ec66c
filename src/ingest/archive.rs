//! Files inside of archives: zip, and tar with or without compression, as inputs of their own.
//!
//! An archive that is named, or found in a folder, stands for the files inside of it, in its own order, named `archive.zip/member.csv`.
//! Each is read straight from the archive and never unpacked to disk or into memory, so it takes the memory of any other input.
//! A member is the bytes that come out of the archive: the same file unpacked, or in another archive, is known again.
//!
//! Of the members those are taken that a folder would give: of known endings, or all if none has one; names that begin with a point
//! or an underscore (`__MACOSX`) are left out. What cannot be read, an archive inside of an archive or a member that needs a
//! password, is an input all the same, so that it is refused by its name.

use std::cell::Cell;
use std::fs::File;
use std::io::{BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::rc::Rc;

use zip::CompressionMethod;
use zip::extra_fields::ExtraField;

use super::detect::{is_archive_name, is_known_name};
use super::kinds::{is_tar, is_workbook_member};
use super::member::{Inside, Member, Shared};
use super::packed::ByteStream;
use super::source::SourceFile;
use crate::error::{Result, io_error};

/// Members that an archive may have: lists of more are bombs rather than exports.
pub(super) const MAX_MEMBERS: usize = 100_000;

/// Bytes that the headers of one member of a tar may have, long names included.
const MAX_HEADER_BYTES: u64 = 1 << 20;

/// A member that was found.
struct Found {
    name: String,
    bytes: u64,
    modified_us: Option<i64>,
    inside: Inside,
}

/// Lists the inputs inside of an archive, or returns `None` for a file that is none. A workbook is no archive, although it is a zip.
///
/// # Errors
/// The file cannot be read. What is wrong with the archive is told where it is opened as an input.
pub(super) fn members(archive: &SourceFile, path: &Path) -> Result<Option<Vec<SourceFile>>> {
    let mut start = [0_u8; 10];
    let mut file = File::open(path).map_err(io_error(path))?;
    let length = file.read(&mut start).map_err(io_error(path))?;
    let is_zip = matches!(start.get(..length), Some([b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..]));
    let listed = if is_zip {
        guarded(|| zip_members(path, archive.modified_us))
    } else {
        // What is broken before the first header of a tar is told when the file is read.
        let Ok(mut stream) = archive.open() else { return Ok(None) };
        if !stream.look_at(512).is_ok_and(is_tar) {
            return Ok(None);
        }
        guarded(|| tar_members(stream))
    };
    let found = match listed {
        Ok(None) => return Ok(None),
        Ok(Some(found)) => found,
        Err(message) => return Ok(Some(vec![refused(archive, format!("broken archive: {message}"))])),
    };
    Ok(Some(chosen(archive, found)))
}

/// Turns a panic over a damaged archive into an error of it. The process's panic hook still runs.
fn guarded<T>(list: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(list)).unwrap_or_else(|_| Err("its parts contradict each other".to_owned()))
}

fn refused(archive: &SourceFile, message: String) -> SourceFile {
    let inside = Inside::Refused(message, "nothing of it is stored; fetch it again".to_owned());
    SourceFile { member: Some(Member { inside, note: None }), ..archive.clone() }
}

/// Chooses the members to take, and makes inputs of them.
fn chosen(archive: &SourceFile, found: Vec<Found>) -> Vec<SourceFile> {
    let is_hidden =
        |name: &str| name.split('/').any(|part| part.starts_with(['.', '_']) && part != "." && part != "..");
    let wanted = |name: &str| is_known_name(name) || is_archive_name(name);
    let any_known = found.iter().any(|member| !is_hidden(&member.name) && wanted(&member.name));
    let (taken, left): (Vec<Found>, Vec<Found>) =
        found.into_iter().partition(|member| !is_hidden(&member.name) && (!any_known || wanted(&member.name)));
    if taken.is_empty() {
        return vec![refused(archive, "no input files in this archive".to_owned())];
    }
    let left: Vec<&str> = left.iter().map(|member| member.name.as_str()).filter(|name| !is_hidden(name)).collect();
    let mut note = (!left.is_empty()).then(|| {
        let named = left.iter().take(5).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        let more = if left.len() > 5 { format!(" and {} more", left.len() - 5) } else { String::new() };
        format!("left out of the archive for their endings: {named}{more}")
    });
    // Some tools (pandas) name what they put into an archive as the archive.
    let own_name = Path::new(&archive.name).file_name().and_then(|name| name.to_str());
    let inputs = taken.into_iter().map(|member| {
        let nested = is_archive_name(&member.name) && Some(member.name.as_str()) != own_name;
        let inside = match member.inside {
            Inside::Refused(message, hint) => Inside::Refused(message, hint),
            _ if nested => Inside::Refused(
                "is an archive inside of an archive, which is not read".to_owned(),
                "unpack the outer one and ingest what comes out".to_owned(),
            ),
            inside => inside,
        };
        // Names of members are shown on terminals.
        let name: String = member.name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        SourceFile {
            name: format!("{}/{name}", archive.name),
            path: archive.path.clone(),
            size_bytes: Some(member.bytes),
            modified_us: member.modified_us.or(archive.modified_us),
            member: Some(Member { inside, note: note.take() }),
            delta: None,
        }
    });
    inputs.collect()
}

/// Lists the files of a zip, or returns `None` for a workbook.
fn zip_members(path: &Path, modified_us: Option<i64>) -> Result<Option<Vec<Found>>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(|error| error.to_string())?;
    if archive.len() > MAX_MEMBERS {
        return Err(format!("{} files are inside, more than {MAX_MEMBERS}", archive.len()));
    }
    if archive.file_names().any(is_workbook_member) {
        return Ok(None);
    }
    let mut found = Vec::new();
    for index in 0..archive.len() {
        let file = archive.by_index_raw(index).map_err(|error| error.to_string())?;
        if file.is_dir() || file.is_symlink() {
            continue;
        }
        // Beside it a zip has only local times, of a zone that it does not say.
        let stamp = file.extra_data_fields().find_map(|field| match field {
            ExtraField::ExtendedTimestamp(stamp) => stamp.mod_time(),
            _ => None,
        });
        let refuse =
            |what: String| Inside::Refused(what, "unpack the archive (unzip) and ingest what comes out".to_owned());
        let start = file.data_start();
        let inside = match (file.compression(), start) {
            _ if file.encrypted() => refuse("needs a password, and none are taken here".to_owned()),
            (CompressionMethod::Stored | CompressionMethod::Deflated, Some(start)) => Inside::Zip {
                start,
                packed_bytes: file.compressed_size(),
                bytes: file.size(),
                crc: file.crc32(),
                is_deflated: file.compression() == CompressionMethod::Deflated,
            },
            (method, _) => refuse(format!("is packed by a method that is not read ({method})")),
        };
        found.push(Found {
            name: file.name().to_owned(),
            bytes: file.size(),
            modified_us: stamp.map(|seconds| i64::from(seconds) * 1_000_000).or(modified_us),
            inside,
        });
    }
    Ok(Some(found))
}

/// Lists the files of a tar.
fn tar_members(stream: ByteStream) -> Result<Option<Vec<Found>>, String> {
    let is_packed = !stream.is_plain();
    let left = Rc::new(Cell::new(MAX_HEADER_BYTES));
    let mut archive = tar::Archive::new(Bounded { stream, left: Rc::clone(&left) });
    let shared = Shared::default();
    let mut found = Vec::new();
    for entry in archive.entries().map_err(|error| error.to_string())? {
        let entry = entry.map_err(|error| error.to_string())?;
        let bytes = entry.size();
        // The next header stands behind the content.
        left.set(bytes.saturating_add(MAX_HEADER_BYTES));
        let kind = entry.header().entry_type();
        if !kind.is_file() && !kind.is_gnu_sparse() && !kind.is_contiguous() {
            continue;
        }
        if found.len() == MAX_MEMBERS {
            return Err(format!("more than {MAX_MEMBERS} files are inside"));
        }
        let inside = match kind.is_gnu_sparse() {
            true => Inside::Refused(
                "is a sparse file, which is not read from an archive".to_owned(),
                "unpack the archive (tar -xf) and ingest what comes out".to_owned(),
            ),
            false => Inside::Tar { start: entry.raw_file_position(), bytes, is_packed, stream: shared.clone() },
        };
        let seconds = entry.header().mtime().ok().and_then(|seconds| i64::try_from(seconds).ok());
        found.push(Found {
            name: String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_owned(),
            bytes,
            modified_us: seconds.filter(|seconds| *seconds > 0).and_then(|seconds| seconds.checked_mul(1_000_000)),
            inside,
        });
    }
    Ok(Some(found))
}

/// Lets no header of a tar fill the memory.
struct Bounded {
    stream: ByteStream,
    left: Rc<Cell<u64>>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.left.get()).unwrap_or(usize::MAX);
        if left == 0 {
            return Err(std::io::Error::other(format!("a header has more than {MAX_HEADER_BYTES} bytes")));
        }
        let wanted = buffer.len().min(left);
        let length = self.stream.read(buffer.get_mut(..wanted).unwrap_or_default())?;
        self.left.set((left - length) as u64);
        Ok(length)
    }
}
