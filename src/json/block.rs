//! What 64 bytes of JSON are, as sets of bits: bit 0 is the first byte.
//!
//! A document is taken a block at a time. Sixteen bytes are compared at once; what follows is arithmetic on words of 64 bits, which
//! does the same for every byte and has no branch for most of them.

use wide::u8x16;

use super::paths::Odd;
use super::plain::unicode;

/// Bytes that are taken at once: as many as a word has bits.
pub(super) const BLOCK: usize = 64;
const LANES: usize = 16;

/// Bytes of a block by what they are, without regard to strings.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Classes {
    pub quote: u64,
    /// Backslashes and control characters.
    pub special: u64,
    /// Braces and brackets, and four other bytes (`Y`, `_`, `y` and DEL), none of which is part of JSON outside of strings.
    pub bracket: u64,
    pub colon: u64,
    pub comma: u64,
    /// Spaces; the other kinds of white space are control characters.
    pub space: u64,
}

impl Classes {
    #[inline(always)]
    pub fn of(block: &[u8; BLOCK]) -> Self {
        let all = u8x16::splat;
        let mut classes = Self::default();
        for (number, part) in block.as_chunks::<LANES>().0.iter().enumerate() {
            let bytes = u8x16::new(*part);
            let bits = |set: u8x16| u64::from(set.to_bitmask()) << (number * LANES);
            classes.quote |= bits(bytes.simd_eq(all(b'"')));
            classes.special |= bits(bytes.simd_eq(all(b'\\')) | bytes.min(all(0x1F)).simd_eq(bytes));
            // The bits in which braces and brackets differ.
            classes.bracket |= bits((bytes | all(0x26)).simd_eq(all(0x7F)));
            classes.colon |= bits(bytes.simd_eq(all(b':')));
            classes.comma |= bits(bytes.simd_eq(all(b',')));
            classes.space |= bits(bytes.simd_eq(all(b' ')));
        }
        classes
    }
}

/// Returns where a byte is.
#[inline(always)]
pub fn places_of(byte: u8, block: &[u8; BLOCK]) -> u64 {
    block.as_chunks::<LANES>().0.iter().enumerate().fold(0, |places, (number, part)| {
        places | u64::from(u8x16::new(*part).simd_eq(u8x16::splat(byte)).to_bitmask()) << (number * LANES)
    })
}

/// Sets each bit that has an odd number of bits at and below it.
#[inline(always)]
pub(super) fn parity(mut bits: u64) -> u64 {
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^ bits << 32
}

/// All bits above one; none above no bit.
#[inline(always)]
pub(super) fn above(bit: u64) -> u64 {
    !(bit | bit.wrapping_sub(1))
}

/// Returns the place of the highest bit in its document, or one of an earlier block.
#[inline(always)]
pub(super) fn last(bits: u64, base: usize, earlier: usize) -> usize {
    if bits == 0 { earlier } else { base + 63 - bits.leading_zeros() as usize }
}

/// What comes next, over white space and the ends of blocks.
#[derive(Debug, Default)]
pub(super) struct Next {
    carry: u64,
}

impl Next {
    /// Makes one for which the first byte comes next.
    pub fn first() -> Self {
        Self { carry: 1 }
    }

    /// Returns the first bytes behind those that are given which are no white space.
    #[inline(always)]
    pub fn after(&mut self, bits: u64, space: u64) -> u64 {
        let next = bits << 1 | self.carry;
        self.carry = bits >> 63;
        if space == 0 {
            return next;
        }
        // A bit that is added where white space begins is carried to where it ends.
        let (carried, overflows) = space.overflowing_add(next & space);
        self.carry |= u64::from(overflows);
        (next | carried) & !space
    }
}

/// What is escaped, over the ends of blocks.
#[derive(Debug, Default)]
pub(super) struct Escapes {
    /// Whether the first byte of the next block is escaped.
    carry: u64,
    /// Where the second half of a pair of `\u` escapes is, which was looked at with the first.
    second: usize,
}

impl Escapes {
    #[inline(always)]
    pub fn may_be_in(&self, special: u64) -> bool {
        special | self.carry != 0
    }

