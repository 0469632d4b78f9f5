//! Packing a directory as an archive: a container's changes as a layer, or a whole tree for `export`.

use crate::Error;
use crate::changes::{Change, ChangeKind, changes};
use crate::marks::Marks;
use crate::tar::{Entry, EntryKind, Writer, Xattr};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, StatxFlags, lgetxattr, llistxattr, openat};
use rustix::io::Errno;
use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tierce_fsops::Beneath;
use tierce_snapshot::{Layout, tree};

/// Packs what a snapshot changes as a layer, whiteouts in the form of archives (`.wh.`), names in order.
///
/// - `parent`: the parent's layout; needed when the driver keeps whole trees.
///
/// Sockets are left out, as in every layer. Nothing may change in the directory meanwhile (the engine pauses the
/// container).
///
/// # Errors
/// File errors, errors of the output.
pub fn pack_changes<W: Write>(
    layout: &Layout,
    parent: Option<&Layout>,
    user_xattr: bool,
    output: W,
) -> Result<W, Error> {
    let mut pack = Pack::new(output, Some(Marks::of(layout, user_xattr)), layout.upper());
    match layout {
        Layout::Overlay { upper, .. } => pack.directory(&open_directory(upper, OFlags::empty())?, b"")?,
        Layout::Tree { root } => {
            pack.marks = None;
            for change in changes(layout, parent, user_xattr)? {
                pack.change(root, &change)?;
            }
        }
    }
    pack.finish()
}

/// Packs a whole tree as it is, for `export`: a mounted container.
///
/// # Errors
/// File errors, errors of the output.
pub fn pack_tree<W: Write>(root: &Path, output: W) -> Result<W, Error> {
    let mut pack = Pack::new(output, None, root);
    pack.directory(&open_directory(root, OFlags::empty())?, b"")?;
    pack.finish()
}

/// Packs one file or directory of a container's root as it is, for copies out of a container that may run: what vanishes
/// meanwhile is left out, what shrinks is filled up.
///
/// - `path`: absolute, in the container; with a last `/` or `/.` a link is followed.
/// - `name`: what the entry is called in the archive; those below a directory have it before theirs. Empty for the root.
/// - `mounts`: places in the container whose mounts are packed, too; other mounts (`/proc`, `/dev`) are left out.
///
/// # Errors
/// File errors, errors of the output.
pub fn pack_resource<W: Write>(
    root: &Beneath,
    path: &Path,
    name: &[u8],
    mounts: &[PathBuf],
    output: W,
) -> Result<W, Error> {
    let failed = |error: Errno| Error::io("open", path)(error);
    let mut pack = Pack::new(output, None, path);
    let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    match root.open(path, directory) {
        Ok(start) => {
            pack.live = Some(Live {
                mounts,
                start: crate::copy::resolve(root, path).map_err(failed)?,
                named: name.len(),
            });
            let here = beneath(&start);
            let metadata = here.symlink_metadata().map_err(Error::io("look at", path))?;
            pack.entry(&here, name, &metadata)?;
            pack.directory(&start, &[name, b"/"].concat())?;
        }
        // A file, or a link.
        Err(Errno::NOTDIR | Errno::LOOP) => {
            let above = path.parent().unwrap_or(Path::new("/"));
            let parent = root.open(above, OFlags::PATH | OFlags::DIRECTORY).map_err(failed)?;
            let here = beneath(&parent).join(path.file_name().unwrap_or_default());
            let metadata = here.symlink_metadata().map_err(Error::io("look at", path))?;
            pack.entry(&here, name, &metadata)?;
        }
        Err(error) => return Err(failed(error)),
    }
    pack.finish()
}

/// The rules of a tree that others write to, and that mounts lie in.
struct Live<'a> {
    mounts: &'a [PathBuf],
    /// Where packing began, in the container.
    start: PathBuf,
    /// How many bytes of a name stand for it.
    named: usize,
}

impl Live<'_> {
    /// Whether a directory found in another is packed: one of the same mount, or of those that count.
    fn enters(&self, above: &OwnedFd, below: &OwnedFd, name: &[u8]) -> bool {
        let mount = |directory: &OwnedFd| {
            rustix::fs::statx(directory, c"", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).map(|found| found.stx_mnt_id)
        };
        if matches!((mount(above), mount(below)), (Ok(one), Ok(other)) if one == other) {
            return true;
        }
        let relative = name[self.named..].strip_prefix(b"/").unwrap_or_default();
        let place = self.start.join(std::ffi::OsStr::from_bytes(relative));
        self.mounts.iter().any(|mount| place.starts_with(mount))
    }
}

