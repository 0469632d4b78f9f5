//! The one error of this crate: verb, path, cause.

use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};
use tierce_fault::{Fault, Kind, kind_of_io};

/// What a file operation answers.
pub type Result<T> = std::result::Result<T, Error>;

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("{verb} {}: {}", path.display(), describe(source))]
pub struct Error {
    /// What was tried, in one or a few words.
    pub verb: &'static str,
    /// On what.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

/// The cause without Rust's ` (os error N)`, as other programs print it.
fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => lower_first(&text[..end]),
        None => text,
    }
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => String::new(),
    }
}

impl Error {
    /// Whether the cause is that the path does not exist.
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// The kernel's reason, where it was the kernel that refused.
    pub fn errno(&self) -> Option<Errno> {
        Errno::from_io_error(&self.source)
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        kind_of_io(&self.source)
    }
}

/// Adds verb and path to the error of a plain call.
pub trait PathContext<T> {
    /// Names what was tried on which path.
    ///
    /// # Errors
    /// The same failure, with its context.
    fn at(self, verb: &'static str, path: &Path) -> Result<T>;
}

impl<T, E: Into<io::Error>> PathContext<T> for std::result::Result<T, E> {
    fn at(self, verb: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| Error {
            verb,
            path: path.to_owned(),
            source: source.into(),
        })
    }
}