    /// Returns the bytes that are escaped.
    ///
    /// # Errors
    /// Escapes that JSON does not have.
    pub fn check(&mut self, backslash: u64, quote: u64, document: &[u8], base: usize) -> Result<u64, Odd> {
        /// Every second bit.
        const ODD: u64 = 0xAAAA_AAAA_AAAA_AAAA;
        // Of a run of backslashes every second one escapes what follows. The difference tells runs that begin at odd bits from
        // those that begin at even ones.
        let first = self.carry;
        let begins = backslash & !first;
        let alternating = (begins << 1 | ODD).wrapping_sub(begins) ^ ODD;
        let escaped = alternating ^ (backslash | first);
        self.carry = (alternating & backslash) >> 63;
        let mut others = escaped & !(quote | backslash);
        while others != 0 {
            let at = base + others.trailing_zeros() as usize;
            others &= others - 1;
            match document.get(at) {
                Some(b'n' | b'/' | b't' | b'r' | b'b' | b'f') => {}
                Some(b'u') if at == self.second => {}
                Some(b'u') => self.second = unicode(document, at).ok_or(Odd)?,
                _ => return Err(Odd),
            }
        }
        Ok(escaped)
    }
}

/// Returns the end of a number, `true`, `false` or `null`, behind which the document must go on as after a value.
#[inline(always)]
pub(super) fn scalar_end(document: &[u8], start: usize) -> Result<usize, Odd> {
    let text = document.get(start..).ok_or(Odd)?;
    let length = match text {
        [b't', b'r', b'u', b'e', ..] | [b'n', b'u', b'l', b'l', ..] => 4,
        [b'f', b'a', b'l', b's', b'e', ..] => 5,
        _ => number_length(text).ok_or(Odd)?,
    };
    match text.get(length) {
        Some(b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t') => Ok(start + length),
        _ => Err(Odd),
    }
}

fn number_length(text: &[u8]) -> Option<usize> {
    /// Digits that the parser takes in a whole number are 4300.
    const MANY_DIGITS: usize = 4000;
    let digits = |from: usize| {
        let digits = text.get(from..).unwrap_or_default();
        from + digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len())
    };
    let some_digits = |from: usize| Some(digits(from)).filter(|end| *end > from);
    let first = usize::from(text.first() == Some(&b'-'));
    let mut end = match text.get(first)? {
        b'0' => first + 1,
        _ => some_digits(first).filter(|end| *end < MANY_DIGITS)?,
    };
    if text.get(end) == Some(&b'.') {
        end = some_digits(end + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(end) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        end = some_digits(end + 1 + sign)?;
    }
    Some(end)
}

/// Returns the control characters of a block as white space.
///
/// # Errors
/// Control characters that are none.
#[cold]
pub(super) fn blanks(block: &[u8; BLOCK], control: u64, strings: u64) -> Result<u64, Odd> {
    let blanks = [b'\n', b'\r', b'\t'].iter().fold(0, |blanks, byte| blanks | places_of(*byte, block));
    if control & (strings | !blanks) == 0 { Ok(control) } else { Err(Odd) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_of_a_run_of_backslashes_escapes() {
        for before in 0..70 {
            for run in 0..70 {
                let text = format!("{}{}\"{}", "x".repeat(before), "\\".repeat(run), "y".repeat(200));
                let mut escapes = Escapes::default();
                for base in [0, BLOCK, 2 * BLOCK] {
                    let block = text.as_bytes()[base..].first_chunk().unwrap();
                    let classes = Classes::of(block);
                    let backslash = places_of(b'\\', block);
                    let escaped = escapes.check(backslash, classes.quote, text.as_bytes(), base).unwrap();
                    let quote = before + run;
                    if (base..base + BLOCK).contains(&quote) {
                        assert_eq!(escaped >> (quote - base) & 1, run as u64 % 2, "{before} {run}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_comes_next_is_found_over_blanks_and_blocks() {
        for blanks in 0..200 {
            let text = format!(",{}x{}", " ".repeat(blanks), " ".repeat(256));
            let mut next = Next::default();
            let mut found = Vec::new();
            for (number, block) in text.as_bytes().as_chunks::<BLOCK>().0.iter().enumerate() {
                let classes = Classes::of(block);
                let bits = next.after(classes.comma, classes.space);
                found.extend((0..64).filter(|bit| bits >> bit & 1 == 1).map(|bit| number * BLOCK + bit));
            }
            assert_eq!(found, [blanks + 1]);
        }
    }

    #[test]
    fn bytes_are_what_they_are_in_every_place() {
        for byte in 0..=255_u8 {
            for at in 0..BLOCK {
                let mut block = [b'a'; BLOCK];
                block[at] = byte;
                let classes = Classes::of(&block);
                let bit = |is: bool| u64::from(is) << at;
                assert_eq!(classes.quote, bit(byte == b'"'));
                assert_eq!(classes.special, bit(byte == b'\\' || byte < 0x20));
                assert_eq!(classes.bracket, bit(b"{}[]Y_y\x7F".contains(&byte)), "{byte}");
                assert_eq!((classes.colon, classes.comma), (bit(byte == b':'), bit(byte == b',')));
                assert_eq!(classes.space, bit(byte == b' '));
            }
        }
    }
}
