//! The process of an exec instance: the container's own settings with what the request changes.
//! Source: moby `daemon/exec.go`, `daemon/exec_linux.go`.

use crate::process::{environment, override_or_append};
use crate::security::{CAPABILITIES, mask_of, of_mask};
use tierce_oci::container::Config;
use tierce_oci::runtime::{Capabilities, ConsoleSize, Process, User};

/// What a process beside a container's first one is made of.
#[derive(Debug)]
pub struct Exec<'a> {
    /// The container's own settings.
    pub config: &'a Config,
    /// Program and arguments.
    pub command: &'a [String],
    /// `NAME=value` of the containers that it is linked to, under the container's own.
    pub linked: &'a [String],
    /// `NAME=value`, over the container's own.
    pub environment: &'a [String],
    /// Absolute path; empty: the container's own.
    pub working_directory: &'a str,
    /// As whom it runs.
    pub user: User,
    /// With a terminal, of this size (rows, columns) where one is known.
    pub terminal: Option<Option<(u16, u16)>>,
    /// The capabilities that it gets; `None`: all.
    pub capabilities: Option<Vec<String>>,
    /// Whether `execve` may not grant privileges.
    pub no_new_privileges: bool,
    /// The container's AppArmor profile.
    pub apparmor_profile: &'a str,
}

impl Exec<'_> {
    /// Makes the process.
    pub fn process(self) -> Process {
        let config = self.config;
        let own = config.env.as_deref().unwrap_or_default();
        let base = environment(&config.hostname, self.terminal.is_some(), self.linked, own);
        let cwd = [self.working_directory, &config.working_dir]
            .into_iter()
            .find(|path| !path.is_empty());
        let names = self
            .capabilities
            .unwrap_or_else(|| CAPABILITIES.iter().map(|name| (*name).to_owned()).collect());
        Process {
            terminal: self.terminal.is_some(),
            console_size: self.terminal.flatten().map(|(rows, columns)| ConsoleSize {
                height: rows.into(),
                width: columns.into(),
            }),
            user: self.user,
            args: self.command.to_vec(),
            env: override_or_append(base, self.environment),
            cwd: cwd.unwrap_or("/").into(),
            capabilities: Some(Capabilities {
                bounding: names.clone(),
                effective: names.clone(),
                permitted: names,
                ..Capabilities::default()
            }),
            no_new_privileges: self.no_new_privileges,
            apparmor_profile: self.apparmor_profile.to_owned(),
            ..Process::default()
        }
    }
}

/// The bounding set of a container's first process: what its exec instances may have. `None`: it is gone.
pub fn bounding_set(pid: u32) -> Option<Vec<String>> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mask = mask_of(&status, "CapBnd")?;
    Some(of_mask(mask).into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_077_the_bounding_set_of_a_process_is_read() {
        assert!(bounding_set(std::process::id()).is_some());
        assert_eq!(bounding_set(u32::MAX), None);
    }

    #[test]
    fn the_environment_is_the_containers_with_links_and_the_kind_of_its_own_terminal() {
        let config = Config {
            hostname: "h".into(),
            tty: true,
            env: Some(vec!["A=1".into()]),
            ..Config::default()
        };
        let linked = ["DB_NAME=/web/db".to_owned()];
        let exec = |terminal| Exec {
            config: &config,
            command: &[],
            linked: &linked,
            environment: &[],
            working_directory: "",
            user: User::default(),
            terminal,
            capabilities: None,
            no_new_privileges: false,
            apparmor_profile: "",
        };
        let environment = exec(None).process().env;
        assert_eq!(environment[1..], ["HOSTNAME=h", "DB_NAME=/web/db", "A=1"]);
        let environment = exec(Some(None)).process().env;
        assert_eq!(environment[2], "TERM=xterm");
    }
}
