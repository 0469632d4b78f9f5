//! The verbs that make processes and forget them, and what follows when a worker reports.

use std::path::PathBuf;

use tierce_fault::Kind;
use tierce_oci::runtime::Process as Document;
use tierce_runtime::Stdio;
use tierce_task::Mount;
use tierce_task::attach::Attach;
use tierce_task::messages::{
    Any, CreateTaskRequest, CreateTaskResponse, DeleteRequest, DeleteResponse, Empty, Envelope, ExecProcessRequest,
    ShutdownRequest, StartRequest, StartResponse, TaskCreate, TaskDelete, TaskExecAdded, TaskExecStarted, TaskIo,
    TaskPaused, TaskResumed, TaskStart,
};

use crate::checkpoint;
use crate::connection::Reply;
use crate::container::{Container, Outline, Record};
use crate::control::{container, process};
use crate::error::{Error, Result};
use crate::health::{self, Monitor};
use crate::job::Report;
use crate::poll::{EventFlags, Token};
use crate::process::{Exit, Phase, Process};
use crate::reap;
use crate::rootfs;
use crate::serve::{Purpose, Shim};
use crate::streams::fifo::Names;
use crate::streams::{Role, Streams, ends};
use crate::wanted::{mount_of, wanted};

/// Mounts the root filesystem and makes the init.
pub(crate) fn create(shim: &mut Shim, reply: Reply, request: CreateTaskRequest) -> Result<()> {
    if shim.container.is_some() {
        return Err(Error::refused(
            Kind::Conflict,
            format!("container {} already exists", request.id),
        ));
    }
    if request.id != shim.identity.id {
        let message = format!(
            "container {} is not for this shim, which was started for {}",
            request.id, shim.identity.id
        );
        return Err(Error::refused(Kind::Invalid, message));
    }
    let wanted = wanted(&shim.identity, &request)?;
    let bundle = PathBuf::from(&request.bundle);
    let outline = Outline::read(&bundle)?;
    let root = outline.rootfs(&bundle);
    let names = Names {
        stdin: request.stdin,
        stdout: request.stdout,
        stderr: request.stderr,
    };
    let log = tierce_logs::drivers::open(&wanted.log).map_err(|error| {
        let message = format!("failed to initialize logging driver: {error}");
        Error::refused(Kind::Internal, message)
    })?;
    shim.last_number += 1;
    let streams = Streams::new(shim.last_number, request.terminal, wanted.stdin_once, log);
    let mut init = Process::new(String::new(), streams, names, wanted.stdin);
    let stdio = prepare_streams(shim, &mut init, wanted.own_streams)?;
    let checkpoint = Some(PathBuf::from(request.checkpoint)).filter(|path| !path.as_os_str().is_empty());
    let mounts: Vec<Mount> = request.rootfs.into_iter().map(mount_of).collect();
    let record = Record {
        runtime: wanted.runtime,
        rootfs: (!mounts.is_empty()).then(|| root.clone()),
    };
    shim.processes.insert(shim.last_number, init);
    shim.container = Some(Container {
        id: request.id.clone(),
        bundle: bundle.clone(),
        record: record.clone(),
        outline,
        paused: false,
        oom_killed: false,
        oom: None,
        memory_peak: 0,
        health: wanted.health.map(Monitor::new),
        own_streams: wanted.own_streams,
        checkpoint: checkpoint.clone(),
    });
    shim.work(Purpose::Create(reply), move || {
        record.write(&bundle)?;
        rootfs::mount_all(&mounts, &root)?;
        let (runtime, id) = (&record.runtime, &request.id);
        let created = match &checkpoint {
            Some(images) => runtime.restore(id, &bundle, images, stdio),
            None => runtime.create(id, &bundle, request.terminal, stdio),
        };
        if created.is_err() && record.rootfs.is_some() {
            rootfs::unmount_all(&root);
        }
        created
    });
    Ok(())
}

/// Opens containerd's FIFOs, makes the pipes; gives the process's ends.
fn prepare_streams(shim: &Shim, process: &mut Process, own: bool) -> Result<Stdio> {
    if !own {
        for (fd, role) in process.names.open(process.streams.has_terminal())? {
            process.streams.add_peer(&shim.poll, fd, role);
        }
    }
    if process.streams.has_terminal() {
        return Ok(Stdio::default());
    }
    let outputs = own || !process.names.stdout.is_empty() || !process.names.stderr.is_empty();
    let (ours, theirs) = ends::pipes(process.stdin, outputs)?;
    process.ends = Some(ours);
    Ok(theirs)
}

