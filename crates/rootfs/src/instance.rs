//! New instances of file systems: plain ones by mount(2), which is one call where the mount API takes ten; the others,
//! and those that mount(2) refuses, by the mount API, which can say more and tells why it fails.

use super::beneath::Root;
use super::bind;
use super::options::Flags;
use super::plan::{MountPlan, What};
use crate::error::{Doing, Error};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen,
};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use tierce_sys::mount_attributes::Attributes;

/// `fsconfig(2)` refuses longer values.
const LONGEST_VALUE: usize = 255;

/// Makes a new instance, not yet attached. `mode` is that of a tmpfs whose options name none.
pub fn make(plan: &MountPlan, kind: &str, source: &str, mode: Option<u32>) -> Result<OwnedFd, Error> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC).doing(|| format!("fsopen {kind}"))?;
    configure(&context, plan, kind, source, mode).map_err(|error| explained(&context, kind, error))?;
    let mut attributes = plan.flags.attributes();
    if plan.is_read_only_later() {
        attributes = attributes.without(Attributes::READ_ONLY);
    }
    let attributes = MountAttrFlags::from_bits_retain(attributes.bits() as u32);
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).doing(|| format!("fsmount {kind}"))
}

/// Whether mount(2) can say all of a plan: no option that needs the mount API, nothing to do to the mount before it is
/// seen. Read-only is such a thing: mount(2) would make the instance so, which other mounts may share.
fn is_plain(plan: &MountPlan, source: &str) -> bool {
    let simple = |text: &str| !text.contains([',', '"', '\0']);
    !plan.copy_up
        && plan.recursive.is_empty()
        && plan.propagation.is_empty()
        && !plan.flags.has(Attributes::READ_ONLY)
        && !source.is_empty()
        && plan
            .data
            .iter()
            .all(|(key, value)| simple(key) && value.as_deref().is_none_or(simple))
}

/// Makes a plain instance and attaches it to a directory. `false` where it is not plain or mount(2) did not want it;
/// nothing has happened then. The directory, which is given to mount(2) as ".", stays the working directory.
pub fn make_at_once(plan: &MountPlan, kind: &str, source: &str, mode: Option<u32>, target: &OwnedFd) -> bool {
    if !is_plain(plan, source) || rustix::process::fchdir(target).is_err() {
        return false;
    }
    let flags = plain_flags(plan);
    let Ok(data) = old_data(plan, mode) else { return false };
    rustix::mount::mount(source, ".", kind, flags, data.as_c_str()).is_ok()
}

/// The flags of mount(2) for a plan's options, without read-only: that is for the mount alone, and later.
pub fn plain_flags(plan: &MountPlan) -> MountFlags {
    old_flags(&plan.flags, &plan.switches) - MountFlags::RDONLY
}

/// The mode to be given to a new tmpfs: that of what it covers, where its options name none.
fn mode_to_give(plan: &MountPlan, mode: Option<u32>) -> Option<u32> {
    mode.filter(|_| !plan.copy_up && !plan.data.iter().any(|(key, _)| key == "mode"))
}

fn configure(context: &OwnedFd, plan: &MountPlan, kind: &str, source: &str, mode: Option<u32>) -> Result<(), Errno> {
    if !source.is_empty() {
        fsconfig_set_string(context, "source", source)?;
    }
    for switch in &plan.switches {
        fsconfig_set_flag(context, switch.as_str())?;
    }
    if let Some(mode) = mode_to_give(plan, mode) {
        fsconfig_set_string(context, "mode", format!("{mode:o}"))?;
    }
    for (key, value) in &plan.data {
        match value {
            Some(layers) if kind == "overlay" && key == "lowerdir" && layers.len() > LONGEST_VALUE => {
                for layer in layers_of(layers) {
                    fsconfig_set_string(context, "lowerdir+", layer)?;
                }
            }
            Some(value) => fsconfig_set_string(context, key.as_str(), value.as_str())?,
            None => fsconfig_set_flag(context, key.as_str())?,
        }
    }
    // Those without a device share one superblock with the host or lose nothing by a writable one.
    if plan.flags.has(Attributes::READ_ONLY)
        && !plan.is_read_only_later()
        && !matches!(
            kind,
            "proc" | "sysfs" | "mqueue" | "tmpfs" | "devpts" | "cgroup" | "cgroup2"
        )
    {
        fsconfig_set_flag(context, "ro")?;
    }
    fsconfig_create(context)
}

/// The directories of a `lowerdir` option. A backslash takes the meaning from the character behind it.
fn layers_of(list: &str) -> Vec<String> {
    let mut layers = vec![String::new()];
    let mut characters = list.chars();
    while let Some(character) = characters.next() {
        match (character, layers.last_mut()) {
            (':', _) => layers.push(String::new()),
            ('\\', Some(layer)) => layer.extend(characters.next()),
            (_, Some(layer)) => layer.push(character),
            (_, None) => {}
        }
    }
    layers
}

/// Adds what the file system itself wrote about the failure.
fn explained(context: &OwnedFd, kind: &str, error: Errno) -> Error {
    let mut buffer = [0u8; 512];
    let said = rustix::io::read(context, &mut buffer).unwrap_or(0);
    let said = String::from_utf8_lossy(&buffer[..said]);
    let action = match said.trim_end().get(2..) {
        Some(reason) if !reason.is_empty() => format!("fsconfig {kind} ({reason})"),
        _ => format!("fsconfig {kind}"),
    };
    Error::Kernel { action, source: error }
}

