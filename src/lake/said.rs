//! What a text of statistics in the log says of a file.
//!
//! Logs of many files have many such texts, and all of each is looked at: its checksum is of all that is believed
//! ([`super::claims`]). So a text is gone through once, and nothing of it is copied but texts with escapes. What cannot be read says nothing.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::schema::Kind;

/// What a text says: as the log has it, which may be cut, false or of another program.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Said<'a> {
    /// Number of rows.
    pub(super) rows: Option<u64>,
    /// What it says of columns, by their names, in order.
    pub(super) columns: Vec<(Cow<'a, str>, SaidColumn<'a>)>,
}

/// What a text says of a column.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct SaidColumn<'a> {
    pub(super) minimum: Option<Bound<'a>>,
    pub(super) maximum: Option<Bound<'a>>,
    pub(super) null_count: Option<u64>,
}

/// A bound, of the kind of its column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bound<'a> {
    Text(Cow<'a, str>),
    Number(f64),
    /// Microseconds since 1970.
    Instant(i64),
}

/// Returns of which kind the bounds of a column are.
pub(super) fn kind_of(name: &str) -> Option<Kind> {
    match name {
        crate::schema::EXPORTED_AT | "erased_at" | "exported_at" | "quarantined_at" | "seen_at" => {
            Some(Kind::Timestamp)
        }
        _ => crate::schema::column(name).map(|column| column.kind),
    }
}

impl<'a> Said<'a> {
    /// Reads a text; one that is no JSON says nothing.
    pub(super) fn of(text: &'a str) -> Self {
        let mut reader = serde_json::Deserializer::from_str(text);
        let read = Any(Top).deserialize(&mut reader).and_then(|read| reader.end().map(|()| read));
        read.map(Read::said).unwrap_or_default()
    }
}

/// A value, as far as one can be a bound or a count.
enum Leaf<'a> {
    Text(Cow<'a, str>),
    Count(u64),
    Number(f64),
    Other,
}

impl<'a> Leaf<'a> {
    fn bound(self, name: &str) -> Option<Bound<'a>> {
        match (kind_of(name)?, self) {
            (Kind::Text, Self::Text(text)) => Some(Bound::Text(text)),
            (Kind::Seconds, Self::Number(number)) => Some(Bound::Number(number)),
            (Kind::Seconds, Self::Count(number)) => Some(Bound::Number(number as f64)),
            (Kind::Timestamp, Self::Text(text)) => {
                let instant = chrono::DateTime::parse_from_rfc3339(&text).ok()?;
                Some(Bound::Instant(instant.timestamp_micros()))
            }
            _ => None,
        }
    }
}

/// Values by the names of their columns, as they stand in the text.
type Leaves<'a> = Vec<(Cow<'a, str>, Leaf<'a>)>;

/// The parts of a text.
#[derive(Default)]
struct Read<'a> {
    rows: Option<u64>,
    minimums: Leaves<'a>,
    maximums: Leaves<'a>,
    nulls: Leaves<'a>,
    /// Delta's protocol: bounds that are not tight speak of rows that may be gone, and so do the null counts beside them.
    is_loose: bool,
}

impl<'a> Read<'a> {
    fn said(self) -> Said<'a> {
        let Self { rows, minimums, maximums, nulls, is_loose } = self;
        let mut columns: Vec<(Cow<'a, str>, SaidColumn<'a>)> = Vec::with_capacity(nulls.len().max(minimums.len()));
        let mut sides = [minimums, maximums, nulls].map(|side| in_order(side).into_iter().peekable());
        loop {
            let names = sides.iter_mut().filter_map(|side| side.peek().map(|(name, _)| name));
            let Some(name) = names.min().cloned() else { break };
            let [minimum, maximum, nulls] = &mut sides;
            let next = |side: &mut std::iter::Peekable<std::vec::IntoIter<(Cow<'a, str>, Leaf<'a>)>>| {
                side.next_if(|(next, _)| *next == name).map(|(_, leaf)| leaf)
            };
            let column = SaidColumn {
                minimum: next(minimum).and_then(|leaf| leaf.bound(&name)),
                maximum: next(maximum).and_then(|leaf| leaf.bound(&name)),
                null_count: match next(nulls) {
                    Some(Leaf::Count(count)) if !is_loose => Some(count),
                    _ => None,
                },
            };
            columns.push((name, column));
        }
        Said { rows, columns }
    }
}

/// Puts values in the order of their names, the last one of each name.
fn in_order<'a>(mut leaves: Leaves<'a>) -> Leaves<'a> {
    if !leaves.is_sorted_by(|(a, _), (b, _)| a < b) {
        leaves.reverse();
        leaves.sort_by(|(a, _), (b, _)| a.cmp(b));
        leaves.dedup_by(|(later, _), (kept, _)| later == kept);
    }
    leaves
}

/// Reads a value of whatever kind.
struct Any<V>(V);

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Any<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        deserializer.deserialize_any(self.0)
    }
}

/// Reads the whole text.
struct Top;

/// What a visitor does with values that say nothing: it passes over them.
macro_rules! passes_over {
    ($nothing:expr; $($visit:ident($kind:ty)),*) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("statistics")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($nothing)
        }

        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($nothing)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Self::Value, A::Error> {
            while all.next_element::<IgnoredAny>()?.is_some() {}
            Ok($nothing)
        }

        $(fn $visit<E>(self, _: $kind) -> Result<Self::Value, E> {
            Ok($nothing)
        })*
    };
}

impl<'de> Visitor<'de> for Top {
    type Value = Read<'de>;

