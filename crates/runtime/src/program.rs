//! A process as it will be executed: the document's `process`, checked and turned into what the kernel takes, in the
//! parent, where an error costs nothing.

use crate::error::Error;
use crate::filter::Filter;
use crate::schedule::Schedule;
use crate::{environment, label, log};
use rustix::process::{Resource, Rlimit};
use std::ffi::CString;
use std::path::Path;
use tierce_oci::runtime::capability::Sets;
use tierce_oci::runtime::{Linux, Process};

/// A process, prepared.
#[derive(Debug)]
pub(crate) struct Program {
    /// The document, for what needs no preparation.
    pub(crate) process: Process,
    /// Arguments.
    pub(crate) arguments: Vec<CString>,
    /// Environment, without `HOME` if the document lacks it.
    pub(crate) environment: Vec<CString>,
    /// Capability sets.
    pub(crate) capabilities: Sets,
    /// Resource limits.
    pub(crate) limits: Vec<(Resource, Rlimit)>,
    /// CPUs, priorities, memory.
    pub(crate) schedule: Schedule,
    /// System call filter.
    pub(crate) filter: Option<Filter>,
    /// Descriptors from 3 upwards that it inherits.
    pub(crate) preserve_fds: u32,
    /// Whether the document names none: the container can be created, and ends when it is started.
    pub(crate) absent: bool,
}

impl Program {
    /// Prepares a process of a container whose document has this `linux` member.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what can never run; [`Error::Seccomp`] for a bad profile.
    pub(crate) fn of(process: &Process, linux: Option<&Linux>, preserve_fds: u32) -> Result<Self, Error> {
        if process.args.is_empty() {
            return Err(Error::Invalid("args must not be empty".into()));
        }
        if !process.cwd.is_absolute() {
            return Err(Error::Invalid(format!(
                "cwd {} must be an absolute path",
                process.cwd.display()
            )));
        }
        let (capabilities, warnings) = Sets::of(process.capabilities.as_ref());
        for warning in &warnings {
            log::warn(warning);
        }
        label::check(&process.selinux_label)?;
        Ok(Self {
            arguments: arguments(&process.args)?,
            environment: environment::prepare(&process.env)?,
            capabilities,
            limits: limits(process)?,
            schedule: Schedule::of(process, linux)?,
            filter: linux
                .and_then(|linux| linux.seccomp.as_ref())
                .map(Filter::compile)
                .transpose()?,
            preserve_fds,
            absent: false,
            process: process.clone(),
        })
    }

    /// Stands for the process of a document without one.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub(crate) fn none(linux: Option<&Linux>) -> Result<Self, Error> {
        let process = Process {
            args: vec![String::new()],
            cwd: "/".into(),
            ..Process::default()
        };
        Self::of(&process, linux, 0).map(|program| Self {
            absent: true,
            ..program
        })
    }

    /// Adds an environment variable of the runtime's own; the text has no NUL byte.
    pub(crate) fn tell(&mut self, name: &str, value: &str) {
        let assigned = format!("{name}=");
        self.environment
            .retain(|line| !line.as_bytes().starts_with(assigned.as_bytes()));
        self.environment.extend(CString::new(assigned + value).ok());
    }

    /// The value of an environment variable; the last one counts, as in a shell.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.process
            .env
            .iter()
            .rev()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    }

    /// The working directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.process.cwd
    }
}

fn arguments(texts: &[String]) -> Result<Vec<CString>, Error> {
    texts
        .iter()
        .map(|text| {
            CString::new(text.as_str()).map_err(|_| Error::Invalid(format!("argument {text:?} contains a NUL byte")))
        })
        .collect()
}

fn limits(process: &Process) -> Result<Vec<(Resource, Rlimit)>, Error> {
    let mut limits: Vec<(Resource, Rlimit)> = Vec::with_capacity(process.rlimits.len());
    for limit in &process.rlimits {
        let resource =
            resource(&limit.kind).ok_or_else(|| Error::Invalid(format!("wrong rlimit value: {}", limit.kind)))?;
        if limits.iter().any(|(known, _)| *known == resource) {
            return Err(Error::Invalid(format!("rlimit {} is given twice", limit.kind)));
        }
        if limit.soft > limit.hard {
            return Err(Error::Invalid(format!(
                "rlimit {}: soft limit is above the hard limit",
                limit.kind
            )));
        }
        let value = |value: u64| (value != u64::MAX).then_some(value);
        limits.push((
            resource,
            Rlimit {
                current: value(limit.soft),
                maximum: value(limit.hard),
            },
        ));
    }
    Ok(limits)
}

fn resource(name: &str) -> Option<Resource> {
    Some(match name.strip_prefix("RLIMIT_")? {
        "AS" => Resource::As,
        "CORE" => Resource::Core,
        "CPU" => Resource::Cpu,
        "DATA" => Resource::Data,
        "FSIZE" => Resource::Fsize,
        "LOCKS" => Resource::Locks,
        "MEMLOCK" => Resource::Memlock,
        "MSGQUEUE" => Resource::Msgqueue,
        "NICE" => Resource::Nice,
        "NOFILE" => Resource::Nofile,
        "NPROC" => Resource::Nproc,
        "RSS" => Resource::Rss,
        "RTPRIO" => Resource::Rtprio,
        "RTTIME" => Resource::Rttime,
        "SIGPENDING" => Resource::Sigpending,
        "STACK" => Resource::Stack,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process() -> Process {
        Process {
            args: vec!["true".into()],
            cwd: "/".into(),
            ..Process::default()
        }
    }

    #[test]
    fn what_can_never_run_is_refused_before_anything_is_made() {
        let relative = Process {
            cwd: "tmp".into(),
            ..process()
        };
        let empty = Process {
            args: vec![],
            ..process()
        };
        let nul = Process {
            args: vec!["a\0b".into()],
            ..process()
        };
        for wrong in [relative, empty, nul] {
            assert!(Program::of(&wrong, None, 0).is_err());
        }
    }

    #[test]
    fn the_last_of_two_variables_counts() {
        let process = Process {
            env: vec!["PATH=/a".into(), "PATHX=/c".into(), "PATH=/b".into()],
            ..process()
        };
        assert_eq!(
            Program::of(&process, None, 0).expect("a program").variable("PATH"),
            Some("/b")
        );
    }
}
