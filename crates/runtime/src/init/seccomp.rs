//! no_new_privs and the system call filter.
//!
//! Loading a filter needs CAP_SYS_ADMIN or no_new_privs. Without the latter it must be loaded before privileges fall, and
//! the filter must then allow what comes after: prctl, setgroups, setresgid, setresuid, capset, chdir, getcwd, looking
//! the program up. With it, it is loaded when nothing is left but write, read and execve (and hooks, which it confines).
//! A profile that runc can start a program under, ours can too.

use super::Init;
use crate::error::{Doing, Error};

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

fn load(init: &mut Init<'_>) -> Result<(), Error> {
    let Some(filter) = &init.program.filter else {
        return Ok(());
    };
    // What the parent still has to say must be heard before the filter can forbid listening.
    init.await_go()?;
    filter.load(&init.channel)
}
