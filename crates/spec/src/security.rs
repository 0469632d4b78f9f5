//! Capabilities, system call filter, AppArmor, hidden paths. Source: moby `daemon/pkg/oci/caps`, `daemon/seccomp_linux.go`,
//! `oci/defaults.go`, `daemon/daemon_unix.go` (`parseSecurityOpt`).

use super::Inputs;
use crate::error::{Error, Result};
use tierce_oci::runtime::{Capabilities, Seccomp};
use tierce_seccomp::{Architecture, KernelVersion, docker};

/// Every capability, in the kernel's order (capabilities(7)).
pub(crate) const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// Docker's fourteen, in Docker's order.
pub(crate) const DEFAULT_CAPABILITIES: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// The section.
pub(super) struct Security {
    pub(super) capabilities: Capabilities,
    pub(super) no_new_privileges: bool,
    pub(super) apparmor_profile: String,
    pub(super) seccomp: Option<Seccomp>,
    pub(super) masked_paths: Vec<String>,
    pub(super) readonly_paths: Vec<String>,
}

/// `--security-opt`, parsed once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// `no-new-privileges`
    pub no_new_privileges: bool,
    /// `seccomp=`: `unconfined`, `builtin`, `strict`, or a profile's JSON.
    pub seccomp: String,
    /// `apparmor=`
    pub apparmor: String,
    /// `systempaths=unconfined`
    pub bare_system_paths: bool,
    /// `writable-cgroups`; `None`: as `--privileged` has it.
    pub writable_cgroups: Option<bool>,
}

/// Parses `--security-opt` in Docker's two spellings (`key=value` and the older `key:value`).
pub fn options(list: &[String]) -> Result<Options> {
    let mut options = Options::default();
    for text in list {
        match text.as_str() {
            "no-new-privileges" => options.no_new_privileges = true,
            "writable-cgroups" => options.writable_cgroups = Some(true),
            _ => {}
        }
        if matches!(text.as_str(), "no-new-privileges" | "writable-cgroups" | "disable") {
            continue;
        }
        let Some((key, value)) = text.split_once('=').or_else(|| text.split_once(':')) else {
            return Err(Error::Invalid(format!("invalid --security-opt 1: {text:?}")));
        };
        let truth =
            || tierce_oci::parse_bool(value).map_err(|_| Error::Invalid(format!("invalid --security-opt 2: {text:?}")));
        match key {
            // SELinux is off here: its labels mean nothing, as for dockerd on such a host.
            "label" => {}
            "apparmor" => value.clone_into(&mut options.apparmor),
            "seccomp" => value.clone_into(&mut options.seccomp),
            "no-new-privileges" => options.no_new_privileges = truth()?,
            "writable-cgroups" => options.writable_cgroups = Some(truth()?),
            "systempaths" if value == "unconfined" => options.bare_system_paths = true,
            _ => return Err(Error::Invalid(format!("invalid --security-opt 2: {text:?}"))),
        }
    }
    // Otherwise the filter would be in force before privileges fall, which it forbids.
    options.no_new_privileges |= options.seccomp == "strict";
    Ok(options)
}

pub(super) fn security(inputs: &Inputs<'_>) -> Result<Security> {
    let host_config = inputs.host_config;
    let options = options(host_config.security_opt.as_deref().unwrap_or_default())?;
    let known = of_mask(inputs.host.capabilities);
    let names = capabilities(
        host_config.cap_add.as_deref().unwrap_or_default(),
        host_config.cap_drop.as_deref().unwrap_or_default(),
        host_config.privileged,
        &known,
    )?;
    let seccomp = seccomp(inputs, &options, &names)?;
    let apparmor_profile = match (options.apparmor.as_str(), &inputs.host.apparmor_profile) {
        // Without AppArmor no profile can be entered.
        (_, None) => String::new(),
        ("", Some(_)) if host_config.privileged => "unconfined".to_owned(),
        ("", Some(default)) => default.clone(),
        (own, Some(_)) => own.to_owned(),
    };
    let paths = |list: &Option<Vec<String>>| {
        if host_config.privileged {
            Vec::new()
        } else {
            list.clone().unwrap_or_default()
        }
    };
    Ok(Security {
        capabilities: Capabilities {
            bounding: names.clone(),
            effective: names.clone(),
            permitted: names,
            ..Capabilities::default()
        },
        no_new_privileges: options.no_new_privileges,
        apparmor_profile,
        seccomp,
        masked_paths: paths(&host_config.masked_paths),
        readonly_paths: paths(&host_config.readonly_paths),
    })
}

