//! A container in the words of LXC 5, for `export --lxc-config`. See lxc.container.conf(5).
//!
//! What LXC has no word for, or what only a daemon does, is named in a comment at the end, so that nobody believes it is
//! there.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::path::Path;
use tierce_api_types::container::ContainerInspect;
use tierce_fault::{Fault, Kind};
use tierce_oci::container::HostConfig;

/// What Docker leaves a container that asks for nothing else.
const CAPABILITIES: [&str; 14] = [
    "chown",
    "dac_override",
    "fowner",
    "fsetid",
    "kill",
    "mknod",
    "net_bind_service",
    "net_raw",
    "setfcap",
    "setgid",
    "setpcap",
    "setuid",
    "sys_chroot",
    "audit_write",
];

/// The devices that every container has, as Docker allows them; all others are forbidden.
const DEVICES: [&str; 11] = [
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:5 rwm",
    "c 1:7 rwm",
    "c 1:8 rwm",
    "c 1:9 rwm",
    "c 5:0 rwm",
    "c 5:1 rwm",
    "c 5:2 rwm",
    "c 136:* rwm",
];

/// A value that LXC's syntax has no room for.
#[derive(Debug, thiserror::Error)]
#[error("write an LXC configuration: {key:?} = {value:?} would be more than one line")]
pub struct Error {
    /// The key of the configuration.
    pub key: String,
    /// What the container has.
    pub value: String,
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

/// The lines so far, and what cannot be said in them.
#[derive(Default)]
struct Lines {
    text: String,
    left_out: Vec<String>,
}

impl Lines {
    /// One `key = value`; a value of several lines would be keys of its own.
    fn set(&mut self, key: &str, value: impl Display) -> Result<(), Error> {
        let value = value.to_string();
        // A name of the user's may be part of the key.
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '=' | '#');
        if key.contains(is_odd) || value.contains(['\n', '\r', '\0']) {
            return Err(Error {
                key: key.to_owned(),
                value,
            });
        }
        // LXC takes one pair of quotes away, which may be of the value itself.
        let quoted = value.starts_with(['"', '\'']) || value.trim() != value;
        let _ = if quoted {
            writeln!(self.text, "{key} = \"{value}\"")
        } else {
            writeln!(self.text, "{key} = {value}")
        };
        Ok(())
    }

    fn leave_out(&mut self, what: impl Into<String>) {
        self.left_out.push(what.into());
    }
}

/// The configuration of a container whose root file system is unpacked at `root`. `bridges` are the devices of its networks.
///
/// # Errors
/// When its command, environment or a mount cannot be written in LXC's syntax.
pub fn config(container: &ContainerInspect, root: &Path, bridges: &BTreeMap<String, String>) -> Result<String, Error> {
    let name = container.name.trim_start_matches('/');
    let (config, host_config) = (&container.config, &container.host_config);
    let mut lines = Lines::default();
    let root = root.display();
    lines.text = format!(
        "# Made by `tierce export --lxc-config {name}`, for LXC 5. Its root file system is put in place by\n#\n#   mkdir -p \
         {root} && tierce export {name} | tar -x --numeric-owner -C {root}\n\n"
    );
    lines.set("lxc.uts.name", &config.hostname)?;
    lines.set("lxc.rootfs.path", format_args!("dir:{root}"))?;
    if host_config.readonly_rootfs {
        lines.set("lxc.rootfs.options", "ro")?;
    }
    program(&mut lines, container)?;
    mounts(&mut lines, container)?;
    limits(&mut lines, host_config)?;
    rights(&mut lines, host_config)?;
    networks(&mut lines, container, bridges)?;
    if config.healthcheck.is_some() {
        lines.leave_out("the health check");
    }
    if !matches!(host_config.restart_policy.name.as_str(), "" | "no") {
        lines.leave_out(format!("the restart policy {}", host_config.restart_policy.name));
    }
    if !lines.left_out.is_empty() {
        lines
            .text
            .push_str("\n# Left out, since LXC has no word for it here:\n");
        for what in &lines.left_out {
            // A line end would be the end of the comment.
            let _ = writeln!(lines.text, "#   {}", what.replace(char::is_control, " "));
        }
    }
    Ok(lines.text)
}

