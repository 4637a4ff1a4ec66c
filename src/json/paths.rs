//! Finds the values at several paths in one walk over a document.
//!
//! What is found is what each look-up of datafusion-functions-json finds by itself: the first of several equal keys counts, there
//! is no going back, a key that spells a number is an index in an array, and a look-up reads no further than it must. On a sound
//! document one walk in order (`skim`) finds the same. Where the walk meets an error or something odd, what it found is thrown away,
//! and every path is looked up alone, by the parser of the functions and as they do. For half a surrogate pair both read U+FFFD.

#![allow(clippy::indexing_slicing, reason = "nodes and paths are numbered here")]

use aho_corasick::packed::Searcher;
use memchr::memmem::Finder;

use super::follow::{Place, Step, look_up};
use super::skim::Skimmer;
use super::surrogates::without_lone_surrogates;

/// Documents on which a search for the keys' own text is tried first.
const TRIED_DOCUMENTS: usize = 64;
/// Keys at most whose own text is searched: with more, a search finds too much that is none of them.
const MAX_SEARCHED: usize = 32;

/// Several paths, merged where they begin alike.
#[derive(Debug)]
pub struct Trie {
    nodes: Vec<Node>,
    paths: Vec<Vec<Step>>,
    /// How documents are searched before they are walked.
    search: Option<Search>,
}

/// A place in a document that is on a path.
#[derive(Debug, Default)]
pub struct Node {
    /// The number of the path that ends here.
    pub path: Option<usize>,
    /// Whether an object or array is wanted to its end, where the path ends here.
    pub takes_containers: bool,
    /// Children that are members of an object: the key's tag, the key and the child.
    pub keys: Vec<(u64, Box<str>, usize)>,
    /// Children that are elements of an array.
    pub indexes: Vec<(isize, usize)>,
    children: Vec<(Step, usize)>,
    /// The steps up to here, and the numbers of the paths that go on.
    depth: usize,
    below: Vec<usize>,
    /// The [`hint`]s of all keys.
    hints: u64,
}

impl Node {
    /// Returns the number of a key among those that are wanted and were not met, and its child.
    #[inline(always)]
    pub fn member(&self, key: &[u8], met: u64) -> Option<(usize, usize)> {
        if self.hints & hint(key) == 0 {
            return None;
        }
        let tag = tag(key);
        let is_met = |(number, known): &(usize, &(u64, Box<str>, usize))| {
            known.0 == tag && known.1.as_bytes() == key && met & 1 << number == 0
        };
        self.keys.iter().enumerate().find(is_met).map(|(number, known)| (number, known.2))
    }
}

/// The document is not sound, or not one that a walk can answer.
#[derive(Debug)]
pub struct Odd;

impl Trie {
    /// Merges different paths, each of one step at least; they are numbered as they come. Of those in `containers` an object or
    /// array is found to its end, of others only where it begins.
    pub fn of(paths: Vec<Vec<Step>>, containers: impl Fn(usize) -> bool) -> Self {
        let search = Search::of(&paths);
        let mut trie = Self { nodes: vec![Node::default()], paths, search };
        for (number, path) in trie.paths.iter().enumerate() {
            let mut node = 0;
            for step in path {
                let known = trie.nodes[node].children.iter().find(|(other, _)| other == step).map(|(_, child)| *child);
                trie.nodes[node].below.push(number);
                node = known.unwrap_or_else(|| {
                    let child = trie.nodes.len();
                    trie.nodes.push(Node { depth: trie.nodes[node].depth + 1, ..Node::default() });
                    let parent = &mut trie.nodes[node];
                    parent.children.push((step.clone(), child));
                    parent.keys.extend(step.key().map(|key| (tag(key.as_bytes()), key.into(), child)));
                    parent.hints |= step.key().map_or(0, |key| hint(key.as_bytes()));
                    parent.indexes.extend(step.index().map(|index| (index, child)));
                    child
                });
            }
            trie.nodes[node].path = Some(number);
            trie.nodes[node].takes_containers = containers(number);
        }
        trie
    }

    /// The number of paths.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Returns the node of a number; the root is the first.
    #[inline(always)]
    pub fn node(&self, number: usize) -> &Node {
        &self.nodes[number]
    }

    /// Returns the numbers of the paths that lead through a node, and what is left of each there.
    pub fn below(&self, number: usize) -> impl Iterator<Item = (usize, &[Step])> {
        let node = &self.nodes[number];
        node.below.iter().map(|path| (*path, self.paths[*path].get(node.depth..).unwrap_or_default()))
    }

