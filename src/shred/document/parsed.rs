//! The walk by the parser, which goes through broken documents too.

use jiter::{JiterResult, Peek};

use super::{BROKEN, CONTAINER, Kind, MAX_DEPTH, NULL, Taken, Walker, number};
use crate::json::{Reader, place_in};

impl Walker {
    /// Walks a document by the parser, as the functions look keys up; says whether it is sound.
    ///
    /// A look-up of a value reads the value itself, and one of a younger sibling skips over it. Where the value is sound, reading and
    /// skipping end at the same byte and the walk goes on from there. Where it is not, skipping may pass what reading refuses
    /// (a control character in a string), so that the walk goes back to the value's start and skips over it. In a document that may
    /// nest deeper than the parser skips, the depth counts from where a look-up begins: there the walk always goes back.
    pub(super) fn parsed(&mut self, text: &str, may_be_deep: bool) -> bool {
        let mut reader = Reader::new(text);
        match reader.parser.peek() {
            Ok(Peek::Object) => self.object(&mut reader, 0, 0, may_be_deep),
            // No key looks into anything else, and an index is never a leaf.
            Ok(peek) => reader.parser.known_skip(peek).is_ok(),
            Err(_) => false,
        }
    }

    /// Walks the object that the parser stands before; says whether it is sound. Behind one that is not, the parser may be anywhere.
    fn object(&mut self, reader: &mut Reader<'_>, node: usize, depth: usize, may_be_deep: bool) -> bool {
        let (mut is_sound, mut before) = (true, None);
        let mut key = reader.parser.known_object();
        loop {
            let Ok(name) = key else { return false };
            let Some(name) = name else { return is_sound };
            let child = self.child(node, before, name);
            before = child.or(before);
            let Ok(peek) = reader.parser.peek() else { return false };
            let start = reader.index();
            let (mut must_skip, mut object) = (true, None);
            if let Some(child) = child.filter(|child| self.meet(*child)) {
                let is_read = if matches!(peek, Peek::Object) && depth + 1 < MAX_DEPTH {
                    self.meet_object(child);
                    object = Some(child);
                    self.object(reader, child, depth + 1, may_be_deep)
                } else {
                    let scratch = self.scratch.len();
                    let is_read = self.value(reader, child, peek).is_ok();
                    if !is_read {
                        self.scratch.truncate(scratch);
                        self.nodes[child].kinds |= BROKEN;
                    }
                    is_read
                };
                is_sound &= is_read;
                must_skip = !is_read || may_be_deep;
                if must_skip {
                    reader.go_to(start);
                }
            }
            if must_skip && reader.parser.known_skip(peek).is_err() {
                // The key is there all the same, which a look-up for it alone tells.
                if let Some(object) = object {
                    self.nodes[object].notes_containers = false;
                }
                return false;
            }
            if let Some(object) = object {
                // A look-up that skips over what cannot be read has its text all the same.
                self.note_container(reader.text, object, start..reader.index());
            }
            key = reader.parser.next_key();
        }
    }

    /// Takes a value that is not an object to go into, and moves behind it.
    fn value(&mut self, reader: &mut Reader<'_>, node: usize, peek: Peek) -> JiterResult<()> {
        let (text, start) = (reader.text, reader.index());
        let (kind, taken) = match peek {
            Peek::String if self.is_wanted(node) => {
                let decoded = reader.parser.known_str()?;
                let taken = match place_in(text, decoded) {
                    Some(place) => Taken::Text(place.start, place.end),
                    None => self.unescaped(decoded),
                };
                (Kind::Text.bit(), Some(taken))
            }
            Peek::String => {
                reader.parser.known_skip(peek)?;
                (Kind::Text.bit(), None)
            }
            Peek::Object => {
                self.skip_deep(node);
                reader.parser.known_skip(peek)?;
                self.note_container(text, node, start..reader.index());
                return Ok(());
            }
            Peek::Array => {
                self.meet_array(node, start);
                reader.parser.known_skip(peek)?;
                (CONTAINER, None)
            }
            Peek::Null => {
                reader.parser.known_skip(peek)?;
                (NULL, None)
            }
            Peek::True | Peek::False => {
                reader.parser.known_skip(peek)?;
                (Kind::Boolean.bit(), Some(Taken::Boolean(matches!(peek, Peek::True))))
            }
            _ => {
                reader.parser.known_skip(peek)?;
                let taken = number(text, start..reader.index());
                (taken.kind().bit(), Some(taken))
            }
        };
        self.note(text, node, kind, taken, start..reader.index());
        Ok(())
    }
}
