//! `tierce-runtime`: the OCI runtime with runc's command line.

use std::process::ExitCode;

/// The program allocates little, frees little, and ends.
#[global_allocator]
static HEAP: tierce_sys::arena::Arena = tierce_sys::arena::Arena;

fn main() -> ExitCode {
    ExitCode::from(tierce_runtime::command_line(std::env::args_os()))
}
