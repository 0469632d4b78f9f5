//! The only place that knows all log drivers.

pub mod journald;
pub mod json_file;
pub mod local;
pub mod syslog;

use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::rotation::Files;
use crate::{Compression, Driver, Query, Reader, Result, Stream};

/// A driver with its parsed options. It goes from the engine to the shim as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// Docker's `none`: output is seen by attached clients only.
    #[default]
    None,
    /// Docker's `json-file`.
    JsonFile(json_file::Options),
    /// Docker's `local`.
    Local(Files),
    /// Docker's `journald`.
    Journald(Copied<journald::Options>),
    /// Docker's `syslog`.
    Syslog(Copied<syslog::Options>),
}

/// A driver whose log is not read back, with the copy that is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied<T> {
    /// Of the driver.
    pub options: T,
    /// Where the copy lies, in the format of `local`; `None`: there is none (`cache-disabled`).
    pub copy: Option<Files>,
}

/// Opens the log for writing; `None` where nothing is logged.
pub fn open(target: &Target) -> Result<Option<Box<dyn Driver>>> {
    Ok(Some(match target {
        Target::None => return Ok(None),
        Target::JsonFile(options) => Box::new(json_file::Writer::open(options)?),
        Target::Local(files) => Box::new(local::Writer::open(files)?),
        Target::Journald(target) => {
            with_copy(Box::new(journald::Writer::open(&target.options)?), target.copy.as_ref())?
        }
        Target::Syslog(target) => with_copy(Box::new(syslog::Writer::open(&target.options)?), target.copy.as_ref())?,
    }))
}

/// A log that can be read, by the path of its current file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In the format of `json-file`.
    JsonFile(PathBuf),
    /// In the format of `local`.
    Local(PathBuf),
}

/// Opens a log for reading. One that does not exist is empty (and may come when followed).
pub fn read(source: &Source, query: &Query) -> Result<Reader> {
    match source {
        Source::JsonFile(path) => Reader::open(path, &json_file::JsonLines, query),
        Source::Local(path) => Reader::open(path, &local::Frames, query),
    }
}

fn with_copy(driver: Box<dyn Driver>, copy: Option<&Files>) -> Result<Box<dyn Driver>> {
    Ok(match copy {
        None => driver,
        Some(files) => Box::new(Both {
            driver,
            copy: Box::new(local::Writer::open(files)?),
        }),
    })
}

/// A driver and the copy of what goes to it.
struct Both {
    driver: Box<dyn Driver>,
    copy: Box<dyn Driver>,
}

impl Driver for Both {
    fn write(&mut self, stream: Stream, bytes: &[u8], at: SystemTime) {
        self.copy.write(stream, bytes, at);
        self.driver.write(stream, bytes, at);
    }

    fn finish(&mut self, stream: Stream, at: SystemTime) {
        self.copy.finish(stream, at);
        self.driver.finish(stream, at);
    }

    fn take_compression(&mut self) -> Option<Compression> {
        self.copy.take_compression()
    }

    fn flush(&mut self, now: Instant) {
        self.driver.flush(now);
    }

    fn retry_at(&self) -> Option<Instant> {
        self.driver.retry_at()
    }

    fn is_full(&self) -> bool {
        self.driver.is_full()
    }
}