/// Notes an exec.
pub(crate) fn exec(shim: &mut Shim, reply: Reply, request: ExecProcessRequest) -> Result<()> {
    if request.exec_id.is_empty() {
        return Err(Error::refused(Kind::Invalid, "an exec needs an id"));
    }
    if shim.number_of(&request.exec_id).is_some() {
        return Err(Error::refused(
            Kind::Conflict,
            format!("exec {} already exists", request.exec_id),
        ));
    }
    let container_id = container(shim)?.id.clone();
    let (_, init) = process(shim, "")?;
    if !init.is_alive() {
        return Err(Error::refused(
            Kind::Conflict,
            format!("container {container_id} is not running"),
        ));
    }
    let document = request.spec.as_ref().map_or(&[][..], |any: &Any| &any.value);
    let document: Document = serde_json::from_slice(document)
        .map_err(|error| Error::refused(Kind::Invalid, format!("malformed process document: {error}")))?;
    let names = Names {
        stdin: request.stdin,
        stdout: request.stdout,
        stderr: request.stderr,
    };
    let stdin = request.options.map_or(!names.stdin.is_empty(), |options| options.stdin);
    shim.last_number += 1;
    let streams = Streams::new(shim.last_number, request.terminal, request.options.is_some(), None);
    let mut process = Process::new(request.exec_id.clone(), streams, names, stdin);
    process.document = Some(Box::new(document));
    process.own_streams = request.options.is_some();
    shim.processes.insert(shim.last_number, process);
    shim.answer(reply, Ok(Empty {}));
    shim.publish(
        Envelope::EXEC_ADDED,
        &TaskExecAdded {
            container_id,
            exec_id: request.exec_id,
        },
    );
    Ok(())
}

/// Starts the init, or makes and starts an exec.
pub(crate) fn start(shim: &mut Shim, reply: Reply, request: &StartRequest) -> Result<()> {
    let container = container(shim)?;
    let (id, bundle, runtime) = (
        container.id.clone(),
        container.bundle.clone(),
        container.record.runtime.clone(),
    );
    let restored = container.checkpoint.is_some();
    let (number, process) = process(shim, &request.exec_id)?;
    let refuse = |what: &str| Err(Error::refused(Kind::Conflict, format!("cannot start process: {what}")));
    if process.phase != Phase::Added {
        return refuse("it was started already");
    }
    if request.exec_id.is_empty() && restored {
        // It runs since it was created, and may have ended.
        started(shim, reply, Ok(Report::default()));
        return Ok(());
    }
    if request.exec_id.is_empty() {
        if !process.is_alive() {
            return refuse("it is not created, or has ended");
        }
        process.phase = Phase::Starting;
        shim.work(Purpose::Start(reply), move || {
            runtime.start(&id, &bundle)?;
            Ok(Report::default())
        });
        return Ok(());
    }
    let Some(document) = process.document.take() else {
        return refuse("it failed to start before");
    };
    process.phase = Phase::Starting;
    let Some(mut process) = shim.processes.remove(&number) else {
        return refuse("it is gone");
    };
    let own = process.own_streams;
    let stdio = prepare_streams(shim, &mut process, own);
    shim.processes.insert(number, process);
    match stdio {
        Ok(stdio) => shim.work(Purpose::Exec(number, reply), move || {
            runtime.exec(&id, &bundle, *document, stdio)
        }),
        Err(error) => on_report(shim, Purpose::Exec(number, reply), Err(error)),
    }
    Ok(())
}

/// Forgets a process.
pub(crate) fn delete(shim: &mut Shim, reply: Reply, request: &DeleteRequest) -> Result<()> {
    let oom_killed = container(shim)?.oom_killed;
    let (_, process) = process(shim, &request.exec_id)?;
    if process.ended().is_none() && process.phase != Phase::Added {
        let what = if process.phase == Phase::Running {
            "it is running"
        } else {
            "something else is being done to it"
        };
        return Err(Error::refused(Kind::Conflict, format!("cannot delete process: {what}")));
    }
    if request.exec_id.is_empty() {
        return delete_container(shim, reply);
    }
    let exit = process.exit.unwrap_or_else(|| Exit::now(0));
    process.phase = Phase::Gone;
    let answer = DeleteResponse {
        pid: process.pid,
        exit_status: exit.status,
        exited_at: Some(exit.at.into()),
        oom_killed,
    };
    shim.answer(reply, Ok(answer));
    Ok(())
}

