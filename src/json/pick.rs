//! Finds what a path picks in a document, as slices of the document's own text.
//!
//! Slices keep numbers as they were written (`1.50`, 30 digits), which a parsed tree does not. A simple path is followed through
//! the text with jiter, as datafusion-functions-json does: reading stops once the value is found, so a document that is
//! broken behind it still answers, and the first of several equal names counts. Any other path needs the whole document: it
//! is built as a tree, queried, and the picked nodes are found again in the text.
//!
//! In place of half a surrogate pair U+FFFD is read: the slices are then those of the document with `\ufffd` for it.
//!
//! Limits: documents that nest deeper than jiter's 200 levels count as broken.

use std::collections::HashMap;

use jiter::{Jiter, JiterError, JiterResult, Peek};
use serde_json::{Map, Number, Value};

use super::follow::{Led, Step, follow};
use super::jsonpath::Path;
use super::members::{each_element, each_member};
use super::surrogates::without_lone_surrogates;

/// Deepest document; jiter skips values with the same limit.
const MAX_DEPTH: usize = 200;

/// What a path picks in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picked<'a> {
    /// The document is not JSON, as far as it had to be read.
    Broken,
    /// No node.
    Nothing,
    /// One node, as its text.
    One(&'a str),
    /// Two or more nodes, as their texts.
    Many(Vec<&'a str>),
}

/// Picks what a path points at; `mended` holds the document if it has half a surrogate pair where it is read.
pub fn pick<'a>(path: &Path, json: &'a str, mended: &'a mut String) -> Picked<'a> {
    match pick_in(path, json) {
        Picked::Broken => match without_lone_surrogates(json) {
            Some(other) => {
                *mended = other;
                pick_in(path, mended)
            }
            None => Picked::Broken,
        },
        picked => picked,
    }
}

/// Picks as [`pick`] does, always by the tree of the whole document.
pub(super) fn tree_pick<'a>(path: &Path, json: &'a str, mended: &'a mut String) -> Picked<'a> {
    pick(&Path { steps: None, ..path.clone() }, json, mended)
}

fn pick_in<'a>(path: &Path, json: &'a str) -> Picked<'a> {
    match &path.steps {
        Some(steps) => follow_steps(steps, json).unwrap_or(Picked::Broken),
        None => query(path, json).unwrap_or(Picked::Broken),
    }
}

/// Takes the text of the value that the parser stands before.
fn take<'a>(jiter: &mut Jiter<'a>, peek: Peek, json: &'a str) -> JiterResult<Option<&'a str>> {
    let start = jiter.current_index();
    jiter.known_skip(peek)?;
    Ok(json.get(start..jiter.current_index()))
}

/// Follows a simple path. An error is broken text.
fn follow_steps<'a>(steps: &[Step], json: &'a str) -> JiterResult<Picked<'a>> {
    let mut jiter = Jiter::new(json.as_bytes());
    let peek = match follow(&mut jiter, steps)? {
        Led::To(peek) => peek,
        // What stands in the way must be sound.
        Led::Against(peek) => return jiter.known_skip(peek).map(|()| Picked::Nothing),
        Led::Nowhere => return Ok(Picked::Nothing),
    };
    let found = take(&mut jiter, peek, json)?;
    // The root is found only where the document ends.
    if steps.is_empty() {
        jiter.finish()?;
    }
    Ok(found.map_or(Picked::Broken, Picked::One))
}

/// Runs any path over the whole document; `None` if it is broken anywhere.
fn query<'a>(path: &Path, json: &'a str) -> Option<Picked<'a>> {
    let mut jiter = Jiter::new(json.as_bytes());
    let peek = jiter.peek().ok()?;
    let document = build(&mut jiter, peek, json, MAX_DEPTH).ok()?;
    jiter.finish().ok()?;
    let nodes = path.general.query(&document).all();
    if nodes.is_empty() {
        return Some(Picked::Nothing);
    }
    let mut wanted: HashMap<*const Value, &'a str> =
        nodes.iter().map(|node| (std::ptr::from_ref::<Value>(node), "")).collect();
    let mut jiter = Jiter::new(json.as_bytes());
    let peek = jiter.peek().ok()?;
    locate(&mut jiter, peek, json, &document, &mut wanted).ok()?;
    let mut texts: Vec<&str> =
        nodes.iter().filter_map(|node| wanted.get(&std::ptr::from_ref::<Value>(node)).copied()).collect();
    Some(match texts.as_slice() {
        [one] => Picked::One(one),
        _ => Picked::Many(std::mem::take(&mut texts)),
    })
}

