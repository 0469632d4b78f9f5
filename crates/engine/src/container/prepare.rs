//! The blocking half of a start: everything on the host that must be there before the task is created.

use super::context::{Context, Snapshot};
use super::files::{self, Files};
use super::links;
use super::pinned::Pinned;
use super::record::MountPoint;
use super::root;
use crate::error::{Error, Result};
use crate::metrics::Action;
use crate::parts::RootMount;
use rustix::mount::{MountFlags, UnmountFlags};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tierce_network::{Attachment, Join, Port, Publication, Sandbox};
use tierce_oci::runtime::User;
use tierce_snapshot::Layout;
use tierce_spec::cdi::{Edits, Registry};
use tierce_spec::{BindSource, Grant, Place, Places, user};

/// Namespaces and files that are taken from other containers.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) network: Option<PathBuf>,
    /// Host name and domain name of the container whose network it is.
    pub(super) names: Option<(String, String)>,
    pub(super) pid: Option<PathBuf>,
    pub(super) ipc: Option<PathBuf>,
    pub(super) shm: Option<PathBuf>,
    pub(super) hostname_file: PathBuf,
    pub(super) hosts_file: PathBuf,
    pub(super) resolver_file: PathBuf,
}

/// What is there now.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) sandbox: Option<Arc<Sandbox>>,
    pub(super) files: Files,
    pub(super) binds: Vec<BindSource>,
    pub(super) devices: Vec<Grant>,
    pub(super) edits: Edits,
    pub(super) user: User,
    pub(super) root: RootMount,
    pub(super) shm: Option<PathBuf>,
    pub(super) places: Places,
    /// Variables that tell of linked containers.
    pub(super) linked_environment: Vec<String>,
    /// Directories that binds are made from, to be held until the container is made.
    pub(super) directories: Vec<Pinned>,
}

/// What is held on the host for the mounts of a container.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Volumes that were mounted.
    pub(super) volumes: Vec<String>,
    /// Directories that binds are made from; to be held until those are made.
    pub(super) directories: Vec<Pinned>,
}

impl Held {
    /// Pins a directory in a volume; gives the path to mount from.
    fn beneath(&mut self, context: &Context, volume: &Path, subpath: &str) -> Result<PathBuf> {
        Ok(self.hold(Pinned::beneath(volume, subpath, &context.config.exec_root)?))
    }

    /// The same in the union of layers.
    fn in_union(&mut self, context: &Context, layers: &[PathBuf], subpath: &str) -> Result<PathBuf> {
        Ok(self.hold(Pinned::in_union(layers, subpath, &context.config.exec_root)?))
    }

    fn hold(&mut self, pinned: Pinned) -> PathBuf {
        let path = pinned.path().to_owned();
        self.directories.push(pinned);
        path
    }
}

/// Prepares a start; on failure nothing is left.
pub(super) fn prepare(context: &Context, directory: &Path, snapshot: &Snapshot, shared: Shared) -> Result<Ready> {
    let mut held = Held::default();
    let mut shm_mounted = None;
    let prepared = try_prepare(context, directory, snapshot, shared, &mut held, &mut shm_mounted);
    if prepared.is_err() {
        let id = &snapshot.record.id;
        for volume in held.volumes {
            if let Err(error) = context.volumes.unmount(&volume) {
                tracing::warn!(container = %id, %error, "a volume of a failed start stays mounted");
            }
        }
        if let Some(path) = shm_mounted {
            unmount_shm(&path);
        }
        if let Err(error) = context.sandboxes.leave(id) {
            tracing::warn!(container = %id, %error, "the network of a failed start could not be left");
        }
    }
    prepared
}

