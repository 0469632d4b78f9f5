//! Attached streams as the API gives them, without a client library between: rows 76, 77 and 87.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;
use tierce_testkit::{Daemon, wait_until};

/// Longer than any answer takes; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_mins(1);

/// Makes a request that leaves HTTP; gives the head of the answer and the connection.
fn upgrade(daemon: &Daemon, request: &str, headers: &str) -> (String, UnixStream) {
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nHost: d\r\n{headers}\r\n").unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    (String::from_utf8(head).unwrap(), stream)
}

fn attach(daemon: &Daemon, version: &str, container: &str, query: &str) -> (String, UnixStream) {
    let request = format!("POST /{version}/containers/{container}/attach?{query}");
    upgrade(daemon, &request, "Connection: Upgrade\r\nUpgrade: tcp\r\n")
}

/// Reads until the text has come; gives all that came.
fn read_until(stream: &mut UnixStream, text: &str) -> String {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let so_far = String::from_utf8_lossy(&all).into_owned();
        if so_far.contains(text) {
            return so_far;
        }
        let length = stream.read(&mut buffer).unwrap();
        assert!(length > 0, "the stream ended before {text:?}: {so_far:?}");
        all.extend_from_slice(&buffer[..length]);
    }
}

fn read_all(mut stream: UnixStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

#[test]
fn row_076_a_container_without_terminal_is_attached_in_frames() {
    let (daemon, image) = Daemon::with_busybox();
    let id = daemon.docker(&["create", "-i", &image, "cat"]).ok();
    daemon.docker(&["start", &id]).ok();
    let (head, mut stream) = attach(&daemon, "v1.42", &id, "stdin=1&stdout=1&stream=1");
    assert!(head.starts_with("HTTP/1.1 101 UPGRADED\r\n"), "{head}");
    assert!(head.contains("application/vnd.docker.multiplexed-stream"), "{head}");
    let (head, _) = attach(&daemon, "v1.41", &id, "stream=1");
    assert!(head.contains("application/vnd.docker.raw-stream"), "{head}");
    let (head, _) = upgrade(&daemon, &format!("POST /v1.51/containers/{id}/attach?stream=1"), "");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    stream.write_all(b"hello\n").unwrap();
    // The end of the input: `cat` ends, and all of its output still comes.
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(stream), b"\x01\0\0\0\0\0\0\x06hello\n");
    assert_eq!(daemon.docker(&["wait", &id]).ok(), "0");
}