fn open_directory(path: &Path, more: OFlags) -> Result<OwnedFd, Error> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | more;
    openat(CWD, path, flags, Mode::empty()).map_err(Error::io("open", path))
}

/// The path of an open directory; its last part is no link, so that it may be opened without following any.
fn beneath(directory: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/.", directory.as_raw_fd()))
}

struct Pack<'a, W> {
    writer: Writer<W>,
    /// What hides files below; `None` when that has no meaning here.
    marks: Option<Marks>,
    /// First name of files with several, by inode.
    links: HashMap<(u64, u64), Vec<u8>>,
    buffer: Vec<u8>,
    root: &'a Path,
    /// Set where others write meanwhile.
    live: Option<Live<'a>>,
}

impl<'a, W: Write> Pack<'a, W> {
    fn new(output: W, marks: Option<Marks>, root: &'a Path) -> Self {
        let (links, buffer) = (HashMap::new(), vec![0; 256 << 10]);
        Self {
            writer: Writer::new(output),
            marks,
            links,
            buffer,
            root,
            live: None,
        }
    }

    fn finish(self) -> Result<W, Error> {
        self.writer
            .finish()
            .map_err(Error::io("write the archive of", self.root))
    }

    fn begin(&mut self, entry: &Entry) -> Result<(), Error> {
        self.writer
            .begin(entry)
            .map_err(Error::io("write the archive of", self.root))
    }

    /// Packs everything in a directory; `name` is empty or ends with a slash.
    ///
    /// The container may run and move directories about. Every step down is through the descriptor of the directory
    /// above and follows no symbolic link, so that nothing outside can come into the archive.
    fn directory(&mut self, directory: &OwnedFd, name: &[u8]) -> Result<(), Error> {
        let here = beneath(directory);
        for child in tree::names(&here)? {
            if let Some(marks) = self.marks.filter(|marks| marks.is_mark(&child)) {
                if let Some(hidden) = marks.hidden_by(&child) {
                    self.whiteout(&[name, hidden.as_bytes()].concat())?;
                }
                continue;
            }
            let name = [name, child.as_bytes()].concat();
            let path = here.join(&child);
            let metadata = match path.symlink_metadata() {
                Err(error) if self.is_passing(&error) => continue,
                found => found.map_err(Error::io("look at", &path))?,
            };
            if self.marks.is_some() && tree::is_whiteout(&metadata) {
                self.whiteout(&name)?;
                continue;
            }
            match self.entry(&path, &name, &metadata) {
                Err(Error::Io { source, .. }) if self.is_passing(&source) => continue,
                done => done?,
            }
            if !metadata.is_dir() {
                continue;
            }
            let below = match open_directory(&path, OFlags::NOFOLLOW) {
                Err(Error::Io { source, .. }) if self.is_passing(&source) => continue,
                opened => opened?,
            };
            if self
                .live
                .as_ref()
                .is_some_and(|live| !live.enters(directory, &below, &name))
            {
                continue;
            }
            let inside = [&*name, b"/"].concat();
            if self.marks.is_some_and(|marks| marks.is_opaque(&path)) {
                self.mark(&[&*inside, b".wh..wh..opq"].concat())?;
            }
            self.directory(&below, &inside)?;
        }
        Ok(())
    }

