//! What compressed files consist of, one part after the other, to their proper end: members of gzip, streams of bzip2, frames of lz4.
//!
//! Behind the last member of gzip zeros may stand, with which tapes and some stores fill their blocks; gzip passes them over without a word,
//! and so does this. Of other bytes gzip says that it leaves them out. Here they are an error, since records may have been in them.
//!
//! The decoder of lz4_flex takes an input that ends between two blocks for a whole one. Whether it is whole is told here: a frame says
//! itself where it ends, so that the decoder meets the end of the input inside of a frame only if something is missing.

use std::io::{BufRead, Error, ErrorKind, Read, Result};

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;
use lz4_flex::frame::FrameDecoder;

/// Says of an error that bytes stand behind the last member which begin no other.
pub(super) const JUNK: &str = "bytes behind the last member";

/// A decoder of one member, which leaves unread what stands behind that.
pub(super) trait Member: Read + Sized {
    /// What it reads from.
    type Input: BufRead;

    /// The byte that every member begins with.
    const FIRST_BYTE: u8;

    fn open(input: Self::Input) -> Self;
    fn close(self) -> Self::Input;
    fn input(&self) -> &Self::Input;
    fn input_mut(&mut self) -> &mut Self::Input;
}

impl<R: BufRead> Member for GzDecoder<R> {
    type Input = R;

    const FIRST_BYTE: u8 = 0x1f;

    fn open(input: R) -> Self {
        Self::new(input)
    }

    fn close(self) -> R {
        self.into_inner()
    }

    fn input(&self) -> &R {
        self.get_ref()
    }

    fn input_mut(&mut self) -> &mut R {
        self.get_mut()
    }
}

impl<R: BufRead> Member for BzDecoder<R> {
    type Input = R;

    const FIRST_BYTE: u8 = b'B';

    fn open(input: R) -> Self {
        Self::new(input)
    }

    fn close(self) -> R {
        self.into_inner()
    }

    fn input(&self) -> &R {
        self.get_ref()
    }

    fn input_mut(&mut self) -> &mut R {
        self.get_mut()
    }
}

/// Decompresses members that follow each other.
pub(super) struct Members<M: Member> {
    /// The member that is being read; `None` only while one takes the place of another.
    member: Option<M>,
    has_ended: bool,
}

impl<M: Member> Members<M> {
    pub(super) fn new(input: M::Input) -> Self {
        Self { member: Some(M::open(input)), has_ended: false }
    }

    pub(super) fn get_ref(&self) -> Option<&M::Input> {
        self.member.as_ref().map(M::input)
    }

    pub(super) fn get_mut(&mut self) -> Option<&mut M::Input> {
        self.member.as_mut().map(M::input_mut)
    }
}

impl<M: Member> Read for Members<M> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while let Some(member) = self.member.as_mut().filter(|_| !self.has_ended && !buffer.is_empty()) {
            let length = member.read(buffer)?;
            if length > 0 {
                return Ok(length);
            }
            self.has_ended = !goes_on(member.input_mut(), M::FIRST_BYTE)?;
            if !self.has_ended {
                self.member = self.member.take().map(|member| M::open(member.close()));
            }
        }
        Ok(0)
    }
}

/// Returns whether another member stands next; zeros up to the end of the input are passed over.
fn goes_on(input: &mut impl BufRead, first: u8) -> Result<bool> {
    let mut has_zeros = false;
    loop {
        let bytes = input.fill_buf()?;
        match bytes.first() {
            None => return Ok(false),
            Some(0) => {
                let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                input.consume(zeros);
                has_zeros = true;
            }
            Some(byte) if *byte == first && !has_zeros => return Ok(true),
            Some(_) => return Err(Error::new(ErrorKind::InvalidData, JUNK)),
        }
    }
}

/// Decompresses frames of lz4.
pub(super) struct Lz4Frames<R: BufRead> {
    decoder: FrameDecoder<Watched<R>>,
    /// Whether the next byte read begins a frame.
    between: bool,
}

impl<R: BufRead> Lz4Frames<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { decoder: FrameDecoder::new(Watched { inner, has_ended: false }), between: true }
    }

    pub(super) fn get_ref(&self) -> &R {
        &self.decoder.get_ref().inner
    }

    pub(super) fn get_mut(&mut self) -> &mut R {
        &mut self.decoder.get_mut().inner
    }
}

impl<R: BufRead> Read for Lz4Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while !buffer.is_empty() {
            if self.between {
                if self.get_mut().fill_buf()?.is_empty() {
                    return Ok(0);
                }
                self.between = false;
            }
            let length = self.decoder.read(buffer)?;
            if length > 0 {
                return Ok(length);
            }
            if self.decoder.get_ref().has_ended {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.between = true;
        }
        Ok(0)
    }
}

/// Remembers whether the end of the input was met.
struct Watched<R> {
    inner: R,
    has_ended: bool,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let length = self.inner.read(buffer)?;
        self.has_ended |= length == 0 && !buffer.is_empty();
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write};

    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(text.as_bytes()).unwrap();
        packed.finish().unwrap()
    }

    fn bzip2(text: &str) -> Vec<u8> {
        let mut packed = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
        packed.write_all(text.as_bytes()).unwrap();
        packed.finish().unwrap()
    }

    /// Reads from a buffer of three bytes, so that members begin and end at its edges.
    fn read<'b, M: Member<Input = BufReader<&'b [u8]>>>(bytes: &'b [u8]) -> Result<String> {
        let mut text = String::new();
        Members::<M>::new(BufReader::with_capacity(3, bytes)).read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn members_are_read_to_the_last_and_zeros_behind_it_are_passed_over() {
        for zeros in [0, 1, 2, 3, 512, 10_000] {
            let bytes = [gzip("a,"), gzip(""), gzip("b"), vec![0; zeros]].concat();
            assert_eq!(read::<GzDecoder<_>>(&bytes).unwrap(), "a,b", "{zeros}");
            let bytes = [bzip2("a,"), bzip2("b"), vec![0; zeros]].concat();
            assert_eq!(read::<BzDecoder<_>>(&bytes).unwrap(), "a,b", "{zeros}");
        }
    }

    #[test]
    fn other_bytes_behind_the_last_member_are_an_error() {
        for behind in [&b"x"[..], b"\0x", b"junk that is long", b"\0\0\0\x1f\x8b"] {
            for bytes in [[&gzip("a")[..], behind].concat(), [&bzip2("a")[..], behind].concat()] {
                let error = match bytes.first() {
                    Some(0x1f) => read::<GzDecoder<_>>(&bytes),
                    _ => read::<BzDecoder<_>>(&bytes),
                };
                assert_eq!(error.unwrap_err().to_string(), JUNK, "{behind:?}");
            }
        }
        // A member that begins and does not end.
        for length in 1..gzip("b").len() {
            let bytes = [&gzip("a")[..], &gzip("b")[..length]].concat();
            let error = read::<GzDecoder<_>>(&bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{length}: {error}");
        }
    }
}
