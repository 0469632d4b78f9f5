//! The verbs of a runtime, as calls.

use std::fs;

use tierce_task::messages::{
    Any, DeleteRequest, DeleteResponse, Empty, KillRequest, PauseRequest, ResumeRequest, StartRequest, StartResponse,
    UpdateTaskRequest,
};
use tierce_task::method::Method;

use crate::argv::Arguments;
use crate::error::{Error, Result, file};
use crate::other::Other;
use crate::stay;

const KILL: u32 = 9;

/// Carries a verb out; gives the exit code.
pub(crate) fn run(arguments: &Arguments) -> Result<u8> {
    let other = Other::of(arguments)?;
    let id = || other.id.clone();
    match arguments.verb.as_str() {
        "create" => return stay::create(arguments, &other),
        "exec" => return stay::exec(arguments, &other),
        "start" => {
            let request = StartRequest {
                id: id(),
                exec_id: String::new(),
            };
            other.call::<StartResponse>(Method::Start, &request)?;
        }
        "kill" => {
            let signal = arguments.words.get(1).and_then(|word| word.parse().ok());
            let signal = signal.ok_or_else(|| Error::Usage("kill needs a signal's number".to_owned()))?;
            kill(&other, signal, arguments.all)?;
        }
        "delete" => delete(&other, arguments.force)?,
        "pause" => drop(other.call::<Empty>(Method::Pause, &PauseRequest { id: id() })?),
        "resume" => drop(other.call::<Empty>(Method::Resume, &ResumeRequest { id: id() })?),
        "update" => {
            let path = &arguments.resources;
            let value = fs::read(path).map_err(file("read", path))?;
            let type_url = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources".to_owned();
            let request = UpdateTaskRequest {
                id: id(),
                resources: Some(Any { type_url, value }),
                ..UpdateTaskRequest::default()
            };
            other.call::<Empty>(Method::Update, &request)?;
        }
        verb => {
            let text = format!("{verb} is not served for containers that another shim keeps");
            return Err(Error::Usage(text));
        }
    }
    Ok(0)
}

fn kill(other: &Other, signal: u32, all: bool) -> Result<()> {
    let request = KillRequest {
        id: other.id.clone(),
        exec_id: String::new(),
        signal,
        all,
    };
    other.call::<Empty>(Method::Kill, &request).map(drop)
}

/// Forgets the container, and lets its shim go. Forced, it is killed before.
fn delete(other: &Other, force: bool) -> Result<()> {
    let request = DeleteRequest {
        id: other.id.clone(),
        exec_id: String::new(),
    };
    let mut deleted = other.call::<DeleteResponse>(Method::Delete, &request);
    if force && matches!(&deleted, Err(error) if !error.is_not_found()) {
        // One that has ended needs no signal.
        let _ = kill(other, KILL, true);
        let wait = tierce_task::messages::WaitRequest {
            id: other.id.clone(),
            exec_id: String::new(),
        };
        let _ended: Result<tierce_task::messages::WaitResponse> = other.call(Method::Wait, &wait);
        deleted = other.call(Method::Delete, &request);
    }
    match deleted {
        Err(error) if !force && !error.is_not_found() => return Err(error),
        deleted => other.end(deleted.is_err()),
    }
    Ok(())
}
