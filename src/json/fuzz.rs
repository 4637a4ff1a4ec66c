//! What is asked of any JSON text and path: that the quick ways agree with each other, and all with serde_json. The fuzz targets call it (`crate::fuzz`).

use serde::de::IgnoredAny;
use serde_json::Value;

use super::paths::Trie;
use super::pick::tree_pick;
use super::value::Value as Found;
use super::*;

/// Levels up to which both parsers go: serde_json ends at 128, jiter at 200.
const DEPTH: usize = 100;

/// Digits of a whole number up to which both parsers go: jiter ends at 4,300.
const DIGITS: usize = 4_000;

/// Says whether one of the parsers may give a text up for its depth or the length of a number in it.
fn is_deep(text: &str) -> bool {
    text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count() > DEPTH
        || text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > DIGITS)
}

/// Takes the first line for a path, and what is behind it for a document.
pub(crate) fn json(bytes: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(bytes);
    let (path, document) = text.split_once('\n').unwrap_or(("$", &text));
    strings(document)?;
    validity(document)?;
    surrogates(document)?;
    let Ok(path) = Path::parse(path) else { return Ok(()) };
    picked(&path, document)
}

/// A text that is written as JSON is read back, here and by serde_json.
fn strings(text: &str) -> Result<(), String> {
    let written = quoted(text);
    let read: Option<String> = serde_json::from_str(&written).ok();
    if read.as_deref() != Some(text) || serde_json::to_string(text).ok().as_ref() != Some(&written) {
        return Err(format!("{text:?} is written as {written:?}"));
    }
    let inside = written.get(1..written.len() - 1).unwrap_or_default();
    if decoded(inside) != text || string_end(written.as_bytes(), 1) != written.len() - 1 {
        return Err(format!("{inside:?} is read as {:?}", decoded(inside)));
    }
    Ok(())
}

/// All agree on what JSON is.
fn validity(text: &str) -> Result<(), String> {
    let (ours, parser) = (is_json(text), parses(text));
    if plain::is_plain_json(text.as_bytes()) && !parser {
        return Err(format!("{text:?} is plain to us, and broken to jiter"));
    }
    // Half a surrogate pair is broken to one of the parsers only.
    if !is_deep(text) && without_lone_surrogates(text).is_none() {
        let theirs = serde_json::from_str::<IgnoredAny>(text).is_ok();
        if ours != theirs {
            return Err(format!("{text:?} is JSON: {ours} here, {theirs} to serde_json"));
        }
    }
    let length = value_length(text.as_bytes(), 0);
    if text.starts_with(['{', '[']) && ours && length != Some(text.trim_end_matches([' ', '\t', '\r', '\n']).len()) {
        return Err(format!("{text:?} has {length:?} bytes"));
    }
    let mut elements = Vec::new();
    if text.starts_with('[') && ours && elements::cut(text, &mut elements).is_ok() {
        for range in elements {
            let element = text.get(range).unwrap_or_default();
            if !is_json(element) {
                return Err(format!("{element:?} is an element of {text:?}, and not JSON"));
            }
        }
    }
    Ok(())
}

/// What is mended has nothing left to mend, and as many bytes.
fn surrogates(text: &str) -> Result<(), String> {
    match without_lone_surrogates(text) {
        Some(mended) if mended.len() != text.len() || without_lone_surrogates(&mended).is_some() => {
            Err(format!("{text:?} is mended to {mended:?}"))
        }
        _ => Ok(()),
    }
}

/// Following a path equals querying the tree, which equals serde_json's; all ways to follow one path lead to one place.
fn picked(path: &Path, document: &str) -> Result<(), String> {
    let (mut one, mut other) = (String::new(), String::new());
    let quick = pick(path, document, &mut one);
    let of_tree = tree_pick(path, document, &mut other);
    if is_json(document) && quick != of_tree {
        return Err(format!("{:?} of {document:?}: followed {quick:?}, in the tree {of_tree:?}", path.general));
    }
    let texts: &[&str] = match &of_tree {
        Picked::Broken | Picked::Nothing => &[],
        Picked::One(text) => &[*text],
        Picked::Many(texts) => texts,
    };
    if let Some(text) = texts.iter().find(|text| !is_json(text)) {
        return Err(format!("{:?} of {document:?} picks {text:?}", path.general));
    }
    // A map of serde_json keeps the last of equal keys, where the first counts here.
    if let Ok(tree) = serde_json::from_str::<Value>(document)
        && !has_equal_keys(document)
    {
        let nodes: Vec<Value> = path.general.query(&tree).all().into_iter().cloned().collect();
        let ours: Vec<Value> = texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
        if ours.len() != texts.len() || nodes != ours {
            return Err(format!("{:?} of {document:?}: {ours:?}, and {nodes:?} of serde_json", path.general));
        }
    }
    let Some(steps) = path.steps.as_ref().filter(|steps| !steps.is_empty()) else { return Ok(()) };
    let trie = Trie::of(vec![steps.clone()], |_| true);
    let mut places = vec![None];
    let mended = trie.find(&mut Skimmer::default(), document, &mut places);
    let skimmed = places.first().copied().flatten();
    let followed = follow::look_up(mended.as_deref().unwrap_or(document), steps);
    if skimmed != followed {
        return Err(format!("{steps:?} of {document:?}: skimmed {skimmed:?}, followed {followed:?}"));
    }
    if skimmed.is_some() && !trie.filter().passes(document) {
        return Err(format!("{steps:?} is in {document:?}, and its filter keeps it out"));
    }
    if let Some(found) = followed.and_then(|place| Found::at(mended.as_deref().unwrap_or(document), place)) {
        let _ = (found.integer(), found.float(), found.boolean());
        found.with_text(|_| ());
    }
    Ok(())
}

/// Says whether some object of sound JSON has a key twice.
fn has_equal_keys(document: &str) -> bool {
    fn members(value: &Value) -> usize {
        match value {
            Value::Object(map) => map.len() + map.values().map(members).sum::<usize>(),
            Value::Array(items) => items.iter().map(members).sum(),
            _ => 0,
        }
    }
    // Colons outside of strings are one for each member.
    let (mut colons, mut at) = (0, 0);
    let bytes = document.as_bytes();
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at + 1),
            b':' => colons += 1,
            _ => {}
        }
        at += 1;
    }
    serde_json::from_str::<Value>(document).is_ok_and(|tree| members(&tree) != colons)
}