#[test]
fn row_076_what_was_logged_comes_before_what_is_said_now() {
    let (daemon, image) = Daemon::with_busybox();
    let id = daemon
        .docker(&["create", "-i", &image, "sh", "-c", "echo before; cat"])
        .ok();
    daemon.docker(&["start", &id]).ok();
    wait_until("it is logged", PATIENCE, || {
        daemon.docker(&["logs", &id]).ok().contains("before")
    });
    let (_, mut stream) = attach(&daemon, "v1.51", &id, "logs=1&stream=1&stdin=1&stdout=1");
    stream.write_all(b"now\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let text = String::from_utf8(read_all(stream)).unwrap();
    assert!(text.find("before").unwrap() < text.find("now").unwrap(), "{text:?}");
    let (_, stream) = attach(&daemon, "v1.51", &id, "logs=1&stdout=1");
    assert!(
        String::from_utf8(read_all(stream)).unwrap().contains("now"),
        "only the log"
    );
}

#[test]
fn row_076_between_what_was_logged_and_what_is_said_now_nothing_is_missing_and_nothing_comes_twice() {
    let (daemon, image) = Daemon::with_busybox();
    // In bursts, so that a client does not find the same moment each time.
    let script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo $i; [ $((i % 50)) = 0 ] && usleep 3000; done";
    let id = daemon.docker(&["create", "-t", &image, "sh", "-c", script]).ok();
    daemon.docker(&["start", &id]).ok();
    let clients: Vec<_> = (0..40)
        .map(|_| attach(&daemon, "v1.51", &id, "logs=1&stream=1&stdout=1").1)
        .collect();
    let expected: Vec<String> = (1..=20_000).map(|number| number.to_string()).collect();
    for stream in clients {
        let text = String::from_utf8(read_all(stream)).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let wrong = lines
            .iter()
            .zip(&expected)
            .position(|(found, expected)| found != expected);
        assert_eq!(
            wrong,
            None,
            "{:?}",
            wrong.map(|at| &lines[at.saturating_sub(2)..at + 2])
        );
        assert_eq!(lines.len(), expected.len());
    }
}

#[test]
fn row_076_a_terminal_is_raw_has_a_size_and_can_be_left() {
    let (daemon, image) = Daemon::with_busybox();
    let script = "while read line; do stty size; done";
    let id = daemon.docker(&["create", "-it", &image, "sh", "-c", script]).ok();
    daemon.docker(&["start", &id]).ok();
    let query = "stdin=1&stdout=1&stream=1&detachKeys=ctrl-a,x";
    let (head, mut stream) = attach(&daemon, "v1.51", &id, query);
    assert!(head.contains("application/vnd.docker.raw-stream"), "{head}");
    let (status, body) = daemon.request("POST", &format!("/containers/{id}/resize?h=33&w=77"), None);
    assert_eq!((status, body.as_str()), (200, ""));
    stream.write_all(b"\n").unwrap();
    read_until(&mut stream, "33 77");
    stream.write_all(b"\x01x").unwrap();
    let rest = read_all(stream);
    assert!(!rest.contains(&b'x'), "the keys do not reach the terminal: {rest:?}");
    assert_eq!(daemon.inspect(&id, "{{.State.Running}}"), "true");
    let (status, body) = daemon.request("POST", &format!("/containers/{id}/resize?h=a&w=77"), None);
    assert_eq!(status, 400, "{body}");
}

#[test]
fn row_076_an_attached_client_is_let_go_when_the_container_has_ended() {
    let (daemon, image) = Daemon::with_busybox();
    let script = "echo done; exec >&- 2>&-; sleep 1; exit 3";
    daemon
        .docker(&["create", "--name", "early", &image, "sh", "-c", script])
        .ok();
    let (_, stream) = attach(&daemon, "v1.51", "early", "stream=1&stdout=1&stderr=1");
    daemon.docker(&["start", "early"]).ok();
    assert_eq!(read_all(stream), b"\x01\0\0\0\0\0\0\x05done\n");
    // Its output ended long before; what is asked now is known.
    assert_eq!(
        daemon.inspect("early", "{{.State.Status}} {{.State.ExitCode}}"),
        "exited 3"
    );
    // One whose program cannot be started ends the stream too.
    daemon
        .docker(&["create", "--name", "no-program", &image, "/nowhere"])
        .ok();
    let (_, stream) = attach(&daemon, "v1.51", "no-program", "stream=1&stdout=1");
    assert_eq!(daemon.docker(&["start", "no-program"]).code, 1);
    assert_eq!(read_all(stream), b"");
}

#[test]
fn row_076_a_websocket_carries_both_ways() {
    let (daemon, image) = Daemon::with_busybox();
    let id = daemon
        .docker(&["create", "-i", &image, "sh", "-c", "cat; echo end >&2"])
        .ok();
    daemon.docker(&["start", &id]).ok();
    let request = format!("GET /v1.51/containers/{id}/attach/ws?stdin=1&stdout=1&stderr=1&stream=1");
    let headers = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \
                   dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let (head, mut stream) = upgrade(&daemon, &request, headers);
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    assert!(
        head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
        "{head}"
    );
    // A frame with `hi` and a newline, masked with zeros, and one that closes.
    stream.write_all(b"\x82\x83\0\0\0\0hi\n").unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"\x82\x03hi\n");
    stream.write_all(b"\x88\x80\0\0\0\0").unwrap();
    let rest = read_all(stream);
    assert!(rest.starts_with(b"\x82\x04end\n"), "{rest:?}");
    assert!(rest.ends_with(b"\x88\x02\x03\xe8"), "closed in order: {rest:?}");
    let (status, body) = daemon.request("GET", "/containers/none/attach/ws", None);
    assert_eq!(status, 404, "{body}");
}