/// Why a tree is not built: the text is broken, or nests too deep.
struct NoTree;

impl From<JiterError> for NoTree {
    fn from(_: JiterError) -> Self {
        Self
    }
}

/// Builds the tree of the value that the parser stands before; the first of several equal names counts.
fn build<'a>(jiter: &mut Jiter<'a>, peek: Peek, json: &'a str, depth_left: usize) -> Result<Value, NoTree> {
    let deeper = depth_left.checked_sub(1);
    Ok(match peek {
        Peek::Null => {
            jiter.known_null()?;
            Value::Null
        }
        Peek::True | Peek::False => Value::Bool(jiter.known_bool(peek)?),
        Peek::String => Value::String(jiter.known_str()?.to_owned()),
        Peek::Array => {
            let mut items = Vec::new();
            each_element(jiter, |jiter, peek| {
                items.push(build(jiter, peek, json, deeper.ok_or(NoTree)?)?);
                Ok::<(), NoTree>(())
            })?;
            Value::Array(items)
        }
        Peek::Object => {
            let mut members = Map::new();
            each_member(jiter, str::to_owned, |jiter, name, peek| {
                let value = build(jiter, peek, json, deeper.ok_or(NoTree)?)?;
                members.entry(name).or_insert(value);
                Ok::<(), NoTree>(())
            })?;
            Value::Object(members)
        }
        _ => Value::Number(take(jiter, peek, json)?.and_then(number).ok_or(NoTree)?),
    })
}

/// Reads a number for comparison; one beyond the range of doubles becomes the largest.
fn number(text: &str) -> Option<Number> {
    if let Ok(integer) = text.parse::<i64>() {
        return Some(integer.into());
    }
    if let Ok(integer) = text.parse::<u64>() {
        return Some(integer.into());
    }
    let float: f64 = text.parse().ok()?;
    Number::from_f64(float.clamp(f64::MIN, f64::MAX))
}