fn seccomp(inputs: &Inputs<'_>, options: &Options, capabilities: &[String]) -> Result<Option<Seccomp>> {
    if inputs.host_config.privileged && options.seccomp.is_empty() {
        return Ok(None);
    }
    let Some(native) = Architecture::native() else {
        return Ok(None);
    };
    let (major, minor) = inputs.host.kernel;
    let kernel = KernelVersion::new(major, minor);
    match options.seccomp.as_str() {
        "unconfined" => Ok(None),
        "" | "builtin" => Ok(Some(docker::default_profile(capabilities, native, kernel))),
        "strict" => Ok(Some(tierce_seccomp::strict(vec![native.oci()], &["execve"]))),
        json => docker::load(json, capabilities, native, kernel)
            .map_err(|error| Error::Invalid(format!("Decoding seccomp profile failed: {error}"))),
    }
}

/// The names in a mask, in the kernel's order.
pub(super) fn of_mask(mask: u64) -> Vec<&'static str> {
    CAPABILITIES
        .iter()
        .enumerate()
        .filter(|(bit, _)| mask >> bit & 1 == 1)
        .map(|(_, name)| *name)
        .collect()
}

/// One mask of a /proc/PID/status (proc_pid_status(5)): `CapEff`, `CapBnd`, ….
pub(super) fn mask_of(status: &str, set: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(set)?.strip_prefix(':'))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// The capabilities that a process can use now, from its /proc/PID/status; all where it does not say.
pub(crate) fn effective_mask(status: &str) -> u64 {
    mask_of(status, "CapEff").unwrap_or(u64::MAX)
}

/// A capability's full name, upper case; `ALL` stays as it is.
pub fn normalise(names: &[String]) -> Result<Vec<String>> {
    let mut normal = Vec::new();
    for name in names {
        let upper = name.to_uppercase();
        if matches!(upper.as_str(), "ALL" | "CAP_ALL") {
            normal.push("ALL".to_owned());
            continue;
        }
        let full = if upper.starts_with("CAP_") {
            upper
        } else {
            format!("CAP_{upper}")
        };
        if !CAPABILITIES.contains(&full.as_str()) {
            return Err(Error::Invalid(format!("unknown capability: {full:?}")));
        }
        normal.push(full);
    }
    normal.sort();
    normal.dedup();
    Ok(normal)
}

/// The bounding set (moby `TweakCapabilities`).
fn capabilities(add: &[String], drop: &[String], privileged: bool, known: &[&str]) -> Result<Vec<String>> {
    let (add, drop) = (normalise(add)?, normalise(drop)?);
    let all = |list: &[String]| list.iter().any(|name| name == "ALL");
    let without = |names: &[&str]| -> Vec<String> {
        names
            .iter()
            .filter(|name| !drop.iter().any(|dropped| dropped == *name))
            .map(|name| (*name).to_owned())
            .collect()
    };
    if privileged {
        return Ok(known.iter().map(|name| (*name).to_owned()).collect());
    }
    let mut names = if all(&add) {
        return Ok(without(known));
    } else if all(&drop) {
        Vec::new()
    } else {
        without(&DEFAULT_CAPABILITIES)
    };
    for name in add {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn row_140_fourteen_by_default() {
        assert_eq!(
            capabilities(&[], &[], false, &CAPABILITIES).unwrap(),
            words(&DEFAULT_CAPABILITIES)
        );
    }

    #[test]
    fn row_140_adding_and_dropping() {
        let drop_all = capabilities(&words(&["net_admin", "CHOWN"]), &words(&["ALL"]), false, &CAPABILITIES).unwrap();
        assert_eq!(drop_all, words(&["CAP_CHOWN", "CAP_NET_ADMIN"]));
        let add_all = capabilities(&words(&["all"]), &words(&["SYS_ADMIN"]), false, &CAPABILITIES).unwrap();
        assert_eq!(add_all.len(), 40);
        assert!(
            capabilities(&[], &words(&["ALL"]), false, &CAPABILITIES)
                .unwrap()
                .is_empty()
        );
        assert_eq!(capabilities(&[], &[], true, &CAPABILITIES[..5]).unwrap().len(), 5);
        assert_eq!(of_mask(0b101), ["CAP_CHOWN", "CAP_DAC_READ_SEARCH"]);
        assert_eq!(
            mask_of("Name:\tx\nCapBnd:\t00000000a80425fb\n", "CapBnd"),
            Some(0xa804_25fb)
        );
        let error = normalise(&words(&["FOO"])).unwrap_err();
        assert_eq!(error.to_string(), "unknown capability: \"CAP_FOO\"");
    }

    #[test]
    fn security_options_have_dockers_texts() {
        let parsed = options(&words(&["no-new-privileges", "seccomp:unconfined", "label=disable"])).unwrap();
        assert!(parsed.no_new_privileges);
        let strict = options(&["seccomp=strict".to_owned()]).unwrap();
        assert!(strict.no_new_privileges);
        assert_eq!(parsed.seccomp, "unconfined");
        let text = |list: &[&str]| options(&words(list)).unwrap_err().to_string();
        assert_eq!(text(&["foo=bar"]), "invalid --security-opt 2: \"foo=bar\"");
        assert_eq!(text(&["foo"]), "invalid --security-opt 1: \"foo\"");
    }
}
