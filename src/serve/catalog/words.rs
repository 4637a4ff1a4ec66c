//! The words that PostgreSQL keeps for itself, for names that need quotes and for drivers that ask: `words.txt` has those that cannot be names in
//! its first line, and those that can in its second.

use std::collections::HashSet;
use std::sync::LazyLock;

const TEXT: &str = include_str!("words.txt");

/// Words that cannot be names of columns or tables.
pub fn reserved() -> impl Iterator<Item = &'static str> {
    TEXT.lines().next().unwrap_or_default().split(' ')
}

/// Words that mean something and can be names all the same.
pub fn free() -> impl Iterator<Item = &'static str> {
    TEXT.lines().nth(1).unwrap_or_default().split(' ')
}

/// Whether a word cannot be a name without quotes.
pub fn is_reserved(word: &str) -> bool {
    static RESERVED: LazyLock<HashSet<&str>> = LazyLock::new(|| reserved().collect());
    RESERVED.contains(word)
}
