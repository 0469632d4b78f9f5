//! Does overlay work on this kernel and this directory, and how must it be mounted?
//!
//! The trial mounts are detached (`fsmount(2)` without `move_mount(2)`), so that no mount namespace ever sees them.

use super::NAME;
use crate::{Error, tree};
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, StatFs, XattrFlags, mkdirat, openat, setxattr, statfs};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
use rustix::mount::{fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use tierce_fault::{Fault, Kind};

/// What overlay can do here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    /// The file system below, by Docker's names (`extfs`, `xfs`, …).
    pub backing: &'static str,
    /// Directory entries tell the file type.
    pub d_type: bool,
    /// The kernel copies up metadata alone unless told otherwise.
    pub metacopy: bool,
    /// The kernel redirects renamed directories unless told otherwise.
    pub redirect_dir: bool,
    /// `index=` is known to the kernel.
    pub index: bool,
    /// Whiteouts are marked by `user.overlay.*`, since `trusted.*` is forbidden here (rootless).
    pub user_xattr: bool,
}

impl Features {
    /// Options of every mount besides the directories.
    ///
    /// Metadata-only copies and redirects would make an upper directory meaningless without its lowers, so that it
    /// could not be packed as a layer: they are switched off where the kernel has them on.
    pub(super) fn mount_options(&self) -> Vec<String> {
        let options = [
            (self.index, "index=off"),
            (self.user_xattr, "userxattr"),
            (self.metacopy && !self.user_xattr, "metacopy=off"),
            (self.redirect_dir && !self.user_xattr, "redirect_dir=off"),
        ];
        options
            .iter()
            .filter(|(wanted, _)| *wanted)
            .map(|(_, option)| (*option).to_owned())
            .collect()
    }

    /// Lines of `docker info`.
    pub(super) fn status(&self) -> Vec<(String, String)> {
        let line = |name: &str, value: String| (name.to_owned(), value);
        vec![
            line("Backing Filesystem", self.backing.to_owned()),
            line("Supports d_type", self.d_type.to_string()),
            // Both are switched off at each mount, see `mount_options`.
            line("Using metacopy", false.to_string()),
            line("Native Overlay Diff", true.to_string()),
            line("userxattr", self.user_xattr.to_string()),
        ]
    }
}

/// File systems by magic number: Docker's name, and whether overlay can write there.
const FILE_SYSTEMS: [(u32, &str, bool); 13] = [
    (0xEF53, "extfs", true),
    (0x5846_5342, "xfs", true),
    (0x9123_683E, "btrfs", true),
    (0x0102_1994, "tmpfs", true),
    (0x2FC1_2FC1, "zfs", true),
    (0xF2F5_2010, "f2fs", true),
    (0x0BD0_0BD0, "lustre", false),
    (0x794C_7630, "overlayfs", false),
    (0x6173_7566, "aufs", false),
    (0xF15F, "ecryptfs", false),
    (0x6969, "nfs", false),
    (0x6573_5546, "fuse", true),
    (0x4244, "hfs", false),
];

/// Checks the kernel and the directory `root` (which exists), and finds the features.
///
/// # Errors
/// [`Error::Unusable`] whose text says which check failed and how to mend it.
pub(super) fn probe(data_root: &Path, root: &Path) -> Result<Features, Error> {
    let unusable = |missing: String| Error::Unusable {
        driver: NAME,
        root: data_root.to_owned(),
        missing,
    };
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    if let Some(message) = kernel_too_old(&release) {
        return Err(unusable(message));
    }
    let stat: StatFs = statfs(root).map_err(Error::io("look at the file system of", root))?;
    // The magic number is 32 bits wide in every kernel; the field is wider on some.
    let magic = stat.f_type as u32;
    let known = FILE_SYSTEMS.iter().find(|(known, ..)| *known == magic);
    let backing = known.map_or("<unknown>", |(_, name, _)| name);
    if known.is_some_and(|(.., works)| !works) {
        return Err(unusable(format!(
            "its file system is {backing}, on which overlay cannot write; choose a --data-root on ext4, xfs or btrfs, \
             or --storage-driver vfs"
        )));
    }
    let d_type = supports_d_type(root)?;
    if !d_type {
        return Err(unusable(format!(
            "{backing} does not report file types in directories (d_type); on xfs, make the file system anew with \
             mkfs.xfs -n ftype=1"
        )));
    }
    remove_leftovers(root)?;
    let user_xattr = match Trial::new(root) {
        Ok(trial) => try_out(&trial, &unusable)?,
        // The daemon has to come up, or nobody could remove anything. It worked before.
        Err(error) if error.kind() == Kind::Exhausted && root.join("l").exists() => {
            tracing::warn!(%error, "overlay2 is not tried out, as the disk is full");
            !in_first_user_namespace()
        }
        Err(error) => return Err(error),
    };
    let parameter = |name: &str| fs::read_to_string(format!("/sys/module/overlay/parameters/{name}")).ok();
    let on = |name: &str| parameter(name).is_some_and(|value| matches!(value.trim(), "Y" | "1" | "on"));
    Ok(Features {
        backing,
        d_type,
        metacopy: on("metacopy"),
        redirect_dir: on("redirect_dir"),
        index: parameter("index").is_some(),
        user_xattr,
    })
}