fn try_prepare(
    context: &Context,
    directory: &Path,
    snapshot: &Snapshot,
    shared: Shared,
    held: &mut Held,
    shm_mounted: &mut Option<PathBuf>,
) -> Result<Ready> {
    let (record, host_config) = (&snapshot.record, &snapshot.host_config);
    // What can be refused without touching anything comes first.
    let devices = tierce_spec::gather_devices(
        host_config.privileged,
        host_config.resources.devices.as_deref().unwrap_or_default(),
    )?;
    let requests = host_config.resources.device_requests.as_deref().unwrap_or_default();
    let edits = if requests.is_empty() {
        Edits::default()
    } else {
        Registry::read(&context.config.cdi_directories).edits(requests)?
    };
    let links = links::of(context, snapshot)?;
    tierce_fsops::create_dir_all(&directory.join("mounts"), 0o710).map_err(Error::below)?;
    let user = find_user(context, snapshot)?;
    let root = root::mount(context, record)?;
    let sandbox = if shared.network.is_some() {
        None
    } else {
        Some(join(context, snapshot, &links)?)
    };
    let network = match (&shared.network, &sandbox) {
        (Some(path), _) => Place::Path(path.clone()),
        (None, Some(sandbox)) => sandbox.key.clone().map_or(Place::Host, Place::Path),
        (None, None) => Place::New,
    };
    let files = if shared.network.is_some() {
        Files {
            hostname: shared.hostname_file,
            hosts: shared.hosts_file,
            resolv_conf: shared.resolver_file,
        }
    } else {
        files::write(context, directory, snapshot, sandbox.as_deref(), &links)?
    };
    let (ipc, shm) = ipc(snapshot, directory, shared.ipc, shared.shm, shm_mounted)?;
    let mut binds = Vec::new();
    for point in record.mount_points.values() {
        binds.push(bind(context, point, held)?);
    }
    let taken = |path: &str| record.mount_points.contains_key(path);
    if let Some(path) = &shm
        && !taken("/dev/shm")
    {
        binds.push(BindSource {
            source: path.clone(),
            destination: "/dev/shm".to_owned(),
            propagation: "rprivate".to_owned(),
            own: true,
            ..BindSource::default()
        });
    }
    binds.extend(files.binds(host_config.readonly_rootfs, &taken));
    let pid = match (host_config.pid_mode.as_str(), shared.pid) {
        (_, Some(path)) => Place::Path(path),
        ("host", None) => Place::Host,
        _ => Place::New,
    };
    Ok(Ready {
        sandbox,
        files,
        binds,
        devices,
        edits,
        user,
        root,
        shm,
        places: Places { network, pid, ipc },
        linked_environment: links.iter().flat_map(|link| link.environment(&record.name)).collect(),
        directories: std::mem::take(&mut held.directories),
    })
}

fn find_user(context: &Context, snapshot: &Snapshot) -> Result<User> {
    let layout = root::layout(context, &snapshot.record)?;
    let view = tierce_layer::RootView::open(&layout).map_err(Error::below)?;
    let groups = snapshot.host_config.group_add.as_deref().unwrap_or_default();
    Ok(user::resolve_in(view.root(), &snapshot.record.config.user, groups)?)
}

/// What the network is asked for.
pub(super) fn wish(context: &Context, snapshot: &Snapshot) -> Result<Join> {
    let (record, host_config) = (&snapshot.record, &snapshot.host_config);
    let disabled = record.config.network_disabled;
    let mut attachments = Vec::new();
    // The network of `--network`, which may be named there by its id or the beginning of it.
    let is_own = |name: &str| {
        let mode = host_config.network_mode.as_str();
        let settings = record.network_settings.networks.get(name);
        let id = settings.map_or("", |settings| settings.network_id.as_str());
        name == mode || (!mode.is_empty() && id.starts_with(mode))
    };
    if !disabled {
        for (network, settings) in &record.network_settings.networks {
            // Where the default bridge is switched off, its containers have only a loopback, as with dockerd.
            if network == "bridge" && context.sandboxes.network(network).is_err() {
                continue;
            }
            let mac = if is_own(network) {
                record.config.mac_address.as_str()
            } else {
                ""
            };
            let attachment = Attachment::from_settings(network, settings, mac).map_err(Error::below)?;
            let attachment = attachment.with_hostname(&record.config.hostname);
            attachments.push(attachment.with_ipv6_off(files::has_ipv6_off(host_config)));
        }
        // It gives `eth0`.
        attachments.sort_by_key(|attachment| (!is_own(&attachment.network), attachment.network.clone()));
    }
    let exposed = record
        .config
        .exposed_ports
        .iter()
        .flatten()
        .map(|(port, _)| port.parse().map_err(Error::below))
        .collect::<Result<Vec<Port>>>()?;
    // On the host's network there is nothing to publish.
    let on_host = host_config.network_mode == "host";
    let bindings = host_config
        .port_bindings
        .clone()
        .filter(|_| !on_host)
        .unwrap_or_default();
    let publish_all = host_config.publish_all_ports && !on_host;
    let ports = Publication::from_bindings(&bindings, &exposed, publish_all).map_err(Error::below)?;
    Ok(Join {
        container: record.id.clone(),
        name: record.plain_name().to_owned(),
        attachments,
        ports,
        exposed,
        links: Vec::new(),
        resolver: files::resolver_overrides(context, host_config)?,
    })
}

fn join(context: &Context, snapshot: &Snapshot, links: &[links::Link]) -> Result<Arc<Sandbox>> {
    let wish = Join {
        links: links.iter().map(links::Link::id).collect(),
        ..wish(context, snapshot)?
    };
    let joined = context
        .metrics
        .time_blocking(Action::Allocate, || context.sandboxes.join(wish));
    joined.map_err(|error| Error::below_with("failed to set up container networking: ", error))
}

