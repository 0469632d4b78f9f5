//! Flags about privileges and namespaces.

use super::environment::pair;
use crate::Error;
use clap::Args;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tierce_api_types::container::HostConfig;
use tierce_oci::container::StrSlice;

#[derive(Debug, Args)]
pub(crate) struct SecurityFlags {
    /// Add Linux capabilities
    #[arg(long, value_name = "list")]
    cap_add: Vec<String>,
    /// Drop Linux capabilities
    #[arg(long, value_name = "list")]
    cap_drop: Vec<String>,
    /// Cgroup namespace to use (host|private)
    #[arg(long, default_value = "", hide_default_value = true)]
    cgroupns: String,
    /// Add additional groups to join
    #[arg(long, value_name = "list")]
    group_add: Vec<String>,
    /// IPC mode to use
    #[arg(long, default_value = "", hide_default_value = true)]
    ipc: String,
    /// PID namespace to use
    #[arg(long, default_value = "", hide_default_value = true)]
    pid: String,
    /// Give extended privileges to this container
    #[arg(long)]
    privileged: bool,
    /// Mount the container's root filesystem as read only
    #[arg(long)]
    read_only: bool,
    /// Security Options
    #[arg(long, value_name = "list")]
    security_opt: Vec<String>,
    /// Sysctl options
    #[arg(long, value_name = "map", value_parser = parse_sysctl)]
    sysctl: Vec<String>,
    /// User namespace to use
    #[arg(long, default_value = "", hide_default_value = true)]
    userns: String,
    /// UTS namespace to use
    #[arg(long, default_value = "", hide_default_value = true)]
    uts: String,
}

impl SecurityFlags {
    pub(crate) fn apply(&self, host: &mut HostConfig) -> Result<(), Error> {
        let list = |words: &Vec<String>| (!words.is_empty()).then(|| words.clone());
        let (add, drop) = capabilities(&self.cap_add, &self.cap_drop);
        host.cap_add = list(&add).map(StrSlice);
        host.cap_drop = list(&drop).map(StrSlice);
        self.check_modes()?;
        host.cgroupns_mode.clone_from(&self.cgroupns);
        host.group_add = list(&self.group_add);
        host.ipc_mode.clone_from(&self.ipc);
        host.pid_mode.clone_from(&self.pid);
        host.privileged = self.privileged;
        host.readonly_rootfs = self.read_only;
        host.uts_mode.clone_from(&self.uts);
        host.userns_mode.clone_from(&self.userns);
        let sysctls: BTreeMap<String, String> = self.sysctl.iter().map(|text| pair(text)).collect();
        host.sysctls = (!sysctls.is_empty()).then_some(sysctls);
        self.security_options(host)
    }

    /// Refuses modes that there are not. That of IPC is the daemon's to refuse.
    fn check_modes(&self) -> Result<(), Error> {
        let pid = self.pid.strip_prefix("container:").is_some_and(|name| !name.is_empty());
        for (valid, text) in [
            (pid || matches!(&*self.pid, "" | "host"), "--pid: invalid PID mode"),
            (matches!(&*self.uts, "" | "host"), "--uts: invalid UTS mode"),
            (matches!(&*self.userns, "" | "host"), "--userns: invalid USER mode"),
            (
                matches!(&*self.cgroupns, "" | "host" | "private"),
                "--cgroupns: invalid CGROUP mode",
            ),
        ] {
            if !valid {
                return Err(Error::usage(text));
            }
        }
        Ok(())
    }

    /// A seccomp profile is read here and sent whole, since the daemon may be on another machine.
    fn security_options(&self, host: &mut HostConfig) -> Result<(), Error> {
        let mut options = Vec::new();
        for option in &self.security_opt {
            let (name, value) = match option.split_once('=').or_else(|| option.split_once(':')) {
                Some((name, value)) if !value.is_empty() => (name, value),
                _ if option.starts_with("no-new-privileges") => (option.as_str(), ""),
                _ => return Err(Error::usage(format!("Invalid --security-opt: {option:?}"))),
            };
            match (name, value) {
                ("systempaths", "unconfined") => {
                    host.masked_paths = Some(Vec::new());
                    host.readonly_paths = Some(Vec::new());
                }
                ("seccomp", file) if !matches!(file, "unconfined" | "builtin" | "strict") => {
                    let failed = |error: &dyn std::fmt::Display| {
                        Error::usage(format!("opening seccomp profile ({file}) failed: {error}"))
                    };
                    let path = Path::new(file);
                    let profile =
                        std::fs::read_to_string(path).map_err(|error| failed(&Error::opening(path, &error)))?;
                    let profile = compact(&profile).map_err(|error| {
                        Error::usage(format!("compacting json for seccomp profile ({file}) failed: {error}"))
                    })?;
                    options.push(format!("seccomp={profile}"));
                }
                _ => options.push(option.clone()),
            }
        }
        host.security_opt = (!self.security_opt.is_empty()).then_some(options);
        Ok(())
    }
}

