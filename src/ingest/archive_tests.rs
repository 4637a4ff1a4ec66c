//! Makes archives of every form and reads what is inside of them.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use arrow::array::AsArray;
use zip::write::{ExtendedFileOptions, FileOptions, SimpleFileOptions};

use super::format_tests::options;
use super::{Reader, SourceFile, content_hash, expand};
use crate::error::{Error, Result};

fn csv(id: &str) -> Vec<u8> {
    format!("Session Id,Started At\n{id},2026-11-20T10:00:00Z\n").into_bytes()
}

/// Whether a member of a zip is packed.
#[derive(Clone, Copy)]
enum Method {
    Stored,
    Deflated,
}

fn zip_of(files: &[(&str, Vec<u8>)], method: Method) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        let method = match method {
            Method::Stored => zip::CompressionMethod::Stored,
            Method::Deflated => zip::CompressionMethod::Deflated,
        };
        writer.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn tar_of(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_763_632_800);
        builder.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, Vec<u8>)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, content) in files {
            std::fs::write(folder.path(name), content).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn inputs(&self, name: &str) -> Vec<SourceFile> {
        expand(&[self.path(name).to_str().unwrap().to_owned()]).unwrap()
    }

    /// The name of an input below the folder.
    fn short<'f>(&self, file: &'f SourceFile) -> &'f str {
        Path::new(&file.name).strip_prefix(self.0.path()).unwrap().to_str().unwrap()
    }
}

/// Ids of the sessions of an input, and its notes.
fn read(file: &SourceFile) -> Result<(Vec<String>, Vec<String>)> {
    let mut reader = Reader::open(file, &options())?;
    let converter = reader.converter();
    let mut ids = Vec::new();
    while let Some(block) = reader.next_block()? {
        let batch = converter.convert(block)?;
        assert!(batch.rejects.is_empty());
        let column = batch.rows.column_by_name("session_id").unwrap().as_string_view();
        ids.extend(column.iter().map(|id| id.unwrap().to_owned()));
    }
    let summary = reader.finish()?;
    assert_eq!(Some(summary.content_hash), file.content_hash()?, "it is known again before it is read");
    Ok((ids, summary.notes))
}

fn parts() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("export/b.csv", csv("b")),
        ("export/a.csv.gz", gzip(&csv("a"))),
        ("c.ndjson", b"{\"sessionId\":\"c\",\"startedAt\":\"2026-11-20T10:00:00Z\"}".to_vec()),
        ("README.md", b"# read me".to_vec()),
        ("__MACOSX/export/._b.csv", b"\0\x05\x16\x07".to_vec()),
        (".hidden.csv", b"x".to_vec()),
    ]
}

#[test]
fn a_member_that_is_named_as_its_archive_is_told_by_its_bytes() {
    let folder = Folder::with(&[
        ("x.csv.tar.gz", gzip(&tar_of(&[("x.csv.tar.gz", csv("a"))]))),
        ("x.csv.zip", zip_of(&[("x.csv.zip", csv("b"))], Method::Deflated)),
        ("y.zip", zip_of(&[("y.zip", zip_of(&[("a.csv", csv("c"))], Method::Stored))], Method::Stored)),
    ]);
    for (name, id) in [("x.csv.tar.gz", "a"), ("x.csv.zip", "b")] {
        let inputs = folder.inputs(name);
        assert_eq!(read(&inputs[0]).unwrap().0, [id], "{name}");
    }
    let error = read(&folder.inputs("y.zip")[0]).unwrap_err();
    assert!(error.to_string().contains("is a zip archive, which is not read"), "{error}");
}

#[test]
fn the_files_inside_of_an_archive_are_inputs_of_their_own() {
    let tar = tar_of(&parts());
    let archives = [
        ("a.zip", zip_of(&parts(), Method::Deflated)),
        ("b.zip", zip_of(&parts(), Method::Stored)),
        ("c.tar", tar.clone()),
        ("d.tar.gz", gzip(&tar)),
        ("e.tgz", gzip(&tar)),
        ("f.tar.zst", zstd::encode_all(tar.as_slice(), 1).unwrap()),
        // Told by its bytes, whatever its name says.
        ("export", tar),
    ];
    let folder = Folder::with(&archives);
    for (name, _) in &archives {
        let inputs = folder.inputs(name);
        let names: Vec<&str> = inputs.iter().map(|input| folder.short(input)).collect();
        let expected = ["export/b.csv", "export/a.csv.gz", "c.ndjson"].map(|member| format!("{name}/{member}"));
        assert_eq!(names, expected);
        // Twice, since a run asks for the content of all before it reads the first.
        for _ in 0..2 {
            for (input, id) in inputs.iter().zip(["b", "a", "c"]) {
                let (ids, notes) = read(input).unwrap();
                assert_eq!(ids, [id], "{}", input.name);
                let told = ["left out of the archive for their endings: \"README.md\""];
                assert_eq!(notes, if id == "b" { told.as_slice() } else { &[] });
            }
        }
        if name.contains(".t") {
            assert_eq!(inputs[0].modified_us, Some(1_763_632_800_000_000));
        }
    }
    // A folder gives what its archives hold.
    assert_eq!(folder.inputs("").len(), 6 * 3);
    std::fs::write(folder.path("b.csv"), csv("b")).unwrap();
    let unpacked = content_hash(&folder.path("b.csv")).unwrap();
    assert_eq!(folder.inputs("a.zip")[0].content_hash().unwrap(), Some(unpacked), "it is known however it is packed");
}

