//! Kernel parameters of the container's namespaces.

use super::Init;
use crate::error::Error;
use crate::namespaces::Namespaces;
use std::collections::BTreeMap;
use tierce_oci::runtime::NamespaceKind;

/// Parameters of the IPC namespace under `kernel`.
const IPC: [&str; 8] = [
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
    "kernel/shm_rmid_forced",
];

/// The path under `/proc/sys` of a parameter; as sysctl(8), the first separator decides whether dots or slashes
/// separate.
fn path(name: &str) -> String {
    match name.find(['.', '/']).map(|position| name.as_bytes()[position]) {
        Some(b'.') => name
            .chars()
            .map(|c| {
                if c == '.' {
                    '/'
                } else if c == '/' {
                    '.'
                } else {
                    c
                }
            })
            .collect(),
        _ => name.to_owned(),
    }
}

/// Refuses parameters that would change the host, in runc's words.
///
/// # Errors
/// [`Error::Invalid`] naming the parameter.
pub(crate) fn check(parameters: &BTreeMap<String, String>, namespaces: &Namespaces) -> Result<(), Error> {
    for name in parameters.keys() {
        let path = path(name);
        let clean = path
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..");
        let shown = if clean { dotted(&path) } else { name.clone() };
        let wrong = |what: &str| Err(Error::Invalid(format!("sysctl {shown:?} {what}")));
        let own = if IPC.contains(&path.as_str()) || path.starts_with("fs/mqueue/") {
            if !namespaces.has(NamespaceKind::Ipc) {
                return wrong("is not allowed in the hosts ipc namespace");
            }
            true
        } else if path.starts_with("net/") {
            if !namespaces.has(NamespaceKind::Network) || namespaces.joins_own(NamespaceKind::Network)? {
                return wrong("not allowed in host network namespace");
            }
            true
        } else if path == "kernel/domainname" {
            namespaces.has(NamespaceKind::Uts)
        } else if path == "kernel/hostname" && namespaces.has(NamespaceKind::Uts) {
            return wrong("is not allowed as it conflicts with the OCI \"hostname\" field");
        } else if path.starts_with("user/") {
            namespaces.has(NamespaceKind::User)
        } else {
            false
        };
        if !clean || !own {
            return wrong("is not in a separate kernel namespace");
        }
    }
    Ok(())
}

/// The parameter's name with dots as separators, as it is shown.
fn dotted(path: &str) -> String {
    let swap = |c| match c {
        '/' => '.',
        '.' => '/',
        c => c,
    };
    path.chars().map(swap).collect()
}

/// Writes the parameters.
pub(super) fn sysctl(init: &mut Init<'_>) -> Result<(), Error> {
    let parameters = match init.role {
        super::Role::First(container) => &container.linux.sysctl,
        super::Role::Further { .. } => return Ok(()),
    };
    for (name, value) in parameters {
        init.procfs()?.write(&format!("sys/{}", path(name)), value.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_separator_decides() {
        assert_eq!(path("net.ipv4.ip_forward"), "net/ipv4/ip_forward");
        assert_eq!(
            path("net/ipv4/conf/eth0.1/forwarding"),
            "net/ipv4/conf/eth0.1/forwarding"
        );
        assert_eq!(
            path("net.ipv4.conf.eth0/1.forwarding"),
            "net/ipv4/conf/eth0.1/forwarding"
        );
    }

    #[test]
    fn parameters_of_the_host_are_refused() {
        let nothing = Namespaces::default();
        let text = |name: &str| {
            check(&BTreeMap::from([(name.to_owned(), "1".to_owned())]), &nothing).map_err(|error| error.to_string())
        };
        assert_eq!(
            text("net/ipv4/conf/eth0.1/forwarding"),
            Err("sysctl \"net.ipv4.conf.eth0/1.forwarding\" not allowed in host network namespace".into())
        );
        for name in [
            "vm.swappiness",
            "net.ipv4.ip_forward",
            "kernel.hostname",
            "net/../vm/swappiness",
            "kernel.msgmax",
        ] {
            assert!(
                check(&BTreeMap::from([(name.to_owned(), "1".to_owned())]), &nothing).is_err(),
                "{name}"
            );
        }
    }
}
