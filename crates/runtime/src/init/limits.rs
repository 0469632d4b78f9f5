//! Resource limits.
//!
//! The process sets its own while it is still root: prlimit(2) on a process of another user needs CAP_SYS_RESOURCE even
//! for lowering. Raising a hard limit needs that capability in the host's user namespace, which a process in its own
//! user namespace never has; then the parent is asked.

use super::Init;
use crate::error::Error;
use crate::process::message::Message;
use rustix::io::Errno;

/// Sets the document's limits.
pub(super) fn limits(init: &mut Init<'_>) -> Result<(), Error> {
    for (resource, limit) in &init.program.limits {
        match rustix::process::setrlimit(*resource, *limit) {
            Ok(()) => {}
            Err(Errno::PERM) => {
                init.channel.send(&Message::Limits)?;
                return init.channel.await_plain(&Message::LimitsDone);
            }
            Err(source) => {
                return Err(Error::Kernel {
                    action: format!("set rlimit {resource:?}"),
                    source,
                });
            }
        }
    }
    Ok(())
}