#[test]
fn files_inside_without_a_known_ending_are_taken_if_none_has_one() {
    let folder = Folder::with(&[("a.zip", zip_of(&[("export", csv("x")), ("more.txt", csv("y"))], Method::Deflated))]);
    let ids: Vec<_> = folder.inputs("a.zip").iter().map(|input| read(input).unwrap().0).collect();
    assert_eq!(ids, [["x"], ["y"]]);
}

#[test]
fn the_time_of_a_member_counts_where_the_archive_has_it_in_utc() {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let mut with_time: FileOptions<'_, ExtendedFileOptions> = FileOptions::default();
    // Flags, and seconds since the epoch.
    let stamp: Vec<u8> = [vec![1], 1_763_632_800_u32.to_le_bytes().to_vec()].concat();
    with_time.add_extra_data(0x5455, stamp.into_boxed_slice(), false).unwrap();
    writer.start_file("a.csv", with_time).unwrap();
    writer.write_all(&csv("a")).unwrap();
    writer.start_file("b.csv", SimpleFileOptions::default()).unwrap();
    writer.write_all(&csv("b")).unwrap();
    let folder = Folder::with(&[("a.zip", writer.finish().unwrap().into_inner())]);
    let inputs = folder.inputs("a.zip");
    assert_eq!(inputs[0].modified_us, Some(1_763_632_800_000_000));
    let modified = std::fs::metadata(folder.path("a.zip")).unwrap().modified().unwrap();
    let modified = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    assert_eq!(inputs[1].modified_us.map(u128::try_from), Some(Ok(modified)));
}

fn refusal(file: &SourceFile) -> String {
    let error = read(file).unwrap_err();
    assert!(matches!(error, Error::Input { .. }), "{error}");
    assert!(error.hint().is_some(), "{error}");
    error.to_string()
}

#[test]
fn what_cannot_be_read_inside_of_an_archive_is_refused_by_its_name() {
    let mut locked = zip_of(&[("a.csv", csv("a")), ("b.csv", csv("b"))], Method::Deflated);
    // The flag of a password, in the second entry of the list.
    let entries: Vec<usize> = memchr::memmem::find_iter(&locked, b"PK\x01\x02").collect();
    locked[entries[1] + 8] |= 1;
    let mut odd = zip_of(&[("a.csv", csv("a"))], Method::Deflated);
    let entry = memchr::memmem::find(&odd, b"PK\x01\x02").unwrap();
    odd[entry + 10] = 9;
    let inner = zip_of(&[("a.csv", csv("a"))], Method::Deflated);
    let folder = Folder::with(&[
        ("locked.zip", locked),
        ("odd.zip", odd),
        ("outer.tar", tar_of(&[("inner.zip", inner.clone()), ("a.csv", csv("a"))])),
        ("misnamed.zip", zip_of(&[("inner.csv", inner.clone())], Method::Stored)),
        ("empty.zip", zip_of(&[], Method::Stored)),
        ("cut.zip", inner[..inner.len() - 30].to_vec()),
        ("cut.tar", tar_of(&[("a.csv", vec![b'x'; 2000])])[..1500].to_vec()),
    ]);
    let inputs = folder.inputs("locked.zip");
    assert_eq!(read(&inputs[0]).unwrap().0, ["a"]);
    assert!(refusal(&inputs[1]).ends_with("locked.zip/b.csv: needs a password, and none are taken here"));
    assert!(refusal(&folder.inputs("odd.zip")[0]).contains("odd.zip/a.csv: is packed by a method that is not read"));
    let inputs = folder.inputs("outer.tar");
    assert!(refusal(&inputs[0]).contains("outer.tar/inner.zip: is an archive inside of an archive"));
    assert_eq!(read(&inputs[1]).unwrap().0, ["a"]);
    assert!(refusal(&folder.inputs("misnamed.zip")[0]).contains("misnamed.zip/inner.csv: is a zip archive"));
    assert!(refusal(&folder.inputs("empty.zip")[0]).ends_with("empty.zip: no input files in this archive"));
    assert!(refusal(&folder.inputs("cut.zip")[0]).contains("cut.zip: broken archive: "));
    assert!(refusal(&folder.inputs("cut.tar")[0]).contains("broken archive: "));
}

#[test]
fn damage_inside_of_an_archive_is_told_and_never_stored() {
    let content = csv(&"x".repeat(300));
    for method in [Method::Stored, Method::Deflated] {
        let archive = zip_of(&[("a.csv", content.clone())], method);
        for at in 0..archive.len() {
            let mut damaged = archive.clone();
            damaged[at] ^= 0x04;
            let folder = Folder::with(&[("a.zip", damaged)]);
            for input in folder.inputs("a.zip") {
                if let Ok((ids, _)) = read(&input) {
                    assert_eq!(ids, ["x".repeat(300)], "byte {at}");
                }
            }
        }
    }
}

#[test]
fn a_header_of_a_tar_does_not_fill_the_memory() {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(1 << 33);
    header.set_mode(0o644);
    header.set_cksum();
    let bomb = [header.as_bytes().as_slice(), &vec![b'a'; 8 << 20]].concat();
    let folder = Folder::with(&[("a.tgz", gzip(&bomb))]);
    assert!(refusal(&folder.inputs("a.tgz")[0]).contains("a header has more than 1048576 bytes"));
}