fn program(lines: &mut Lines, container: &ContainerInspect) -> Result<(), Error> {
    let config = &container.config;
    let words: Vec<&String> = std::iter::once(&container.path).chain(&container.args).collect();
    // LXC cuts it at blanks and knows no quotes.
    let plain =
        |word: &&String| !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || c == '"' || c == '\'');
    if words.iter().all(plain) {
        let words: Vec<&str> = words.iter().map(|word| word.as_str()).collect();
        lines.set("lxc.init.cmd", words.join(" "))?;
    } else {
        let words: Vec<String> = words.iter().map(|word| for_shell(word)).collect();
        lines.leave_out(format!(
            "its command, which has blanks or quotes in its words; give it to lxc-start behind --: {}",
            words.join(" ")
        ));
    }
    if !config.working_dir.is_empty() {
        lines.set("lxc.init.cwd", &config.working_dir)?;
    }
    let (user, group) = config.user.split_once(':').unwrap_or((&config.user, ""));
    for (key, id) in [("lxc.init.uid", user), ("lxc.init.gid", group)] {
        if id.parse::<u32>().is_ok() {
            lines.set(key, id)?;
        } else if !id.is_empty() {
            lines.leave_out(format!("{key}, which takes numbers only: the container has {id}"));
        }
    }
    for variable in config.env.iter().flatten() {
        // Without a value LXC would take the host's.
        if variable.contains('=') {
            lines.set("lxc.environment", variable)?;
        } else {
            lines.leave_out(format!("the variable {variable}, which has no value"));
        }
    }
    let signal = Some(config.stop_signal.as_str()).filter(|signal| !signal.is_empty());
    lines.set("lxc.signal.halt", signal.unwrap_or("SIGTERM"))
}