fn delete_container(shim: &mut Shim, reply: Reply) -> Result<()> {
    reap::stop_watching(shim);
    let container = container(shim)?;
    let (id, bundle, record) = (container.id.clone(), container.bundle.clone(), container.record.clone());
    let (_, init) = process(shim, "")?;
    init.phase = Phase::Deleting;
    shim.work(Purpose::Delete(reply), move || {
        let deleted = record.runtime.delete(&id, &bundle, true);
        if let Some(root) = &record.rootfs {
            rootfs::unmount_all(root);
        }
        deleted.map(|()| Report::default())
    });
    Ok(())
}

/// Ends the shim, unless it still has a container and is not told to go all the same.
pub(crate) fn shutdown(shim: &mut Shim, reply: Reply, request: &ShutdownRequest) {
    shim.answer(reply, Ok(Empty {}));
    if request.now || shim.container.is_none() {
        shim.part();
    }
}

/// Who a client of the I/O socket wants to be, and to which process.
pub(crate) fn attach(shim: &mut Shim, attach: &Attach) -> Result<(u32, Role)> {
    let (number, process) = process(shim, &attach.process)?;
    let terminal = process.streams.has_terminal();
    let role = Role {
        stdin: attach.stdin && process.stdin,
        stdout: attach.stdout,
        stderr: attach.stderr,
        framed: !terminal,
        lasting: false,
    };
    Ok((number, role))
}

/// A worker has reported, or could not be started.
pub(crate) fn on_report(shim: &mut Shim, purpose: Purpose, result: Result<Report>) {
    match purpose {
        Purpose::Create(reply) => match result.and_then(|report| open_init(shim, report)) {
            Ok(pid) => created(shim, reply, pid),
            Err(error) => {
                shim.container = None;
                shim.processes.clear();
                shim.answer::<CreateTaskResponse>(reply, Err(error));
            }
        },
        Purpose::Start(reply) => started(shim, reply, result),
        Purpose::Exec(number, reply) => exec_started(shim, number, reply, result),
        Purpose::Delete(reply) => deleted(shim, reply, result),
        Purpose::Probe => health::on_report(shim, result),
        Purpose::Pause(paused, reply) => on_paused(shim, paused, reply, result),
        Purpose::Checkpoint(written, reply) => checkpoint::on_report(shim, &written, reply, result),
        Purpose::Simple(reply) => shim.answer(reply, result.map(|_| Empty {})),
        Purpose::Background => {}
    }
    reap::forget_unclaimed(shim);
}

/// Connects a process that was made with its streams; gives its pid.
fn open(shim: &mut Shim, number: u32, report: Report) -> Result<u32> {
    let gone = || Error::refused(Kind::Internal, "the process was forgotten while it was made");
    let Shim { processes, poll, .. } = shim;
    let process = processes.get_mut(&number).ok_or_else(gone)?;
    let child = report.child();
    let ends = match report.terminal {
        Some(master) => ends::terminal(master, process.stdin)?,
        None => process.ends.take().unwrap_or_default(),
    };
    process.set_pid(report.pid, child, report.pidfd);
    process.streams.open(poll, ends);
    Ok(report.pid)
}

fn open_init(shim: &mut Shim, report: Report) -> Result<u32> {
    let (number, _) = process(shim, "")?;
    open(shim, number, report)
}

fn created(shim: &mut Shim, reply: Reply, pid: u32) {
    let Ok(container) = container(shim) else { return };
    let io = if container.own_streams {
        shim.identity.io_socket.display().to_string()
    } else {
        String::new()
    };
    let (container_id, bundle) = (container.id.clone(), container.bundle.display().to_string());
    let checkpoint = container.checkpoint.as_ref();
    let checkpoint = checkpoint.map(|path| path.display().to_string()).unwrap_or_default();
    shim.answer(reply, Ok(CreateTaskResponse { pid, io }));
    // After the answer: nothing has run yet that could be killed.
    watch_memory(shim, pid);
    let Ok((number, init)) = process(shim, "") else { return };
    let names = init.names.clone();
    let terminal = init.streams.has_terminal();
    let io = Some(TaskIo {
        stdin: names.stdin,
        stdout: names.stdout,
        stderr: names.stderr,
        terminal,
    });
    shim.publish(
        Envelope::CREATE,
        &TaskCreate {
            container_id,
            bundle,
            io,
            pid,
            checkpoint,
            ..TaskCreate::default()
        },
    );
    claim(shim, number);
}

