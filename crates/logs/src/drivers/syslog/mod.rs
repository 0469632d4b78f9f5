//! Docker's `syslog` driver: each entry a message to a syslog server, here or elsewhere.
//!
//! Source: moby `daemon/logger/syslog`, and the formats of the library that it uses (github.com/RackSec/srslog).

mod format;
mod secured;
mod transport;

use std::time::{Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::forward::{Forward, Mode};
use crate::lines::Lines;
use crate::{Driver, Stream};
pub use format::{Format, facility};
pub use secured::Files;
pub use transport::Address;

/// Parsed options of the driver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Where the server listens.
    pub address: Address,
    /// Number of the facility.
    pub facility: u8,
    /// How a message is written.
    pub format: Format,
    /// Who writes: the tag.
    pub tag: String,
    /// Name of this host.
    pub hostname: String,
    /// What becomes of entries that the server does not take.
    pub mode: Mode,
}

/// Sends one container's output.
pub struct Writer {
    lines: Lines,
    options: Options,
    forward: Forward,
}

impl Writer {
    /// Connects to the server.
    pub fn open(options: &Options) -> Result<Self> {
        let transport = transport::connect(&options.address)?;
        Ok(Self {
            lines: Lines::default(),
            options: options.clone(),
            forward: Forward::new(transport, options.mode),
        })
    }

    fn entry(&mut self, stream: Stream, text: &[u8], at: SystemTime) {
        let message = format::message(&self.options, stream, text, at);
        self.forward.send(message, Instant::now());
    }
}

impl Driver for Writer {
    fn write(&mut self, stream: Stream, bytes: &[u8], at: SystemTime) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.cut(stream, bytes, |text, _| self.entry(stream, text, at));
        self.lines = lines;
    }

    fn finish(&mut self, stream: Stream, at: SystemTime) {
        if let Some(text) = self.lines.finish(stream) {
            self.entry(stream, &text, at);
        }
    }

    fn flush(&mut self, now: Instant) {
        self.forward.flush(now);
    }

    fn retry_at(&self) -> Option<Instant> {
        self.forward.retry_at()
    }

    fn is_full(&self) -> bool {
        self.forward.is_full()
    }
}

#[cfg(test)]
mod tests;