    /// Finds the values at all paths; `places`, one for each path, comes in empty. Returns the document as it was read, in the same
    /// places, if it has half a surrogate pair.
    pub fn find(&self, skimmer: &mut Skimmer, document: &str, places: &mut [Option<Place>]) -> Option<String> {
        if skimmer.find(self, document, places).is_ok() {
            return None;
        }
        let mended = without_lone_surrogates(document);
        let document = mended.as_deref().unwrap_or(document);
        if mended.is_some() {
            places.fill(None);
            if skimmer.find(self, document, places).is_ok() {
                return mended;
            }
        }
        for (place, path) in places.iter_mut().zip(&self.paths) {
            *place = look_up(document, path);
        }
        mended
    }

    /// Makes a filter for the documents of one batch.
    pub fn filter(&self) -> Filter<'_> {
        Filter { search: self.search.as_ref(), tried: 0, kept_out: 0 }
    }
}

/// Searches text for any of some keys, as they are or written with escapes.
#[derive(Debug)]
enum Search {
    /// All in one pass.
    Together(Searcher),
    /// A key and what begins an escape, one after the other.
    Apart(Box<[Finder<'static>; 2]>),
}

impl Search {
    /// Searches for the last keys of paths; `None` where a document could have one without writing it so, or this machine has no
    /// search for several texts at once.
    fn of(paths: &[Vec<Step>]) -> Option<Self> {
        let quoted = |path: &Vec<Step>| {
            let key = path.last()?.key().filter(|key| is_plain(key))?;
            Some(format!("\"{key}\""))
        };
        let mut texts = paths.iter().map(quoted).collect::<Option<Vec<_>>>()?;
        texts.sort_unstable();
        texts.dedup();
        let is_ascii = texts.iter().all(|key| key.is_ascii());
        if is_ascii && !texts.is_empty() && texts.len() <= MAX_SEARCHED {
            // A search is the faster the longer its shortest text is, and this begins every escape of an ASCII character.
            texts.push(r"\u00".to_owned());
            if let Some(all) = Searcher::new(&texts) {
                return Some(Self::Together(all));
            }
            texts.pop();
        }
        match texts.as_slice() {
            [key] => Some(Self::Apart(Box::new([Finder::new(key).into_owned(), Finder::new(r"\u")]))),
            _ => None,
        }
    }

    fn finds_in(&self, text: &[u8]) -> bool {
        match self {
            Self::Together(all) => all.find(text).is_some(),
            Self::Apart(both) => both.iter().any(|one| one.find(text).is_some()),
        }
    }
}

/// Keeps documents from being walked that have none of the keys anywhere in their text.
#[derive(Debug)]
pub struct Filter<'a> {
    search: Option<&'a Search>,
    tried: usize,
    kept_out: usize,
}

impl Filter<'_> {
    /// Says whether a document must be walked.
    pub fn passes(&mut self, document: &str) -> bool {
        let Some(search) = self.search else { return true };
        let passes = search.finds_in(document.as_bytes());
        self.tried += 1;
        self.kept_out += usize::from(!passes);
        if self.tried == TRIED_DOCUMENTS && self.kept_out * 2 < self.tried {
            self.search = None;
        }
        passes
    }
}

/// Says whether a key is written as it is, or else by `\u` escapes; a key that spells a number may be no key at all.
fn is_plain(key: &str) -> bool {
    key.parse::<isize>().is_err() && key.chars().all(|c| !c.is_control() && !matches!(c, '"' | '\\' | '/'))
}

/// Sums a key up in its length and first bytes, so that most keys are told apart by one comparison.
#[inline(always)]
fn tag(key: &[u8]) -> u64 {
    let mut first = [0; 8];
    let (length, beginning) = (key.len(), &key[..key.len().min(7)]);
    first[..beginning.len()].copy_from_slice(beginning);
    first[7] = length as u8;
    u64::from_le_bytes(first)
}