/// IPC namespace and shared memory. A shareable container has its memory mounted on the host, where others find it.
fn ipc(
    snapshot: &Snapshot,
    directory: &Path,
    shared: Option<PathBuf>,
    shared_shm: Option<PathBuf>,
    shm_mounted: &mut Option<PathBuf>,
) -> Result<(Place, Option<PathBuf>)> {
    if let Some(path) = shared {
        return Ok((Place::Path(path), shared_shm));
    }
    match snapshot.host_config.ipc_mode.as_str() {
        "host" => Ok((Place::Host, Some(PathBuf::from("/dev/shm")))),
        "shareable" => {
            let path = directory.join("mounts/shm");
            tierce_fsops::create_dir_all(&path, 0o700).map_err(Error::below)?;
            let data = format!("mode=1777,size={}", snapshot.host_config.shm_size);
            let data = std::ffi::CString::new(data).map_err(|error| Error::Internal(error.to_string()))?;
            let flags = MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NODEV;
            rustix::mount::mount("shm", &path, "tmpfs", flags, data.as_c_str())
                .map_err(|error| Error::file("mount shared memory on", &path)(error.into()))?;
            *shm_mounted = Some(path.clone());
            Ok((Place::New, Some(path)))
        }
        _ => Ok((Place::New, None)),
    }
}

/// Unmounts the shared memory of a shareable container; one that is not mounted is no error.
pub(super) fn unmount_shm(path: &Path) {
    match rustix::mount::unmount(path, UnmountFlags::DETACH) {
        Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => {}
        Err(error) => tracing::warn!(path = %path.display(), %error, "shared memory stays mounted"),
    }
}

/// Makes a mount point's files reachable.
pub(super) fn bind(context: &Context, point: &MountPoint, held: &mut Held) -> Result<BindSource> {
    let spec = |member: &str, option: &str| point.spec.get(member).and_then(|options| options.get(option)).cloned();
    let is = |member: &str, option: &str| spec(member, option).and_then(|value| value.as_bool()).unwrap_or(false);
    if point.is_image() {
        return image_mount(context, point, held);
    }
    let source = if point.name.is_empty() {
        let path = PathBuf::from(&point.source);
        if !point.skip_mountpoint_creation && !path.exists() {
            tierce_fsops::create_dir_all(&path, 0o755).map_err(|error| {
                Error::below_with(
                    format!("error while creating mount source path '{}': ", path.display()),
                    error,
                )
            })?;
        }
        if !path.exists() {
            return Err(Error::Invalid(format!(
                "invalid mount config for type \"bind\": bind source path does not exist: {}",
                path.display()
            )));
        }
        path
    } else {
        let path = context.volumes.mount(&point.name).map_err(Error::below)?;
        held.volumes.push(point.name.clone());
        match point.subpath() {
            "" => path,
            subpath => held.beneath(context, &path, subpath)?,
        }
    };
    let propagation = tierce_spec::propagation_of_bind(&source, &point.propagation, &context.config.data_root)?;
    Ok(BindSource {
        source,
        destination: point.destination.clone(),
        read_only: !point.rw,
        read_only_flat: is("BindOptions", "ReadOnlyNonRecursive"),
        non_recursive: is("BindOptions", "NonRecursive"),
        propagation,
        own: false,
        ..BindSource::default()
    })
}

/// The files of an image, which nobody can change.
fn image_mount(context: &Context, point: &MountPoint, held: &mut Held) -> Result<BindSource> {
    let text = |member: &str| {
        point
            .spec
            .get(member)
            .and_then(|value| value.as_str())
            .unwrap_or_default()
    };
    let facts = context.images.resolve(text("Source")).map_err(Error::below)?;
    let Some(chain) = &facts.chain else {
        return Err(Error::Invalid(format!(
            "image {} has no files to be mounted",
            point.name
        )));
    };
    let (source, union) = match context.rootfs.image(chain).map_err(Error::below)? {
        Layout::Tree { root } => (root, Vec::new()),
        Layout::Overlay { upper, lowers, .. } if lowers.is_empty() => (upper, Vec::new()),
        Layout::Overlay { upper, mut lowers, .. } => {
            lowers.insert(0, upper.clone());
            (upper, lowers)
        }
    };
    let (source, union) = match (point.subpath(), union.as_slice()) {
        ("", _) => (source, union),
        (subpath, []) => (held.beneath(context, &source, subpath)?, Vec::new()),
        (subpath, layers) => (held.in_union(context, layers, subpath)?, Vec::new()),
    };
    Ok(BindSource {
        source,
        union,
        destination: point.destination.clone(),
        read_only: true,
        propagation: "rprivate".to_owned(),
        ..BindSource::default()
    })
}
