//! `tierce-init [--] PROGRAM [ARGUMENT…]`: the first process of a container that was asked for with `--init`.
//!
//! The kernel gives a namespace's first process two duties that ordinary programs do not know of: signals without a
//! handler do nothing to it, and every orphan becomes its child and stays a zombie until it is waited for. This program
//! takes both over: it starts PROGRAM as its child, hands it every signal that arrives, reaps whatever ends, and ends
//! as PROGRAM ended: with its code, or 128 + the number of the signal that killed it.
//!
//! The behaviour is that of `docker-init` (tini): PROGRAM leads a process group of its own, in the foreground of the
//! terminal on standard input, if there is one. Exit code 127 says that PROGRAM does not exist, 126 that it cannot be
//! executed, 1 that this program could not do its work.

mod program;

use std::ffi::OsString;
use std::fmt::Display;

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus};
use tierce_sys::clone::{Flags, Fork, fork};
use tierce_sys::{exec, signals};

use program::Program;

/// signal(7); these numbers are the same on every architecture that Linux containers run on but MIPS.
const SIGCHLD: i32 = 17;
const SIGTTIN: i32 = 21;
const SIGTTOU: i32 = 22;

/// This program failed.
const FAILED: i32 = 1;

fn main() {
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--version") {
        println!("tierce-init version {}", env!("CARGO_PKG_VERSION"));
        return;
    }
    if arguments.first().is_some_and(|first| first == "--") {
        arguments.remove(0);
    }
    let code = match Program::new(arguments) {
        Some(program) => run(&program).unwrap_or_else(|error| complain("cannot run the program", &error, FAILED)),
        None => complain(
            "no program given",
            &"usage: tierce-init [--] PROGRAM [ARGUMENT...]",
            FAILED,
        ),
    };
    exec::exit_now(code);
}

/// Starts the program and serves it until it has ended; its exit code.
fn run(program: &Program) -> Result<i32, Errno> {
    // Before the child exists, so that no signal falls between; they wait for `signals::wait`.
    signals::block_all();
    if rustix::process::getpid() != Pid::INIT {
        // Not the first of its namespace: orphans come here all the same.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    }
    match fork(Flags::NONE, None)? {
        Fork::Child => become_program(program),
        Fork::Parent { pid, .. } => loop {
            match signals::wait(None)? {
                Some(SIGCHLD) => {
                    if let Some(code) = reap(pid)? {
                        return Ok(code);
                    }
                }
                // About this process and the terminal, not about the program.
                Some(SIGTTIN | SIGTTOU) | None => {}
                // By pid: it is the child's until it is reaped here, and any seccomp profile lets kill(2) through.
                Some(number) => {
                    if let Err(error) = signals::send_to_pid(pid, number) {
                        complain(&format!("cannot forward signal {number}"), &error, FAILED);
                    }
                }
            }
        },
    }
}

/// In the child: the foreground, the signals of a new program, then the program itself.
fn become_program(program: &Program) -> ! {
    // A session leader cannot lead another group, and standard input need not be a terminal: neither does harm.
    let _ = rustix::process::setpgid(None, None);
    // SIGTTOU is still blocked, so the terminal does not stop us for taking it.
    let _ = rustix::termios::tcsetpgrp(rustix::stdio::stdin(), rustix::process::getpid());
    signals::reset();
    let error = program.execute();
    let code = match error {
        Errno::NOENT => 127,
        Errno::ACCESS => 126,
        _ => FAILED,
    };
    exec::exit_now(complain(&format!("cannot execute {}", program.name()), &error, code))
}

/// Takes every child that has ended; the code to exit with when `main` was among them.
fn reap(main: i32) -> Result<Option<i32>, Errno> {
    let mut code = None;
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get() == main => code = exit_code(status),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            // Nobody else has ended, or nobody is left.
            Ok(None) | Err(Errno::CHILD) => return Ok(code),
            Err(error) => return Err(error),
        }
    }
}

fn exit_code(status: WaitStatus) -> Option<i32> {
    status
        .exit_status()
        .or_else(|| status.terminating_signal().map(|signal| 128 + signal))
}

/// Says on standard error what went wrong; returns `code`. A reader that is gone does not matter.
fn complain(what: &str, why: &dyn Display, code: i32) -> i32 {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "tierce-init: {what}: {why}");
    code
}
