//! Finds the name that was probably meant.

#![allow(clippy::indexing_slicing, reason = "a matrix as large as the two names")]

/// Counts the insertions, deletions, replacements and swaps of neighbours that turn one text into the other.
pub(super) fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (i, &a) in left.iter().enumerate() {
        let mut row = Vec::with_capacity(right.len() + 1);
        row.push(i + 1);
        for (j, &b) in right.iter().enumerate() {
            let mut best = (above[j] + usize::from(a != b)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a == right[j - 1] && left[i - 1] == b {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[right.len()]
}

/// Drops all but letters and digits, and lower-cases: `"Session Id"` and `session_id` are one name to a reader.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Returns the candidates that are nearest to a name: at most three, equally near, none that differ by more than a third.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    // Longer than any name that a person types; the table of distances would only cost time.
    const LONGEST: usize = 200;
    let wanted = plain(name);
    let length = wanted.chars().count();
    if length == 0 || length > LONGEST {
        return Vec::new();
    }
    let mut found: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (distance(&wanted, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= (length.max(candidate.chars().count()) / 3).max(1))
        .filter(|(distance, _)| *distance < length)
        .collect();
    found.sort();
    found.dedup();
    let best = found.first().map_or(0, |(distance, _)| *distance);
    found.into_iter().take_while(|(distance, _)| *distance == best).take(3).map(|(_, name)| name).collect()
}

/// Says which names were probably meant, or nothing.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let names: Vec<String> = nearest(name, candidates).into_iter().map(|name| format!("{name:?}")).collect();
    (!names.is_empty()).then(|| format!("did you mean {}?", names.join(" or ")))
}

/// Lists names for a hint, the first twelve of them.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<&str> = names.into_iter().collect();
    let mut text = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_swap_of_neighbours_is_one_edit() {
        assert_eq!(distance("sesison", "session"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn spelling_with_spaces_and_capitals_is_near() {
        assert_eq!(nearest("Session Id", ["workflow_id", "session_id"]), ["session_id"]);
        assert_eq!(nearest("sesion_id", ["session_id", "version_id"]), ["session_id"]);
    }

    #[test]
    fn far_names_are_not_offered() {
        assert!(nearest("zzz", ["session_id", "data"]).is_empty());
        assert!(nearest("x", ["y"]).is_empty());
        assert!(nearest("", ["a"]).is_empty());
    }

    proptest! {
        #[test]
        fn distance_is_symmetric_and_bounded(left in ".{0,12}", right in ".{0,12}") {
            let both = distance(&left, &right);
            prop_assert_eq!(both, distance(&right, &left));
            prop_assert!(both <= left.chars().count().max(right.chars().count()));
            prop_assert_eq!(both == 0, left == right);
        }
    }
}
