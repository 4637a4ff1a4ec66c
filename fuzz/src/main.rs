//! Feeds a fuzz target of sessionlake with inputs that coverage guides: `cargo run -- TARGET [libFuzzer's options] [folders]`.
//!
//! A find ends the run: bytes of which the target says that something does not hold, a panic that reaches it, more time or memory than
//! the limits. Panics of others' code that sessionlake catches are none. Needs `with-counters` (README.md).

use std::ffi::{CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;

use sessionlake::fuzz::{TARGETS, Target};

/// What libFuzzer hands to the processes that it starts itself, and ignores.
const CHOSEN: &str = "--target=";
/// Bytes that an input has at most; what minimises a find sets them itself.
const LENGTH: &str = "-max_len=8192";
/// Seconds and megabytes that one input may take. The defaults of libFuzzer would let an unbounded loop of memory take the machine.
const LIMITS: &[&str] = &["-timeout=60", "-rss_limit_mb=2048", "-print_final_stats=1"];

/// The words that each target is given.
const WORDS: &[(&str, &[&str])] = &[
    ("columnar", &["columnar", "footers"]),
    ("delimited", &["delimited"]),
    ("job", &["job"]),
    ("json", &["json", "json_exports", "leaves", "log", "manifest", "run_json", "walk"]),
    ("packed", &["archives", "packed"]),
    ("parameters", &["parameters"]),
    ("redaction", &["redaction"]),
    ("sheets", &["sheets"]),
    ("sql", &["pg_messages", "pg_values", "sql"]),
];

static TARGET: OnceLock<&Target> = OnceLock::new();

mod mutate;

// Links libFuzzer.
use libfuzzer_sys as _;

unsafe extern "C" {
    fn LLVMFuzzerRunDriver(
        count: *mut c_int,
        arguments: *mut *mut *mut c_char,
        one: unsafe extern "C" fn(*const u8, usize) -> c_int,
    ) -> c_int;
    fn LLVMFuzzerTestOneInput(bytes: *const u8, length: usize) -> c_int;
    fn LLVMFuzzerMutate(bytes: *mut u8, length: usize, room: usize) -> usize;
}

/// Called by libFuzzer to change an input in its place; returns the new length.
///
/// # Safety
/// The bytes have room for as many as that says.
#[unsafe(no_mangle)]
unsafe extern "C" fn LLVMFuzzerCustomMutator(bytes: *mut u8, length: usize, room: usize, seed: u32) -> usize {
    // SAFETY: libFuzzer gives the bytes of an input, and as much room as it says.
    let buffer = unsafe { std::slice::from_raw_parts_mut(bytes, room) };
    let name = TARGET.get().map_or("", |target| target.name);
    let given = buffer.get(..length).unwrap_or_default().to_vec();
    if let Some(changed) = mutate::inside(name, &given, seed, &mut |part| mutated(part, room))
        && let Some(place) = buffer.get_mut(..changed.len())
    {
        place.copy_from_slice(&changed);
        return changed.len();
    }
    // SAFETY: as above.
    unsafe { LLVMFuzzerMutate(bytes, length, room) }
}

/// Lets libFuzzer change a part of an input.
fn mutated(mut part: Vec<u8>, most: usize) -> Vec<u8> {
    let length = part.len();
    part.resize(most.max(length + 1), 0);
    // SAFETY: that many bytes are there, and so much room.
    let changed = unsafe { LLVMFuzzerMutate(part.as_mut_ptr(), length, part.len()) };
    part.truncate(changed);
    part
}

/// Called by libFuzzer with each input.
#[unsafe(no_mangle)]
fn rust_fuzzer_test_input(bytes: &[u8]) -> i32 {
    let Some(target) = TARGET.get() else { return -1 };
    let told = catch_unwind(AssertUnwindSafe(|| (target.check)(bytes)));
    let told = told.unwrap_or_else(|_| Err("a panic".to_owned()));
    if let Err(what) = told {
        eprintln!("{}: {what}\nof b\"{}\"", target.name, bytes.escape_ascii());
        std::process::abort();
    }
    0
}

fn main() -> ExitCode {
    let mut given: Vec<String> = std::env::args().collect();
    let name = given.iter().skip(1).find_map(|argument| argument.strip_prefix(CHOSEN)).map(str::to_owned);
    if given.get(1).is_some_and(|argument| argument == "--list") {
        TARGETS.iter().for_each(|target| println!("{}", target.name));
        return ExitCode::SUCCESS;
    }
    let (name, is_child) = match name {
        Some(name) => (name, true),
        None if given.len() > 1 => (given.remove(1), false),
        None => (String::new(), false),
    };
    let Some(target) = TARGETS.iter().find(|target| target.name == name) else {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("no target {name:?}: give one of {}, and libFuzzer's options behind it", names.join(", "));
        return ExitCode::from(2);
    };
    let _ = TARGET.set(target);
    let arguments = if is_child { given } else { with_defaults(&given, target) };
    run(arguments)
}

/// Puts limits, words and folders before and behind what was given; where folders or files are given, they stand alone.
fn with_defaults(given: &[String], target: &Target) -> Vec<String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = here.join("found").join(target.name);
    let mut arguments: Vec<String> = given.iter().take(1).cloned().collect();
    arguments.push(format!("{CHOSEN}{}", target.name));
    arguments.extend(LIMITS.iter().map(|limit| (*limit).to_owned()));
    if !given.iter().any(|argument| argument.starts_with("-minimize_crash")) {
        arguments.push(LENGTH.to_owned());
    }
    if let Some((words, _)) = WORDS.iter().find(|(_, targets)| targets.contains(&target.name)) {
        arguments.push(format!("-dict={}", here.join("dict").join(format!("{words}.dict")).display()));
    }
    let _ = std::fs::create_dir_all(found.join("corpus"));
    arguments.push(format!("-artifact_prefix={}/", found.display()));
    arguments.extend(given.iter().skip(1).cloned());
    if given.iter().skip(1).all(|argument| argument.starts_with('-')) {
        let folders: [PathBuf; 2] = [found.join("corpus"), here.join("corpus").join(target.name)];
        arguments.extend(folders.iter().map(|folder| folder.display().to_string()));
    }
    arguments
}

fn run(arguments: Vec<String>) -> ExitCode {
    let arguments: Vec<CString> = arguments.into_iter().filter_map(|argument| CString::new(argument).ok()).collect();
    let mut pointers: Vec<*mut c_char> = arguments.iter().map(|argument| argument.as_ptr().cast_mut()).collect();
    let Ok(mut count) = c_int::try_from(pointers.len()) else { return ExitCode::from(2) };
    pointers.push(std::ptr::null_mut());
    let mut pointer = pointers.as_mut_ptr();
    // SAFETY: libFuzzer reads that many texts that end with a zero, which live until it returns.
    let code = unsafe { LLVMFuzzerRunDriver(&mut count, &mut pointer, LLVMFuzzerTestOneInput) };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
