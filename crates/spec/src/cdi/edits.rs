//! What devices change in a container's document.

use super::document::{ContainerEdits, DeviceNode};
use crate::devices;
use crate::error::{Error, Result};
use crate::process::override_or_append;
use std::path::{Path, PathBuf};
use tierce_oci::runtime::{Device, DeviceCgroup, Hook, Hooks, Mount, Spec};

/// Changes of several devices, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits(Vec<ContainerEdits>);

impl Edits {
    pub(super) fn append(&mut self, edits: &ContainerEdits) {
        self.0.push(edits.clone());
    }

    /// Applies them. Looks at the host for device nodes whose numbers are not said.
    ///
    /// # Errors
    /// [`Error::Host`] when a device node is not there.
    pub fn apply(&self, spec: &mut Spec) -> Result<()> {
        for edits in &self.0 {
            if let Some(process) = &mut spec.process {
                process.env = override_or_append(std::mem::take(&mut process.env), &edits.env);
                for gid in edits.additional_gids.iter().filter(|gid| **gid != 0) {
                    if !process.user.additional_gids.contains(gid) {
                        process.user.additional_gids.push(*gid);
                    }
                }
            }
            for node in &edits.device_nodes {
                add_device(spec, node)?;
            }
            for mount in &edits.mounts {
                spec.mounts.retain(|other| other.destination != mount.container_path);
                spec.mounts.push(Mount {
                    destination: mount.container_path.clone(),
                    kind: Some(mount.kind.clone()).filter(|kind| !kind.is_empty()),
                    source: Some(mount.host_path.clone()),
                    options: mount.options.clone(),
                    ..Mount::default()
                });
            }
            for hook in &edits.hooks {
                let entry = Hook {
                    path: hook.path.clone(),
                    args: hook.args.clone(),
                    env: hook.env.clone(),
                    timeout: hook.timeout,
                };
                list_of(spec.hooks.get_or_insert_default(), &hook.point)?.push(entry);
            }
        }
        if self.0.iter().any(|edits| !edits.mounts.is_empty()) {
            // Those nearer to the root first, so that none hides another.
            spec.mounts.sort_by_key(|mount| mount.destination.components().count());
        }
        Ok(())
    }
}

fn list_of<'a>(hooks: &'a mut Hooks, name: &str) -> Result<&'a mut Vec<Hook>> {
    Ok(match name {
        "prestart" => &mut hooks.prestart,
        "createRuntime" => &mut hooks.create_runtime,
        "createContainer" => &mut hooks.create_container,
        "startContainer" => &mut hooks.start_container,
        "poststart" => &mut hooks.poststart,
        "poststop" => &mut hooks.poststop,
        other => {
            return Err(Error::Host(format!(
                "CDI device injection failed: unknown hook name {other:?}"
            )));
        }
    })
}

fn add_device(spec: &mut Spec, node: &DeviceNode) -> Result<()> {
    let mut device = device_of(node)?;
    if let Some(process) = &spec.process {
        // What belongs to nobody is the container's user's.
        let own = |id: u32| Some(id).filter(|id| *id > 0);
        device.uid = device.uid.or(own(process.user.uid));
        device.gid = device.gid.or(own(process.user.gid));
    }
    let linux = spec.linux.get_or_insert_default();
    if matches!(device.kind.as_str(), "b" | "c" | "u") {
        let access = if node.permissions.is_empty() {
            "rwm"
        } else {
            &node.permissions
        };
        linux.resources.get_or_insert_default().devices.push(DeviceCgroup {
            allow: true,
            kind: if device.kind == "b" { "b" } else { "c" }.to_owned(),
            major: Some(device.major),
            minor: Some(device.minor),
            access: access.to_owned(),
        });
    }
    linux.devices.retain(|other| other.path != device.path);
    linux.devices.push(device);
    Ok(())
}

/// The node as said, or as it is on the host.
fn device_of(node: &DeviceNode) -> Result<Device> {
    let said = Device {
        kind: node.kind.clone(),
        path: node.path.clone(),
        major: node.major,
        minor: node.minor,
        file_mode: node.file_mode,
        uid: node.uid,
        gid: node.gid,
    };
    if node.kind == "p" || !node.kind.is_empty() && (node.major, node.minor) != (0, 0) {
        return Ok(said);
    }
    let host: &Path = if node.host_path == PathBuf::new() {
        &node.path
    } else {
        &node.host_path
    };
    let failed = |why: String| {
        let path = host.display();
        Error::Host(format!(
            "CDI device injection failed: failed to stat CDI host device \"{path}\": {why}"
        ))
    };
    let metadata = std::fs::metadata(host).map_err(|error| failed(devices::words(&error)))?;
    let found = devices::node(&metadata, &node.path).ok_or_else(|| failed("not a device node".to_owned()))?;
    Ok(Device {
        kind: if node.kind.is_empty() {
            found.kind
        } else {
            node.kind.clone()
        },
        major: found.major,
        minor: found.minor,
        ..said
    })
}
