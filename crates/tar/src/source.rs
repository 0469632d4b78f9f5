//! Where the bytes of an archive come from.

use crate::Error;

/// A stream of bytes that comes in pieces of somebody else's choosing.
pub trait Source {
    /// What its owner makes of failures, those of the archive included.
    type Error: From<Error>;

    /// The bytes at hand; empty only at the end.
    ///
    /// # Errors
    /// When the stream cannot be read.
    fn fill(&mut self) -> Result<&[u8], Self::Error>;

    /// Marks that many of them as read.
    fn consume(&mut self, count: usize);
}

impl<S: Source> Source for &mut S {
    type Error = S::Error;

    fn fill(&mut self) -> Result<&[u8], S::Error> {
        (**self).fill()
    }

    fn consume(&mut self, count: usize) {
        (**self).consume(count);
    }
}

impl Source for &[u8] {
    type Error = Error;

    fn fill(&mut self) -> Result<&[u8], Error> {
        Ok(self)
    }

    fn consume(&mut self, count: usize) {
        *self = &self[count..];
    }
}
