//! Further processes in running containers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use tierce_api_types::exec::{ExecCreate, ExecInspect, ExecStart, IdResponse, ProcessConfig};
use tierce_api_types::stdcopy::{StreamKind, encode_header};
use tierce_engine as engine;

use super::container::size;
use crate::detach::DetachKeys;
use crate::frames::{Frames, Unframe};
use crate::hijack::stream_head;
use crate::relay::Relay;
use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::{Call, Table};
use crate::server::Socket;
use crate::status::Failure;

/// How long the end of an exec's output waits for its exit code.
const EXIT_PATIENCE: Duration = Duration::from_secs(10);

/// The routes of this group.
pub(super) fn routes(table: &mut Table<'_>) {
    table.post("/containers/{id}/exec", create);
    table.post("/exec/{id}/start", start);
    table.post("/exec/{id}/resize", resize);
    table.get("/exec/{id}/json", inspect);
}

/// Remembers what is to run: 201 with its id.
async fn create(mut call: Call) -> Outcome {
    let wire: ExecCreate = call.json().await?;
    DetachKeys::parse(&wire.detach_keys)?;
    let request = engine::ExecCreate {
        command: wire.cmd,
        environment: wire.env,
        user: wire.user,
        working_directory: wire.working_dir,
        tty: wire.tty,
        console_size: rows_and_columns(wire.console_size),
        privileged: wire.privileged,
        attach_stdin: wire.attach_stdin,
        attach_stdout: wire.attach_stdout,
        attach_stderr: wire.attach_stderr,
        detach_keys: Some(wire.detach_keys).filter(|keys| !keys.is_empty()),
    };
    let id = call.engine.execs.create(&call.name, request)?;
    Ok(Reply::json(&IdResponse { id })?.with_status(StatusCode::CREATED))
}

/// Runs it: detached 200, else the connection leaves HTTP and carries its streams. What goes wrong after that is told in
/// the stream, and by the exit code, as dockerd does.
async fn start(mut call: Call) -> Outcome {
    let wire: ExecStart = call.json_or_default().await?;
    let exec = call.engine.execs.inspect(&call.name)?;
    let console_size = rows_and_columns(wire.console_size);
    if console_size.is_some() && !exec.request.tty {
        return Err(Failure::invalid("console size is only supported when TTY is enabled"));
    }
    let request = engine::ExecStart {
        detach: wire.detach,
        console_size,
    };
    if wire.detach {
        call.engine.execs.start(&exec.id, request).await?;
        return Ok(Reply::empty());
    }
    // How output comes depends on what the client says now, whatever it said when it made the instance.
    let tty = wire.tty;
    let frames = match (exec.request.tty, tty) {
        (true, false) => Frames::PutOn,
        (false, true) => Frames::TakenOff(Unframe::default()),
        _ => Frames::Kept,
    };
    let keys = DetachKeys::parse(exec.request.detach_keys.as_deref().unwrap_or_default())?;
    let relay = Relay {
        stdin: exec.request.attach_stdin,
        detach: tty.then_some(keys),
        frames,
    };
    let head = stream_head(&call.head.headers, !tty && call.speaks(42), call.facts.experimental);
    let engine = Arc::clone(&call.engine);
    call.hijacker
        .take(move |socket: Socket, early: Bytes| async move {
            let (headed, started) = tokio::join!(socket.write_head(&head), engine.execs.start(&exec.id, request));
            // Without a client it runs all the same; the stream ends with us.
            if headed.is_err() {
                return;
            }
            match started {
                Ok(Some(process)) => {
                    // Clients ask for the exit code as soon as the output ends.
                    let ended = async {
                        let _ = tokio::time::timeout(EXIT_PATIENCE, engine.execs.ended(&exec.id)).await;
                    };
                    let end = relay.run(socket, early, process, ended).await;
                    tracing::debug!(?end, exec = exec.id, "client of exec left");
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(%error, exec = exec.id, "exec did not start");
                    let text = format!("{error}\r\n");
                    let header = encode_header(StreamKind::Stdout, text.len() as u32);
                    let header = if tty { &[][..] } else { &header[..] };
                    // The exit code tells it too, should the client be gone.
                    let _ = socket.write_whole(&[header, text.as_bytes()].concat()).await;
                }
            }
        })
        .await
}

/// Sets the size of its terminal: 200.
async fn resize(call: Call) -> Outcome {
    let (rows, columns) = size(&call)?;
    call.engine.execs.resize(&call.name, rows, columns).await?;
    Ok(Reply::empty())
}

/// Everything about it.
async fn inspect(call: Call) -> Outcome {
    let exec = call.engine.execs.inspect(&call.name)?;
    let request = exec.request;
    let mut command = request.command.into_iter();
    Reply::json(&ExecInspect {
        id: exec.id,
        running: exec.running,
        exit_code: exec.exit_code.map(i64::from),
        process_config: ProcessConfig {
            tty: request.tty,
            entrypoint: command.next().unwrap_or_default(),
            arguments: command.collect(),
            privileged: Some(request.privileged),
            user: request.user,
        },
        open_stdin: request.attach_stdin,
        open_stderr: request.attach_stderr,
        open_stdout: request.attach_stdout,
        can_remove: false,
        container_id: exec.container,
        detach_keys: Some(request.detach_keys.unwrap_or_default()),
        pid: exec.pid,
    })
}

/// The API says height and width.
fn rows_and_columns(size: Option<[u16; 2]>) -> Option<(u16, u16)> {
    size.map(|[rows, columns]| (rows, columns))
        .filter(|size| *size != (0, 0))
}