/// Whether any option is too long for `fsconfig(2)`.
pub fn has_long_values(plan: &MountPlan) -> bool {
    let long = |value: &Option<String>| value.as_ref().is_some_and(|value| value.len() > LONGEST_VALUE);
    plan.data.iter().any(|(_, value)| long(value))
}

/// Whether an option is too long for `fsconfig(2)` and cannot be taken apart.
pub fn needs_the_old_way(plan: &MountPlan, kind: &str) -> bool {
    plan.data.iter().any(|(key, value)| {
        let long = |value: &str| value.len() > LONGEST_VALUE;
        match value.as_deref() {
            // Data-only layers ("::") have a key of their own, which mount(2) needs not be told.
            Some(layers) if kind == "overlay" && key == "lowerdir" => {
                long(layers) && (layers.contains("::") || layers_of(layers).iter().any(|layer| long(layer)))
            }
            value => value.is_some_and(long),
        }
    })
}

/// The flags of mount(2) for a plan's options.
fn old_flags(flags: &Flags, switches: &[String]) -> MountFlags {
    let mut old = MountFlags::empty();
    for (attribute, flag) in [
        (Attributes::READ_ONLY, MountFlags::RDONLY),
        (Attributes::NO_SUID, MountFlags::NOSUID),
        (Attributes::NO_DEVICES, MountFlags::NODEV),
        (Attributes::NO_EXECUTE, MountFlags::NOEXEC),
        (Attributes::NO_ACCESS_TIME, MountFlags::NOATIME),
        (Attributes::STRICT_ACCESS_TIME, MountFlags::STRICTATIME),
        (Attributes::NO_DIRECTORY_ACCESS_TIME, MountFlags::NODIRATIME),
        (Attributes::NO_SYMLINKS, MountFlags::NOSYMFOLLOW),
    ] {
        if flags.attributes().contains(attribute) {
            old |= flag;
        }
    }
    for (switch, flag) in [
        ("sync", MountFlags::SYNCHRONOUS),
        ("dirsync", MountFlags::DIRSYNC),
        ("lazytime", MountFlags::LAZYTIME),
        ("mand", MountFlags::PERMIT_MANDATORY_FILE_LOCKING),
    ] {
        if switches.iter().any(|given| given == switch) {
            old |= flag;
        }
    }
    old
}

/// All options in one string, as mount(2) takes them.
fn old_data(plan: &MountPlan, mode: Option<u32>) -> Result<CString, Error> {
    let mode = mode_to_give(plan, mode).map(|mode| format!("mode={mode:o}"));
    let data: Vec<String> = plan
        .data
        .iter()
        .map(|(key, value)| match value {
            Some(value) if value.contains(',') => format!("{key}=\"{value}\""),
            Some(value) => format!("{key}={value}"),
            None => key.clone(),
        })
        .chain(mode)
        .collect();
    CString::new(data.join(",")).map_err(|_| Error::Invalid("mount option contains a NUL byte".into()))
}

/// `mount(2)`. The target is still given by its descriptor; `/proc` here is the host's, since the root has not been
/// changed yet. Returns the mount, found again at its place.
pub fn make_the_old_way(
    root: &Root,
    plan: &MountPlan,
    kind: &str,
    source: &str,
    target: &OwnedFd,
) -> Result<OwnedFd, Error> {
    let flags = old_flags(&plan.flags, &plan.switches);
    let data = old_data(plan, None)?;
    rustix::mount::mount(source, in_proc(target).as_str(), kind, flags, data.as_c_str())
        .doing(|| format!("mount {kind}"))?;
    let action = || format!("open the new mount {}", plan.destination.display());
    let mount = root
        .open(&plan.destination, OFlags::PATH | OFlags::DIRECTORY)
        .doing(action)?;
    if mount_id(&mount).doing(action)? == mount_id(target).doing(action)? {
        return Err(Error::Invalid(format!(
            "mountpoint {} was moved while it was mounted",
            plan.destination.display()
        )));
    }
    Ok(mount)
}

/// The path by which mount(2) finds what a descriptor stands for.
fn in_proc(file: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

fn mount_id(file: &OwnedFd) -> Result<u64, Errno> {
    let flags = rustix::fs::AtFlags::EMPTY_PATH;
    Ok(rustix::fs::statx(file, c"", flags, rustix::fs::StatxFlags::MNT_ID)?.stx_mnt_id)
}

/// The option `remount`: changes the mount at the destination instead of making one.
pub fn change(root: &Root, plan: &MountPlan) -> Result<(), Error> {
    let action = || format!("open {} in rootfs", plan.destination.display());
    let mount = root.open(&plan.destination, OFlags::PATH).doing(action)?;
    super::mount::check_target(root, &plan.destination, &mount)?;
    match &plan.what {
        What::New { kind, .. } => {
            let flags = old_flags(&plan.flags, &plan.switches);
            let data = old_data(plan, None)?;
            rustix::mount::mount_remount(in_proc(&mount).as_str(), flags, data.as_c_str())
                .doing(|| format!("remount {kind}"))?;
        }
        What::Bind { .. } => bind::set_flags(mount.as_fd(), &plan.flags)?,
        What::ControlGroups => {
            return Err(Error::Invalid("the control groups' mount cannot be remounted".into()));
        }
    }
    super::mount::complete(plan, mount.as_fd())
}
