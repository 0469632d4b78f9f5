//! The `process` section: program, environment, user, limits.

use super::Inputs;
use super::security::Security;
use std::path::Path;
use tierce_oci::container::{HostConfig, Ulimit};
use tierce_oci::runtime::{ConsoleSize, Process, Rlimit};

/// Docker's search path of images that set none.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where the init program appears in the container.
pub(super) const INIT: &str = "/sbin/docker-init";

pub(super) fn process(inputs: &Inputs<'_>, security: &Security) -> Process {
    let config = inputs.config;
    let mut args = Vec::with_capacity(inputs.arguments.len() + 3);
    if inputs.init.is_some() {
        args.extend([INIT.to_owned(), "--".to_owned()]);
    }
    args.push(inputs.program.to_owned());
    args.extend(inputs.arguments.iter().cloned());
    Process {
        terminal: config.tty,
        console_size: config.tty.then(|| console_size(inputs.host_config)).flatten(),
        user: inputs.user.clone(),
        args,
        env: environment(
            &config.hostname,
            config.tty,
            &inputs.linked_environment,
            config.env.as_deref().unwrap_or_default(),
        ),
        cwd: working_directory(&config.working_dir),
        capabilities: Some(security.capabilities.clone()),
        rlimits: rlimits(inputs.host_config.resources.ulimits.as_deref().unwrap_or_default()),
        no_new_privileges: security.no_new_privileges,
        apparmor_profile: security.apparmor_profile.clone(),
        oom_score_adj: Some(inputs.host_config.oom_score_adj),
        ..Process::default()
    }
}

fn console_size(host_config: &HostConfig) -> Option<ConsoleSize> {
    let [height, width] = host_config.console_size;
    (height > 0 && width > 0).then_some(ConsoleSize { height, width })
}

fn working_directory(text: &str) -> std::path::PathBuf {
    if text.is_empty() {
        "/".into()
    } else {
        Path::new(text).to_owned()
    }
}

/// The environment of the first process: the daemon's defaults and those of links, overridden and followed by
/// the container's.
pub(super) fn environment(hostname: &str, tty: bool, linked: &[String], own: &[String]) -> Vec<String> {
    let mut environment = vec![format!("PATH={DEFAULT_PATH}"), format!("HOSTNAME={hostname}")];
    if tty {
        environment.push("TERM=xterm".to_owned());
    }
    environment.extend_from_slice(linked);
    override_or_append(environment, own)
}

/// Docker's merge: a name that is there is replaced in place, `NAME` without a value removes it, others are appended.
pub(crate) fn override_or_append(mut environment: Vec<String>, own: &[String]) -> Vec<String> {
    for entry in own {
        let name = entry.split('=').next().unwrap_or_default();
        let position = environment.iter().position(|old| old.split('=').next() == Some(name));
        match (position, entry.contains('=')) {
            (Some(position), true) => entry.clone_into(&mut environment[position]),
            (Some(position), false) => drop(environment.remove(position)),
            (None, true) => environment.push(entry.clone()),
            (None, false) => {}
        }
    }
    environment
}

fn rlimits(ulimits: &[Ulimit]) -> Vec<Rlimit> {
    ulimits
        .iter()
        .map(|limit| Rlimit {
            kind: format!("RLIMIT_{}", limit.name.to_uppercase()),
            // -1 is Docker's word for no limit.
            hard: limit.hard as u64,
            soft: limit.soft as u64,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn own_variables_replace_the_defaults_in_place() {
        let merged = environment("h", true, &[], &words(&["PATH=/x", "A=b", "TERM"]));
        assert_eq!(merged, words(&["PATH=/x", "HOSTNAME=h", "A=b"]));
    }
}