/// JSON without blanks between its parts, its members in their order.
fn compact(text: &str) -> Result<String, serde_json::Error> {
    serde_json::from_str::<serde::de::IgnoredAny>(text)?;
    let (mut in_string, mut escaped) = (false, false);
    let keep = |letter: &char| {
        let keep = in_string || !letter.is_ascii_whitespace();
        if *letter == '"' && !escaped {
            in_string = !in_string;
        }
        escaped = in_string && *letter == '\\' && !escaped;
        keep
    };
    Ok(text.chars().filter(keep).collect())
}

/// Names as the kernel has them, in order; what is added is not dropped, and `ALL` stands for all. Source: docker/cli
/// `opts/capabilities.go`.
fn capabilities(add: &[String], drop: &[String]) -> (Vec<String>, Vec<String>) {
    let named = |words: &[String]| -> BTreeSet<String> {
        let names: BTreeSet<String> = words
            .iter()
            .map(|word| word.trim().to_ascii_uppercase())
            .map(|name| match name.as_str() {
                "ALL" | "RESET" => name,
                _ if name.starts_with("CAP_") => name,
                _ => format!("CAP_{name}"),
            })
            .collect();
        if names.contains("ALL") {
            return BTreeSet::from(["ALL".to_owned()]);
        }
        names
    };
    let (add, drop) = (named(add), named(drop));
    let drop = drop.difference(&add).cloned().collect();
    (add.into_iter().collect(), drop)
}

/// A parameter of the container's own namespaces. Source: docker/cli `opts.ValidateSysctl`.
fn parse_sysctl(text: &str) -> Result<String, String> {
    const NAMES: [&str; 8] = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    ];
    let name = text.split_once('=').map(|(name, _)| name);
    let allowed = |name: &str| NAMES.contains(&name) || name.starts_with("net.") || name.starts_with("fs.mqueue.");
    if name.is_some_and(allowed) {
        Ok(text.to_owned())
    } else {
        Err(format!("sysctl '{text}' is not allowed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_named_as_docker_names_them() {
        let words = |words: &[&str]| -> Vec<String> { words.iter().map(|word| (*word).to_owned()).collect() };
        let told = |add: &[&str], drop: &[&str]| capabilities(&words(add), &words(drop));
        assert_eq!(
            told(&["net_admin"], &["all"]),
            (words(&["CAP_NET_ADMIN"]), words(&["ALL"]))
        );
        assert_eq!(
            told(&["ALL", "CHOWN"], &["CAP_KILL"]),
            (words(&["ALL"]), words(&["CAP_KILL"]))
        );
        assert_eq!(
            told(&["CAP_KILL"], &["KILL", "chown"]),
            (words(&["CAP_KILL"]), words(&["CAP_CHOWN"]))
        );
    }

    #[test]
    fn profiles_lose_their_blanks_and_nothing_else() {
        let text = "{ \"b\" : \"x \\\" y\" ,\n\t\"a\": [1, 2] }";
        assert_eq!(compact(text).unwrap(), r#"{"b":"x \" y","a":[1,2]}"#);
        assert!(compact("{").is_err());
    }

    #[test]
    fn parameters_of_the_host_are_refused() {
        assert!(parse_sysctl("net.core.somaxconn=1").is_ok() && parse_sysctl("kernel.sem=1 2").is_ok());
        for bad in ["net.core.somaxconn", "kernel.hostname=x", "vm.swappiness=1"] {
            assert!(parse_sysctl(bad).is_err(), "{bad}");
        }
    }
}
