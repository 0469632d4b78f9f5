//! Mounting a container's root filesystem from containerd's mount values, and taking it away again.
//!
//! Runs in a child that works for the shim: it may change its working directory.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, mount_remount, unmount};
use tierce_fault::Kind;
use tierce_task::Mount;

use crate::error::{Doing, Error, Result};

/// The kernel takes no more than a page of options.
const PAGE: usize = 4096;

/// Options that set a flag, and those that clear one again.
const FLAGS: [(&str, MountFlags, bool); 22] = [
    ("async", MountFlags::SYNCHRONOUS, false),
    ("atime", MountFlags::NOATIME, false),
    ("bind", MountFlags::BIND, true),
    ("rbind", MountFlags::BIND.union(MountFlags::REC), true),
    ("dev", MountFlags::NODEV, false),
    ("diratime", MountFlags::NODIRATIME, false),
    ("dirsync", MountFlags::DIRSYNC, true),
    ("exec", MountFlags::NOEXEC, false),
    ("noatime", MountFlags::NOATIME, true),
    ("nodev", MountFlags::NODEV, true),
    ("nodiratime", MountFlags::NODIRATIME, true),
    ("noexec", MountFlags::NOEXEC, true),
    ("norelatime", MountFlags::RELATIME, false),
    ("nostrictatime", MountFlags::STRICTATIME, false),
    ("nosuid", MountFlags::NOSUID, true),
    ("relatime", MountFlags::RELATIME, true),
    ("ro", MountFlags::RDONLY, true),
    ("rw", MountFlags::RDONLY, false),
    ("strictatime", MountFlags::STRICTATIME, true),
    ("suid", MountFlags::NOSUID, false),
    ("sync", MountFlags::SYNCHRONOUS, true),
    ("defaults", MountFlags::empty(), true),
];

/// Options that change how mounts spread.
const PROPAGATION: [(&str, MountPropagationFlags); 8] = [
    ("private", MountPropagationFlags::PRIVATE),
    (
        "rprivate",
        MountPropagationFlags::PRIVATE.union(MountPropagationFlags::REC),
    ),
    ("shared", MountPropagationFlags::SHARED),
    (
        "rshared",
        MountPropagationFlags::SHARED.union(MountPropagationFlags::REC),
    ),
    ("slave", MountPropagationFlags::DOWNSTREAM),
    (
        "rslave",
        MountPropagationFlags::DOWNSTREAM.union(MountPropagationFlags::REC),
    ),
    ("unbindable", MountPropagationFlags::UNBINDABLE),
    (
        "runbindable",
        MountPropagationFlags::UNBINDABLE.union(MountPropagationFlags::REC),
    ),
];

/// Options as the kernel takes them.
#[derive(Debug, PartialEq, Eq)]
struct Parsed {
    flags: MountFlags,
    propagation: Vec<MountPropagationFlags>,
    data: Vec<String>,
}

impl Parsed {
    fn of(options: &[String]) -> Self {
        let mut parsed = Self {
            flags: MountFlags::empty(),
            propagation: Vec::new(),
            data: Vec::new(),
        };
        for option in options {
            if let Some((_, flag, set)) = FLAGS.iter().find(|(name, ..)| name == option) {
                parsed.flags.set(*flag, *set);
            } else if let Some((_, flag)) = PROPAGATION.iter().find(|(name, _)| name == option) {
                parsed.propagation.push(*flag);
            } else {
                parsed.data.push(option.clone());
            }
        }
        parsed
    }
}

/// Performs `mounts` in order at `root`; if one fails, takes back those before it.
pub(crate) fn mount_all(mounts: &[Mount], root: &Path) -> Result<()> {
    if mounts.is_empty() {
        return Ok(());
    }
    fs::create_dir_all(root).on("create mount point", root)?;
    for (done, one) in mounts.iter().enumerate() {
        if let Err(error) = mount_one(one, root) {
            if done > 0 {
                unmount_all(root);
            }
            return Err(error);
        }
    }
    Ok(())
}