/// Mounts and writes; tells whether attributes are those of users.
fn try_out(trial: &Trial<'_>, unusable: &dyn Fn(String) -> Error) -> Result<bool, Error> {
    let user_xattr = trial.needs_user_xattr();
    match trial.mount(user_xattr) {
        Ok(()) => Ok(user_xattr),
        Err(Errno::NODEV) => Err(unusable(
            "the kernel has no overlay file system; load it with: modprobe overlay (and see that lsmod lists it)"
                .to_owned(),
        )),
        Err(error) => Err(unusable(why_not(error))),
    }
}

/// Whether user ids are the machine's own, so that `trusted.*` attributes may be written.
fn in_first_user_namespace() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// The sentence for a kernel before 4.0 (several lower layers came then; overlay itself with 3.18).
fn kernel_too_old(release: &str) -> Option<String> {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next()?, numbers.next()?);
    (version < (4, 0)).then(|| {
        let has = if version < (3, 18) {
            "has no overlay file system"
        } else {
            "mounts only one lower layer"
        };
        format!("Linux {release} {has}; boot Linux 4.0 or newer (uname -r shows it), or use --storage-driver vfs")
    })
}

fn why_not(error: Errno) -> String {
    let cure = match error {
        Errno::PERM | Errno::ACCESS => "run the daemon as root, or rootless on Linux 5.11 or newer",
        Errno::NOSYS => "boot Linux 5.2 or newer, which has fsopen(2)",
        _ => "see dmesg for what overlay says",
    };
    format!("a trial mount failed: {error}; {cure}")
}

/// Whether listing a directory tells what its entries are.
fn supports_d_type(root: &Path) -> Result<bool, Error> {
    // `.` and `..` are always there, so an empty directory answers too.
    let dir = tree::open(root)?;
    for entry in Dir::new(dir).map_err(Error::io("read the directory", root))? {
        let entry = entry.map_err(Error::io("read the directory", root))?;
        if entry.file_type() == FileType::Unknown {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Directories for trial mounts, removed when dropped.
struct Trial<'a> {
    root: &'a Path,
    name: String,
}

/// How the names of trial directories begin; 16 hexadecimal digits follow.
const TRIAL: &str = "check-overlay-support-";

/// Removes trial directories whose process died before it could.
fn remove_leftovers(root: &Path) -> Result<(), Error> {
    for name in tree::names(root)? {
        let digits = name.to_str().and_then(|name| name.strip_prefix(TRIAL));
        if digits.is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            tree::remove(&root.join(name))?;
        }
    }
    Ok(())
}

impl<'a> Trial<'a> {
    fn new(root: &'a Path) -> Result<Self, Error> {
        let mut bytes = [0_u8; 8];
        getrandom::fill(&mut bytes).map_err(|error| Error::Random(error.to_string()))?;
        let trial = Self {
            root,
            name: format!("{TRIAL}{:016x}", u64::from_le_bytes(bytes)),
        };
        let dir = root.join(&trial.name);
        for path in [dir.clone(), dir.join("1"), dir.join("2"), dir.join("u"), dir.join("w")] {
            mkdirat(CWD, &path, Mode::from_raw_mode(0o700)).map_err(Error::io("create the directory", &path))?;
        }
        Ok(trial)
    }

    /// Whether `trusted.*` attributes are forbidden, as they are in a user namespace. Overlay can be mounted there
    /// without `userxattr`, but then it hides nothing.
    fn needs_user_xattr(&self) -> bool {
        let set = setxattr(
            self.root.join(&self.name).join("1"),
            "trusted.overlay.opaque",
            b"n",
            XattrFlags::empty(),
        );
        matches!(set, Err(Errno::PERM))
    }

    /// Mounts two lowers and an upper, attached nowhere, and writes there.
    fn mount(&self, user_xattr: bool) -> rustix::io::Result<()> {
        let path = |name: &str| self.root.join(&self.name).join(name).to_string_lossy().into_owned();
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(&context, "source", "overlay")?;
        fsconfig_set_string(&context, "lowerdir", format!("{}:{}", path("2"), path("1")))?;
        fsconfig_set_string(&context, "upperdir", path("u"))?;
        fsconfig_set_string(&context, "workdir", path("w"))?;
        if user_xattr {
            fsconfig_set_flag(&context, "userxattr")?;
        }
        fsconfig_create(&context)?;
        let mount: OwnedFd = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
        openat(
            &mount,
            "trial",
            OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC,
            Mode::from_raw_mode(0o600),
        )?;
        Ok(())
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if let Err(error) = tree::remove(&self.root.join(&self.name)) {
            tracing::warn!(%error, "trial directory of overlay2 stays behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{kernel_too_old, why_not};

    #[test]
    fn the_trial_of_a_process_that_died_is_removed_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        for name in [
            "check-overlay-support-00112233aabbccdd/w/work",
            "check-overlay-support-12",
            "l",
            "opaque",
        ] {
            std::fs::create_dir_all(root.path().join(name)).unwrap();
        }
        super::remove_leftovers(root.path()).unwrap();
        let left = crate::tree::names(root.path()).unwrap();
        assert_eq!(left, ["check-overlay-support-12", "l", "opaque"]);
    }

    #[test]
    fn row_061_messages_name_the_failed_check_and_its_cure() {
        assert!(kernel_too_old("6.18.0-lab").is_none());
        assert!(kernel_too_old("4.0.1").is_none());
        assert!(kernel_too_old("3.18.2").unwrap().contains("only one lower layer"));
        let old = kernel_too_old("3.10.0-1160.el7.x86_64").unwrap();
        assert!(
            old.contains("no overlay file system") && old.contains("uname -r"),
            "{old}"
        );
        assert!(why_not(rustix::io::Errno::PERM).contains("as root"));
    }
}
