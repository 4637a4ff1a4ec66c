//! Frames of lz4, one after the other, to their proper end.
//!
//! The decoder of lz4_flex takes an input that ends between two blocks for a whole one. Whether it is whole is told here: a frame says
//! itself where it ends, so that the decoder meets the end of the input inside of a frame only if something is missing.

use std::io::{BufRead, ErrorKind, Read, Result};

use lz4_flex::frame::FrameDecoder;

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
