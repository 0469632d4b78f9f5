//! `delete`: cleaning up after a shim that is dead. Goes on as far as it can, and may be repeated.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::SystemTime;

use prost::Message;
use tierce_task::messages::DeleteResponse;

use crate::argv::Arguments;
use crate::container::Record;
use crate::error::{Doing, Result};
use crate::{rootfs, start};

/// 128 + SIGKILL: nobody knows how it really ended.
const KILLED: u32 = 137;

/// Kills what is left of the container, unmounts, removes sockets; prints a `DeleteResponse`.
pub(crate) fn clean(arguments: &Arguments) -> Result<()> {
    let bundle = match &arguments.bundle {
        Some(bundle) => bundle.clone(),
        None => std::env::current_dir().on("find", &PathBuf::from("."))?,
    };
    let mut outcome = Ok(());
    if let Some(record) = Record::read(&bundle) {
        outcome = record.runtime.delete(&arguments.id, &bundle, true);
        if let Some(root) = &record.rootfs {
            rootfs::unmount_all(root);
        }
    }
    let identity = start::identity(arguments);
    for socket in [identity.task_socket, identity.io_socket] {
        let _ = fs::remove_file(socket);
    }
    let answer = DeleteResponse {
        exit_status: KILLED,
        exited_at: Some(SystemTime::now().into()),
        ..DeleteResponse::default()
    };
    io::stdout()
        .write_all(&answer.encode_to_vec())
        .doing(|| "print the answer".into())?;
    outcome.or_else(|error| match tierce_fault::Fault::kind(&error) {
        // It was never created, or is deleted already.
        tierce_fault::Kind::NotFound => Ok(()),
        _ => Err(error),
    })
}
