//! Other shapes of the JSON columns than those of a usual contact centre, as descriptions in JSON.
//!
//! How fast a question on JSON is answered depends on how the documents look: how many paths there are, how often each occurs, of which types
//! its values are, and whether they are so from the first session to the last. A shape describes documents of one kind; everything else of a
//! session, its ids, times and workflows, stays as it is. A description has an `about` and, for each JSON column that it describes, a value.
//! What a value may be, docs/shapes.md says.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;

use super::random::{Random, mix};
use super::row::{JsonCell, JsonForm, Row};
use super::session::Plan;
use super::text::{push_hex, push_number, push_padded};
use crate::error::{Error, Result};
use crate::json::{Escaping, push_json_string_as};

/// The shapes that come with the program, by name.
const SHIPPED: [(&str, &str); 8] = [
    ("arrays", include_str!("shapes/arrays.json")),
    ("broken", include_str!("shapes/broken.json")),
    ("deep", include_str!("shapes/deep.json")),
    ("ids", include_str!("shapes/ids.json")),
    ("large", include_str!("shapes/large.json")),
    ("late", include_str!("shapes/late.json")),
    ("tenants", include_str!("shapes/tenants.json")),
    ("wide", include_str!("shapes/wide.json")),
];

/// Elements, keys and levels that one value may have at most.
const MOST_ELEMENTS: u64 = 100_000;
const MOST_LEAVES: u64 = 4_096;
/// Bytes of one text at most.
const MOST_BYTES: u64 = 16 << 20;

/// What the JSON columns of generated sessions look like.
#[derive(Clone)]
pub struct Shape {
    description: Arc<Description>,
    /// The text it was read from, by which shapes are compared.
    source: Arc<str>,
}

impl Shape {
    /// The names of the shapes that come with the program.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// Returns a shape that comes with the program.
    ///
    /// # Errors
    /// A name that none has.
    pub fn named(name: &str) -> Result<Self> {
        let text = SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
        let hint =
            || format!("the shapes are {}; a file is given by its path", Self::names().collect::<Vec<_>>().join(", "));
        text.ok_or_else(|| Error::usage(format!("unknown shape {name:?}")).with_hint(hint()))?.parse()
    }

    /// Says in a sentence what the documents are like.
    pub fn about(&self) -> &str {
        &self.description.about
    }

    /// Writes the JSON columns that the shape describes over those of a row.
    pub(super) fn fill(&self, row: &mut Row<'_>, plan: &Plan, place: Place) {
        let columns = [
            (&self.description.data, &mut row.data, 1),
            (&self.description.action_data, &mut row.action_data, 2),
            (&self.description.source_details, &mut row.source_details, 3),
        ];
        for (value, cell, number) in columns {
            if let Some(value) = value {
                let mut random = Random::from_bits(mix(plan.bits ^ mix(number)));
                fill_cell(value, cell, &place, &mut random);
            }
        }
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shape").field("about", &self.description.about).finish_non_exhaustive()
    }
}

impl PartialEq for Shape {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Shape {}

impl FromStr for Shape {
    type Err = Error;

    /// Reads a description.
    fn from_str(text: &str) -> Result<Self> {
        let hint = "docs/shapes.md says what a shape may have";
        let description: Description =
            serde_json::from_str(text).map_err(|e| Error::usage(format!("not a shape: {e}")).with_hint(hint))?;
        for value in [&description.data, &description.action_data, &description.source_details].into_iter().flatten() {
            value.check().map_err(|message| Error::usage(format!("not a shape: {message}")).with_hint(hint))?;
        }
        Ok(Self { description: Arc::new(description), source: text.into() })
    }
}

/// Where a session stands among all others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// How much of the history has gone when it starts: 0 to 1.
    pub(super) time: f64,
    /// The number of its workflow.
    pub(super) workflow: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    about: String,
    data: Option<Value>,
    action_data: Option<Value>,
    source_details: Option<Value>,
}