fn mount_one(one: &Mount, root: &Path) -> Result<()> {
    let target = target_of(one, root)?;
    if let Some((helper, subtype)) = helper_of(&one.kind) {
        return mount_by(&helper, subtype, one, &target);
    }
    let Parsed {
        flags,
        propagation,
        data,
    } = Parsed::of(&one.options);
    let (directory, data) = fit(&data)?;
    if let Some(directory) = &directory {
        std::env::set_current_dir(directory).on("enter directory", directory)?;
    }
    let what = || format!("mount {} {} on {}", one.kind, one.source, target.display());
    let data =
        std::ffi::CString::new(data).map_err(|_| Error::refused(Kind::Invalid, "mount options have a NUL byte"))?;
    mount(
        one.source.as_str(),
        &target,
        one.kind.as_str(),
        flags,
        Some(data.as_c_str()),
    )
    .doing(what)?;
    // A bind mount takes its other flags in a second step.
    if flags.contains(MountFlags::BIND) && !(flags - MountFlags::BIND - MountFlags::REC).is_empty() {
        mount_remount(&target, flags, c"").doing(what)?;
    }
    for change in propagation {
        mount_change(&target, change).doing(what)?;
    }
    Ok(())
}

/// The program that mounts a type like `fuse3.fuse-overlayfs`, and what it is to mount, by the convention of `mount(8)`
/// and containerd.
fn helper_of(kind: &str) -> Option<(String, &str)> {
    let (family, subtype) = kind.split_once('.')?;
    matches!(family, "fuse" | "fuse3").then(|| (format!("mount.{family}"), subtype))
}

/// Has a helper mount. It leaves a program behind that serves the mount until it is unmounted.
fn mount_by(helper: &str, subtype: &str, one: &Mount, target: &Path) -> Result<()> {
    let what = || format!("mount {} {} on {}", one.kind, one.source, target.display());
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{path}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    // Looked up here: `Command` would do so by this process's own path.
    let mut programs = path.split(':').map(|directory| Path::new(directory).join(helper));
    let program = programs.find(|program| program.is_file()).ok_or_else(|| {
        let text = format!(
            "{}: there is no program {helper}; install it with: apt-get install fuse3",
            what()
        );
        Error::refused(Kind::NotFound, text)
    })?;
    let mut command = Command::new(program);
    command.arg(&one.source).arg(target).env("PATH", path);
    for option in &one.options {
        command.args(["-o", option]);
    }
    let output = command
        .args(["-t", subtype])
        .stdin(Stdio::null())
        .output()
        .doing(what)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::refused(
        Kind::Internal,
        format!("{}: {helper}: {}", what(), said.trim()),
    ))
}

/// Where a mount goes: the root, or a directory below it without leaving it.
fn target_of(one: &Mount, root: &Path) -> Result<PathBuf> {
    let mut target = root.to_owned();
    for component in Path::new(&one.target).components() {
        match component {
            Component::Normal(name) => target.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(Error::refused(
                    Kind::Invalid,
                    format!("mount target {:?} leaves the root", one.target),
                ));
            }
        }
    }
    Ok(target)
}

