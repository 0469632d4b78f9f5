//! The verbs that ask about or act on living processes.

use rustix::termios::{Winsize, tcsetwinsize};
use tierce_fault::Kind;
use tierce_oci::runtime::Resources;
use tierce_task::messages::{
    CloseIoRequest, ConnectResponse, Empty, KillRequest, PidsResponse, ProcessInfo, ResizePtyRequest, StateRequest,
    StateResponse, StatsRequest, StatsResponse, UpdateTaskRequest, WaitRequest, WaitResponse,
};

use crate::connection::Reply;
use crate::container::Container;
use crate::error::{Doing, Error, Result};
use crate::health::Monitor;
use crate::job::Report;
use crate::process::{Phase, Process};
use crate::serve::{Purpose, Shim};
use crate::stats as readings;

/// The container, which must have been created.
pub(crate) fn container(shim: &Shim) -> Result<&Container> {
    let missing = || Error::refused(Kind::NotFound, format!("container {} is not created", shim.identity.id));
    shim.container.as_ref().ok_or_else(missing)
}

/// The process with this exec id, and its number.
pub(crate) fn process<'a>(shim: &'a mut Shim, exec: &str) -> Result<(u32, &'a mut Process)> {
    let missing = || {
        let what = if exec.is_empty() {
            "container is not created".into()
        } else {
            format!("no exec {exec}")
        };
        Error::refused(Kind::NotFound, format!("{}: {what}", shim.identity.id))
    };
    let number = shim.number_of(exec).ok_or_else(missing)?;
    let gone = || Error::refused(Kind::NotFound, format!("no exec {exec}"));
    Ok((number, shim.processes.get_mut(&number).ok_or_else(gone)?))
}

pub(crate) fn state(shim: &mut Shim, reply: Reply, request: &StateRequest) -> Result<()> {
    let container = container(shim)?;
    let (id, bundle) = (container.id.clone(), container.bundle.display().to_string());
    let (paused, oom_killed) = (container.paused, container.oom_killed);
    let health = container.health.as_ref().filter(|_| request.exec_id.is_empty());
    let health = health.map(Monitor::message);
    let io = if container.own_streams {
        shim.identity.io_socket.display().to_string()
    } else {
        String::new()
    };
    let execs = if request.exec_id.is_empty() {
        execs(shim)
    } else {
        Vec::new()
    };
    let (_, process) = process(shim, &request.exec_id)?;
    let ended = process.ended();
    let answer = StateResponse {
        id,
        bundle,
        pid: process.pid,
        status: process.status(paused).into(),
        stdin: process.names.stdin.clone(),
        stdout: process.names.stdout.clone(),
        stderr: process.names.stderr.clone(),
        terminal: process.streams.has_terminal(),
        exit_status: ended.map_or(0, |exit| exit.status),
        exited_at: ended.map(|exit| exit.at.into()),
        exec_id: process.id.clone(),
        oom_killed,
        io,
        execs,
        health,
    };
    shim.answer(reply, Ok(answer));
    Ok(())
}

fn execs(shim: &Shim) -> Vec<String> {
    let known = shim
        .processes
        .values()
        .filter(|process| !process.id.is_empty() && process.phase != Phase::Gone);
    known.map(|process| process.id.clone()).collect()
}

pub(crate) fn wait(shim: &mut Shim, reply: Reply, request: &WaitRequest) -> Result<()> {
    let container = container(shim)?;
    let (oom_killed, memory_peak) = (container.oom_killed, container.memory_peak);
    let (_, process) = process(shim, &request.exec_id)?;
    match process.ended() {
        None => process.waiters.push(reply),
        Some(exit) => {
            let answer = WaitResponse {
                exit_status: exit.status,
                exited_at: Some(exit.at.into()),
                oom_killed,
                memory_peak,
            };
            shim.answer(reply, Ok(answer));
        }
    }
    Ok(())
}

pub(crate) fn kill(shim: &mut Shim, reply: Reply, request: &KillRequest) -> Result<()> {
    let signal = request.signal as i32;
    let container = container(shim)?;
    let (id, bundle, runtime) = (
        container.id.clone(),
        container.bundle.clone(),
        container.record.runtime.clone(),
    );
    let (_, process) = process(shim, &request.exec_id)?;
    if request.all || (runtime.program.is_some() && process.id.is_empty()) {
        if !process.is_alive() && !request.all {
            return Err(Error::refused(Kind::NotFound, "process already finished"));
        }
        let all = request.all;
        shim.work(Purpose::Simple(reply), move || {
            runtime.kill(&id, &bundle, signal, all)?;
            Ok(Report::default())
        });
        return Ok(());
    }
    process.signal(signal)?;
    shim.answer(reply, Ok(Empty {}));
    Ok(())
}

