//! The names that a row says itself, and hiding them in its other texts.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use super::key::{Key, is_name_like, is_none, is_platform_id, is_token};
use super::{DEPTH, json, looks_like_json};

/// Letters of a word that is hidden on its own.
const FEWEST_LETTERS: usize = 3;
/// Words of one name; more would be a sentence.
const MOST_WORDS: usize = 12;
/// Names that one row gives; more would be a list and no person.
const MOST_NAMES: usize = 40;

/// Words in names that are words of every text too.
const COMMON: [&str; 16] =
    ["van", "der", "den", "von", "zur", "and", "the", "del", "los", "las", "dos", "mrs", "miss", "und", "bin", "ibn"];

/// The names of every row of a batch, lower case, the longest first.
pub(super) struct RowNames(Vec<Vec<String>>);

impl RowNames {
    /// Collects what stands under keys of persons' names; `known` are hidden in every row.
    pub(super) fn collect(batch: &RecordBatch, keys: &[Key], known: &[String]) -> Self {
        let mut names = vec![Vec::new(); batch.num_rows()];
        for (array, key) in batch.columns().iter().zip(keys) {
            let is_text = match array.data_type() {
                DataType::Dictionary(_, value) => value.is_string(),
                other => other.is_string(),
            };
            let Some(texts) = is_text.then(|| cast(array, &DataType::Utf8View).ok()).flatten() else { continue };
            let texts = texts.as_string_view();
            for (row, names) in names.iter_mut().enumerate() {
                if texts.is_valid(row) {
                    find(texts.value(row), *key, 0, names);
                }
            }
        }
        for names in &mut names {
            sort(names);
            names.truncate(MOST_NAMES);
            if !known.is_empty() {
                names.extend_from_slice(known);
                sort(names);
            }
        }
        Self(names)
    }

    /// Returns the names of a row.
    pub(super) fn of(&self, row: usize) -> &[String] {
        self.0.get(row).map_or(&[], Vec::as_slice)
    }
}

/// Adds the names that a text says under a key.
pub(super) fn add(text: &str, key: Key, names: &mut Vec<String>) {
    find(text, key, 0, names);
    sort(names);
}

/// Sorts names, the longest first: a name of two words goes before each of them.
fn sort(names: &mut Vec<String>) {
    names.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    names.dedup();
}

fn find(text: &str, key: Key, depth: usize, names: &mut Vec<String>) {
    if depth < DEPTH && looks_like_json(text) {
        json::walk(text, key, &mut |piece| {
            if let json::Piece::Text(value, key) = piece {
                find(value, key, depth + 1, names);
            }
            None
        });
        return;
    }
    let trimmed = text.trim();
    // Under a key of names all of the text is hidden, however it is written, so its words are; an id and an address are hidden, or shown, as such.
    let is_name = match key {
        Key::PersonName => !is_platform_id(trimmed) && !is_token(trimmed) && !trimmed.contains('@'),
        Key::Person => is_name_like(trimmed),
        _ => false,
    };
    if !is_name || is_none(trimmed) {
        return;
    }
    let is_word = |word: &&str| !word.is_empty() && !word.chars().any(char::is_numeric);
    let words: Vec<String> = words(trimmed)
        .flat_map(|(_, word)| word.split('_'))
        .filter(is_word)
        .map(str::to_lowercase)
        .take(MOST_WORDS)
        .collect();
    if words.len() > 1 {
        names.push(words.join(" "));
    }
    let alone = |word: &&String| word.chars().count() >= FEWEST_LETTERS && !COMMON.contains(&word.as_str());
    names.extend(words.iter().filter(alone).cloned());
}

/// Cuts a text into its words with their places.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut place = 0;
    std::iter::from_fn(move || {
        let rest = text.get(place..)?;
        let start = place + rest.find(is_part)?;
        let word = text.get(start..)?;
        let word = word.get(..word.find(|c| !is_part(c)).unwrap_or(word.len()))?;
        place = start + word.len();
        Some((start, word))
    })
}

/// Hides names in a text; none where it has none of them.
pub(super) fn hide(text: &str, names: &[String]) -> Option<String> {
    if names.is_empty() {
        return None;
    }
    let found: Vec<(usize, &str, String)> =
        words(text).map(|(place, word)| (place, word, word.to_lowercase())).collect();
    let mut out = String::new();
    let (mut copied, mut index) = (0, 0);
    while let Some(rest) = found.get(index..).filter(|rest| !rest.is_empty()) {
        let matched = names.iter().find_map(|name| {
            let wanted = name.split(' ').count();
            let here = rest.get(..wanted)?;
            let same = here.iter().map(|(_, _, lower)| lower.as_str()).eq(name.split(' '));
            let (start, end) = (here.first()?.0, here.last().map(|(place, word, _)| place + word.len())?);
            // The parts of a name stand close together.
            let near = here.windows(2).all(|pair| match pair {
                [one, other] => other.0 - (one.0 + one.1.len()) <= 3,
                _ => true,
            });
            let framed = start.checked_sub(1).and_then(|start| text.get(start..end + 1)).is_some_and(is_token);
            let in_phone = text.get(end..).is_some_and(|after| after.starts_with(" ··"));
            (same && near && !framed && !in_phone).then_some((start, end, wanted))
        });
        match matched {
            Some((start, end, wanted)) => {
                out.push_str(text.get(copied..start).unwrap_or_default());
                out.push_str("[name]");
                copied = end;
                index += wanted;
            }
            None => index += 1,
        }
    }
    if copied == 0 {
        return None;
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_hidden_in_other_texts_however_its_key_has_it() {
        for (name, said, hidden) in [
            ("Sam \"Ace\"", "i am Sam Ace", "i am [name]"),
            ("Mary & John Whitfield", "mary whitfield here", "[name] [name] here"),
            ("Sam (Ace)", "Ace speaking", "[name] speaking"),
            ("Kim/Lee", "it is Lee", "it is [name]"),
            ("Anna Müller 2", "Anna Müller, 2 bags", "[name], 2 bags"),
            ("Sam “Ace” Li", "Ace", "[name]"),
            ("Sam_Ace", "sam ace", "[name]"),
            ("Maria da Luz de la Cruz", "Senhora Luz Cruz", "Senhora [name] [name]"),
        ] {
            let mut names = Vec::new();
            add(name, Key::PersonName, &mut names);
            assert_eq!(hide(said, &names).as_deref(), Some(hidden), "{name}");
        }
        for none in ["028d010111ff749ca25026f753", "sam@example.com", "[name]", "12 34"] {
            let mut names = Vec::new();
            add(none, Key::PersonName, &mut names);
            assert_eq!(names, Vec::<String>::new(), "{none}");
        }
        let mut names = Vec::new();
        add("a caller who has 3 cars", Key::Person, &mut names);
        assert_eq!(names, Vec::<String>::new(), "what is said of a person is no name");
    }
}
