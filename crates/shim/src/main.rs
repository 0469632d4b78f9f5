//! The shim: parent of one container.
//!
//! It owns the container's standard streams, terminal, log and exit status, and speaks containerd's shim protocol, so
//! that the engine (or containerd) may die and come back without the container noticing. One thread, one loop, no
//! executor: it costs little enough to have one for every container.
//!
//! Where to read: `start` how it comes to be, `serve` the loop and everything it knows, `requests` → `lifecycle` and
//! `control` the verbs, `job` the forked workers in which `runtime` and `rootfs` do what may block, `reap` how exits
//! are learned and told, `streams` the way of every byte a container reads or writes, `newcomer` the I/O socket,
//! `health` the probes, `publisher` the events, `clean` the tidying after a shim that was killed.

mod argv;
mod checkpoint;
mod clean;
mod connection;
mod container;
mod control;
mod error;
mod health;
mod job;
mod lifecycle;
mod newcomer;
mod poll;
mod process;
mod publisher;
mod reap;
mod requests;
mod rootfs;
mod runtime;
mod serve;
mod start;
mod stats;
mod streams;
mod wanted;

use std::io::Write;
use std::process::ExitCode;

use argv::Action;
use error::{Doing, Result};
use prost::Message;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("containerd-shim-tierce-v2: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments = argv::parse(std::env::args().skip(1))?;
    match arguments.action {
        Action::Start => {
            // A container's process is this program until its `execve`; it must not be a way to write this file.
            tierce_runtime::guard::reexecute()?;
            start::start(&arguments)
        }
        Action::Delete => clean::clean(&arguments),
        Action::Info => {
            let version = Some(RuntimeVersion {
                version: env!("CARGO_PKG_VERSION").to_owned(),
            });
            let info = RuntimeInfo {
                name: "io.containerd.tierce.v2".to_owned(),
                version,
            };
            std::io::stdout()
                .write_all(&info.encode_to_vec())
                .doing(|| "print the description".into())
        }
        Action::Version => {
            println!("containerd-shim-tierce-v2:\n  Version:  {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
    }
}

/// `containerd.types.RuntimeInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct RuntimeInfo {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    version: Option<RuntimeVersion>,
}

/// `containerd.types.RuntimeVersion`.
#[derive(Clone, PartialEq, prost::Message)]
struct RuntimeVersion {
    #[prost(string, tag = "1")]
    version: String,
}
