//! `tierce-stand-in --shim PROGRAM …`: runc's command line for a container that another shim of containerd keeps.
//!
//! ```text
//!  containerd-shim-tierce-v2 ──runc's command line──> tierce-stand-in ──ttrpc──> containerd-shim-X-v2 ──> container
//!     streams, log, health, exit status                │ a process stays for each process of the container:
//!     ▲ pipes or a terminal, and its end               └─ between the pipes and the other shim's FIFOs (relay)
//! ```
//! Our shim looks after streams, logs and health of every container; an OCI runtime that makes the processes is exchanged
//! by its command line. Here a whole shim is put in a runtime's place: the verbs are calls, and since the processes are
//! the other shim's children, one of ours stands in for each: it has its streams, and ends as it ends.
//!
//! ```text
//!  ROOT/stand-in/ID/  bundle/config.json   the other shim's bundle; its working directory
//!                     bootstrap.json       where it listens
//! ```

mod argv;
mod call;
mod error;
mod other;
mod relay;
mod stay;
mod verbs;

use std::io::Write;
use std::process::ExitCode;

use argv::Arguments;

fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("tierce-stand-in: {error}");
            return ExitCode::FAILURE;
        }
    };
    match verbs::run(&arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tell(&arguments, &error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Tells of a failure where runc does: in the log, as JSON. Standard error is the container's.
fn tell(arguments: &Arguments, text: &str) {
    let Some(path) = &arguments.log else {
        eprintln!("tierce-stand-in: {text}");
        return;
    };
    let line = serde_json::json!({"level": "error", "msg": text});
    // Whoever called hears of the failure itself by the exit code.
    let _ = std::fs::File::options()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut log| writeln!(log, "{line}"));
}
