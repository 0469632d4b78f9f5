//! What a command can end in: the one place that knows exit codes.

use tierce_fault::Kind;

/// A wrong command line, or a `run` that the daemon refused.
pub(crate) const USAGE: i32 = 125;
/// An inspection with a template that is none.
pub(crate) const BAD_TEMPLATE: i32 = 64;
/// The program of a `run` cannot be executed.
const NOT_EXECUTABLE: i32 = 126;
/// The program of a `run` was not found.
const NOT_FOUND: i32 = 127;

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The daemon refused, or cannot be reached.
    #[error("{}{_0}", if _0.status().is_some() { "Error response from daemon: " } else { "" })]
    Daemon(#[from] tierce_client::Error),
    /// Nothing to say: the command ends with the code of the process it ran.
    #[error("exit code {0}")]
    Exit(i32),
    /// A `run` that did not come to its process, or a `create` whose flags make no sense.
    #[error("tierce: {text}\n\nRun 'tierce {command} --help' for more information")]
    WithHelp {
        /// What happened.
        text: String,
        /// Whose page may help.
        command: &'static str,
        /// The code of this program.
        code: i32,
    },
    /// A flag of `run` or `create` that nobody knows.
    #[error(
        "{text}\n\nUsage:  tierce {command} [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nRun 'tierce {command} --help' for more \
         information"
    )]
    UnknownFlag {
        /// Which.
        text: String,
        /// Of which command.
        command: &'static str,
    },
    /// Flags that make no sense, before it is known whose they are.
    #[error(transparent)]
    Flags(#[from] tierce_flags::Error),
    /// Anything else, with this program's words.
    #[error("{text}")]
    Failed {
        /// What happened.
        text: String,
        /// The code of this program.
        code: i32,
    },
}

impl From<tierce_format::Error> for Error {
    fn from(error: tierce_format::Error) -> Self {
        match error {
            tierce_format::Error::Template(_) => Self::failed(error.to_string()),
            tierce_format::Error::Moment { .. } => Self::usage(error.to_string()),
        }
    }
}

impl From<tierce_settings::Error> for Error {
    fn from(error: tierce_settings::Error) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<tierce_copy::Error> for Error {
    fn from(error: tierce_copy::Error) -> Self {
        Self::failed(error.to_string())
    }
}

impl Error {
    /// A failure with code 1.
    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self::Failed {
            text: text.into(),
            code: 1,
        }
    }

    /// A command line that makes no sense.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Failed {
            text: text.into(),
            code: USAGE,
        }
    }

    /// The same failure as the end of a `run`, with Docker's codes: 125 the daemon, 126 not executable, 127 not found.
    pub(crate) fn of_run(self) -> Self {
        let text = self.to_string();
        let code = match &self {
            Self::Exit(_) | Self::WithHelp { .. } => return self,
            Self::Flags(_) => return self.of("run"),
            _ if text.contains("executable file not found")
                || text.contains("no such file or directory")
                || text.contains("system cannot find the file specified") =>
            {
                NOT_FOUND
            }
            _ if text.contains("permission denied") || text.contains("is a directory") => NOT_EXECUTABLE,
            _ => USAGE,
        };
        Self::WithHelp {
            text,
            command: "run",
            code,
        }
    }

    /// The same failure, if it is one of flags, as the failure of a command.
    pub(crate) fn of(self, command: &'static str) -> Self {
        match self {
            Self::Flags(tierce_flags::Error::Unknown(text)) => Self::UnknownFlag { text, command },
            Self::Flags(tierce_flags::Error::Usage(text)) => Self::WithHelp {
                text,
                command,
                code: USAGE,
            },
            other => other,
        }
    }
}

/// Prints an error with the way out, where there is one, and gives the exit code.
pub(crate) fn report(error: &Error) -> i32 {
    match error {
        Error::Exit(code) => *code,
        Error::Flags(_) | Error::UnknownFlag { .. } => {
            eprintln!("{error}");
            USAGE
        }
        Error::WithHelp { code, .. } | Error::Failed { code, .. } => {
            eprintln!("{error}");
            *code
        }
        Error::Daemon(cause) => {
            eprintln!("{error}");
            if let Some(hint) = hint(cause) {
                eprintln!("{hint}");
            }
            1
        }
    }
}

fn hint(cause: &tierce_client::Error) -> Option<&'static str> {
    use tierce_fault::Fault as _;
    match (cause, cause.kind()) {
        (tierce_client::Error::Connect { .. }, _) => {
            Some("Start the daemon with `tierced`, or name another one with -H or DOCKER_HOST.")
        }
        (_, Kind::Unauthorized) => Some("Log in to the registry first."),
        (_, Kind::Exhausted) => Some("Free some space (`tierce rmi`, `tierce rm`) and try again."),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_with_dockers_codes() {
        for (text, code) in [
            ("exec: \"foo\": executable file not found in $PATH", 127),
            ("exec /x: permission denied", 126),
            ("No such image", 125),
        ] {
            let Error::WithHelp { code: got, .. } = Error::failed(text).of_run() else {
                panic!("not a run error")
            };
            assert_eq!(got, code, "{text}");
        }
    }
}