/// What stands at a place of a document.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Value {
    Null,
    /// True in this share.
    Boolean(f64),
    /// From one to the other.
    Integer(i64, i64),
    /// From one to the other, with two decimals.
    Float(f64, f64),
    Text(Text),
    /// A text of English letters and blanks of so many bytes, from one to the other.
    Prose(u64, u64),
    /// Members by name. Those without a value are left out.
    Object(BTreeMap<String, Value>),
    Many(Box<Many>),
    Array(Box<Elements>),
    /// An object whose keys are ids that no other document has.
    Ids(Box<Elements>),
    Deep(Box<Deep>),
    /// In this share of the documents.
    Sometimes(f64, Box<Value>),
    During(Box<During>),
    /// One of these, each with its weight.
    AnyOf(Vec<(u64, Value)>),
    /// The workflows take turns.
    ByWorkflow(Vec<Value>),
    /// Cut off somewhere in this share of the documents.
    Broken(f64, Box<Value>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    /// How many different ones there are; without it each is another.
    distinct: Option<u64>,
    bytes: u64,
    /// What all begin and end with.
    #[serde(default)]
    before: String,
    #[serde(default)]
    after: String,
}

/// An object with many keys: a letter or more and a number.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Many {
    count: u64,
    key: String,
    /// The share of documents that have the first key, and the last; those between by even steps.
    shares: (f64, f64),
    /// The keys take turns.
    values: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Elements {
    /// How many, from one to the other.
    count: (u64, u64),
    of: Value,
}

/// Objects in objects.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Deep {
    levels: u32,
    keys: Vec<String>,
    of: Value,
}

/// Something else in a part of the history.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct During {
    from: f64,
    to: f64,
    of: Value,
    otherwise: Option<Value>,
}

impl Value {
    /// Says what of a description makes no sense.
    fn check(&self) -> Result<(), String> {
        let share = |share: &f64| match (0.0..=1.0).contains(share) {
            true => Ok(()),
            false => Err(format!("a share is from 0 to 1, not {share}")),
        };
        let range = |from: f64, to: f64| match from <= to {
            true => Ok(()),
            false => Err(format!("a range goes up, not from {from} to {to}")),
        };
        let most = |name: &str, count: u64, most: u64| match count <= most {
            true => Ok(()),
            false => Err(format!("{name} are at most {most}, not {count}")),
        };
        match self {
            Self::Null => Ok(()),
            Self::Boolean(trues) => share(trues),
            Self::Integer(from, to) => range(*from as f64, *to as f64),
            Self::Float(from, to) => {
                range(*from, *to)?;
                let largest = from.abs().max(to.abs());
                if largest < 1e12 { Ok(()) } else { Err(format!("floats are below 1e12, not {largest}")) }
            }
            Self::Text(text) => most("bytes of a text", text.bytes, MOST_BYTES),
            Self::Prose(from, to) => range(*from as f64, *to as f64).and(most("bytes of a text", *to, MOST_BYTES)),
            Self::Object(members) => members.values().try_for_each(Self::check),
            Self::Many(many) => {
                share(&many.shares.0)?;
                share(&many.shares.1)?;
                most("keys", many.count, MOST_ELEMENTS)?;
                Self::check_list(&many.values)
            }
            Self::Array(elements) | Self::Ids(elements) => {
                let (from, to) = elements.count;
                range(from as f64, to as f64)?;
                most("elements", to, MOST_ELEMENTS)?;
                elements.of.check()
            }
            Self::Deep(deep) => {
                let leaves = (deep.keys.len().max(1) as u64).checked_pow(deep.levels).unwrap_or(u64::MAX);
                most("leaves of a deep value", leaves, MOST_LEAVES)?;
                most("levels", deep.levels.into(), 64)?;
                deep.of.check()
            }
            Self::Sometimes(part, of) | Self::Broken(part, of) => share(part).and(of.check()),
            Self::During(during) => {
                range(during.from, during.to)?;
                during.otherwise.iter().try_for_each(Self::check)?;
                during.of.check()
            }
            Self::AnyOf(values) => {
                if values.iter().map(|(weight, _)| u128::from(*weight)).sum::<u128>() == 0 {
                    return Err("any_of needs a weight above 0".to_owned());
                }
                values.iter().try_for_each(|(weight, value)| {
                    most("weights", *weight, 1 << 32)?;
                    value.check()
                })
            }
            Self::ByWorkflow(values) => Self::check_list(values),
        }
    }

