//! The recorded messages of clients, played to sessions of PostgreSQL's protocol as they are and changed: in another order, cut, twice, with other
//! words and lengths in them. Whatever comes, the server answers or closes, and goes on.
//!
//! `SESSIONLAKE_MUTATIONS=pg_session:100000` changes them so often; the same number of a change is the same messages every time.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use sessionlake::fuzz::{framed, talk};
use sessionlake::generate::GenerateFormat;
use sessionlake::serve::{Clocks, Hub, HubOptions, Limits};

use crate::lakes::{NOW_US, generated, lake_in, source, take};
use crate::model::engine;
use crate::support::{Draw, files_below, repository};

/// Changed sequences, where nothing else is asked for.
const CHANGES: u64 = 60;
/// The longest that a client and its server may talk.
const LONGEST: Duration = Duration::from_secs(60);
/// What bodies of messages are made of.
const WORDS: &[&[u8]] = &[
    b"\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\0\0\0\0",
    b"\0\x01",
    b"\xff",
    b"select ",
    b"$1",
    b";",
    b"'",
    b"(",
    b" from workflow_sessions",
    b"begin",
    b"declare c cursor for ",
    b"copy (",
    b") to stdout",
    b"pg_class",
    b"set ",
    b"\xc3\xa9",
];

async fn hub(folder: &Path) -> Arc<Hub> {
    let lake = lake_in(&folder.join("lake"));
    take(&lake, &[source(&generated(folder, 40, GenerateFormat::Csv), 1)]).await;
    let now = DateTime::from_timestamp_micros(NOW_US).unwrap();
    let short = Duration::from_secs(5);
    let limits =
        Limits { statement: short, idle: short, handshake: short, message_bytes: 1 << 20, ..Limits::default() };
    let options = HubOptions {
        lake,
        engine: engine(),
        limits,
        users: None,
        clocks: Clocks { now: Arc::new(move || now), passed: Arc::new(Duration::default) },
        compute: tokio::runtime::Handle::current(),
        spread: None,
    };
    Hub::open(options).await.unwrap()
}

/// The recorded sequences, each with the messages that it is made of.
fn recorded() -> Vec<(String, Vec<Vec<u8>>)> {
    let files = files_below(&repository("fuzz/corpus/pg_messages"));
    let read = |file: &std::path::PathBuf| {
        let bytes = std::fs::read(file).unwrap();
        let (mut messages, mut rest) = (Vec::new(), bytes.as_slice());
        while !rest.is_empty() {
            // Those that begin a connection have no kind, and begin with the zeros of their length.
            let head = usize::from(rest[0] != 0);
            let length = rest
                .get(head..head + 4)
                .map_or(rest.len(), |bytes| u32::from_be_bytes(bytes.try_into().unwrap()) as usize + head);
            let (message, behind) = rest.split_at(length.min(rest.len()));
            messages.push(message.to_vec());
            rest = behind;
        }
        (file.file_name().unwrap().to_string_lossy().into_owned(), messages)
    };
    files.iter().map(read).collect()
}

/// Changes a sequence in some places.
fn changed(number: u64, all: &[(String, Vec<Vec<u8>>)]) -> Vec<u8> {
    let mut draw = Draw(number);
    let mut messages = all[draw.index(all.len())].1.clone();
    for _ in 0..1 + draw.index(4) {
        // The first stays, mostly: without it there is nothing behind the log-in.
        let first = usize::from(draw.index(8) > 0);
        let at = first + draw.index(messages.len().saturating_sub(first).max(1));
        let Some(message) = messages.get(at).filter(|message| !message.is_empty()).cloned() else { continue };
        match draw.index(8) {
            0 => drop(messages.remove(at)),
            1 => messages.insert(at, message),
            2 => {
                let other = first + draw.index(messages.len() - first);
                messages.swap(at, other);
            }
            3 => {
                let (_, others) = &all[draw.index(all.len())];
                messages.insert(at, others[draw.index(others.len())].clone());
            }
            4 => {
                let bit = draw.index(message.len() * 8);
                messages[at][bit / 8] ^= 1 << (bit % 8);
            }
            5 => messages[at].truncate(draw.index(message.len())),
            _ => {
                // Another body, of the length that it says.
                let head = usize::from(message[0] != 0);
                let mut body = message.get(head + 4..).unwrap_or_default().to_vec();
                let (from, word) = (draw.index(body.len() + 1), WORDS[draw.index(WORDS.len())]);
                let to = if draw.index(2) == 0 { from } else { (from + word.len()).min(body.len()) };
                drop(body.splice(from..to, word.repeat(1 + draw.index(3))));
                messages[at] = framed((head == 1).then_some(message[0]), &body);
            }
        }
    }
    messages.concat()
}

fn changes() -> u64 {
    let asked = std::env::var("SESSIONLAKE_MUTATIONS").unwrap_or_default();
    let count = match asked.split_once(':') {
        Some((target, count)) => count.parse().ok().filter(|_| target == "pg_session"),
        None => asked.parse().ok(),
    };
    count.unwrap_or(CHANGES)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_messages_come_a_server_answers_or_closes_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path()).await;
    let all = recorded();
    let talked = async |what: &str, bytes: &[u8]| {
        let told = tokio::time::timeout(LONGEST, talk(&hub, bytes)).await;
        match told {
            Ok(Ok(kinds)) => kinds,
            Ok(Err(fault)) => panic!("{what}: {fault}: b\"{}\"", bytes.escape_ascii()),
            Err(_) => panic!("{what} takes too long: b\"{}\"", bytes.escape_ascii()),
        }
    };
    for (name, messages) in &all {
        let kinds = talked(name, &messages.concat()).await;
        // What comes behind a wish for encryption, before it is answered, may be of somebody else: the connection ends. What the engine of fuzzing kept is
        // named by its hash, and may be anything.
        let is_kept = name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_kept && !["cancel", "encryption_and_more_at_once"].contains(&name.as_str()) {
            assert!(kinds.contains(&b'Z'), "{name}: {:?}", kinds.escape_ascii().to_string());
        }
    }
    for number in 0..changes() {
        talked(&format!("change {number}"), &changed(number, &all)).await;
    }
    // Others are served as before.
    let simple = &all.iter().find(|(name, _)| name == "simple").unwrap().1;
    assert!(talked("simple", &simple.concat()).await.contains(&b'D'));
    assert_eq!(
        hub.metrics_text().lines().find(|line| line.starts_with("sessionlake_connections_open")),
        Some("sessionlake_connections_open 0")
    );
}
