//! The trait that output goes through.

use std::time::SystemTime;

use crate::{Compression, Stream};

/// Writes what one process writes.
///
/// # Contract
/// - [`write`](Self::write) takes bytes as they came from a pipe: any number of lines, cut anywhere, any content. What
///   belongs together is put together again; a line's time is that of the call that completed it.
/// - No method fails or waits for anything but the file itself. What cannot be stored (full disk) is dropped and
///   counted, and the log says so once it can be written again.
/// - Entries are whole: a reader never sees half of one, whatever fails in between.
///
/// # Example
/// ```
/// # use std::time::SystemTime;
/// # use tierce_logs::{Driver, Stream};
/// fn copy(log: &mut dyn Driver, output: &[&[u8]]) {
///     for piece in output {
///         log.write(Stream::Stdout, piece, SystemTime::now());
///     }
///     log.finish(Stream::Stdout, SystemTime::now());
/// }
/// ```
pub trait Driver: Send {
    /// Logs `bytes` that were read from `stream` at `at`.
    fn write(&mut self, stream: Stream, bytes: &[u8], at: SystemTime);

    /// The stream has ended: logs what is left of a line without newline.
    fn finish(&mut self, stream: Stream, at: SystemTime);

    /// Work that a rotation left behind and that may take long; the caller runs it where it holds up nobody.
    fn take_compression(&mut self) -> Option<Compression> {
        None
    }
}