    fn check_list(values: &[Self]) -> Result<(), String> {
        if values.is_empty() {
            return Err("a list of values that take turns is empty".to_owned());
        }
        values.iter().try_for_each(Self::check)
    }

    /// Appends a value; says no, and appends nothing, where there is none.
    fn push(&self, out: &mut String, place: &Place, random: &mut Random) -> bool {
        match self {
            Self::Null => out.push_str("null"),
            Self::Boolean(share) => out.push_str(if happens(random, *share) { "true" } else { "false" }),
            Self::Integer(from, to) => push_integer(out, between(random, *from, *to)),
            Self::Float(from, to) => {
                let hundredths = between(random, (from * 100.0).round() as i64, (to * 100.0).round() as i64);
                push_hundredths(out, hundredths);
            }
            Self::Text(text) => text.push(out, random),
            Self::Prose(from, to) => push_prose(out, between(random, *from as i64, *to as i64) as usize, random),
            Self::Object(members) => {
                out.push('{');
                for (key, value) in members {
                    push_member(out, key, |out| value.push(out, place, random));
                }
                out.push('}');
            }
            Self::Many(many) => many.push(out, place, random),
            Self::Array(elements) => {
                out.push('[');
                for _ in 0..elements.length(random) {
                    let before = out.len();
                    if !out.ends_with('[') {
                        out.push(',');
                    }
                    if !elements.of.push(out, place, random) {
                        out.truncate(before);
                    }
                }
                out.push(']');
            }
            Self::Ids(elements) => {
                out.push('{');
                for _ in 0..elements.length(random) {
                    let mut key = String::with_capacity(16);
                    push_hex(&mut key, random.next(), 16);
                    push_member(out, &key, |out| elements.of.push(out, place, random));
                }
                out.push('}');
            }
            Self::Deep(deep) => return deep.push(out, deep.levels, place, random),
            Self::Sometimes(share, of) => return happens(random, *share) && of.push(out, place, random),
            Self::During(during) => {
                let is_then = (during.from..during.to).contains(&place.time);
                let value = if is_then { Some(&during.of) } else { during.otherwise.as_ref() };
                return value.is_some_and(|value| value.push(out, place, random));
            }
            Self::AnyOf(values) => {
                let mut left = random.below(values.iter().map(|(weight, _)| weight).sum());
                for (weight, value) in values {
                    if left < *weight {
                        return value.push(out, place, random);
                    }
                    left -= weight;
                }
                return false;
            }
            Self::ByWorkflow(values) => {
                return values
                    .get(place.workflow % values.len().max(1))
                    .is_some_and(|value| value.push(out, place, random));
            }
            Self::Broken(share, of) => {
                let is_broken = happens(random, *share);
                let from = out.len();
                if !of.push(out, place, random) {
                    return false;
                }
                if is_broken {
                    let mut end = from + random.below((out.len() - from) as u64) as usize;
                    while !out.is_char_boundary(end) {
                        end -= 1;
                    }
                    out.truncate(end.max(from + 1));
                }
            }
        }
        true
    }
}

impl Text {
    fn push(&self, out: &mut String, random: &mut Random) {
        out.push('"');
        push_inside(out, &self.before);
        let mut bits = match self.distinct {
            Some(distinct) => mix(random.skewed_below(distinct) ^ self.bytes << 32),
            None => random.next(),
        };
        let mut left = self.bytes;
        while left > 0 {
            let letters = left.min(16);
            // Letters alone: digits may spell a number.
            out.extend((0..letters).map(|place| char::from(b'a' + (bits >> (place * 4) & 15) as u8)));
            left -= letters;
            bits = mix(bits);
        }
        push_inside(out, &self.after);
        out.push('"');
    }
}

