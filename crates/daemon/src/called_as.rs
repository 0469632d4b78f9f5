//! What this program was called: `tierced`, or `dockerd` with its default places.

use std::ffi::OsStr;
use std::path::Path;

/// The name that the program was called by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum CalledAs {
    /// Under its own name, or any but dockerd's.
    #[default]
    Tierced,
    /// As `dockerd`: it takes dockerd's place on this host.
    Dockerd,
}

/// Where a daemon lives unless it is told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Places {
    /// Configuration files; the first that exists is read.
    pub(crate) config_files: &'static [&'static str],
    pub(crate) data_root: &'static str,
    pub(crate) exec_root: &'static str,
    pub(crate) pidfile: Option<&'static str>,
    pub(crate) socket: &'static str,
}

impl CalledAs {
    /// From the program's first argument.
    pub(crate) fn of(argument: Option<&OsStr>) -> Self {
        match argument.map(Path::new).and_then(Path::file_name) {
            Some(name) if name == "dockerd" => Self::Dockerd,
            _ => Self::Tierced,
        }
    }

    /// The name for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tierced => "tierced",
            Self::Dockerd => "dockerd",
        }
    }

    /// The default places.
    pub(crate) fn places(self) -> Places {
        match self {
            Self::Tierced => Places {
                config_files: &["/etc/tierce/daemon.json", "/etc/docker/daemon.json"],
                data_root: "/var/lib/tierce",
                exec_root: "/run/tierce",
                pidfile: None,
                socket: tierce_api::DEFAULT_SOCKET,
            },
            Self::Dockerd => Places {
                config_files: &["/etc/docker/daemon.json"],
                data_root: "/var/lib/docker",
                exec_root: "/var/run/docker",
                pidfile: Some("/var/run/docker.pid"),
                socket: "/var/run/docker.sock",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_094_the_name_decides_where_things_lie() {
        let places = |argument: &str| CalledAs::of(Some(OsStr::new(argument))).places();
        assert_eq!(places("/usr/bin/dockerd").data_root, "/var/lib/docker");
        assert_eq!(places("dockerd").socket, "/var/run/docker.sock");
        assert_eq!(places("./tierced").data_root, "/var/lib/tierce");
        assert_eq!(CalledAs::of(None), CalledAs::Tierced);
    }
}
