//! One walk over a sound document that finds the values at several paths, a block of 64 bytes at a time.
//!
//! What is passed over is checked as strictly as the parser does it, since a look-up finds nothing behind an error. Most of that is
//! arithmetic on sets of bytes (`block`): strings, their escapes, and which token may follow which. Only brackets, numbers and
//! literals are taken one by one, and keys in objects where something is wanted. The walk ends with the block in which the last
//! wanted value ends.
//!
//! A document that is not sound up to there, or odd in another way (keys with escapes where some are wanted, deep nesting, an array
//! as a whole), is not answered here.

#![allow(clippy::indexing_slicing, reason = "places are numbered by the trie, bits by the block")]

use super::block::{BLOCK, Classes, Escapes, Next, above, blanks, last, parity, places_of, scalar_end};
use super::follow::{Place, look_up};
use super::paths::{Node, Odd, Trie};
use super::plain;

/// Containers in each other at most; their kinds are the bits of a word. The parser takes 200.
const MAX_DEPTH: u32 = 60;
const NONE: usize = usize::MAX;

/// Walks documents; keeps its memory from one to the next.
#[derive(Debug, Default)]
pub struct Skimmer {
    /// The containers around, in which something is wanted, and what is known of the last of them when it was left for another.
    frames: Vec<Frame>,
}

/// A container that is wanted, or in which something is.
#[derive(Debug, Clone, Copy)]
struct Frame {
    node: usize,
    depth: u32,
    start: usize,
    /// Keys that were found, and the number of those that were not.
    met: u64,
    left: usize,
    /// Whether its end is wanted.
    is_awaited: bool,
    is_object: bool,
}

