//! `start`: network, files, volumes, users, document, task, attachers, program. Each step is undone when a later fails.
//!
//! ```text
//!  prepare (blocking)   network joined, namespace pinned → hosts, hostname, resolv.conf → volumes → users → devices
//!  assemble             the OCI document                                                        (pure)
//!  Tasks::create        shim, root mounted, program waits
//!  attachers            clients that attached before are connected
//!  Tasks::start         the program runs → record, event
//! ```

use super::context::{Container, Context, Snapshot, blocking};
use super::record::{EndpointSettings, NetworkSettings};
use super::{checkpoint, health, links, log_options, prepare, release, remove, runtime_failure};
use crate::error::{Error, Result};
use crate::metrics::Action;
use jiff::Timestamp;
use prepare::{Ready, Shared};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tierce_lifecycle::{Change, Status};
use tierce_logs::Source;
use tierce_network::{Mac, Sandbox};
use tierce_spec::Inputs;
use tierce_store::Lease;
use tierce_task::{Create, ProcessId};

/// See [`super::Containers::start`].
pub(crate) async fn start(context: &Arc<Context>, container: &Arc<Container>, checkpoint: Option<&str>) -> Result<()> {
    container.trace.step(5, "its start is asked for");
    let mut transient = container.transition().await;
    let snapshot = container.snapshot();
    match snapshot.record.state.status() {
        Status::Running => return Err(Error::NotModified("container is already running".to_owned())),
        Status::Paused => {
            return Err(Error::Conflict(
                "cannot start a paused container, try unpause instead".to_owned(),
            ));
        }
        Status::Removing | Status::Dead => {
            return Err(Error::Conflict(
                "container is marked for removal and cannot be started".to_owned(),
            ));
        }
        Status::Restarting => drop(container.apply(Change::RestartCancelled)),
        Status::Created | Status::Exited => {}
    }
    if snapshot.gone {
        return Err(Error::NoSuchContainer(container.id.clone()));
    }
    transient.backoff = tierce_lifecycle::Backoff::default();
    container.change_record(|record| {
        record.has_been_manually_stopped = false;
        record.restart_count = 0;
    });
    let started = run_from(context, container, checkpoint).await;
    if started.is_err() && container.snapshot().host_config.auto_remove {
        let _removed = remove::remove_locked(context, container, true).await;
    }
    started
}

/// Starts a container whose transition lock the caller holds, and records how it went.
pub(crate) async fn run(context: &Arc<Context>, container: &Arc<Container>) -> Result<()> {
    run_from(context, container, None).await
}

/// The same, from a checkpoint if one is named.
async fn run_from(context: &Arc<Context>, container: &Arc<Container>, checkpoint: Option<&str>) -> Result<()> {
    let launched = context
        .metrics
        .time(Action::Start, launch(context, container, checkpoint));
    match launched.await {
        Ok((pid, at)) => {
            let changed = container.apply(Change::Started { pid, at });
            changed.map_err(|illegal| Error::Internal(illegal.to_string()))?;
            let snapshot = container.change(|snapshot| {
                let record = Arc::make_mut(&mut snapshot.record);
                record.has_been_started_before = true;
                health::begin(record);
                snapshot.starts += 1;
                snapshot.started = Some(Instant::now());
            });
            context.leases.set_running(&container.id, true);
            // Clients that came while the task was being made.
            if let Ok(task) = context.tasks.state(&container.id) {
                container.attachers.connect_all(&task.io).await;
            }
            context.save_or_warn(container, false).await;
            context.publish(&snapshot.record, "start", &[]);
            Ok(())
        }
        Err(error) => {
            container.attachers.dismiss();
            let exit_code = match &error {
                Error::Runtime { exit_code, .. } => *exit_code,
                _ => 128,
            };
            let change = Change::StartFailed {
                exit_code,
                error: error.to_string(),
                at: Timestamp::now(),
            };
            if let Err(illegal) = container.apply(change) {
                tracing::error!(container = %container.id, %illegal, "a failed start could not be recorded");
            }
            context.save_or_warn(container, false).await;
            Err(error)
        }
    }
}

/// Everything up to the running program, with its process id and the moment; leaves nothing behind when it fails.
async fn launch(
    context: &Arc<Context>,
    container: &Arc<Container>,
    checkpoint: Option<&str>,
) -> Result<(u32, Timestamp)> {
    let snapshot = container.snapshot();
    let checkpoint = checkpoint
        .map(|name| checkpoint::of_start(container, name))
        .transpose()?;
    let mut shared = shared(context, &snapshot)?;
    let snapshot = match shared.names.take() {
        Some(names) => container.change_record(|record| {
            (record.config.hostname, record.config.domainname) = names;
        }),
        None => snapshot,
    };
    let (whole, directory) = (Arc::clone(context), container.directory.clone());
    let prepared = Arc::clone(&snapshot);
    let ready = blocking(move || prepare::prepare(&whole, &directory, &prepared, shared)).await?;
    remember(context, container, &ready);
    links::tell(context, &container.id);
    match create_and_start(context, container, ready, checkpoint).await {
        Ok(started) => Ok(started),
        Err(error) => {
            release::release(context, container).await;
            release::remove_mount_point(context, &container.id).await;
            Err(error)
        }
    }
}

