//! Looks at eight bytes at once.
//!
//! Between the quotes of exported JSON stand a few bytes each, for which a call of `memchr` costs more than looking at them.

/// A one in each byte.
const ONES: u64 = 0x0101_0101_0101_0101;
/// Bytes without a match after which `memchr`, which looks at 32 at once, is the faster.
const SHORT: usize = 64;

/// Returns a bit for each of the bytes that equals that of the pattern: the highest of its place, the first byte's lowest.
#[inline]
fn matches(word: &[u8; 8], pattern: u64) -> u64 {
    let unlike = u64::from_le_bytes(*word) ^ pattern;
    let low = !(ONES << 7);
    // The highest bit of a place is set where its other bits are not all 0, or itself is not.
    !(((unlike & low) + low) | unlike | low)
}

/// Returns the first place of a byte, from a place on.
#[inline]
pub(super) fn find(needle: u8, bytes: &[u8], from: usize) -> Option<usize> {
    let pattern = ONES * u64::from(needle);
    let mut at = from;
    while let Some(word) = bytes.get(at..)?.first_chunk() {
        let found = matches(word, pattern);
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        at += word.len();
        if at - from == SHORT {
            break;
        }
    }
    memchr::memchr(needle, bytes.get(at..)?).map(|found| at + found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_byte_is_found_where_it_is(
            bytes in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b'#'), Just(0xa2_u8), any::<u8>()], 0..200),
            needle in prop_oneof![Just(b'"'), any::<u8>()],
            from in 0..210_usize,
        ) {
            let expected = bytes.iter().enumerate().skip(from).find(|(_, byte)| **byte == needle).map(|(at, _)| at);
            prop_assert_eq!(find(needle, &bytes, from), expected);
        }

        #[test]
        fn each_byte_that_matches_has_its_bit(word in any::<[u8; 8]>(), at in 0..8_usize, times in 0..3_usize) {
            let mut word = word;
            for place in 0..times {
                word[(at + place * 3) % 8] = b'"';
            }
            let expected = (0..8).filter(|at| word[*at] == b'"').map(|at| 0x80 << (at * 8)).sum::<u64>();
            prop_assert_eq!(matches(&word, ONES * u64::from(b'"')), expected);
        }

        #[test]
        fn bytes_that_are_none_are_not_found(length in 0..200_usize) {
            prop_assert_eq!(find(b'"', &vec![b' '; length], 0), None);
        }
    }
}