impl Many {
    fn push(&self, out: &mut String, place: &Place, random: &mut Random) {
        let (first, last) = self.shares;
        let width = self.count.checked_ilog10().unwrap_or_default() as usize + 1;
        let mut key = String::with_capacity(self.key.len() + width);
        out.push('{');
        for number in 0..self.count {
            let share = first + (last - first) * number as f64 / self.count.saturating_sub(1).max(1) as f64;
            if !happens(random, share) {
                continue;
            }
            key.clear();
            key.push_str(&self.key);
            push_padded(&mut key, number, width);
            let value = self.values.get(number as usize % self.values.len().max(1));
            push_member(out, &key, |out| value.is_some_and(|value| value.push(out, place, random)));
        }
        out.push('}');
    }
}

impl Elements {
    fn length(&self, random: &mut Random) -> u64 {
        let (from, to) = self.count;
        from + random.below(to - from + 1)
    }
}

impl Deep {
    fn push(&self, out: &mut String, levels: u32, place: &Place, random: &mut Random) -> bool {
        if levels == 0 {
            return self.of.push(out, place, random);
        }
        out.push('{');
        for key in &self.keys {
            push_member(out, key, |out| self.push(out, levels - 1, place, random));
        }
        out.push('}');
        true
    }
}

fn fill_cell(value: &Value, cell: &mut JsonCell, place: &Place, random: &mut Random) {
    cell.clear();
    if value.push(&mut cell.text, place, random) {
        // A valid object ends with its brace, and what is cut off before may do so as well.
        let is_object = cell.text.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(&cell.text).is_ok();
        cell.form = if is_object { JsonForm::Object } else { JsonForm::Text };
    }
}

/// Appends a member to an object that is open; nothing where it has no value.
fn push_member(out: &mut String, key: &str, value: impl FnOnce(&mut String) -> bool) {
    let before = out.len();
    if !out.ends_with('{') {
        out.push(',');
    }
    push_json_string_as(out, key, Escaping::Plain);
    out.push(':');
    if !value(out) {
        out.truncate(before);
    }
}

/// Appends a text that stands inside a JSON string.
fn push_inside(out: &mut String, text: &str) {
    if !text.is_empty() {
        let from = out.len();
        push_json_string_as(out, text, Escaping::Plain);
        out.pop();
        out.remove(from);
    }
}

fn happens(random: &mut Random, share: f64) -> bool {
    // Exact: a share is below 2^53 in these units.
    (random.next() >> 11) < (share * (1_u64 << 53) as f64) as u64
}

fn between(random: &mut Random, from: i64, to: i64) -> i64 {
    from.wrapping_add_unsigned(random.below((to.wrapping_sub(from) as u64).saturating_add(1)))
}

fn push_integer(out: &mut String, number: i64) {
    if number < 0 {
        out.push('-');
    }
    push_number(out, number.unsigned_abs());
}

fn push_hundredths(out: &mut String, hundredths: i64) {
    if hundredths < 0 {
        out.push('-');
    }
    push_number(out, hundredths.unsigned_abs() / 100);
    out.push('.');
    push_padded(out, hundredths.unsigned_abs() % 100, 2);
}

