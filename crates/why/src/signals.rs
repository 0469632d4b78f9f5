//! What it means to end by a signal.

/// Name of a signal, and what usually sends it.
pub(crate) fn meaning(signal: i32) -> (&'static str, &'static str) {
    match signal {
        1 => (
            "SIGHUP",
            "its terminal was closed, or it was asked to read its configuration again and does not know how",
        ),
        2 => ("SIGINT", "it was interrupted, as by Ctrl-C"),
        3 => ("SIGQUIT", "it was asked to quit"),
        4 => ("SIGILL", "it executed an instruction that this processor does not have"),
        5 => ("SIGTRAP", "it ran into a trap of its own"),
        6 => ("SIGABRT", "it gave up itself, as after a failed assertion"),
        7 => (
            "SIGBUS",
            "it used memory that is not there, as of a mapped file that became shorter, or of a full /dev/shm",
        ),
        8 => ("SIGFPE", "it divided by zero, or the like"),
        9 => ("SIGKILL", "it was killed"),
        11 => ("SIGSEGV", "it used memory that is not its own: a defect of the program"),
        13 => ("SIGPIPE", "it wrote to somebody who had gone"),
        14 => ("SIGALRM", "a time that it had set for itself was over"),
        15 => ("SIGTERM", "it was asked to end"),
        24 => ("SIGXCPU", "it used more processor time than its limit (--ulimit cpu)"),
        25 => ("SIGXFSZ", "it wrote a larger file than its limit (--ulimit fsize)"),
        31 => ("SIGSYS", "it made a system call that its seccomp filter forbids"),
        _ => ("a signal", "somebody sent it"),
    }
}

/// The signal behind an exit code as shells tell it.
pub(crate) fn of_exit_code(code: i32) -> Option<i32> {
    (129..=128 + 64).contains(&code).then_some(code - 128)
}