    passes_over!(Read::default(); visit_str(&str), visit_u64(u64), visit_i64(i64), visit_f64(f64));

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read<'de>, A::Error> {
        let mut read = Read::default();
        while let Some(key) = map.next_key_seed(Any(Named))? {
            match key.as_ref() {
                "numRecords" => read.rows = count(&map.next_value_seed(Any(One))?),
                "minValues" => read.minimums = map.next_value_seed(Any(Side))?,
                "maxValues" => read.maximums = map.next_value_seed(Any(Side))?,
                "nullCount" => read.nulls = map.next_value_seed(Any(Side))?,
                "tightBounds" => read.is_loose = map.next_value::<serde_json::Value>()? == false,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(read)
    }
}

fn count(leaf: &Leaf<'_>) -> Option<u64> {
    match leaf {
        Leaf::Count(count) => Some(*count),
        _ => None,
    }
}

/// Reads the values of columns.
struct Side;

impl<'de> Visitor<'de> for Side {
    type Value = Leaves<'de>;

    passes_over!(Leaves::new(); visit_str(&str), visit_u64(u64), visit_i64(i64), visit_f64(f64));

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Leaves<'de>, A::Error> {
        let mut leaves = Leaves::with_capacity(20);
        while let Some(name) = map.next_key_seed(Any(Named))? {
            leaves.push((name, map.next_value_seed(Any(One))?));
        }
        Ok(leaves)
    }
}

/// Reads one value.
struct One;

impl<'de> Visitor<'de> for One {
    type Value = Leaf<'de>;

    passes_over!(Leaf::Other;);

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Count(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Number(number))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Leaf<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Leaf::Other)
    }
}

/// Reads a name of a column or of a part of the text.
struct Named;

impl<'de> Visitor<'de> for Named {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// What a text says, as reading it into a tree of values finds it.
    fn by_tree(text: &str) -> Said<'static> {
        let tree: Value = serde_json::from_str(text).unwrap_or_default();
        let tight = tree.get("tightBounds").and_then(Value::as_bool) != Some(false);
        let mut columns = std::collections::BTreeMap::<String, SaidColumn<'static>>::new();
        let entries = |key: &str| tree.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
        let bound = |name: &str, value: &Value| -> Option<Bound<'static>> {
            match kind_of(name)? {
                Kind::Text => Some(Bound::Text(value.as_str()?.to_owned().into())),
                Kind::Seconds => Some(Bound::Number(value.as_f64()?)),
                Kind::Timestamp => {
                    let instant = chrono::DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
                    Some(Bound::Instant(instant.timestamp_micros()))
                }
                Kind::Json => None,
            }
        };
        for (name, value) in entries("minValues") {
            columns.entry(name.clone()).or_default().minimum = bound(&name, &value);
        }
        for (name, value) in entries("maxValues") {
            columns.entry(name.clone()).or_default().maximum = bound(&name, &value);
        }
        for (name, value) in entries("nullCount") {
            columns.entry(name).or_default().null_count = value.as_u64().filter(|_| tight);
        }
        let rows = tree.get("numRecords").and_then(Value::as_u64);
        Said { rows, columns: columns.into_iter().map(|(name, column)| (Cow::Owned(name), column)).collect() }
    }

    #[test]
    fn texts_of_any_shape_say_what_their_trees_do() {
        let usual = json!({
            "numRecords": 5, "tightBounds": true,
            "minValues": { "started_at": "2026-11-20T10:00:00.000Z", "session_id": "a\"\\u00e9", "time_in_workflow": 1 },
            "maxValues": { "started_at": "2026-11-20T11:00:00+01:00", "session_id": "b", "time_in_workflow": -2.5 },
            "nullCount": { "started_at": 0, "data": 3, "of_another": 1 },
        })
        .to_string();
        assert_eq!(Said::of(&usual).columns.len(), 5);
        for text in [
            usual.as_str(),
            "",
            "null",
            "5",
            "[1, 2]",
            "\"numRecords\"",
            "{",
            "{} x",
            r#"{"numRecords": -1, "minValues": null, "maxValues": [1], "nullCount": "x"}"#,
            r#"{"numRecords": 1.0, "minValues": {"started_at": 5, "session_id": 5, "time_in_workflow": "5"}}"#,
            r#"{"minValues": {"session_id": {"a": [1, {"b": null}]}, "data": "x", "time_in_workflow": true}}"#,
            r#"{"numRecords": 1, "numRecords": 2, "minValues": {"session_id": "a"}, "minValues": {"version_id": "b"}}"#,
            r#"{"minValues": {"version_id": "a", "session_id": "b", "version_id": "c", "session_id": 7}}"#,
            r#"{"tightBounds": false, "nullCount": {"ended_at": 0}, "minValues": {"ended_at": "2026-01-01T00:00:00Z"}}"#,
            r#"{"tightBounds": {"false": 1}, "nullCount": {"ended_at": 18446744073709551615, "a": 18446744073709551616}}"#,
            r#"{"nullCount": {"ended_at": 1e2, "a": 1.0, "b": -0, "c": 0}, "other": {"x": [[[]]]}}"#,
            r#"{"maxValues": {"time_in_workflow": 1e400}}"#,
        ] {
            assert_eq!(Said::of(text), by_tree(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_say_what_their_tree_does(cut in 0..400_usize, put in ".{0,3}", bounds in any::<(f64, u64)>()) {
            let mut text = json!({
                "minValues": { "session_id": "a\u{e9}\n", "time_in_workflow": bounds.0 },
                "nullCount": { "session_id": bounds.1, "ended_at": 0 }, "numRecords": bounds.1,
            }).to_string();
            prop_assert_eq!(Said::of(&text), by_tree(&text));
            let at = (0..=text.len()).filter(|at| text.is_char_boundary(*at)).nth(cut).unwrap_or(text.len());
            text.insert_str(at, &put);
            prop_assert_eq!(Said::of(&text), by_tree(&text));
        }
    }
}