pub(crate) fn resize(shim: &mut Shim, reply: Reply, request: &ResizePtyRequest) -> Result<()> {
    let (_, process) = process(shim, &request.exec_id)?;
    let none = || {
        Error::refused(
            Kind::Conflict,
            "cannot resize the terminal: the process has none (any more)",
        )
    };
    let terminal = process.streams.terminal().ok_or_else(none)?;
    let limited = |cells: u32| u16::try_from(cells).unwrap_or(u16::MAX);
    let size = Winsize {
        ws_row: limited(request.height),
        ws_col: limited(request.width),
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).doing(|| "resize the terminal".into())?;
    shim.answer(reply, Ok(Empty {}));
    Ok(())
}

pub(crate) fn close_io(shim: &mut Shim, reply: Reply, request: &CloseIoRequest) -> Result<()> {
    let (number, _) = process(shim, &request.exec_id)?;
    if request.stdin
        && let Some((poll, process, buffer)) = shim.streams_of(number)
    {
        process.streams.close_stdin(poll, buffer);
    }
    shim.answer(reply, Ok(Empty {}));
    Ok(())
}

pub(crate) fn pause(shim: &mut Shim, reply: Reply, freeze: bool) -> Result<()> {
    let container = container(shim)?;
    let (id, bundle, runtime) = (
        container.id.clone(),
        container.bundle.clone(),
        container.record.runtime.clone(),
    );
    shim.work(Purpose::Pause(freeze, reply), move || {
        let done = if freeze {
            runtime.pause(&id, &bundle)
        } else {
            runtime.resume(&id, &bundle)
        };
        done.map(|()| Report::default())
    });
    Ok(())
}

pub(crate) fn update(shim: &mut Shim, reply: Reply, request: &UpdateTaskRequest) -> Result<()> {
    let container = container(shim)?;
    let value = request.resources.as_ref().map_or(&b"{}"[..], |any| &any.value);
    let resources: Resources = serde_json::from_slice(value)
        .map_err(|error| Error::refused(Kind::Invalid, format!("malformed resources: {error}")))?;
    let (id, bundle, runtime) = (
        container.id.clone(),
        container.bundle.clone(),
        container.record.runtime.clone(),
    );
    shim.work(Purpose::Simple(reply), move || {
        runtime.update(&id, &bundle, &resources)?;
        Ok(Report::default())
    });
    Ok(())
}

/// Host pid of the init, which must live.
pub(crate) fn living_init(shim: &mut Shim) -> Result<u32> {
    let (_, init) = process(shim, "")?;
    let dead = || Error::refused(Kind::NotFound, "process already finished");
    Some(init.pid).filter(|_| init.is_alive()).ok_or_else(dead)
}

pub(crate) fn stats(shim: &mut Shim, reply: Reply, request: &StatsRequest) -> Result<()> {
    let init = living_init(shim)?;
    let stats = container(shim)?.cgroup(init)?.stats()?;
    let version = if matches!(tierce_cgroup::mode()?, tierce_cgroup::Mode::Unified) {
        2
    } else {
        1
    };
    let reading = if request.full {
        readings::full(&stats, version)
    } else {
        readings::containerd(&stats, version)
    };
    shim.answer(reply, Ok(StatsResponse { stats: Some(reading) }));
    Ok(())
}

pub(crate) fn pids(shim: &mut Shim, reply: Reply) -> Result<()> {
    let init = living_init(shim)?;
    let pids = container(shim)?.cgroup(init)?.pids()?;
    let processes = pids.into_iter().map(|pid| ProcessInfo { pid, info: None }).collect();
    shim.answer(reply, Ok(PidsResponse { processes }));
    Ok(())
}

pub(crate) fn connect(shim: &mut Shim, reply: Reply) -> Result<()> {
    let (_, init) = process(shim, "")?;
    let answer = ConnectResponse {
        shim_pid: std::process::id(),
        task_pid: init.pid,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    shim.answer(reply, Ok(answer));
    Ok(())
}
