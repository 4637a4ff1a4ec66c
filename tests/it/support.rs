//! A folder to work in, and the binary run there with nothing of the tester's own settings.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use assert_cmd::Command;
use tempfile::TempDir;

/// The instant at which the sample exports were made.
pub const EXPORTED: &str = "2026-11-21T00:00:00Z";

/// Returns a path of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Lists the files below a folder, in name order.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// What a run left.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Fails unless the run ended well and quietly, and returns what it printed.
    #[track_caller]
    pub fn fine(self) -> String {
        assert!(self.code == 0 && self.err.is_empty(), "{self:#?}");
        self.out
    }

    /// Fails unless the run ended with this code and nothing on stdout, and returns what it said.
    #[track_caller]
    pub fn fails(self, code: i32) -> String {
        assert!(self.code == code && self.out.is_empty(), "{self:#?}");
        assert!(self.err.starts_with("error: "), "{self:#?}");
        self.err
    }
}

/// An empty folder with `data` in it, the repository's samples.
pub struct Desk {
    folder: TempDir,
}

impl Desk {
    /// Makes the folder.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("desk-").tempdir().unwrap();
        std::fs::create_dir(folder.path().join("tmp")).unwrap();
        for shared in ["data", "queries"].map(|name| (repository(name), folder.path().join(name))) {
            if shared.0.is_dir() {
                show(&shared.0, &shared.1);
            }
        }
        Self { folder }
    }

    /// Makes the folder, and a lake in `lake` with the main sample.
    pub fn with_lake() -> Self {
        let desk = Self::new();
        let ran = desk.run(&["ingest", "data/workflow_sessions.csv", "--exported-at", EXPORTED]);
        assert_eq!(ran.code, 0, "{ran:#?}");
        desk
    }

    /// Returns a path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Reads a file.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Lists what runs left in the folder for temporary files.
    pub fn left_over(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.path("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// The binary, to be run in the folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        Command::from_std(self.process(arguments))
    }

    /// The same as a process that can be talked to while it runs.
    pub fn process(&self, arguments: &[&str]) -> std::process::Command {
        let mut process = std::process::Command::new(env!("CARGO_BIN_EXE_sessionlake"));
        process
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .env("COLUMNS", "100");
        process
    }

    /// Runs the binary in the folder.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        finish(&mut self.command(arguments))
    }

    /// Runs the binary in the folder with a text for its standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        finish(self.command(arguments).write_stdin(input))
    }

    /// Runs one query on the lake.
    pub fn query(&self, sql: &str, more: &[&str]) -> Ran {
        self.run(&[&["query", "-c", sql, "--as-of", EXPORTED], more].concat())
    }

    /// Returns the only value that a query on the lake gives.
    #[track_caller]
    pub fn value(&self, sql: &str, more: &[&str]) -> String {
        let out = self.query(sql, &[&["--csv"], more].concat()).fine();
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines.len(), 2, "{out}");
        lines[1].to_owned()
    }
}

/// A process that listens, until it is dropped.
pub struct Listener {
    pub child: Child,
    pub address: String,
    /// What it says goes on being read, so that it never waits for a reader.
    _reader: std::thread::JoinHandle<()>,
}

impl Listener {
    /// Starts the binary, and waits until it says where it listens: between these two marks.
    pub fn start(desk: &Desk, arguments: &[&str], (before, behind): (&str, char)) -> Self {
        let mut process = desk.process(arguments);
        let mut child = process.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut all = String::new();
        let address = loop {
            let known = all.len();
            assert!(said.read_line(&mut all).unwrap() > 0, "the process ended: {all}");
            if let Some((_, rest)) = all[known..].split_once(before) {
                break rest.split(behind).next().unwrap().to_owned();
            }
        };
        let reader = std::thread::spawn(move || {
            let _ = std::io::copy(&mut said, &mut std::io::sink());
        });
        Self { child, address, _reader: reader }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end.
pub fn finish(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Makes a folder visible under another name.
#[cfg(unix)]
fn show(from: &Path, to: &Path) {
    std::os::unix::fs::symlink(from, to).unwrap();
}

/// Makes a folder visible under another name.
#[cfg(not(unix))]
fn show(from: &Path, to: &Path) {
    for file in files_below(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&file, target).unwrap();
    }
}

/// Numbers that a seed gives: the generator of Steele, Lea and Flood, "Fast splittable pseudorandom number generators".
pub struct Draw(pub u64);

impl Draw {
    /// Draws a number below another.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    /// Draws a place among so many; 0 where there are none.
    pub fn index(&mut self, count: usize) -> usize {
        self.below(count.max(1) as u64) as usize
    }
}
