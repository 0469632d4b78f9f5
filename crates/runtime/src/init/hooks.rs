//! The moments of hooks on the child's way.

use super::{Init, Role};
use crate::error::Error;
use crate::hooks;
use crate::process::message::Message;
use tierce_oci::runtime::Hooks;

fn of<'a>(init: &Init<'a>) -> Option<&'a Hooks> {
    match init.role {
        Role::First(container) => container.spec.hooks.as_ref(),
        Role::Further { .. } => None,
    }
}

/// `prestart` and `createRuntime` in the runtime's namespaces (the parent runs them), then `createContainer` here.
pub(super) fn before_pivot(init: &mut Init<'_>) -> Result<(), Error> {
    let Some(lists) = of(init) else { return Ok(()) };
    if !lists.prestart.is_empty() || !lists.create_runtime.is_empty() {
        init.await_go()?;
        init.channel.send(&Message::Hooks)?;
        init.channel.expect(&Message::HooksDone)?;
    }
    hooks::run("createContainer", &lists.create_container, init.state)
}

/// `startContainer`, in the container, right before the program.
pub(super) fn before_program(init: &mut Init<'_>) -> Result<(), Error> {
    let Some(lists) = of(init) else { return Ok(()) };
    hooks::run("startContainer", &lists.start_container, init.state)
}
