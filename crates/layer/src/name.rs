//! Names from an archive, made safe, and what whiteout a name stands for.

use crate::Error;

/// Prefix of whiteouts.
const WHITEOUT: &[u8] = b".wh.";
/// Prefix of AUFS's records.
const RECORD: &[u8] = b".wh..wh.";
/// The record that says: this directory is opaque.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Longest name in all; the kernel's `PATH_MAX` with its NUL.
const MAX_LENGTH: usize = 4095;

/// Where AUFS keeps the files that its hard links lead to.
pub(crate) const AUFS_LINKS: &[u8] = b".wh..wh.plnk";

/// A cleaned name: relative to the layer's root, without `.`, `..` and empty parts. The root itself is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    cleaned: Vec<u8>,
    climbs: bool,
}

impl Name {
    /// Cleans a name; `a/../b` is `b`, `/a` is `a`, and so is `../a`: above the root is the root, as for containerd.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is too long, or has a NUL in it.
    pub(crate) fn parse(name: &[u8]) -> Result<Self, Error> {
        if name.contains(&0) {
            return Err(Error::refused(name, "its name has a NUL in it"));
        }
        let (mut cleaned, mut climbs) = (Vec::with_capacity(name.len()), false);
        for part in name.split(|&byte| byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    climbs |= cleaned.is_empty();
                    let end = cleaned.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
                    cleaned.truncate(end);
                }
                part => {
                    if !cleaned.is_empty() {
                        cleaned.push(b'/');
                    }
                    cleaned.extend_from_slice(part);
                }
            }
        }
        if cleaned.len() > MAX_LENGTH {
            return Err(Error::refused(
                name,
                format!("its name is longer than {MAX_LENGTH} bytes"),
            ));
        }
        Ok(Self { cleaned, climbs })
    }

    /// Directory (empty for the root) and last part; `None` for the root itself.
    pub(crate) fn split(&self) -> Option<(&[u8], &[u8])> {
        if self.cleaned.is_empty() {
            return None;
        }
        match self.cleaned.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => Some((&self.cleaned[..slash], &self.cleaned[slash + 1..])),
            None => Some((b"", &self.cleaned)),
        }
    }

    /// The whole name.
    pub(crate) fn joined(&self) -> &[u8] {
        &self.cleaned
    }

    /// Whether it would have led out of the root, to a reader less careful than this one.
    pub(crate) fn climbs(&self) -> bool {
        self.climbs
    }
}

/// What a name with the whiteout prefix means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Whiteout<'a> {
    /// The named entry of a lower layer is gone.
    Of(&'a [u8]),
    /// Nothing of the directory's lower layers is to be seen.
    Opaque,
    /// A record of AUFS's own (or an entry in its directory of hard links); not part of the layer.
    Record,
}

impl<'a> Whiteout<'a> {
    /// What the name means; `None` for ordinary entries, also for those in a directory whose name has the prefix.
    ///
    /// # Errors
    /// [`Error::Refused`] for whiteouts of `.`, `..` and nothing.
    pub(crate) fn of(name: &'a Name) -> Result<Option<Self>, Error> {
        let Some((parent, base)) = name.split() else {
            return Ok(None);
        };
        for part in parent.split(|&byte| byte == b'/') {
            if part.starts_with(RECORD) {
                return Ok(Some(Self::Record));
            }
        }
        if base == OPAQUE {
            return Ok(Some(Self::Opaque));
        }
        if base.starts_with(RECORD) {
            return Ok(Some(Self::Record));
        }
        match base.strip_prefix(WHITEOUT) {
            None => Ok(None),
            Some(b"" | b"." | b"..") => Err(Error::refused(name.joined(), "a whiteout of no name")),
            Some(hidden) => Ok(Some(Self::Of(hidden))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Name, Whiteout};

    #[test]
    fn names_are_cleaned_and_never_leave_the_root() {
        let clean = |name: &str| Name::parse(name.as_bytes()).map(|name| String::from_utf8(name.cleaned).unwrap());
        assert_eq!(clean("./a//b/./c/").unwrap(), "a/b/c");
        assert_eq!(clean("/etc/passwd").unwrap(), "etc/passwd");
        assert_eq!(clean("a/../b").unwrap(), "b");
        assert_eq!(clean("a/b/../../c").unwrap(), "c");
        assert_eq!(clean("././/").unwrap(), "");
        for (climbing, inside) in [
            ("..", ""),
            ("../a", "a"),
            ("a/../../b", "b"),
            ("/..", ""),
            ("/../../etc", "etc"),
        ] {
            assert_eq!(clean(climbing).unwrap(), inside);
            assert!(Name::parse(climbing.as_bytes()).unwrap().climbs());
        }
        assert!(!Name::parse(b"a/../b").unwrap().climbs());
        for bad in ["a\0b", &"x/".repeat(2050)] {
            assert!(clean(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn whiteouts_are_told_from_records_and_tricks() {
        let of = |name: &str| {
            let name = Name::parse(name.as_bytes()).unwrap();
            Whiteout::of(&name)
                .map(|found| format!("{found:?}"))
                .map_err(|error| error.to_string())
        };
        assert_eq!(of("a/b").unwrap(), "None");
        assert_eq!(of("a/.wh.b").unwrap(), format!("{:?}", Some(Whiteout::Of(b"b"))));
        assert_eq!(of("a/.wh..wh..opq").unwrap(), "Some(Opaque)");
        assert_eq!(of(".wh..wh.plnk/1.2").unwrap(), "Some(Record)");
        assert_eq!(of(".wh..wh.aufs").unwrap(), "Some(Record)");
        assert_eq!(of("a/.wh.b/c").unwrap(), "None");
        for bad in [".wh.", ".wh..", ".wh..."] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