/// Gives the process id, and a time before the program ran: its end may be known before this returns, and an end before
/// the start would be taken for that of an earlier life.
async fn create_and_start(
    context: &Arc<Context>,
    container: &Arc<Container>,
    mut ready: Ready,
    checkpoint: Option<PathBuf>,
) -> Result<(u32, Timestamp)> {
    let _held = std::mem::take(&mut ready.directories);
    // The record knows the addresses and paths now.
    let snapshot = container.snapshot();
    let mut create = task_of(context, &container.directory, &snapshot, ready)?;
    create.trace = Some(container.trace.clone());
    create.checkpoint = checkpoint;
    let restored = create.checkpoint.is_some();
    container.trace.step(6, "the runtime document is made");
    container.trace.step(7, "the supervisor is asked for a task");
    let process = ProcessId::init(&container.id);
    let before = Timestamp::now();
    let created = match context.tasks.create(create).await {
        Ok(created) => created,
        Err(error) => return Err(runtime_failure("create failed: ", &error)),
    };
    container.attachers.connect_all(&created.io).await;
    // What is restored runs as soon as it is created.
    let at = if restored { before } else { Timestamp::now() };
    container.trace.step(9, "the supervisor is asked to start it");
    match context.tasks.start(&process).await {
        Ok(pid) => Ok((if pid == 0 { created.pid } else { pid }, at)),
        Err(error) => {
            let failure = runtime_failure("create failed: ", &error);
            release::delete_task(context, &container.id).await;
            Err(failure)
        }
    }
}

/// What the supervisor is asked to create.
fn task_of(context: &Context, directory: &Path, snapshot: &Snapshot, ready: Ready) -> Result<Create> {
    let (record, host_config) = (&snapshot.record, &snapshot.host_config);
    let wants_init = host_config.init.unwrap_or(context.config.init) && host_config.pid_mode.is_empty();
    let init = if wants_init {
        Some(context.config.init_program.as_deref().ok_or_else(|| {
            Error::Runtime {
                message:
                    "exec: \"docker-init\": executable file not found in $PATH (install tierce-init beside tierced, or \
                      name a static program by init-path in the daemon's configuration)"
                        .to_owned(),
                exit_code: 127,
            }
        })?)
    } else {
        None
    };
    let parent = context.config.cgroup_parent.as_deref();
    let systemd_cgroup = context.config.systemd_cgroup;
    let effective = context.config.presets.apply(host_config, record.no_new_privileges);
    let inputs = Inputs {
        config: &record.config,
        program: &record.path,
        arguments: &record.args,
        host_config: &effective,
        host: &context.host,
        root: &ready.root.target,
        user: ready.user,
        places: ready.places,
        shm: ready.shm,
        binds: ready.binds,
        devices: ready.devices,
        edits: ready.edits,
        linked_environment: ready.linked_environment,
        init,
        cgroups_path: tierce_spec::cgroups_path(&record.id, host_config, parent, systemd_cgroup),
    };
    let spec = tierce_spec::assemble(&inputs)?;
    let health = health::check(record, spec.process.as_ref());
    let runtime = context
        .runtimes()
        .programs
        .get(&host_config.runtime)
        .cloned()
        .ok_or_else(|| Error::Invalid(format!("unknown or invalid runtime name: {}", host_config.runtime)))?;
    Ok(Create {
        id: record.id.clone(),
        spec,
        rootfs: ready.root.mounts,
        terminal: record.config.tty,
        stdin: record.config.open_stdin,
        stdin_once: record.config.stdin_once,
        log: log_options::target(&host_config.log_config, directory, record)?,
        runtime,
        systemd_cgroup,
        fifos: None,
        trace: None,
        checkpoint: None,
        health,
    })
}

