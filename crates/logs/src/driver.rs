//! The trait that output goes through.

use std::time::{Instant, SystemTime};

use crate::{Compression, Stream};

/// Writes what one process writes.
///
/// # Contract
/// - [`write`](Self::write) takes bytes as they came from a pipe: any number of lines, cut anywhere, any content. What
///   belongs together is put together again; a line's time is that of the call that completed it.
/// - No method fails or waits for anything but a file. A driver that sends keeps what cannot be sent yet, within bounds:
///   [`flush`](Self::flush) is called again at [`retry_at`](Self::retry_at), and nothing more is written while it
///   [`is_full`](Self::is_full).
/// - What cannot be stored (full disk) is dropped and
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

    /// Sends what waits, if its time has come.
    fn flush(&mut self, now: Instant) {
        let _ = now;
    }

    /// When something that waits is to be sent; `None`: nothing waits.
    fn retry_at(&self) -> Option<Instant> {
        None
    }

    /// Whether what the process writes is to be left in its pipes for now.
    fn is_full(&self) -> bool {
        false
    }
}
