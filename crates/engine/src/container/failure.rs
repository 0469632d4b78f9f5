//! The runtime's failures in dockerd's words, with the exit codes that shells know: 127 for a program that is not there,
//! 126 for one that cannot be executed. Source: moby `daemon/errors.go` (`translateContainerdStartErr`).

use crate::error::Error;
use tierce_fault::Fault;

/// Signs of a missing program.
const MISSING: [&str; 4] = [
    "executable file not found",
    "no such file or directory",
    "system cannot find the file specified",
    "failed to run runc create/exec call",
];
/// Signs of one that cannot be executed.
const DENIED: [&str; 3] = ["permission denied", "is a directory", "not a directory"];

/// Before the failures of a container's creation that are not its runtime's.
const TASK_PREFIX: &str = "failed to create task for container: ";

/// Turns what the task said into the engine's error.
///
/// * `verb`: `"create failed: "` or `"exec failed: "`.
pub(crate) fn runtime_failure(verb: &str, error: &tierce_task::Error) -> Error {
    let text = error.to_string();
    if !matches!(error, tierce_task::Error::Refused { .. }) {
        let prefix = if verb.starts_with("exec") { "" } else { TASK_PREFIX };
        return Error::below_with(prefix, NotRefused(text, error.kind()));
    }
    if let Some((_, cause)) = text.split_once("failed to initialize logging driver: ") {
        return Error::Internal(format!("{}{cause}", super::log_options::NO_DRIVER));
    }
    let (prefix, runtime_prefix) = if verb.starts_with("exec") {
        (
            "",
            "OCI runtime exec failed: exec failed: unable to start container process: ",
        )
    } else {
        (
            "failed to create task for container: failed to create shim task: ",
            "OCI runtime create failed: runc create failed: unable to start container process: ",
        )
    };
    let text = text.trim_end_matches(": unknown");
    // Our own runtime says this much itself.
    let text = text.strip_prefix("unable to start container process: ").unwrap_or(text);
    // A shim that already speaks as containerd's does is not quoted twice.
    let message = if text.contains("OCI runtime") {
        let start = text.find("OCI runtime").unwrap_or_default();
        format!("{prefix}{}: unknown", &text[start..])
    } else {
        format!("{prefix}{runtime_prefix}{text}: unknown")
    };
    let exit_code = exit_code(&message);
    Error::Runtime { message, exit_code }
}

fn exit_code(message: &str) -> i32 {
    let program = message.contains("exec: ") || message.contains("exec failed");
    if DENIED.iter().any(|sign| message.contains(sign)) && message.contains("exec: ") {
        126
    } else if program && MISSING.iter().any(|sign| message.contains(sign)) {
        if message.contains("chdir to cwd") { 126 } else { 127 }
    } else if message.contains("exec failed") {
        126
    } else {
        128
    }
}

/// A failure of the shim's, not of the container's program.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotRefused(String, tierce_fault::Kind);

impl Fault for NotRefused {
    fn kind(&self) -> tierce_fault::Kind {
        self.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tierce_fault::Kind;

    fn refused(message: &str) -> tierce_task::Error {
        tierce_task::Error::Refused {
            kind: Kind::Internal,
            message: message.to_owned(),
        }
    }

    #[test]
    fn a_missing_program_is_127_in_dockers_words() {
        let error = runtime_failure(
            "create failed: ",
            &refused("exec: \"foo\": executable file not found in $PATH"),
        );
        assert_eq!(
            error.to_string(),
            "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create \
             failed: unable to start container process: exec: \"foo\": executable file not found in $PATH: unknown"
        );
        assert!(matches!(error, Error::Runtime { exit_code: 127, .. }));
        assert_eq!(error.kind(), Kind::Invalid);
    }

    #[test]
    fn the_code_follows_the_cause() {
        for (message, code) in [
            ("exec: \"/etc/passwd\": permission denied", 126),
            ("exec: \"/etc\": is a directory: permission denied", 126),
            ("exec: \"/bin/nope\": stat /bin/nope: no such file or directory", 127),
            ("error mounting \"/x\": no such file or directory", 128),
        ] {
            let Error::Runtime { exit_code, .. } = runtime_failure("create failed: ", &refused(message)) else {
                panic!("not a runtime failure");
            };
            assert_eq!(exit_code, code, "{message}");
        }
    }

    #[test]
    fn what_our_runtime_says_itself_is_not_said_twice() {
        let theirs = "unable to start container process: error during container init: exec: \"x\": permission denied";
        let ours = runtime_failure("create failed: ", &refused(theirs)).to_string();
        assert_eq!(ours.matches("unable to start container process").count(), 1);
    }

    #[test]
    fn a_shim_that_quotes_the_runtime_itself_is_not_quoted_twice() {
        let theirs = "OCI runtime exec failed: exec failed: unable to start container process: exec: \"x\": \
                      executable file not found in $PATH: unknown";
        assert_eq!(runtime_failure("exec failed: ", &refused(theirs)).to_string(), theirs);
    }
}