    /// Whether an error only says that another has removed or replaced the file this moment, where that may be.
    fn is_passing(&self, error: &io::Error) -> bool {
        let gone = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP, Errno::STALE];
        self.live.is_some()
            && gone
                .iter()
                .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
    }

    /// Packs one change of a whole tree.
    fn change(&mut self, root: &Path, change: &Change) -> Result<(), Error> {
        let relative = change.path.strip_prefix("/").unwrap_or(&change.path);
        let name = relative.as_os_str().as_bytes();
        if change.kind == ChangeKind::Deleted {
            return self.whiteout(name);
        }
        // As in `directory`: no link on the way is followed.
        let parent = relative.parent().unwrap_or(Path::new(""));
        let mut above = open_directory(root, OFlags::empty())?;
        for part in parent.components() {
            above = open_directory(&beneath(&above).join(part), OFlags::NOFOLLOW)?;
        }
        let path = beneath(&above).join(relative.file_name().unwrap_or_default());
        let metadata = path.symlink_metadata().map_err(Error::io("look at", &path))?;
        self.entry(&path, name, &metadata)
    }

    fn whiteout(&mut self, name: &[u8]) -> Result<(), Error> {
        let start = name.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        self.mark(&[&name[..start], b".wh.", &name[start..]].concat())
    }

    fn mark(&mut self, name: &[u8]) -> Result<(), Error> {
        let mut entry = Entry::new(name.to_vec(), EntryKind::File);
        entry.mode = 0o600;
        self.begin(&entry)
    }

    fn entry(&mut self, path: &Path, name: &[u8], metadata: &Metadata) -> Result<(), Error> {
        let Some(mut entry) = Entry::of_file(name, metadata) else {
            tracing::warn!(path = %path.display(), "socket left out of the archive");
            return Ok(());
        };
        if entry.kind == EntryKind::Symlink {
            let target = fs::read_link(path).map_err(Error::io("read the link", path))?;
            entry.link = target.into_os_string().as_bytes().to_vec();
        }
        if !metadata.is_dir() && metadata.nlink() > 1 {
            let key = (metadata.dev(), metadata.ino());
            if let Some(first) = self.links.get(&key) {
                entry.kind = EntryKind::HardLink;
                entry.link.clone_from(first);
                entry.size = 0;
                return self.begin(&entry);
            }
        }
        // What can fail because the file is gone comes before its header.
        entry.xattrs = xattrs(path)?;
        let file = metadata.is_file().then(|| open_file(path)).transpose()?;
        if !metadata.is_dir() && metadata.nlink() > 1 {
            self.links.insert((metadata.dev(), metadata.ino()), name.to_vec());
        }
        self.begin(&entry)?;
        match file {
            Some(file) => self.content(path, file, entry.size),
            None => Ok(()),
        }
    }

    /// Copies exactly the announced size: what a file has grown by is left out, what it has shrunk by is an error; or
    /// zeros, where others write meanwhile.
    fn content(&mut self, path: &Path, mut file: File, size: u64) -> Result<(), Error> {
        let mut rest = size;
        while rest > 0 {
            let wanted = usize::try_from(rest).unwrap_or(usize::MAX).min(self.buffer.len());
            let mut count = file.read(&mut self.buffer[..wanted]).map_err(Error::io("read", path))?;
            if count == 0 && self.live.is_some() {
                self.buffer[..wanted].fill(0);
                count = wanted;
            }
            if count == 0 {
                let error = io::Error::new(io::ErrorKind::UnexpectedEof, "it has shrunk while it was packed");
                return Err(Error::io("read", path)(error));
            }
            let written = self.writer.write_content(&self.buffer[..count]);
            written.map_err(Error::io("write the archive of", self.root))?;
            rest -= count as u64;
        }
        Ok(())
    }
}

/// Opens what was a regular file a moment ago. Whatever took its place meanwhile is not opened: to open a device can have
/// effects.
fn open_file(path: &Path) -> Result<File, Error> {
    let failed = || Error::io::<Errno>("open", path);
    let named = openat(
        CWD,
        path,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(failed())?;
    let stat = rustix::fs::fstat(&named).map_err(failed())?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(failed()(Errno::STALE));
    }
    let itself = format!("/proc/self/fd/{}", named.as_raw_fd());
    let file = openat(CWD, itself, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(failed())?;
    Ok(File::from(file))
}

/// Extended attributes that belong to a layer: all but overlay's own and those that the host computes.
fn xattrs(path: &Path) -> Result<Vec<Xattr>, Error> {
    const HOSTS: [&[u8]; 5] = [
        b"trusted.overlay.",
        b"user.overlay.",
        b"security.selinux",
        b"security.ima",
        b"security.evm",
    ];
    let mut buffer = vec![0; 1024];
    let length = loop {
        match llistxattr(path, &mut buffer) {
            Ok(length) => break length,
            Err(Errno::RANGE) => buffer.resize(buffer.len() * 8, 0),
            Err(Errno::NOTSUP) => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("list the extended attributes of", path)(error)),
        }
    };
    let mut found = Vec::new();
    for name in buffer[..length]
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
    {
        if HOSTS.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        let mut value = vec![0; 1 << 16];
        match lgetxattr(path, name, &mut value) {
            Ok(length) => {
                value.truncate(length);
                found.push((name.to_vec(), value));
            }
            Err(Errno::NODATA) => {}
            Err(error) => return Err(Error::io("read an extended attribute of", path)(error)),
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests;
