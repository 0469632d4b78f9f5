//! What the options of a create request come to.

use std::path::PathBuf;

use prost::Message;
use tierce_fault::Kind;
use tierce_task::messages::{CreateTaskRequest, MountMessage};
use tierce_task::options::{CreateOptions, RuncOptions};
use tierce_task::{HealthCheck, Mount};

use crate::error::{Error, Result};
use crate::runtime::Runtime;
use crate::serve::Identity;

/// Where runtimes keep their states when nobody says otherwise; a directory a namespace.
const RUNTIME_ROOT: &str = "/run/tierce/runtime";

/// What the options of a create request come to.
pub(crate) struct Wanted {
    /// Streams go over the I/O socket, not to FIFOs.
    pub(crate) own_streams: bool,
    /// Keep a way for input.
    pub(crate) stdin: bool,
    /// Input ends with the first client that gave it.
    pub(crate) stdin_once: bool,
    pub(crate) log: tierce_logs::Target,
    /// How health is probed.
    pub(crate) health: Option<HealthCheck>,
    pub(crate) runtime: Runtime,
}

/// Reads the options of a create request, ours or containerd's.
pub(crate) fn wanted(identity: &Identity, request: &CreateTaskRequest) -> Result<Wanted> {
    let malformed = |error: prost::DecodeError| Error::refused(Kind::Invalid, format!("malformed options: {error}"));
    let sockets = identity.io_socket.parent().map(PathBuf::from).unwrap_or_default();
    let default_root = PathBuf::from(RUNTIME_ROOT).join(&identity.namespace);
    let program = |name: String| (!name.is_empty()).then(|| PathBuf::from(name));
    let mut wanted = Wanted {
        own_streams: false,
        stdin: !request.stdin.is_empty(),
        stdin_once: false,
        log: tierce_logs::Target::None,
        health: None,
        runtime: Runtime {
            root: default_root.clone(),
            sockets,
            ..Runtime::default()
        },
    };
    let Some(any) = &request.options else { return Ok(wanted) };
    match any.name() {
        CreateOptions::NAME => {
            let options = CreateOptions::decode(&any.value[..]).map_err(malformed)?;
            wanted.log = log_target(&options.log)?;
            wanted.health = options.health.map(HealthCheck::try_from).transpose().map_err(|error| {
                Error::refused(Kind::Invalid, format!("malformed process document of a probe: {error}"))
            })?;
            wanted.own_streams = true;
            wanted.stdin = options.stdin;
            wanted.stdin_once = options.stdin_once;
            wanted.runtime.program = program(options.runtime);
            wanted.runtime.systemd_cgroup = options.systemd_cgroup;
            if !options.runtime_root.is_empty() {
                wanted.runtime.root = PathBuf::from(options.runtime_root);
            }
        }
        RuncOptions::NAME => {
            let options = RuncOptions::decode(&any.value[..]).map_err(malformed)?;
            wanted.runtime.program = program(options.binary_name);
            wanted.runtime.systemd_cgroup = options.systemd_cgroup;
            wanted.runtime.no_pivot = options.no_pivot_root;
            wanted.runtime.no_new_keyring = options.no_new_keyring;
            if !options.root.is_empty() {
                wanted.runtime.root = PathBuf::from(options.root).join(&identity.namespace);
            }
        }
        // Options of other runtimes say nothing to us.
        _ => {}
    }
    Ok(wanted)
}

fn log_target(text: &str) -> Result<tierce_logs::Target> {
    if text.is_empty() {
        return Ok(tierce_logs::Target::None);
    }
    serde_json::from_str(text)
        .map_err(|error| Error::refused(Kind::Invalid, format!("malformed target of the log: {error}")))
}

/// A mount of the protocol as a value.
pub(crate) fn mount_of(message: MountMessage) -> Mount {
    Mount {
        kind: message.kind,
        source: message.source,
        target: message.target,
        options: message.options,
    }
}
