//! The moments of hooks on the child's way.

use super::{Init, Role};
use crate::error::{Doing, Error};
use crate::process::message::Message;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use tierce_hooks::Place;
use tierce_oci::runtime::{Hooks, State, Status};

fn of<'a>(init: &Init<'a>) -> Option<&'a Hooks> {
    match init.role {
        Role::First(container) => container.spec.hooks.as_ref(),
        Role::Further { .. } => None,
    }
}

/// The state as it is told inside: the pid is this process's own, which in a pid namespace is 1, as under runc.
fn state(init: &Init<'_>, status: Status) -> State {
    State {
        status,
        pid: Some(rustix::process::getpid().as_raw_nonzero().get()),
        ..init.state.clone()
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
    if lists.create_container.is_empty() {
        return Ok(());
    }
    // The group's rules and limits hold for what these start.
    init.await_go()?;
    rustix::process::fchdir(init.root()?.fd()).doing(|| "enter the rootfs".into())?;
    let place = Place {
        directory: None,
        environment: Some(Vec::new()),
    };
    let state = state(init, Status::Creating);
    Ok(tierce_hooks::run(
        "createContainer",
        &lists.create_container,
        &state,
        &place,
    )?)
}

/// `startContainer`, in the container, right before the program.
pub(super) fn before_program(init: &mut Init<'_>) -> Result<(), Error> {
    let Some(lists) = of(init).filter(|lists| !lists.start_container.is_empty()) else {
        return Ok(());
    };
    let environment = init
        .launch
        .as_ref()
        .map_or(&[][..], |launch| launch.environment.strings());
    let place = Place {
        directory: None,
        environment: Some(environment.iter().filter_map(variable).collect()),
    };
    let state = state(init, Status::Created);
    Ok(tierce_hooks::run(
        "startContainer",
        &lists.start_container,
        &state,
        &place,
    )?)
}

/// Splits `NAME=value`.
fn variable(line: &CString) -> Option<(OsString, OsString)> {
    let line = line.as_bytes();
    let at = line.iter().position(|byte| *byte == b'=')?;
    let text = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
    Some((text(&line[..at]), text(&line[at + 1..])))
}
