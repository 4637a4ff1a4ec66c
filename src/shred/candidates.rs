//! The paths that may become leaves of a file, and which of them give way to others: copies, and what costs most for each value.

use std::collections::BTreeSet;

use super::leaf::{Kind, LEAF_PREFIX, Leaf};

/// Compressed bits a value from which on a second copy of a column is not worth it. Names and codes take 1 to 12 bits, phone
/// numbers 39, e-mail addresses 48.
pub(super) const COSTLY_BITS: usize = 24;
/// Of a hundred values, those that must be the same for two columns to count as copies: odd rows are allowed for.
const SAME_PERCENT: usize = 98;

/// A path that may become a leaf.
pub(super) struct Candidate {
    pub(super) leaf: Leaf,
    pub(super) rows: usize,
    /// The values that leaves which copy this one have, and which go where it goes.
    pub(super) copied_rows: usize,
    /// What the sample's values compress to.
    pub(super) bytes: usize,
    pub(super) is_of_one_length: bool,
    pub(super) hashes: Vec<(usize, u64)>,
    /// What the values of the function of strings compress to, where they are worth a column.
    pub(super) computed: Option<usize>,
    /// Whether the user wants it to have a column.
    pub(super) is_wanted: bool,
}

impl Candidate {
    fn is_costly(&self) -> bool {
        self.bytes * 8 >= self.rows * COSTLY_BITS
    }

    fn is_id(&self) -> bool {
        self.is_of_one_length && self.is_costly()
    }

    /// Returns how many values its bytes serve.
    fn served(&self) -> usize {
        self.rows + self.copied_rows
    }
}

/// Returns what bytes compress to, in the way that pages are compressed.
pub(super) fn compressed_bytes(bytes: &[u8]) -> usize {
    // An error is none of the values': they then count as they are.
    zstd::bulk::compress(bytes, 1).map_or(bytes.len(), |compressed| compressed.len())
}

/// What leaves are ordered by.
pub(super) fn place(leaf: &Leaf) -> (&String, &Vec<String>, &Option<Vec<String>>) {
    (&leaf.column, &leaf.path, &leaf.inside)
}

/// What leaves may copy.
struct Kept {
    /// The name of its text column; one inside arrays is not copied.
    name: Option<String>,
    /// Sampled row and hash of each text.
    values: Vec<(usize, u64)>,
    /// The values of its copies.
    copied_rows: usize,
}

/// Finds what stands elsewhere: a copy of a column of the table, or of a leaf that is more frequent, is stored as what differs. What hardly
/// repeats and cannot be stored so, since it is inside arrays, is left out.
pub(super) fn leave_out_copies(candidates: &mut Vec<Candidate>, columns: &[(String, Vec<(usize, u64)>)]) {
    let mut kept: Vec<Kept> = Vec::new();
    candidates.retain_mut(|candidate| {
        let is_costly = candidate.is_costly();
        // To note where the column has a value and the path has none pays only where values are dear.
        let is_copied = |values: &[(usize, u64)]| {
            is_same(&candidate.hashes, values) && (is_costly || is_same(values, &candidate.hashes))
        };
        let copied = columns.iter().find(|(_, values)| is_copied(values));
        let can_differ = candidate.leaf.inside.is_none() && candidate.leaf.kinds & Kind::Text.bit() != 0;
        match copied {
            Some((name, _)) if can_differ => {
                candidate.leaf.copy_of = Some(name.clone());
                candidate.bytes = 0;
                return true;
            }
            _ if !is_costly => return true,
            Some(_) => return false,
            None => {}
        }
        match kept.iter_mut().find(|kept| is_same(&candidate.hashes, &kept.values)) {
            Some(Kept { name: Some(name), values, copied_rows }) if can_differ => {
                candidate.leaf.copy_of = Some(name.clone());
                candidate.bytes =
                    differing_bytes(&candidate.hashes, values) + candidate.bytes * (100 - SAME_PERCENT) / 100;
                *copied_rows += candidate.rows;
                true
            }
            Some(_) => false,
            None => {
                let name = can_differ.then(|| candidate.leaf.name(Kind::Text));
                kept.push(Kept { name, values: candidate.hashes.clone(), copied_rows: 0 });
                true
            }
        }
    });
    for candidate in candidates {
        let name = candidate.leaf.name(Kind::Text);
        let copied = kept.iter().find(|kept| kept.name.as_ref() == Some(&name));
        candidate.copied_rows = copied.map_or(0, |kept| kept.copied_rows);
    }
}

/// Returns about what it takes to say in which of some rows two columns are not the same; both are in the order of the rows.
fn differing_bytes(values: &[(usize, u64)], other: &[(usize, u64)]) -> usize {
    let differs = other.iter().filter(|value| values.binary_search(value).is_err());
    let mut bits = vec![0_u8; other.last().map_or(0, |(row, _)| row / 8 + 1)];
    for (row, _) in differs {
        bits[row / 8] |= 1 << (row % 8);
    }
    compressed_bytes(&bits)
}