/// A word as a shell takes it, on one line.
fn for_shell(word: &str) -> String {
    if word.contains(char::is_control) {
        return format!("$'{}'", word.escape_default());
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn mounts(lines: &mut Lines, container: &ContainerInspect) -> Result<(), Error> {
    lines.set("lxc.mount.auto", "proc:mixed sys:ro")?;
    let place = |path: &str| {
        path.trim_start_matches('/')
            .replace('\\', "\\134")
            .replace(' ', "\\040")
            .replace('\t', "\\011")
    };
    for mount in &container.mounts {
        let access = if mount.rw { "rw" } else { "ro" };
        let inside = place(&mount.destination);
        match mount.kind.as_str() {
            "bind" | "volume" => {
                // What is no directory here is none there.
                let kind = if Path::new(&mount.source).is_file() {
                    "file"
                } else {
                    "dir"
                };
                let entry = format!(
                    "/{} {inside} none rbind,{access},create={kind} 0 0",
                    place(&mount.source)
                );
                lines.set("lxc.mount.entry", entry)?;
            }
            "tmpfs" => lines.set(
                "lxc.mount.entry",
                format_args!("tmpfs {inside} tmpfs {access},create=dir 0 0"),
            )?,
            other => lines.leave_out(format!("the mount of type {other} at {}", mount.destination)),
        }
    }
    for (inside, options) in container.host_config.tmpfs.iter().flatten() {
        let options = if options.is_empty() {
            "rw,noexec,nosuid,nodev"
        } else {
            options
        };
        let entry = format!("tmpfs {} tmpfs {options},create=dir 0 0", place(inside));
        lines.set("lxc.mount.entry", entry)?;
    }
    Ok(())
}

/// Limits, for either kind of control groups: LXC skips those of the other.
fn limits(lines: &mut Lines, host_config: &HostConfig) -> Result<(), Error> {
    let limits = &host_config.resources;
    let mut both = |old: &str, of_old: String, new: &str, of_new: String| -> Result<(), Error> {
        lines.set(&format!("lxc.cgroup.{old}"), of_old)?;
        lines.set(&format!("lxc.cgroup2.{new}"), of_new)
    };
    if limits.memory > 0 {
        let memory = limits.memory.to_string();
        both("memory.limit_in_bytes", memory.clone(), "memory.max", memory)?;
    }
    if limits.cpu_shares > 0 {
        let shares = limits.cpu_shares.clamp(2, 262_144);
        let weight = 1 + (shares - 2) * 9999 / 262_142;
        both("cpu.shares", shares.to_string(), "cpu.weight", weight.to_string())?;
    }
    let period = if limits.cpu_period > 0 {
        limits.cpu_period
    } else {
        100_000
    };
    let quota = if limits.nano_cpus > 0 {
        limits.nano_cpus.saturating_mul(period) / 1_000_000_000
    } else {
        limits.cpu_quota
    };
    if quota > 0 {
        lines.set("lxc.cgroup.cpu.cfs_period_us", period)?;
        lines.set("lxc.cgroup.cpu.cfs_quota_us", quota)?;
        lines.set("lxc.cgroup2.cpu.max", format_args!("{quota} {period}"))?;
    }
    for (file, value) in [
        ("cpuset.cpus", &limits.cpuset_cpus),
        ("cpuset.mems", &limits.cpuset_mems),
    ] {
        if !value.is_empty() {
            lines.set(&format!("lxc.cgroup.{file}"), value)?;
            lines.set(&format!("lxc.cgroup2.{file}"), value)?;
        }
    }
    if let Some(pids) = limits.pids_limit.filter(|pids| *pids > 0) {
        lines.set("lxc.cgroup.pids.max", pids)?;
        lines.set("lxc.cgroup2.pids.max", pids)?;
    }
    for limit in limits.ulimits.iter().flatten() {
        let word = |value: i64| {
            if value < 0 {
                "unlimited".to_owned()
            } else {
                value.to_string()
            }
        };
        let value = format!("{}:{}", word(limit.soft), word(limit.hard));
        lines.set(&format!("lxc.prlimit.{}", limit.name), value)?;
    }
    for (name, value) in host_config.sysctls.iter().flatten() {
        lines.set(&format!("lxc.sysctl.{name}"), value)?;
    }
    Ok(())
}

/// Whatever of a container's separation is not written is named.
fn separation(lines: &mut Lines, host_config: &HostConfig) -> Result<(), Error> {
    if !host_config.privileged {
        for version in ["cgroup", "cgroup2"] {
            lines.set(&format!("lxc.{version}.devices.deny"), "a")?;
            for rule in DEVICES {
                lines.set(&format!("lxc.{version}.devices.allow"), rule)?;
            }
        }
        lines.leave_out("the paths of /proc and /sys that are masked or read-only");
    }
    let is_given = |count: usize| count > 0;
    let own = [
        (
            "its devices",
            is_given(host_config.resources.devices.iter().flatten().count()),
        ),
        (
            "its device rules",
            is_given(host_config.resources.device_cgroup_rules.iter().flatten().count()),
        ),
        ("its process namespace", !host_config.pid_mode.is_empty()),
        (
            "its IPC namespace",
            !matches!(host_config.ipc_mode.as_str(), "" | "private" | "shareable"),
        ),
        ("its user namespace", !host_config.userns_mode.is_empty()),
    ];
    for (what, given) in own {
        if given {
            lines.leave_out(what);
        }
    }
    Ok(())
}

fn rights(lines: &mut Lines, host_config: &HostConfig) -> Result<(), Error> {
    separation(lines, host_config)?;
    if host_config.privileged {
        return Ok(());
    }
    let plain = |name: &String| name.to_ascii_lowercase().trim_start_matches("cap_").to_owned();
    let added: Vec<String> = host_config
        .cap_add
        .iter()
        .flat_map(|caps| caps.iter())
        .map(plain)
        .collect();
    let dropped: Vec<String> = host_config
        .cap_drop
        .iter()
        .flat_map(|caps| caps.iter())
        .map(plain)
        .collect();
    let all = |names: &[String]| names.iter().any(|name| name == "all");
    if all(&added) {
        for name in &dropped {
            lines.set("lxc.cap.drop", name)?;
        }
    } else {
        let defaults = CAPABILITIES.iter().map(|name| (*name).to_owned());
        let kept = defaults.filter(|name| !all(&dropped) && !dropped.contains(name));
        let mut kept: Vec<String> = kept
            .chain(added.iter().filter(|name| !dropped.contains(*name)).cloned())
            .collect();
        kept.sort_unstable();
        kept.dedup();
        lines.set(
            "lxc.cap.keep",
            if kept.is_empty() {
                "none".to_owned()
            } else {
                kept.join(" ")
            },
        )?;
    }
    for option in host_config.security_opt.iter().flatten() {
        match option.as_str() {
            "no-new-privileges" | "no-new-privileges=true" | "no-new-privileges:true" => {
                lines.set("lxc.no_new_privs", 1)?;
            }
            other => lines.leave_out(format!("the security option {other}")),
        }
    }
    lines.leave_out("Docker's seccomp profile; lxc.seccomp.profile takes one in LXC's own form");
    Ok(())
}

fn networks(lines: &mut Lines, container: &ContainerInspect, bridges: &BTreeMap<String, String>) -> Result<(), Error> {
    let mode = container.host_config.network_mode.as_str();
    if mode == "none" {
        return lines.set("lxc.net.0.type", "empty");
    }
    if mode == "host" {
        return lines.set("lxc.net.0.type", "none");
    }
    if let Some(other) = mode.strip_prefix("container:") {
        lines.leave_out(format!("the network of the container {other}"));
        return lines.set("lxc.net.0.type", "empty");
    }
    let endpoints = container.network_settings.networks.iter();
    for (index, (name, endpoint)) in endpoints.enumerate() {
        let key = |rest: &str| format!("lxc.net.{index}.{rest}");
        let Some(bridge) = bridges.get(name) else {
            lines.set(&key("type"), "empty")?;
            lines.leave_out(format!("the network {name}, which is no bridge"));
            continue;
        };
        lines.set(&key("type"), "veth")?;
        lines.set(&key("link"), bridge)?;
        lines.set(&key("flags"), "up")?;
        if !endpoint.mac_address.is_empty() {
            lines.set(&key("hwaddr"), &endpoint.mac_address)?;
        }
        let asked = endpoint.ipam_config.as_ref().map(|ipam| ipam.ipv4_address.as_str());
        match asked.filter(|address| !address.is_empty()) {
            Some(address) if endpoint.ip_prefix_len > 0 => {
                lines.set(&key("ipv4.address"), format_args!("{address}/{}", endpoint.ip_prefix_len))?;
                lines.set(&key("ipv4.gateway"), "auto")?;
            }
            _ => lines.leave_out(format!(
                "its address in {name}: the daemon gives one at every start; lxc.net.{index}.ipv4.address is for one of its own"
            )),
        }
    }
    let published = container.host_config.port_bindings.iter().flatten();
    for (port, _) in published {
        lines.leave_out(format!("the published port {port}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(container: serde_json::Value) -> Result<String, Error> {
        let container = serde_json::from_value(container).unwrap();
        let bridges = BTreeMap::from([("bridge".to_owned(), "docker0".to_owned())]);
        config(&container, Path::new("/var/lib/lxc/web/rootfs"), &bridges)
    }

    #[test]
    fn row_111_a_container_in_the_words_of_lxc() {
        let text = of(serde_json::json!({
            "Name": "/web", "Path": "httpd", "Args": ["-f", "-p", "80"],
            "Config": {
                "Hostname": "web", "Env": ["PATH=/bin", "QUOTE=\"a b\""], "WorkingDir": "/srv", "User": "33:www",
                "StopSignal": "SIGQUIT", "Healthcheck": {"Test": ["CMD", "true"]},
            },
            "HostConfig": {
                "NetworkMode": "bridge", "ReadonlyRootfs": true, "Memory": 67_108_864, "NanoCpus": 1_500_000_000,
                "CpuShares": 512, "CpusetCpus": "0-1", "PidsLimit": 100, "CapAdd": ["CAP_NET_ADMIN"], "CapDrop": ["MKNOD"],
                "Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": -1}], "Sysctls": {"net.ipv4.ip_forward": "1"},
                "Tmpfs": {"/scratch": "size=1m"}, "SecurityOpt": ["no-new-privileges"],
                "RestartPolicy": {"Name": "always"}, "PortBindings": {"80/tcp": [{"HostPort": "8080"}]},
            },
            "Mounts": [
                {"Type": "volume", "Source": "/data/my files", "Destination": "/srv/my files", "RW": false},
                {"Type": "bind", "Source": "/etc/hostname", "Destination": "/etc/name", "RW": true},
            ],
            "NetworkSettings": {"Networks": {"bridge": {"MacAddress": "02:42:ac:11:00:02"}, "vlan": {}}},
        }))
        .unwrap();
        assert_eq!(text, include_str!("web.conf"));
    }

    #[test]
    fn row_111_what_would_be_another_line_is_refused_or_a_comment() {
        let refused = of(serde_json::json!({
            "Name": "/x", "Path": "true", "Config": {"Env": ["A=1\nlxc.hook.pre-start = /evil"]},
        }));
        assert!(refused.unwrap_err().to_string().contains("more than one line"));
        let refused = of(serde_json::json!({
            "Name": "/x", "Path": "true", "HostConfig": {"Sysctls": {"a = 1\nlxc.hook.pre-start": "/evil"}},
        }));
        assert!(refused.unwrap_err().to_string().contains("more than one line"));
        let text = of(serde_json::json!({"Name": "/x", "Path": "true", "Config": {"Env": ["SECRET_OF_THE_HOST"]}}));
        assert!(!text.unwrap().contains("lxc.environment"));
        let text = of(serde_json::json!({
            "Name": "/x", "Path": "sh", "Args": ["-c", "it's\nlxc.hook.pre-start = /evil", ""],
            "HostConfig": {"NetworkMode": "none", "SecurityOpt": ["x\nlxc.hook.stop = /evil"]},
        }))
        .unwrap();
        assert!(
            text.contains(r"behind --: 'sh' '-c' $'it\'s\nlxc.hook.pre-start = /evil' ''"),
            "{text}"
        );
        assert!(!text.lines().any(|line| line.starts_with("lxc.hook")), "{text}");
    }
}