/// Without accounting of memory there is nothing to watch; that is no reason not to run.
fn watch_memory(shim: &mut Shim, init: u32) {
    let Shim {
        container: Some(container),
        poll,
        ..
    } = shim
    else {
        return;
    };
    let Ok(watch) = container.cgroup(init).and_then(|group| Ok(group.watch_oom()?)) else {
        return;
    };
    if poll.add(&watch, Token::OutOfMemory, EventFlags::IN).is_ok() {
        container.oom = Some(watch);
    }
}

/// The process may have ended before anybody knew that it was ours.
fn claim(shim: &mut Shim, number: u32) {
    let child = shim.processes.get(&number).map_or(0, |process| process.child);
    if let Some(exit) = shim.unclaimed.remove(&child) {
        reap::on_exit(shim, number, exit);
    }
}

fn started(shim: &mut Shim, reply: Reply, result: Result<Report>) {
    let Ok((number, init)) = process(shim, "") else { return };
    init.phase = if result.is_ok() { Phase::Running } else { Phase::Added };
    let pid = init.pid;
    let succeeded = result.is_ok();
    shim.answer(reply, result.map(|_| StartResponse { pid }));
    if succeeded {
        let container_id = shim.identity.id.clone();
        shim.publish(Envelope::START, &TaskStart { container_id, pid });
        health::begin(shim);
    }
    reap::publish_exit(shim, number);
}

fn exec_started(shim: &mut Shim, number: u32, reply: Reply, result: Result<Report>) {
    let opened = result.and_then(|report| open(shim, number, report));
    let Some((poll, process, buffer)) = shim.streams_of(number) else {
        return;
    };
    match opened {
        Ok(pid) => {
            process.phase = Phase::Running;
            let exec_id = process.id.clone();
            shim.answer(reply, Ok(StartResponse { pid }));
            let container_id = shim.identity.id.clone();
            shim.publish(
                Envelope::EXEC_STARTED,
                &TaskExecStarted {
                    container_id,
                    exec_id,
                    pid,
                },
            );
            claim(shim, number);
        }
        Err(error) => {
            // It stays until it is deleted; whoever is attached sees the end.
            process.phase = Phase::Added;
            process.ends = None;
            process.streams.process_ended(poll, buffer);
            shim.answer::<StartResponse>(reply, Err(error));
        }
    }
}

fn deleted(shim: &mut Shim, reply: Reply, result: Result<Report>) {
    // A worker's report may overtake the signal of a child that it has killed.
    reap::reap(shim);
    let oom_killed = shim.container.as_ref().is_some_and(|container| container.oom_killed);
    let container_id = shim.identity.id.clone();
    let Ok((_, init)) = process(shim, "") else { return };
    if let Err(error) = result {
        init.phase = if init.exit.is_some() {
            Phase::Running
        } else {
            Phase::Added
        };
        return shim.answer::<DeleteResponse>(reply, Err(error));
    }
    // A container that was never started counts as killed.
    let exit = init.exit.unwrap_or_else(|| Exit::now(137));
    let (pid, exit_status, exited_at) = (init.pid, exit.status, Some(exit.at.into()));
    for process in shim.processes.values_mut() {
        process.phase = Phase::Gone;
        process.streams.close_sources(&shim.poll);
    }
    shim.container = None;
    shim.answer(
        reply,
        Ok(DeleteResponse {
            pid,
            exit_status,
            exited_at,
            oom_killed,
        }),
    );
    shim.publish(
        Envelope::DELETE,
        &TaskDelete {
            container_id,
            pid,
            exit_status,
            exited_at,
            id: String::new(),
        },
    );
}

fn on_paused(shim: &mut Shim, paused: bool, reply: Reply, result: Result<Report>) {
    let container_id = shim.identity.id.clone();
    if result.is_ok()
        && let Some(container) = &mut shim.container
    {
        container.paused = paused;
    }
    let succeeded = result.is_ok();
    shim.answer(reply, result.map(|_| Empty {}));
    match (succeeded, paused) {
        (true, true) => {
            health::suspend(shim);
            shim.publish(Envelope::PAUSED, &TaskPaused { container_id });
        }
        (true, false) => {
            health::resume(shim);
            shim.publish(Envelope::RESUMED, &TaskResumed { container_id });
        }
        (false, _) => {}
    }
}
