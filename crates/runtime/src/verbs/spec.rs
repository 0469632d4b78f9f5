//! `spec`: a `config.json` to start from, the same as runc's.

use super::state::json;
use crate::argv::{Arguments, Piece};
use crate::error::{Doing, Error};
use serde_json::{Value, json as value};
use std::path::PathBuf;

/// The document of `runc spec`.
fn document() -> Value {
    let capabilities = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
    value!({
        "ociVersion": tierce_oci::runtime::VERSION,
        "process": {
            "terminal": true,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": true
        },
        "root": {"path": "rootfs", "readonly": true},
        "hostname": "tierce",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
             "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
             "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs",
             "options": ["nosuid", "noexec", "nodev", "ro"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
             "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]}
        ],
        "linux": {
            "resources": {"devices": [{"allow": false, "access": "rwm"}]},
            "namespaces": [
                {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}
            ],
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"
            ],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
        }
    })
}

/// Adds what only makes sense where control groups are one tree: a view of that tree that starts at the container.
fn on_unified(document: &mut Value) {
    if let Some(namespaces) = document["linux"]["namespaces"].as_array_mut() {
        namespaces.push(value!({"type": "cgroup"}));
    }
}

/// Changes the document so that a user without privilege can run it.
fn without_privilege(document: &mut Value) {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let linux = &mut document["linux"];
    linux["uidMappings"] = value!([{"containerID": 0, "hostID": uid, "size": 1}]);
    linux["gidMappings"] = value!([{"containerID": 0, "hostID": gid, "size": 1}]);
    linux["resources"] = Value::Null;
    if let Some(namespaces) = linux["namespaces"].as_array_mut() {
        namespaces.retain(|one| one["type"] != "network");
        namespaces.push(value!({"type": "user"}));
    }
    if let Some(linux) = linux.as_object_mut() {
        linux.remove("resources");
    }
    if let Some(mounts) = document["mounts"].as_array_mut() {
        for mount in mounts {
            if mount["destination"] == "/sys" {
                *mount = value!({"destination": "/sys", "type": "none", "source": "/sys",
                    "options": ["rbind", "nosuid", "noexec", "nodev", "ro"]});
            } else if mount["destination"] == "/dev/pts"
                && let Some(options) = mount["options"].as_array_mut()
            {
                options.retain(|option| option != "gid=5");
            }
        }
    }
}

/// The command line.
pub(crate) fn command(arguments: &mut Arguments) -> Result<u8, Error> {
    let (mut directory, mut rootless) = (PathBuf::from("."), false);
    while let Some(piece) = arguments.next()? {
        match piece {
            Piece::Flag(flag) => match flag.as_str() {
                "bundle" | "b" => directory = arguments.path()?,
                "rootless" => rootless = arguments.truth()?,
                _ => return arguments.unknown(),
            },
            Piece::Word(_) => return Err(super::misused("spec", "exactly 0")),
        }
    }
    let mut document = document();
    if tierce_cgroup::mode().is_ok_and(|mode| mode == tierce_cgroup::Mode::Unified) {
        on_unified(&mut document);
    }
    if rootless {
        without_privilege(&mut document);
    }
    let path = directory.join("config.json");
    if path.exists() {
        return Err(Error::Invalid(format!(
            "file {} exists. Remove it first",
            path.display()
        )));
    }
    std::fs::write(&path, json(&document)?).doing(|| format!("write {}", path.display()))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_one_that_we_read() {
        for rootless in [false, true] {
            let mut document = document();
            on_unified(&mut document);
            if rootless {
                without_privilege(&mut document);
            }
            tierce_oci::runtime::Spec::from_json(document.to_string().as_bytes()).expect("a spec");
        }
    }
}
