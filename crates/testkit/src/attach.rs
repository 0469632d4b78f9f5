//! A client that stays attached: it has to be written to and heard while it runs.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(1);

/// Starts an attaching client, types a line, and waits until the container has said it back; then kills the client.
///
/// Without `StdinOnce` the end of a client's input is not the end of the process's, so the client would stay.
#[track_caller]
pub fn attach_echoes(client: &mut Command, line: &str) {
    let mut client = client
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("start the client");
    let mut output = client.stdout.take().expect("stdout is piped");
    let mut heard = vec![0; line.len()];
    let (sender, receiver) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let read = output.read_exact(&mut heard);
        // Nobody listens once the time is over.
        let _ = sender.send(read.map(|()| String::from_utf8_lossy(&heard).into_owned()));
    });
    let mut input = client.stdin.take().expect("stdin is piped");
    input.write_all(line.as_bytes()).expect("type a line");
    let heard = receiver.recv_timeout(PATIENCE);
    client.kill().expect("kill the client");
    client.wait().expect("reap the client");
    reader.join().expect("the reader does not panic");
    let heard = heard.expect("an answer in time").expect("an answer before the end");
    assert_eq!(heard, line);
}
