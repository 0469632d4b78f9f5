//! A bundle, read and decided: everything that can be known to be wrong is found here, before anything is made.

use crate::error::{Doing, Error};
use crate::init::{Container, sysctl};
use crate::label;
use crate::namespaces::Namespaces;
use crate::notify;
use crate::options::CreateOptions;
use crate::program::Program;
use crate::{network_devices, rootless};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use tierce_cgroup::resctrl::Class;
use tierce_oci::runtime::{Linux, NamespaceKind, Spec};
use tierce_rootfs::plan::{self, MountPlan};
use tierce_rootfs::{cgroup::View, device, propagation};
use tierce_sys::mount_attributes::Propagation;

/// The document as it was read, and the bundle's absolute path.
#[derive(Debug)]
pub(crate) struct Bundle {
    /// The directory.
    pub(crate) path: PathBuf,
    /// `config.json`, byte by byte.
    pub(crate) bytes: Vec<u8>,
    /// The same, parsed.
    pub(crate) spec: Spec,
}

/// Reads a bundle.
///
/// # Errors
/// [`Error::Kernel`] when there is no `config.json`; [`Error::Document`] when it is none.
pub(crate) fn read(directory: &Path) -> Result<Bundle, Error> {
    let path = canonical(directory).doing(|| format!("bundle {}", directory.display()))?;
    let file = path.join("config.json");
    let bytes = std::fs::read(&file).doing(|| format!("JSON specification file {}: open", file.display()))?;
    let spec = Spec::from_json(&bytes)?;
    if spec.oci_version.is_empty() {
        return Err(Error::Invalid("config.json has no ociVersion".into()));
    }
    Ok(Bundle { path, bytes, spec })
}

/// The path of a directory without links, `.` and `..`. The kernel knows it of an open directory; going over it name by
/// name would take a call for each.
fn canonical(directory: &Path) -> Result<PathBuf, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let file = rustix::fs::open(directory, flags, Mode::empty())?;
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    let path = OsString::from_vec(rustix::fs::readlink(link, Vec::new())?.into_bytes());
    // The kernel writes "(unreachable)/…" for directories outside the caller's root.
    if path.as_bytes().starts_with(b"/") {
        Ok(path.into())
    } else {
        Err(Errno::NOENT)
    }
}

/// Decides about the container and its first process.
///
/// # Errors
/// [`Error::Invalid`] and its like, naming the member.
pub(crate) fn decide(bundle: &Bundle, options: &CreateOptions) -> Result<(Container, Program), Error> {
    let mut spec = bundle.spec.clone();
    if let Some(linux) = &mut spec.linux {
        linux.mount_label = label::of_mounts(std::mem::take(&mut linux.mount_label));
    }
    let linux = spec.linux.clone().unwrap_or_default();
    let mut program = match &spec.process {
        Some(process) => Program::of(process, Some(&linux), options.preserve_fds)?,
        None => Program::none(Some(&linux))?,
    };
    if options.listen_fds > 0 {
        program.tell("LISTEN_FDS", &options.listen_fds.to_string());
        program.tell("LISTEN_PID", "1");
    }
    let namespaces = Namespaces::of(&linux)?;
    check(&spec, &linux, &namespaces)?;
    let rootfs = rootfs(bundle)?;
    let mut mounts = plan::mounts(&spec, &bundle.path, &rootfs)?;
    if options.notify_socket.is_some() {
        let root = std::path::absolute(&options.root).doing(|| format!("resolve {}", options.root.display()))?;
        mounts.push(MountPlan::of(
            &notify::mount(&root.join(&options.id)),
            &bundle.path,
            "",
        )?);
        let (name, value) = notify::VARIABLE;
        program.tell(name, value);
    }
    let nodes = if plan::fills_devices(&mounts) {
        Some(device::nodes(&linux.devices)?)
    } else {
        None
    };
    let propagation = propagation::parse(&linux.rootfs_propagation)?;
    if options.no_pivot && propagation.is_some_and(|(kind, _)| kind == Propagation::Private) {
        return Err(Error::Invalid(
            "rootfsPropagation of [r]private is not safe without pivot_root".into(),
        ));
    }
    let class = linux
        .intel_rdt
        .as_ref()
        .map(|settings| Class::of(settings, &options.id))
        .transpose()?;
    rootless::check(&linux, &namespaces, &mounts)?;
    let may_ask = check_translations(&mounts, &namespaces, &linux)?;
    let container = Container {
        rootfs,
        namespaces,
        mounts,
        may_ask,
        class,
        nodes,
        view: View::None,
        propagation,
        no_pivot: options.no_pivot,
        linux,
        spec,
    };
    Ok((container, program))
}

fn check(spec: &Spec, linux: &Linux, namespaces: &Namespaces) -> Result<(), Error> {
    for (member, name) in [("hostname", &spec.hostname), ("domainname", &spec.domainname)] {
        // The kernel would take it, and everybody in the container would see its beginning.
        if name.contains('\0') {
            return Err(Error::Invalid(format!("{member} {name:?} contains a NUL byte")));
        }
    }
    let named = !spec.hostname.is_empty() || !spec.domainname.is_empty();
    if named && !namespaces.has(NamespaceKind::Uts) {
        return Err(Error::Invalid(
            "unable to set hostname or domainname without a private UTS namespace".into(),
        ));
    }
    let restricted = !linux.masked_paths.is_empty() || !linux.readonly_paths.is_empty();
    if restricted && !namespaces.has(NamespaceKind::Mount) {
        return Err(Error::Invalid(
            "unable to restrict sys entries without a private MNT namespace".into(),
        ));
    }
    network_devices::check(linux, namespaces)?;
    if let Some(hooks) = &spec.hooks {
        tierce_hooks::check(hooks)?;
    }
    sysctl::check(&linux.sysctl, namespaces)
}

fn rootfs(bundle: &Bundle) -> Result<PathBuf, Error> {
    let root = bundle
        .spec
        .root
        .as_ref()
        .ok_or_else(|| Error::Invalid("root must be specified".into()))?;
    let path = bundle.path.join(&root.path);
    let path = match canonical(&path) {
        Err(Errno::NOTDIR) => {
            return Err(Error::Invalid(format!(
                "invalid rootfs: {} is not a directory",
                path.display()
            )));
        }
        result => result.doing(|| format!("invalid rootfs: stat {}", path.display()))?,
    };
    if path == Path::new("/") {
        return Err(Error::Invalid(
            "invalid rootfs: cannot use the host's root directory".into(),
        ));
    }
    Ok(path)
}

/// Checks that ids can be translated where a mount wants it. Says whether bind sources may be asked for: there is a
/// difference to what the container's root can reach, and the caller has the right to enter its mount namespace.
fn check_translations(mounts: &[MountPlan], namespaces: &Namespaces, linux: &Linux) -> Result<bool, Error> {
    let privileged = rustix::process::geteuid().is_root();
    let joined = namespaces.has(NamespaceKind::User) && !namespaces.is_new(NamespaceKind::User);
    for plan in mounts.iter().filter(|plan| plan.idmap.is_some()) {
        plan.mappings(linux, joined)?;
        if !privileged {
            return Err(Error::Invalid(format!(
                "invalid mount {}: id-mapped mounts are not supported for rootless containers",
                plan.destination.display()
            )));
        }
    }
    Ok(privileged && namespaces.has(NamespaceKind::User))
}
