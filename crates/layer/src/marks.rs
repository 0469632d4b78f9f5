//! What in a directory of changes hides what lies below it.

use std::ffi::{CStr, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use tierce_snapshot::{Layout, Union, tree};

/// Beginning of names that are marks in archives, and in directories that fuse-overlayfs writes.
const PREFIX: &[u8] = b".wh.";

/// The forms that marks have in one driver's directories.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Marks {
    /// Attribute of opaque directories.
    attribute: &'static CStr,
    /// Files `.wh.<name>` are whiteouts, `.wh..wh..opq` makes its directory opaque.
    files: bool,
}

impl Marks {
    /// Those in the directories of `layout`.
    ///
    /// - `user_xattr`: opaque directories are marked by `user.overlay.opaque`.
    pub(crate) fn of(layout: &Layout, user_xattr: bool) -> Self {
        let fuse = matches!(layout, Layout::Overlay { union: Union::Fuse, .. });
        Self {
            attribute: opaque_attribute(user_xattr),
            files: fuse,
        }
    }

    /// Whether an entry of this name is a mark, and nothing else.
    pub(crate) fn is_mark(self, name: &OsStr) -> bool {
        self.files && name.as_bytes().starts_with(PREFIX)
    }

    /// The name that a mark of this name hides in the layers below; `None` for marks that mean the directory itself.
    pub(crate) fn hidden_by(self, mark: &OsStr) -> Option<OsString> {
        let hidden = mark.as_bytes().strip_prefix(PREFIX).filter(|_| self.files)?;
        (!hidden.is_empty() && !hidden.starts_with(PREFIX)).then(|| OsString::from_vec(hidden.to_vec()))
    }

    /// Whether a file in `directory` hides `name` in the layers below.
    pub(crate) fn hides(self, directory: &Path, name: &OsStr) -> bool {
        let mark = || OsString::from_vec([PREFIX, name.as_bytes()].concat());
        self.files && directory.join(mark()).symlink_metadata().is_ok()
    }

    /// Whether a directory hides all that lies below it.
    pub(crate) fn is_opaque(self, directory: &Path) -> bool {
        tree::is_opaque(directory, self.attribute)
            || (self.files && directory.join(".wh..wh..opq").symlink_metadata().is_ok())
    }
}

/// Name of the attribute that makes directories opaque.
pub(crate) fn opaque_attribute(user_xattr: bool) -> &'static CStr {
    if user_xattr {
        c"user.overlay.opaque"
    } else {
        c"trusted.overlay.opaque"
    }
}
