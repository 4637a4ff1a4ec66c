//! The corpus of the fuzz targets, replayed without an engine for fuzzing: what once was a find stays found. And a few changed inputs of each.
//!
//! `SESSIONLAKE_MUTATIONS=json:1000000` changes the inputs of one target so often; `SESSIONLAKE_MUTATIONS=50000` those of all. A failure says which input it
//! was, and the same number of a change is the same input every time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use sessionlake::fuzz::{TARGETS, Target};

use crate::support::{Draw, files_below, repository};

/// Bytes that the corpus of a target has at most.
const MOST_BYTES: u64 = 64 << 10;
/// Changed inputs of a target, where nothing else is asked for.
const MUTATIONS: u64 = 100;
/// What inputs of several targets are made of.
const WORDS: &[&str] = &[
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\n",
    "\r\n",
    "\t",
    " ",
    ";",
    "|",
    "'",
    "$",
    "--",
    "/*",
    "*/",
    "\\u",
    "\\ud83d",
    "\\ude00",
    "\\\"",
    "null",
    "true",
    "-0",
    "1e400",
    "9223372036854775808",
    "0.1",
    "-",
    "+",
    "\u{feff}",
    "é",
    "😀",
    "\0",
    "[[",
    "{\"a\":",
    "\"a\"",
    "[*]",
    "..",
    "Session Id",
    "Started At",
    "2026-03-29T02:30:00",
    "select",
    "(",
    ")",
    "e'",
    "$$",
    "-- param: ",
    "@",
    "+12025550143",
    "a@b.org",
    "%",
    "=",
    "#",
];

/// Changes an input in some places: bits, words, pieces that go, come twice, or come from another input.
fn mutated(number: u64, inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut draw = Draw(number);
    let mut bytes = inputs[draw.index(inputs.len())].clone();
    for _ in 0..1 + draw.index(5) {
        let at = draw.index(bytes.len() + 1);
        let end = (at + 1 + draw.index(12)).min(bytes.len());
        match draw.index(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << draw.index(8),
            1 if at < bytes.len() => bytes[at] = draw.index(256) as u8,
            2 => drop(bytes.drain(at..end.max(at))),
            3 => {
                let piece = bytes[at..end.max(at)].to_vec();
                drop(bytes.splice(at..at, piece.repeat(1 + draw.index(4))));
            }
            4 => {
                let other = &inputs[draw.index(inputs.len())];
                let from = draw.index(other.len() + 1);
                let to = (from + draw.index(60)).min(other.len());
                drop(bytes.splice(at..at, other[from..to].iter().copied()));
            }
            5 if draw.index(10) == 0 => bytes.truncate(at),
            _ => {
                let word = WORDS[draw.index(WORDS.len())];
                let taken = if draw.index(2) == 0 { at..at } else { at..end.max(at) };
                drop(bytes.splice(taken, word.bytes()));
            }
        }
    }
    bytes
}

/// Gives an input to a target, and fails with the input where something does not hold.
fn check(target: &Target, what: &str, bytes: &[u8]) {
    let told = catch_unwind(AssertUnwindSafe(|| (target.check)(bytes)));
    let told = told.unwrap_or_else(|_| Err("a panic".to_owned()));
    assert!(told.is_ok(), "{} of {what}: {told:?}: b\"{}\"", target.name, bytes.escape_ascii());
}

fn corpus(target: &Target) -> Vec<(String, Vec<u8>)> {
    let files = files_below(&repository("fuzz/corpus").join(target.name));
    files.iter().map(|file| (file.display().to_string(), std::fs::read(file).unwrap())).collect()
}

#[test]
fn what_the_fuzz_targets_check_holds_of_their_corpus() {
    let folders = std::fs::read_dir(repository("fuzz/corpus")).unwrap();
    let unknown: Vec<String> = folders
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !TARGETS.iter().any(|target| target.name == name))
        .collect();
    assert!(unknown.is_empty(), "no target reads {unknown:?}");
    for target in TARGETS {
        let inputs = corpus(target);
        let bytes = inputs.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
        assert!(!inputs.is_empty() && bytes <= MOST_BYTES, "the corpus of {} has {bytes} bytes", target.name);
        for (name, bytes) in &inputs {
            check(target, name, bytes);
        }
        check(target, "nothing", &[]);
    }
}

#[test]
fn what_the_fuzz_targets_check_holds_of_changed_inputs() {
    let asked = std::env::var("SESSIONLAKE_MUTATIONS").unwrap_or_default();
    let (wanted, count) = asked.split_once(':').map_or((None, asked.as_str()), |(name, count)| (Some(name), count));
    let count = count.parse().unwrap_or(MUTATIONS);
    for target in TARGETS.iter().filter(|target| wanted.is_none_or(|name| name == target.name)) {
        let inputs: Vec<Vec<u8>> = corpus(target).into_iter().map(|(_, bytes)| bytes).collect();
        let begun = Instant::now();
        for number in 0..count {
            check(target, &format!("change {number}"), &mutated(number, &inputs));
        }
        eprintln!("{}: {count} inputs in {:.1} s", target.name, begun.elapsed().as_secs_f64());
    }
}
