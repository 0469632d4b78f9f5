//! no_new_privs and the system call filter.
//!
//! Loading a filter needs CAP_SYS_ADMIN or no_new_privs. Without the latter it must be loaded before privileges fall, and
//! the filter must then allow what comes after; with it, it is loaded last, right before `execve`.

use super::Init;
use crate::error::{Doing, Error};
use crate::process::message::Message;
use std::os::fd::AsFd;

/// Sets no_new_privs where asked for.
pub(super) fn no_new_privileges(init: &mut Init<'_>) -> Result<(), Error> {
    if !init.program.process.no_new_privileges {
        return Ok(());
    }
    rustix::thread::set_no_new_privs(true).doing(|| "set no_new_privs".into())
}

/// Loads the filter now where it cannot be loaded later.
pub(super) fn while_privileged(init: &mut Init<'_>) -> Result<(), Error> {
    if init.program.process.no_new_privileges {
        Ok(())
    } else {
        load(init)
    }
}

/// Loads the filter as the very last thing.
pub(super) fn without_privileges(init: &mut Init<'_>) -> Result<(), Error> {
    if init.program.process.no_new_privileges {
        load(init)
    } else {
        Ok(())
    }
}

fn load(init: &Init<'_>) -> Result<(), Error> {
    let Some(filter) = &init.program.filter else {
        return Ok(());
    };
    if let Some(notifications) = filter.load()? {
        init.channel.send_with(&Message::Listener, &[notifications.as_fd()])?;
    }
    Ok(())
}