impl Skimmer {
    /// Finds the values at all paths.
    ///
    /// # Errors
    /// Documents that are odd; what was found of them is not to be trusted.
    pub fn find(&mut self, trie: &Trie, document: &str, places: &mut [Option<Place>]) -> Result<(), Odd> {
        let bytes = document.as_bytes();
        let mut base = plain::blanks(bytes, 0);
        let keys = trie.node(0).keys.len();
        if bytes.get(base) != Some(&b'{') || keys == 0 {
            return Err(Odd);
        }
        let mut top = Frame { node: 0, depth: 1, start: base, met: 0, left: keys, is_awaited: false, is_object: true };
        self.frames.clear();
        self.frames.push(top);
        // Keys and ends that may still come, the node of a container that comes next, and the path of a string whose end does.
        let (mut pending, mut entered, mut string) = (keys, NONE, NONE);
        let (mut in_string, mut escapes, mut last_other) = (0_u64, Escapes::default(), 0_u64);
        let (mut last_open, mut last_close, mut last_backslash) = (0, 0, 0);
        let (mut value, mut first, mut behind) = (Next::first(), Next::default(), Next::default());
        // Of the container around: whether it is an object (all bits or none), and what `turns` must be flipped by.
        let (mut kinds, mut depth, mut object, mut flip) = (0_u64, 0_u32, 0_u64, 0_u64);
        let mut padded;
        while let Some(rest) = bytes.get(base..).filter(|rest| !rest.is_empty()) {
            let block = match rest.first_chunk() {
                Some(block) => block,
                None => {
                    padded = [b' '; BLOCK];
                    padded[..rest.len()].copy_from_slice(rest);
                    &padded
                }
            };
            let Classes { mut quote, special, bracket, colon, comma, mut space } = Classes::of(block);
            let (mut backslash, mut control) = (0, 0);
            if escapes.may_be_in(special) {
                backslash = places_of(b'\\', block);
                control = special & !backslash;
                quote &= !escapes.check(backslash, quote, bytes, base)?;
            }
            // From each opening quote up to its closing one.
            let strings = parity(quote) ^ in_string;
            in_string = all(strings >> 63);
            if control != 0 {
                space |= blanks(block, control, strings)?;
            }
            let outside = !(strings | quote);
            let (open_quote, close_quote) = (quote & strings, quote & !strings);
            let (bracket, colon, comma, space) = (bracket & outside, colon & outside, comma & outside, space & outside);
            let marks = colon | comma;
            let other = outside & !(bracket | marks | space);
            let scalar = other & !(other << 1 | last_other);
            last_other = other >> 63;
            let mut scalars = scalar;
            while scalars != 0 {
                scalar_end(bytes, base + scalars.trailing_zeros() as usize)?;
                scalars &= scalars - 1;
            }
            if string != NONE && close_quote != 0 {
                if let Some(place) = places.get_mut(string).and_then(Option::as_mut) {
                    place.end = Some(base + close_quote.trailing_zeros() as usize + 1);
                }
                (string, pending) = (NONE, pending - 1);
            }
            // In an object colons and commas take turns: every second one is a colon.
            let turns = parity(marks);
            let (mut wrong, mut open, mut empty) = (0, 0, 0);
            let (mut from, mut brackets) = (!0_u64, bracket);
            let mut is_done = pending == 0;
            while !is_done {
                let here = brackets & brackets.wrapping_neg();
                // What is between two brackets is in one container.
                let segment = here.wrapping_sub(1) & from;
                wrong |= segment & ((marks & (turns ^ flip) & object) ^ colon);
                if top.depth == depth && top.left > 0 {
                    let node = trie.node(top.node);
                    let mut names = colon & segment;
                    while names != 0 && top.left > 0 {
                        let at = names & names.wrapping_neg();
                        names ^= at;
                        let below = at - 1;
                        let start = last(open_quote & below, base, last_open) + 1;
                        // A key with escapes may be any.
                        if last(backslash & below, base, last_backslash) >= start {
                            return Err(Odd);
                        }
                        let key = bytes.get(start..last(close_quote & below, base, last_close)).ok_or(Odd)?;
                        let Some((number, child)) = node.member(key, top.met) else { continue };
                        top.met |= 1 << number;
                        top.left -= 1;
                        pending -= 1;
                        let member = trie.node(child);
                        let start = plain::blanks(bytes, base + at.trailing_zeros() as usize + 1);
                        match bytes.get(start) {
                            Some(byte @ (b'{' | b'[')) => {
                                let (keys, is_awaited) = wanted(member, *byte == b'{');
                                if let Some(path) = member.path.filter(|_| !member.takes_containers) {
                                    places[path] = Some(Place { start, end: None });
                                }
                                pending += keys + usize::from(is_awaited);
                                entered = if keys > 0 || is_awaited { child } else { NONE };
                            }
                            Some(b'"') => {
                                if let Some(path) = member.path {
                                    let begin = u32::try_from(start - base).unwrap_or(BLOCK as u32);
                                    let ends = close_quote & above(1_u64.checked_shl(begin).unwrap_or_default());
                                    let end = (ends != 0).then(|| base + ends.trailing_zeros() as usize + 1);
                                    places[path] = Some(Place { start, end });
                                    if end.is_none() {
                                        (string, pending) = (path, pending + 1);
                                    }
                                }
                            }
                            _ => {
                                if let Some(path) = member.path {
                                    places[path] = Some(Place { start, end: Some(scalar_end(bytes, start)?) });
                                }
                            }
                        }
                    }
                    is_done = pending == 0;
                }
                if here == 0 || is_done {
                    break;
                }
                let turn = all(u64::from(turns & here != 0));
                let behind_colon = (turn ^ flip) & here;
                let bit = here.trailing_zeros() as usize % BLOCK;
                match block[bit] {
                    byte @ (b'{' | b'[') => {
                        if depth == MAX_DEPTH {
                            return Err(Odd);
                        }
                        wrong |= object & here & !behind_colon;
                        open |= here;
                        kinds = kinds << 1 | object & 1;
                        object = all(u64::from(byte == b'{'));
                        flip = turn;
                        depth += 1;
                        if entered != NONE {
                            if let Some(left) = self.frames.last_mut() {
                                *left = top;
                            }
                            let is_object = byte == b'{';
                            let (left, is_awaited) = wanted(trie.node(entered), is_object);
                            top =
                                Frame { node: entered, depth, start: base + bit, met: 0, left, is_awaited, is_object };
                            self.frames.push(top);
                            entered = NONE;
                        }
                    }
                    byte @ (b'}' | b']') => {
                        wrong |= all(u64::from(byte == b'}')) ^ object;
                        empty |= object & here & !behind_colon;
                        object = all(kinds & 1);
                        kinds >>= 1;
                        // What came before a container in an object was a colon.
                        flip = !turn;
                        if top.depth == depth {
                            pending -= top.left;
                            if top.is_awaited {
                                pending -= 1;
                                top.close(trie, document, base + bit + 1, places)?;
                            }
                            self.frames.pop();
                            match self.frames.last() {
                                Some(around) if pending > 0 => top = *around,
                                _ => is_done = true,
                            }
                        }
                        depth -= 1;
                    }
                    _ => return Err(Odd),
                }
                from = above(here);
                brackets ^= here;
            }
            if is_done {
                open = bracket & (places_of(b'{', block) | places_of(b'[', block));
            }
            // A value must come behind a colon, a comma and, if that is not closed, an opening bracket; and nowhere else.
            let first = first.after(open, space);
            let closed = first & bracket & !open;
            wrong |= (open_quote | scalar | open) ^ ((value.after(marks, space) | first) & !closed);
            wrong |= empty & !closed;
            wrong |= colon & !behind.after(close_quote, space);
            if wrong != 0 {
                return Err(Odd);
            }
            if is_done {
                return Ok(());
            }
            last_open = last(open_quote, base, last_open);
            last_close = last(close_quote, base, last_close);
            last_backslash = last(backslash, base, last_backslash);
            flip = all((turns ^ flip) >> 63);
            base += BLOCK;
        }
        Err(Odd)
    }
}

impl Frame {
    /// Notes the end of a container, and what is wanted of an array that has ended.
    #[cold]
    fn close(&self, trie: &Trie, document: &str, end: usize, places: &mut [Option<Place>]) -> Result<(), Odd> {
        let node = trie.node(self.node);
        if let Some(path) = node.path.filter(|_| node.takes_containers) {
            places[path] = Some(Place { start: self.start, end: Some(end) });
        }
        if !self.is_object && !node.indexes.is_empty() {
            let array = document.get(self.start..end).ok_or(Odd)?;
            for (path, steps) in trie.below(self.node) {
                places[path] = look_up(array, steps)
                    .map(|place| Place { start: place.start + self.start, end: place.end.map(|end| end + self.start) });
            }
        }
        Ok(())
    }
}

/// Returns the number of keys that are wanted of a container, and whether its end is.
fn wanted(node: &Node, is_object: bool) -> (usize, bool) {
    if is_object {
        (node.keys.len(), node.takes_containers)
    } else {
        (0, node.takes_containers || !node.indexes.is_empty())
    }
}

/// All bits, or none for 0; takes nothing but 0 and 1.
fn all(bit: u64) -> u64 {
    0_u64.wrapping_sub(bit)
}
