//! Making snapshots and stacking them on their parents.

use super::{COMMITTED, DIFF, LINK, LINKS, LOWER, MAX_DEPTH, Stacks, WORK};
use crate::{CacheId, Error, tree};
use rustix::fs::{Mode, OFlags, openat, symlinkat};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

impl Stacks {
    /// Makes an empty snapshot: `<id>/{diff,link}` and the short name.
    ///
    /// - `prepare`: is given the snapshot's directory before anything is in it.
    ///
    /// # Errors
    /// [`Error::Exists`]; those of `prepare`; file errors.
    pub(crate) fn make(&self, id: &CacheId, prepare: impl FnOnce(&Path) -> Result<(), Error>) -> Result<(), Error> {
        let dir = self.dir(id);
        let root = tree::open(&self.root)?;
        if !tree::make_dir(&root, id.as_str(), 0o710).map_err(Error::io("create the directory", &dir))? {
            return Err(Error::Exists(id.to_string()));
        }
        prepare(&dir)?;
        let at = tree::open(&dir)?;
        tree::make_dir(&at, DIFF, 0o755).map_err(Error::io("create the directory", &dir.join(DIFF)))?;
        let target = format!("../{id}/{DIFF}");
        let link = loop {
            let link = short_name()?;
            match symlinkat(target.as_str(), &root, format!("{LINKS}/{link}")) {
                Ok(()) => break link,
                Err(Errno::EXIST) => {}
                Err(error) => return Err(Error::io("create the short name of", &dir)(error)),
            }
        };
        write_new(&at, LINK, 0o644, link.as_bytes()).map_err(Error::io("write", &dir.join(LINK)))
    }

    /// Stacks a snapshot on its parent: `lower` and `work`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::TooDeep`]; file errors.
    pub(crate) fn stack(&self, id: &CacheId, parent: Option<&CacheId>) -> Result<(), Error> {
        let dir = self.dir(id);
        let at = self.open_dir(id)?;
        let Some(parent) = parent else { return Ok(()) };
        let Some(link) = self.read_record(parent, LINK)? else {
            return Err(self.not_found(parent));
        };
        let mut lower = format!("{LINKS}/{link}");
        if let Some(below) = self.read_record(parent, LOWER)? {
            lower.push(':');
            lower.push_str(&below);
        }
        let depth = lower.split(':').count();
        if depth > MAX_DEPTH {
            return Err(Error::TooDeep {
                id: id.to_string(),
                depth,
                max: MAX_DEPTH,
            });
        }
        tree::make_dir(&at, WORK, 0o700).map_err(Error::io("create the directory", &dir.join(WORK)))?;
        write_new(&at, LOWER, 0o644, lower.as_bytes()).map_err(Error::io("write", &dir.join(LOWER)))
    }

    /// Makes the snapshot read-only, by Docker's mark.
    ///
    /// # Errors
    /// File errors.
    pub(crate) fn mark_committed(&self, id: &CacheId) -> Result<(), Error> {
        let path = self.dir(id).join(COMMITTED);
        let at = tree::open(&self.dir(id))?;
        write_new(&at, COMMITTED, 0o600, b"").map_err(Error::io("write", &path))
    }

    /// Reads `link` or `lower` of a snapshot and checks that it is a list of short names; `None` when it is not there.
    pub(super) fn read_record(&self, id: &CacheId, name: &str) -> Result<Option<String>, Error> {
        let path = self.dir(id).join(name);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", &path)(error)),
        };
        let prefix = if name == LOWER { "l/" } else { "" };
        let valid = text
            .split(':')
            .all(|part| part.strip_prefix(prefix).is_some_and(is_short_name));
        if !valid || (name == LINK && text.contains(':')) {
            let what = format!(
                "{:?} is no list of short names",
                text.chars().take(80).collect::<String>()
            );
            return Err(Error::Corrupt { path, what });
        }
        Ok(Some(text))
    }
}

/// Creates a small file that must not be there yet.
fn write_new(dir: impl AsFd, name: &str, mode: u32, content: &[u8]) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = openat(dir, name, flags, Mode::from_raw_mode(mode))?;
    if content.is_empty() {
        Ok(())
    } else {
        File::from(fd).write_all(content)
    }
}

/// Docker's alphabet and length: base32 without padding, 26 characters.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn short_name() -> Result<String, Error> {
    let mut bytes = [0_u8; 26];
    getrandom::fill(&mut bytes).map_err(|error| Error::Random(error.to_string()))?;
    Ok(bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect())
}

fn is_short_name(text: &str) -> bool {
    text.len() == 26 && text.bytes().all(|byte| ALPHABET.contains(&byte))
}

/// The snapshot directory's name in the target of a short name, `../<id>/diff`.
pub(super) fn id_of_target(target: &Path) -> Option<CacheId> {
    target
        .to_str()?
        .strip_prefix("../")?
        .strip_suffix("/diff")?
        .parse()
        .ok()
}