/// Looks up the containers whose namespaces are shared; they must run.
fn shared(context: &Context, snapshot: &Snapshot) -> Result<Shared> {
    let host_config = &snapshot.host_config;
    let donor = |mode: &str, what: &str, refusal: fn(&Snapshot) -> String| -> Result<Option<Arc<Snapshot>>> {
        let Some(name) = mode.strip_prefix("container:") else {
            return Ok(None);
        };
        let donor = context
            .find(name)
            .map_err(|error| Error::Conflict(format!("joining {what} namespace of container: {error}")))?
            .snapshot();
        if donor.record.id == snapshot.record.id {
            return Err(Error::Conflict(format!("cannot join own {what} namespace")));
        }
        let status = donor.record.state.status();
        if status != Status::Running && status != Status::Paused {
            return Err(Error::Conflict(refusal(&donor)));
        }
        Ok(Some(donor))
    };
    // A fault of the state and not of the request, for dockerd.
    let joined = |mode: &str, what: &str| {
        let donor = donor(mode, what, |donor| {
            format!("container {} is not running", donor.record.id)
        });
        donor.map_err(|error| Error::Internal(format!("failed to join {what} namespace: {error}")))
    };
    let network = donor(&host_config.network_mode, "network", |donor| {
        format!(
            "cannot join network namespace of a non running container: container {} is {}",
            donor.record.plain_name(),
            donor.record.state.status().as_str()
        )
    })?;
    let pid = joined(&host_config.pid_mode, "PID")?;
    let ipc = joined(&host_config.ipc_mode, "IPC")?;
    let namespace = |donor: &Snapshot, kind: &str| PathBuf::from(format!("/proc/{}/ns/{kind}", donor.record.state.pid));
    let mut shared = Shared::default();
    if let Some(donor) = network {
        shared.network = Some(namespace(&donor, "net"));
        let config = &donor.record.config;
        shared.names = Some((config.hostname.clone(), config.domainname.clone()));
        shared.hostname_file = donor.record.hostname_path.clone().into();
        shared.hosts_file = donor.record.hosts_path.clone().into();
        shared.resolver_file = donor.record.resolv_conf_path.clone().into();
    }
    if let Some(donor) = pid {
        shared.pid = Some(namespace(&donor, "pid"));
    }
    if let Some(donor) = ipc {
        if donor.record.shm_path.is_empty() {
            return Err(Error::Conflict(format!(
                "failed to join IPC namespace: container {}: non-shareable IPC (hint: use IpcMode:shareable for the \
                 donor container)",
                donor.record.id
            )));
        }
        shared.ipc = Some(namespace(&donor, "ipc"));
        shared.shm = Some(donor.record.shm_path.clone().into());
    }
    Ok(shared)
}

/// Writes into the record where the container's files and addresses are, and tells who watches.
fn remember(context: &Context, container: &Container, ready: &Ready) {
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let host_config = Arc::clone(&container.snapshot().host_config);
    let snapshot = container.change_record(|record| {
        // Docker tells the place of no other driver's log: their format may change.
        record.log_path = match log_options::source(&host_config.log_config, &container.directory, &record.id) {
            Some(Source::JsonFile(path)) => text(&path),
            _ => String::new(),
        };
        record.hostname_path = text(&ready.files.hostname);
        record.hosts_path = text(&ready.files.hosts);
        record.resolv_conf_path = text(&ready.files.resolv_conf);
        record.shm_path = ready.shm.as_deref().map(text).unwrap_or_default();
        if let Some(sandbox) = &ready.sandbox {
            fill_network(
                &mut record.network_settings,
                sandbox,
                &context.config.exec_root.join("netns"),
            );
        }
    });
    for point in snapshot.record.mount_points.values().filter(|point| point.is_volume()) {
        let attributes = BTreeMap::from([
            ("container".to_owned(), container.id.clone()),
            ("destination".to_owned(), point.destination.clone()),
            ("driver".to_owned(), point.driver.clone()),
            ("propagation".to_owned(), point.propagation.clone()),
            ("read/write".to_owned(), point.rw.to_string()),
        ]);
        context
            .events
            .publish(tierce_events::Subject::Volume, "mount", &point.name, attributes);
    }
    for endpoint in ready.sandbox.iter().flat_map(|sandbox| &sandbox.endpoints) {
        context.leases.hold(
            tierce_store::Resource::network(&endpoint.network),
            Lease::new(&container.id)
                .labelled(snapshot.record.plain_name())
                .running(true),
        );
        if let Ok(network) = context.sandboxes.network(&endpoint.network) {
            crate::network::publish(context, "connect", &network, &[("container", &container.id)]);
        }
    }
}

/// What is not there is an empty text.
fn text(address: Option<impl ToString>) -> String {
    address.map(|address| address.to_string()).unwrap_or_default()
}

/// Addresses as inspect shows them.
pub(crate) fn fill_network(settings: &mut NetworkSettings, sandbox: &Sandbox, netns: &std::path::Path) {
    settings.sandbox_id.clone_from(&sandbox.id);
    settings.sandbox_key = sandbox.key_or_host(netns).to_string_lossy().into_owned();
    settings.ports = Some(sandbox.port_map());
    for endpoint in &sandbox.endpoints {
        // It may have been asked for by its id, or the beginning of it.
        if endpoint.wish.network != endpoint.network_name
            && let Some(asked) = settings.networks.remove(&endpoint.wish.network)
        {
            settings.networks.insert(endpoint.network_name.clone(), asked);
        }
        let own: &mut EndpointSettings = settings.networks.entry(endpoint.network_name.clone()).or_default();
        own.network_id.clone_from(&endpoint.network);
        own.endpoint_id.clone_from(&endpoint.id);
        // Only networks that a user made have names.
        own.dns_names = Some(endpoint.dns_names.clone()).filter(|names| !names.is_empty());
        let Some(link) = &endpoint.link else { continue };
        own.mac_address = if link.mac == Mac::default() {
            String::new()
        } else {
            link.mac.to_string()
        };
        own.ip_address = text(link.address);
        own.ip_prefix_len = link.prefix_length.into();
        own.gateway = text(link.gateway);
        own.global_ipv6_address = text(link.address6);
        own.global_ipv6_prefix_len = link.prefix_length6.into();
        own.ipv6_gateway = text(link.gateway6);
    }
}
