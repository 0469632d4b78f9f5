//! The user and its groups.

use super::Init;
use crate::error::{Doing, Error};
use rustix::io::Errno;
use rustix::thread::{Gid, Uid, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// Becomes the user of the document.
pub(super) fn user(init: &mut Init<'_>) -> Result<(), Error> {
    let user = &init.program.process.user;
    let groups: Vec<Gid> = user.additional_gids.iter().map(|gid| Gid::from_raw(*gid)).collect();
    match set_thread_groups(&groups) {
        // A user namespace whose setgroups(2) is denied has none to begin with.
        Err(Errno::PERM) if groups.is_empty() => {}
        result => result.doing(|| "setgroups".into())?,
    }
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    set_thread_res_gid(gid, gid, gid).doing(|| format!("setgid {}", user.gid))?;
    set_thread_res_uid(uid, uid, uid).doing(|| format!("setuid {}", user.uid))?;
    // A change of user makes the process dumpable by policy; it still holds the runtime's image.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .doing(|| "stay undumpable".into())
}
