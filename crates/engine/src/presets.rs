//! What containers get that do not say: the part of the daemon's configuration that is about their isolation and names.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use tierce_oci::container::{HostConfig, Ulimit};

/// The daemon's defaults. Source: moby `daemon/daemon_unix.go`, `daemon/oci_linux.go`.
#[derive(Debug, Clone, Default)]
pub struct Presets {
    /// Resource limits by name (`--default-ulimit`).
    pub ulimits: BTreeMap<String, Ulimit>,
    /// `private` or `shareable`; `None`: private.
    pub ipc_mode: Option<String>,
    /// `private` or `host`; `None`: what the version of control groups suggests.
    pub cgroupns_mode: Option<String>,
    /// What `seccomp=` would say: `unconfined`, or a profile's JSON; `None`: the built-in profile.
    pub seccomp: Option<String>,
    /// Whether processes may never get more privileges than they have.
    pub no_new_privileges: bool,
    /// Name servers.
    pub dns: Vec<String>,
    /// Options of the resolver.
    pub dns_options: Vec<String>,
    /// Domains in which names are looked for.
    pub dns_search: Vec<String>,
    /// What `host-gateway` of `--add-host` stands for; empty: the default bridge's addresses.
    pub host_gateway: Vec<IpAddr>,
}

impl Presets {
    /// Whether a container of these options may never get more privileges.
    pub(crate) fn forbids_new_privileges(&self, security_options: &[String]) -> bool {
        self.no_new_privileges
            && !security_options
                .iter()
                .any(|option| option.starts_with("no-new-privileges"))
    }

    /// The host configuration that a container runs with. What is filled in here is not written down: it is the daemon's
    /// configuration of the moment, as with dockerd.
    ///
    /// * `no_new_privileges`: as the container's record has it.
    pub(crate) fn apply<'a>(&self, own: &'a HostConfig, no_new_privileges: bool) -> Cow<'a, HostConfig> {
        let mut filled = Cow::Borrowed(own);
        let given = own.resources.ulimits.as_deref().unwrap_or_default();
        let missing: Vec<Ulimit> = self
            .ulimits
            .iter()
            .filter(|(name, _)| !given.iter().any(|limit| limit.name == **name))
            .map(|(name, limit)| Ulimit {
                name: name.clone(),
                ..limit.clone()
            })
            .collect();
        if !missing.is_empty() {
            filled
                .to_mut()
                .resources
                .ulimits
                .get_or_insert_default()
                .extend(missing);
        }
        let options = own.security_opt.as_deref().unwrap_or_default();
        let says = |key: &str| options.iter().any(|option| option.starts_with(key));
        if let Some(profile) = self.seccomp.as_ref().filter(|_| !own.privileged && !says("seccomp")) {
            let option = format!("seccomp={profile}");
            filled.to_mut().security_opt.get_or_insert_default().push(option);
        }
        if no_new_privileges && !says("no-new-privileges") {
            let option = "no-new-privileges".to_owned();
            filled.to_mut().security_opt.get_or_insert_default().push(option);
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_094_what_a_container_says_goes_before_the_daemons_defaults() {
        let limit = |soft| Ulimit {
            name: "nofile".to_owned(),
            hard: 9,
            soft,
        };
        let presets = Presets {
            ulimits: BTreeMap::from([("nofile".to_owned(), limit(5)), ("core".to_owned(), limit(0))]),
            seccomp: Some("unconfined".to_owned()),
            no_new_privileges: true,
            ..Presets::default()
        };
        let mut own = HostConfig::default();
        own.resources.ulimits = Some(vec![limit(7)]);
        let filled = presets.apply(&own, true).into_owned();
        let limits = filled.resources.ulimits.unwrap();
        assert_eq!(limits.iter().map(|limit| limit.soft).collect::<Vec<_>>(), [7, 0]);
        assert_eq!(limits[1].name, "core");
        assert_eq!(
            filled.security_opt.unwrap(),
            ["seccomp=unconfined", "no-new-privileges"]
        );
        own.security_opt = Some(vec!["seccomp=builtin".to_owned(), "no-new-privileges=false".to_owned()]);
        let filled = presets.apply(&own, false).into_owned();
        assert_eq!(filled.security_opt, own.security_opt);
        assert!(!presets.forbids_new_privileges(own.security_opt.as_deref().unwrap()));
        // A privileged container is confined only when it asks for it.
        let bare = HostConfig {
            privileged: true,
            ..HostConfig::default()
        };
        assert_eq!(presets.apply(&bare, false).security_opt, None);
        assert!(matches!(Presets::default().apply(&bare, false), Cow::Borrowed(_)));
    }
}