/// Walks text and tree side by side, and notes the text of each wanted node. Text that a tree was built of gives no error.
fn locate<'a>(
    jiter: &mut Jiter<'a>,
    peek: Peek,
    json: &'a str,
    node: &Value,
    wanted: &mut HashMap<*const Value, &'a str>,
) -> Result<(), NoTree> {
    let start = jiter.current_index();
    match node {
        Value::Array(items) => {
            let mut items = items.iter();
            each_element(jiter, |jiter, peek| locate(jiter, peek, json, items.next().ok_or(NoTree)?, wanted))?;
        }
        Value::Object(members) => {
            let mut seen = std::collections::HashSet::with_capacity(members.len());
            each_member(jiter, str::to_owned, |jiter, name, peek| match members.get(&name) {
                Some(value) if seen.insert(name) => locate(jiter, peek, json, value, wanted),
                _ => Ok(jiter.known_skip(peek)?),
            })?;
        }
        _ => jiter.known_skip(peek)?,
    }
    if let Some(text) = wanted.get_mut(&std::ptr::from_ref(node)) {
        *text = json.get(start..jiter.current_index()).ok_or(NoTree)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picked<'a>(path: &str, json: &'a str) -> Picked<'a> {
        pick_in(&Path::parse(path).unwrap(), json)
    }

    /// The same path, forced through the tree.
    fn picked_in_tree<'a>(path: &str, json: &'a str) -> Picked<'a> {
        pick_in(&Path { steps: None, ..Path::parse(path).unwrap() }, json)
    }

    #[test]
    fn texts_are_as_the_document_has_them() {
        let json = r#"{"a": [1.50, 123456789012345678901234567890, {"b" : [ 1 , 2 ]}], "a": "second", "e": 1e400}"#;
        for pick in [picked, picked_in_tree] {
            assert_eq!(pick("$.a[0]", json), Picked::One("1.50"));
            assert_eq!(pick("$.a[1]", json), Picked::One("123456789012345678901234567890"));
            assert_eq!(pick("$.a[2]", json), Picked::One(r#"{"b" : [ 1 , 2 ]}"#));
            assert_eq!(pick("$.e", json), Picked::One("1e400"));
            assert_eq!(pick("$.a.b", json), Picked::Nothing);
            assert_eq!(pick("$.a[3]", json), Picked::Nothing);
            assert_eq!(pick("$[0]", json), Picked::Nothing);
        }
        assert_eq!(picked("$.a[-2]", json), Picked::One("123456789012345678901234567890"));
        assert_eq!(picked("$..b", json), Picked::One("[ 1 , 2 ]"));
        assert_eq!(picked("$.a[0,0]", json), Picked::Many(vec!["1.50", "1.50"]));
        assert_eq!(picked("$..*", "[1, [2]]"), Picked::Many(vec!["1", "[2]", "2"]));
        assert_eq!(picked("$[?@ > 1.4]", "[1.50, 1, 1e400]"), Picked::Many(vec!["1.50", "1e400"]));
    }

    #[test]
    fn a_simple_path_reads_no_further_than_it_must() {
        assert_eq!(picked("$.a", r#"{"a": 1, "b": oops"#), Picked::One("1"));
        assert_eq!(picked("$.b", r#"{"a": 1, "b": oops"#), Picked::Broken);
        assert_eq!(picked("$['a','b']", r#"{"a": 1, "b": oops"#), Picked::Broken);
        for broken in ["", " ", "{", "nul", "NaN", "[1,]", "\u{feff}{}", "'a'", r#"{"b":"#, r#"{"b":1,,"#] {
            assert_eq!(picked("$.c", broken), Picked::Broken, "{broken}");
            assert_eq!(picked("$..c", broken), Picked::Broken, "{broken}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_read_as_the_replacement_character() {
        let json = r#"{"a":"x\ud83dy","k\ude00":[1,"\ud83d"],"b":"still here","c":[{"t":"\ud83d","n":1.50}]}"#;
        for (path, text) in [
            ("$.a", Picked::One(r#""x\ufffdy""#)),
            ("$.b", Picked::One("\"still here\"")),
            ("$['k\u{fffd}'][0]", Picked::One("1")),
            ("$.c[?@.t == '\u{fffd}'].n", Picked::One("1.50")),
            ("$..n", Picked::One("1.50")),
            ("$['a','b']", Picked::Many(vec![r#""x\ufffdy""#, "\"still here\""])),
            ("$.z", Picked::Nothing),
        ] {
            let path = Path::parse(path).unwrap();
            assert_eq!(pick(&path, json, &mut String::new()), text);
            let cut = json.get(..json.len() - 1).unwrap();
            let is_read = path.steps.is_some() && text != Picked::Nothing;
            assert_eq!(pick(&path, cut, &mut String::new()), if is_read { text } else { Picked::Broken });
        }
    }

    #[test]
    fn deep_documents_are_broken_rather_than_fatal() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(picked("$.a", &deep), Picked::Broken);
        assert_eq!(picked("$..a", &deep), Picked::Broken);
        assert_eq!(picked("$[0][0]", &deep), Picked::Broken);
    }

    /// Documents whose objects may repeat a name.
    fn documents() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            any::<i32>().prop_map(|n| n.to_string()),
            Just("1.50".to_owned()),
            "[a-z]{0,3}".prop_map(|s| format!("\"{s}\"")),
        ];
        leaf.prop_recursive(4, 40, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
                prop::collection::vec(("[abc]", inner), 0..4).prop_map(|members| {
                    let members: Vec<String> = members.iter().map(|(k, v)| format!("\"{k}\" :{v}")).collect();
                    format!("{{{}}}", members.join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn following_steps_equals_querying_the_tree(json in documents(), path in r"\$(\.[abc]|\[[012]\]){0,4}") {
            prop_assert_eq!(picked(&path, &json), picked_in_tree(&path, &json));
        }

        #[test]
        fn every_picked_text_is_json_itself(json in documents(), path in r"\$(\.\*|\.\.[abc*]|\[(0|-?[12])\]){0,3}") {
            let texts = match picked(&path, &json) {
                Picked::Broken => return Err(TestCaseError::fail("broken")),
                Picked::Nothing => vec![],
                Picked::One(text) => vec![text],
                Picked::Many(texts) => texts,
            };
            for text in texts {
                prop_assert!(serde_json::from_str::<Value>(text).is_ok(), "{text}");
            }
        }

        #[test]
        fn no_bytes_make_it_panic(json in ".{0,40}", cut in 0_usize..40, whole in documents()) {
            let cut: String = whole.chars().take(cut).collect();
            for text in [json, cut] {
                for path in ["$", "$.a", "$[1].b", "$..a", "$[?@.a == 1]", "$[-1]"] {
                    picked(path, &text);
                }
            }
        }
    }
}