/// Appends words of letters until there are so many bytes.
fn push_prose(out: &mut String, bytes: usize, random: &mut Random) {
    const SYLLABLES: [&str; 16] =
        ["an", "be", "co", "de", "en", "fo", "ge", "ha", "in", "jo", "ka", "lo", "mi", "no", "or", "pe"];
    out.push('"');
    let end = out.len() + bytes;
    while out.len() < end {
        // Few words make up most of a text.
        let mut word = mix(random.skewed_below(4_096));
        for _ in 0..2 + word % 3 {
            word = mix(word);
            out.push_str(SYLLABLES[(word % 16) as usize]);
        }
        out.push(' ');
    }
    out.truncate(end);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(description: &str, number: u64, time: f64) -> Option<String> {
        let shape: Shape = format!("{{\"about\":\"\",\"data\":{description}}}").parse().unwrap();
        let mut out = String::new();
        let place = Place { time, workflow: number as usize };
        let value = shape.description.data.as_ref().unwrap();
        value.push(&mut out, &place, &mut Random::from_bits(mix(number))).then_some(out)
    }

    #[test]
    fn values_are_what_their_descriptions_say() {
        let all = |description: &str| (0..2_000).filter_map(|n| pushed(description, n, 0.5)).collect::<Vec<_>>();
        assert_eq!(all("\"null\"")[7], "null");
        let trues = all(r#"{"boolean":0.25}"#).iter().filter(|text| *text == "true").count();
        assert!((400..600).contains(&trues), "{trues}");
        let numbers = all(r#"{"integer":[-5,5]}"#).iter().map(|text| text.parse::<i64>().unwrap()).collect::<Vec<_>>();
        assert_eq!((numbers.iter().min(), numbers.iter().max()), (Some(&-5), Some(&5)));
        assert!(all(r#"{"float":[-0.5,0.5]}"#).iter().all(|text| text.parse::<f64>().unwrap().abs() <= 0.5));
        let mut texts = all(r#"{"text":{"distinct":9,"bytes":20,"after":"@a.example"}}"#);
        texts.sort();
        texts.dedup();
        assert_eq!((texts.len(), texts[0].len()), (9, 32));
        assert!((900..1_100).contains(&all(r#"{"sometimes":[0.5,"null"]}"#).len()));
        assert_eq!(pushed(r#"{"by_workflow":["null",{"boolean":1}]}"#, 3, 0.5).unwrap(), "true");
        assert_eq!(pushed(r#"{"object":{"b":"null","a":{"sometimes":[0,"null"]}}}"#, 0, 0.0).unwrap(), r#"{"b":null}"#);
        let during = r#"{"during":{"from":0.2,"to":0.3,"of":"null","otherwise":{"boolean":1}}}"#;
        assert_eq!([0.19, 0.2, 0.3].map(|time| pushed(during, 0, time).unwrap()), ["true", "null", "true"]);
        let deep = r#"{"deep":{"levels":3,"keys":["a","b"],"of":"null"}}"#;
        assert_eq!(pushed(deep, 0, 0.0).unwrap().matches("null").count(), 8);
        let array = pushed(r#"{"array":{"count":[3,3],"of":{"object":{}}}}"#, 0, 0.0);
        assert_eq!(array.unwrap(), "[{},{},{}]");
        let prose = pushed(r#"{"prose":[900,1000]}"#, 0, 0.0).unwrap();
        assert!((902..=1_002).contains(&prose.len()), "{prose}");
    }

    #[test]
    fn each_shape_that_ships_makes_what_json_allows_unless_it_is_about_what_it_does_not() {
        for name in Shape::names() {
            let shape = Shape::named(name).unwrap();
            assert!(shape.about().ends_with('.'), "{name}");
            let value = shape.description.data.as_ref().unwrap();
            let mut broken = 0;
            for number in 0..200 {
                let place = Place { time: number as f64 / 200.0, workflow: number };
                let mut out = String::new();
                value.push(&mut out, &place, &mut Random::from_bits(mix(number as u64)));
                broken += usize::from(!out.is_empty() && serde_json::from_str::<serde::de::IgnoredAny>(&out).is_err());
            }
            assert_eq!(broken > 0, name == "broken", "{name}: {broken}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for (description, told) in [
            (r#"{"boolean":1.5}"#, "a share is from 0 to 1, not 1.5"),
            (r#"{"integer":[5,1]}"#, "not from 5 to 1"),
            (r#"{"any_of":[[0,"null"]]}"#, "a weight above 0"),
            (r#"{"by_workflow":[]}"#, "is empty"),
            (r#"{"deep":{"levels":40,"keys":["a","b"],"of":"null"}}"#, "leaves of a deep value are at most"),
            (r#"{"txt":1}"#, "unknown variant"),
        ] {
            let error = format!("{{\"about\":\"\",\"data\":{description}}}").parse::<Shape>().unwrap_err();
            assert!(error.to_string().contains(told), "{error}");
        }
        assert!(Shape::named("round").unwrap_err().hint().unwrap().contains("arrays, broken"));
    }
}