/// Joins the data options. Where they would not fit into a page, the paths of `lowerdir`, `upperdir` and `workdir` are
/// made relative to their common directory, which is then to be the working directory.
fn fit(options: &[String]) -> Result<(Option<PathBuf>, String)> {
    let joined = options.join(",");
    if joined.len() < PAGE {
        return Ok((None, joined));
    }
    let split = |option: &str| -> Option<(String, Vec<PathBuf>)> {
        let (name, value) = option.split_once('=')?;
        matches!(name, "lowerdir" | "upperdir" | "workdir")
            .then(|| (name.to_owned(), value.split(':').map(PathBuf::from).collect()))
    };
    let paths: Vec<PathBuf> = options
        .iter()
        .filter_map(|option| split(option))
        .flat_map(|(_, paths)| paths)
        .collect();
    let too_long = || {
        Error::refused(
            Kind::Invalid,
            format!("mount options of {} bytes are too long", joined.len()),
        )
    };
    let common = common_directory(&paths).ok_or_else(too_long)?;
    let shorten = |option: &String| match split(option) {
        Some((name, paths)) => {
            let short = |path: &PathBuf| path.strip_prefix(&common).unwrap_or(path).display().to_string();
            format!("{name}={}", paths.iter().map(short).collect::<Vec<_>>().join(":"))
        }
        None => option.clone(),
    };
    let joined = options.iter().map(shorten).collect::<Vec<_>>().join(",");
    if joined.len() < PAGE {
        Ok((Some(common), joined))
    } else {
        Err(too_long())
    }
}

/// The deepest directory that all of `paths` are strictly below.
fn common_directory(paths: &[PathBuf]) -> Option<PathBuf> {
    let mut common = paths.first()?.parent()?.to_owned();
    while !paths
        .iter()
        .all(|path| path.parent().is_some_and(|parent| parent.starts_with(&common)))
    {
        common = common.parent()?.to_owned();
    }
    Some(common)
}

/// Unmounts everything stacked on `root`. What still is in use goes away with its last user.
pub(crate) fn unmount_all(root: &Path) {
    // Bounded, in case somebody keeps mounting.
    for _ in 0..64 {
        match unmount(root, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            Ok(()) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn options_become_flags_propagation_and_data() {
        let parsed = Parsed::of(&words("rbind,ro,nosuid,suid,rslave,index=off"));
        assert_eq!(parsed.flags, MountFlags::BIND | MountFlags::REC | MountFlags::RDONLY);
        assert_eq!(
            parsed.propagation,
            [MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC]
        );
        assert_eq!(parsed.data, ["index=off"]);
    }

    #[test]
    fn types_with_a_dot_are_mounted_by_their_helper() {
        let fuse = helper_of("fuse3.fuse-overlayfs");
        assert_eq!(fuse, Some(("mount.fuse3".to_owned(), "fuse-overlayfs")));
        assert_eq!(helper_of("fuse.sshfs"), Some(("mount.fuse".to_owned(), "sshfs")));
        for kind in ["overlay", "bind", "nfs.x", "fuse"] {
            assert_eq!(helper_of(kind), None, "{kind}");
        }
    }

    #[test]
    fn a_target_does_not_leave_the_root() {
        let target = |target: &str| {
            target_of(
                &Mount {
                    target: target.into(),
                    ..Mount::default()
                },
                Path::new("/r"),
            )
        };
        assert_eq!(target("").unwrap(), Path::new("/r"));
        assert_eq!(target("/a/./b").unwrap(), Path::new("/r/a/b"));
        assert!(target("a/../../etc").is_err());
    }

    #[test]
    fn more_layers_than_a_page_holds_are_named_from_their_common_directory() {
        let layers: Vec<_> = (0..100)
            .map(|number| format!("/var/lib/x/overlay2/l/{number:0>26}"))
            .collect();
        let options = [
            format!("lowerdir={}", layers.join(":")),
            "upperdir=/var/lib/x/overlay2/u/diff".to_owned(),
            "workdir=/var/lib/x/overlay2/u/work".to_owned(),
            "index=off".to_owned(),
        ];
        let (directory, data) = fit(&options).unwrap();
        assert_eq!(directory.as_deref(), Some(Path::new("/var/lib/x/overlay2")));
        assert!(data.starts_with("lowerdir=l/00") && data.ends_with("upperdir=u/diff,workdir=u/work,index=off"));
        assert!(data.len() < PAGE);
        assert_eq!(fit(&words("a=b,c")).unwrap(), (None, "a=b,c".to_owned()));
    }
}
