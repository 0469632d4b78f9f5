//! `tierce-runtime`: the OCI runtime with runc's command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(tierce_runtime::command_line(std::env::args_os()))
}