/// Returns one bit of 64 by the length of a key and its first byte, by which most keys are told apart without a look at the key.
#[inline(always)]
fn hint(key: &[u8]) -> u64 {
    1 << ((key.len() * 7 + usize::from(key.first().copied().unwrap_or_default())) % 64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;

    const PATHS: &[&[&str]] = &[
        &["a"],
        &["b"],
        &["a", "b"],
        &["a", "b", "c"],
        &["b", "0"],
        &["b", "-1", "a"],
        &["long key"],
        &[""],
        &["a", "é"],
    ];
    const STRINGS: &[&str] = &[
        "",
        "a",
        "b",
        "c",
        "é",
        "long key",
        "0",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\\\"",
        "\\\\",
        "\\\\\\\"",
        "\\n",
        "\\u00e9",
        "\\u0061",
        "\\/",
        "\\ud83d\\ude00",
        "[{\\\"sku\\\":\\\"B-017\\\",\\\"n\\\":4}]",
        "y",
        "_",
        "\u{7f}",
        "日本語",
        "x\\\\",
        "a text of more than sixty-four bytes, so that there are blocks without any quote in them at all",
    ];
    const BAD_STRINGS: &[&str] = &[
        "\\",
        "\\q",
        "\\u12",
        "\\u12G4",
        "\\ud800",
        "\\ud800\\u0041",
        "\\ude00",
        "\\ud800x",
        "\t",
        "\n",
        "\u{0}",
        "\u{1f}",
        "\\\\\\",
    ];
    const SCALARS: &[&str] =
        &["0", "-0", "1", "12", "-3", "2.50", "1e5", "1E-7", "0.1e+3", "0e1", "true", "false", "null"];
    const BAD_SCALARS: &[&str] = &[
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1e",
        "1e+",
        "-a",
        "0x1",
        "1 2",
        "tru",
        "truex",
        "nul",
        "NaN",
        "Infinity",
        "-Infinity",
        "1.2.3",
        "--1",
        "1e5.0",
        "True",
        "'a'",
        "",
        "y",
        "\u{7f}",
        "1\u{b}",
        "\u{a0}",
    ];
    const BLANKS: &[&str] = &["", " ", "\n", "\t", "\r\n  ", "                    ", "\n\n\n"];

    /// A JSON value as it is written, now and then a bad one.
    fn value() -> impl Strategy<Value = String> {
        let string = prop_oneof![60 => select(STRINGS), 1 => select(BAD_STRINGS)];
        let text = prop::collection::vec(string, 0..3).prop_map(|parts| format!("\"{}\"", parts.concat()));
        let scalar = prop_oneof![60 => select(SCALARS), 1 => select(BAD_SCALARS)].prop_map(str::to_owned);
        let blank = || prop_oneof![8 => Just(""), 1 => select(BLANKS)];
        prop_oneof![text.clone(), scalar].prop_recursive(5, 60, 7, move |inner| {
            let name = prop_oneof![3 => select(&["a", "b", "c", "0", "", "é", "long key"][..]).prop_map(|key| format!("\"{key}\"")), 1 => text.clone()];
            let member = (name, blank(), blank(), inner.clone()).prop_map(|(name, before, after, value)| format!("{name}{before}:{after}{value}"));
            let commas = (select(&[",", ", ", " ,\n  "][..]), blank(), prop_oneof![60 => Just(""), 1 => Just(",")]);
            prop_oneof![
                3 => (prop::collection::vec(member, 0..7), commas.clone())
                    .prop_map(|(members, (comma, blank, last))| format!("{{{blank}{}{last}{blank}}}", members.join(comma))),
                1 => (prop::collection::vec(inner, 0..5), commas)
                    .prop_map(|(values, (comma, blank, last))| format!("[{blank}{}{last}{blank}]", values.join(comma))),
            ]
        })
    }

    fn paths() -> Vec<Vec<Step>> {
        PATHS.iter().map(|path| path.iter().map(|key| Step::Key((*key).to_owned())).collect()).collect()
    }

    /// Walks a document for some paths; says whether the walk answered, and that it answered as the look-ups do.
    fn walked(document: &str, paths: &[Vec<Step>]) -> bool {
        let alone: Vec<_> = paths.iter().map(|path| look_up(document, path)).collect();
        // Of some paths, of none and of all to the end of objects and arrays.
        let walk = |containers: fn(usize) -> bool| {
            let trie = Trie::of(paths.to_vec(), containers);
            let (mut skimmer, mut places) = (Skimmer::default(), vec![None; paths.len()]);
            let answers = skimmer.find(&trie, document, &mut places).is_ok();
            let expected = alone.iter().enumerate().map(|(path, place)| {
                let is_container = |place: &Place| document[place.start..].starts_with(['{', '[']);
                // An element of an array is looked up alone.
                let is_cut = place.is_some_and(|place| is_container(&place)) && !containers(path);
                let starts = (place.map(|place| place.start), places[path].map(|place| place.start));
                if is_cut && places[path].is_some_and(|place| place.end.is_none()) && starts.0 == starts.1 {
                    places[path]
                } else {
                    *place
                }
            });
            let expected: Vec<_> = expected.collect();
            if answers {
                assert_eq!(places, expected, "{document:?} at {paths:?}");
            }
            (answers, trie)
        };
        walk(|path| path % 2 == 0);
        walk(|_| false);
        let (answers, trie) = walk(|_| true);
        let passes = trie.filter().passes(document);
        assert!(passes || alone.iter().all(Option::is_none), "{document:?} kept out at {paths:?}");
        answers
    }

    /// Walks a document, what it is up to every byte, and what it is with every byte replaced.
    fn damaged(document: &str, paths: &[Vec<Step>]) {
        for at in (0..document.len()).filter(|at| document.is_char_boundary(*at) && document.is_char_boundary(at + 1)) {
            walked(&document[..at], paths);
            for byte in ["", "\"", "\\", "{", "}", "[", "]", ":", ",", "1", " ", "y", "\u{1}"] {
                walked(&format!("{}{byte}{}", &document[..at], &document[at + 1..]), paths);
                walked(&format!("{}{byte}{}", &document[..at], &document[at..]), paths);
            }
        }
    }

    #[test]
    fn what_is_odd_is_found_at_every_place_of_a_block() {
        let documents = [
            r#"{"a":{"b":"x\"\\","c":[1,{"b":2}]},"b":[true,{"a":"é"}],"long key":-1.5}"#,
            r#"{ "b" : [ ] , "a" : { "b" : { "c" : null } } , "z" : {} }"#,
            r#"{"x":"\\\\\\\"","a":"[{\"b\":\"c\"}]","b":"\ud83d\ude00\n"}"#,
        ];
        for document in documents {
            for padding in (0..16).chain([31, 47, 55, 63, 64]) {
                for (before, after) in [("\"p\":\"", "\","), ("", ""), ("\"p\":\"\\\\", "\\\"\",")] {
                    let padding = if before.is_empty() { " " } else { "p" }.repeat(padding);
                    let document = document.replacen('{', &format!("{{{before}{padding}{after}"), 1);
                    for paths in [paths(), paths()[..1].to_vec(), paths()[3..5].to_vec()] {
                        assert!(walked(&document, &paths), "{document}");
                    }
                }
            }
            damaged(document, &paths());
            damaged(&document.replacen('{', &format!("{{\"p\":\"{}\",", "p".repeat(40)), 1), &paths()[1..3]);
        }
    }

    #[test]
    fn deep_documents_and_keys_with_escapes_are_left_to_the_look_ups() {
        for (depth, is_answered) in
            [(2, true), (50, true), (58, true), (60, false), (70, false), (199, false), (250, false)]
        {
            let document = format!("{{\"x\":{}{},\"a\":1}}", "[".repeat(depth), "]".repeat(depth));
            assert_eq!(walked(&document, &paths()), is_answered, "{depth}");
        }
        assert!(!walked(r#"{"\u0061":1,"b":2}"#, &paths()));
        assert!(!walked(&format!(r#"{{"{}\u0061":1,"b":2}}"#, "x".repeat(70)), &paths()));
        assert!(walked(r#"{"x":{"\u0061":1},"a":{"b":2}}"#, &paths()));
        assert!(!walked(&format!("{{\"x\":{},\"a\":1}}", "1".repeat(5000)), &paths()));
        assert!(!walked("[1]", &paths()) && !walked("", &paths()) && !walked("{", &paths()));
        let indexes = vec![vec![Step::Index(0)]];
        assert!(!walked("{}", &indexes));
    }

    #[test]
    fn the_walk_ends_where_nothing_more_is_wanted() {
        let paths = &paths()[..1];
        let rest = "x".repeat(64);
        assert!(walked(&format!("{{\"a\":1,\"b\":\"{rest}\",broken"), paths));
        assert!(walked(&format!("{{\"a\":[1,{{}}],\"b\":\"{rest}\",broken"), paths));
        assert!(!walked(&format!("{{\"b\":\"{rest}\",broken,\"a\":1}}"), paths));
        assert!(walked(&format!("{{\"b\":1}}{}broken", " ".repeat(64)), paths));
    }

    proptest! {
        #[test]
        fn a_walk_finds_what_look_ups_find(document in value(), chosen in prop::collection::vec(select(PATHS), 1..5)) {
            let mut paths: Vec<Vec<Step>> =
                chosen.iter().map(|path| path.iter().map(|key| Step::Key((*key).to_owned())).collect()).collect();
            paths.sort_by_key(|path| path.len());
            paths.dedup();
            let mut known = Vec::new();
            paths.retain(|path| !known.contains(path) && { known.push(path.clone()); true });
            walked(&document, &paths);
        }

        #[test]
        fn a_walk_finds_what_look_ups_find_in_what_is_damaged(
            document in value(), at in any::<Index>(), kind in 0..3,
            byte in select(&["\"", "\\", "{", "}", "[", "]", ":", ",", "1", " ", "y", "\n", "\u{1}", "-", "."][..]),
        ) {
            let mut at = at.index(document.len() + 1);
            while !document.is_char_boundary(at) {
                at -= 1;
            }
            let (before, after) = document.split_at(at);
            let behind = after.char_indices().nth(1).map_or("", |(at, _)| &after[at..]);
            let damaged = match kind {
                0 => before.to_owned(),
                1 => format!("{before}{byte}{after}"),
                _ => format!("{before}{byte}{behind}"),
            };
            walked(&damaged, &paths());
        }
    }
}