/// Leaves out the copies of leaves that were left out.
pub(super) fn leave_out_orphans(candidates: &mut Vec<Candidate>) {
    let names: BTreeSet<String> = candidates.iter().map(|candidate| candidate.leaf.name(Kind::Text)).collect();
    candidates.retain(|candidate| {
        let copied = candidate.leaf.copy_of.as_ref().filter(|name| name.starts_with(LEAF_PREFIX));
        copied.is_none_or(|name| names.contains(name))
    });
}

/// Says whether nearly all values of one column stand in the same rows of another. Both are in the order of the rows.
fn is_same(values: &[(usize, u64)], other: &[(usize, u64)]) -> bool {
    let mut other = other.iter().peekable();
    let mut same = 0;
    for value in values {
        while other.peek().is_some_and(|candidate| candidate.0 < value.0) {
            other.next();
        }
        same += usize::from(other.peek() == Some(&value));
    }
    !values.is_empty() && same * 100 >= values.len() * SAME_PERCENT
}

/// Returns what leaves take, but for those that users want, which take nothing from the others.
pub(super) fn counted_bytes(candidates: &[Candidate]) -> usize {
    candidates.iter().filter(|candidate| !candidate.is_wanted).map(|candidate| candidate.bytes).sum()
}

/// Leaves out ids, and then those that cost most for each value, until the others take no more than so many bytes; what users want stays.
pub(super) fn leave_out_costliest(candidates: &mut Vec<Candidate>, bytes: usize) {
    let mut sum = counted_bytes(candidates);
    while sum > bytes {
        let costliest = (0..candidates.len()).filter(|index| !candidates[*index].is_wanted).max_by(|a, b| {
            let (a, b) = (&candidates[*a], &candidates[*b]);
            let cost = (a.bytes * b.served()).cmp(&(b.bytes * a.served()));
            a.is_id().cmp(&b.is_id()).then(cost).then_with(|| place(&a.leaf).cmp(&place(&b.leaf)))
        });
        let Some(costliest) = costliest else { break };
        let left_out = candidates.remove(costliest);
        if left_out.copied_rows == 0 {
            sum -= left_out.bytes;
            continue;
        }
        leave_out_orphans(candidates);
        sum = counted_bytes(candidates);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path with texts that are all different, but for those of `other`.
    fn candidate(name: &str, rows: usize, bytes: usize) -> Candidate {
        let leaf = Leaf {
            column: "data".to_owned(),
            path: vec![name.to_owned()],
            inside: None,
            kinds: Kind::Text.bit(),
            copy_of: None,
        };
        Candidate {
            leaf,
            rows,
            copied_rows: 0,
            bytes,
            is_of_one_length: name == "id",
            hashes: (0..rows).map(|row| (row, if name == "other" { row as u64 } else { 7 + row as u64 * 3 })).collect(),
            computed: None,
            is_wanted: name == "wanted",
        }
    }

    /// Which of them stay where all may take so many bytes.
    fn kept(mut all: Vec<Candidate>, bytes: usize) -> Vec<String> {
        leave_out_costliest(&mut all, bytes);
        all.into_iter().map(|candidate| candidate.leaf.path.concat()).collect()
    }

    #[test]
    fn ids_and_then_what_costs_most_for_each_value_give_way() {
        let all = || vec![candidate("mail", 1_000, 9_000), candidate("cheap", 500, 100), candidate("id", 100, 500)];
        assert_eq!(kept(all(), 9_600), ["mail", "cheap", "id"]);
        // The id costs less a value than the mail address.
        assert_eq!(kept(all(), 9_599), ["mail", "cheap"]);
        assert_eq!(kept(all(), 9_000), ["cheap"]);
        assert!(kept(all(), 99).is_empty());
    }

    #[test]
    fn a_copy_goes_where_the_leaf_goes_that_it_copies() {
        let all = || {
            let mut all =
                vec![candidate("mail", 1_000, 9_000), candidate("other", 1_000, 8_500), candidate("user", 400, 3_600)];
            leave_out_copies(&mut all, &[]);
            all
        };
        let user = all().pop().unwrap();
        assert_eq!((user.leaf.copy_of.as_deref(), user.rows), (Some("~shred/data/mail#s"), 400));
        assert!(user.bytes < 200, "{} bytes for the rows that differ", user.bytes);
        // The addresses serve more values than the others, though they take more bytes.
        assert_eq!(kept(all(), 10_000), ["mail", "user"]);
        assert!(kept(all(), 5_000).is_empty());
    }

    #[test]
    fn copies_are_told_by_the_rows_that_values_stand_in() {
        let values: Vec<(usize, u64)> = (0..100).map(|n| (n * 2, n as u64)).collect();
        let mut other = values.clone();
        other.push((500, 1));
        assert!(is_same(&values, &other));
        for value in other.iter_mut().take(3) {
            value.1 = 99;
        }
        assert!(!is_same(&values, &other) && !is_same(&[], &other));
        let moved: Vec<(usize, u64)> = values.iter().map(|(row, hash)| (row + 1, *hash)).collect();
        assert!(!is_same(&values, &moved));
    }
}
