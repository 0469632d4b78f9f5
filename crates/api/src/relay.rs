//! Copying between a hijacked client and a shim's stream.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{ReadHalf, WriteHalf};

use crate::detach::DetachKeys;
use crate::frames::Frames;
use crate::server::Socket;

/// Size of one copy in bytes; as much as a pipe holds.
const CHUNK: usize = 64 * 1024;
/// How often it is checked whether a client that sends nothing is still there.
const HANGUP_PERIOD: Duration = Duration::from_secs(5);

/// What flows between client and process.
#[derive(Debug)]
pub(crate) struct Relay {
    /// Whether the client's bytes go to the process; otherwise they are read and forgotten.
    pub(crate) stdin: bool,
    /// Keys that end the relay; only for terminals.
    pub(crate) detach: Option<DetachKeys>,
    /// What is done to the output.
    pub(crate) frames: Frames,
}

/// How a relay ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The process' output is complete.
    Output,
    /// The user typed the detach keys.
    Detached,
    /// The client is gone.
    Client,
}

impl Relay {
    /// Copies both ways until the output ends, the client leaves, or the user detaches. `early` are bytes of the client
    /// that were read already. A client that closes only its sending side (end of its input) still gets all output.
    ///
    /// The directions do not wait for each other: a process that does not read its input while its output is not read
    /// would otherwise stand still for ever.
    ///
    /// Between the end of the output and telling the client, `last` is waited for: what a client asks then must be known.
    pub(crate) async fn run(
        mut self,
        client: Socket,
        early: Bytes,
        mut process: UnixStream,
        last: impl Future<Output = ()>,
    ) -> End {
        let (from_process, to_process) = process.split();
        let frames = std::mem::take(&mut self.frames);
        tokio::select! {
            end = output(&client, from_process, frames, last) => end,
            end = self.input(&client, early, to_process) => end,
        }
    }

    /// Client to process. Ends only with the client or by the detach keys.
    async fn input(mut self, client: &Socket, early: Bytes, mut to_process: WriteHalf<'_>) -> End {
        if self.pass_on(&early, &mut to_process).await {
            return End::Detached;
        }
        let mut buffer = vec![0; CHUNK];
        loop {
            match client.read_some(&mut buffer).await {
                Err(_) => return End::Client,
                Ok(0) => break,
                Ok(length) => {
                    if self.pass_on(&buffer[..length], &mut to_process).await {
                        return End::Detached;
                    }
                }
            }
        }
        if self.stdin {
            // The process may have closed its end before.
            let _ = to_process.shutdown().await;
        }
        hung_up(client).await;
        End::Client
    }

    /// Sends input on; true = the user typed the detach keys.
    async fn pass_on(&mut self, bytes: &[u8], to_process: &mut WriteHalf<'_>) -> bool {
        if !self.stdin || bytes.is_empty() {
            return false;
        }
        // A process that reads no more still has output to be delivered, so failed writes are no end.
        let Some(keys) = &mut self.detach else {
            let _ = to_process.write_all(bytes).await;
            return false;
        };
        let mut onward = Vec::with_capacity(bytes.len());
        let detached = keys.filter(bytes, &mut onward);
        let _ = to_process.write_all(&onward).await;
        detached
    }
}

/// Process to client.
async fn output(
    client: &Socket,
    mut from_process: ReadHalf<'_>,
    mut frames: Frames,
    last: impl Future<Output = ()>,
) -> End {
    let mut buffer = vec![0; CHUNK];
    loop {
        match from_process.read(&mut buffer).await {
            Ok(0) | Err(_) => {
                last.await;
                client.end_output();
                return End::Output;
            }
            Ok(length) => {
                let piece = &buffer[..length];
                let written = if frames.are_kept() {
                    client.write_whole(piece).await
                } else {
                    client.write_whole(&frames.apply(piece)).await
                };
                if written.is_err() {
                    return End::Client;
                }
            }
        }
    }
}

/// Waits until a client is gone for good; for streams that have nothing to copy yet.
pub(crate) async fn hung_up(client: &Socket) {
    while !client.is_hung_up().await {
        tokio::time::sleep(HANGUP_PERIOD).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    async fn run(
        relay: Relay,
        early: &'static [u8],
        client_does: &[u8],
        process_says: &[u8],
    ) -> (End, Vec<u8>, Vec<u8>) {
        let (client, client_end) = UnixStream::pair().unwrap();
        let (process, process_end) = UnixStream::pair().unwrap();
        let relay = tokio::spawn(relay.run(
            Socket::Unix(client_end),
            Bytes::from_static(early),
            process_end,
            ready(()),
        ));
        let (mut client_read, mut client_write) = client.into_split();
        let (mut process_read, mut process_write) = process.into_split();
        client_write.write_all(client_does).await.unwrap();
        client_write.shutdown().await.unwrap();
        let mut stdin = Vec::new();
        let _ = tokio::time::timeout(Duration::from_millis(300), process_read.read_to_end(&mut stdin)).await;
        let _ = process_write.write_all(process_says).await;
        let _ = process_write.shutdown().await;
        let mut output = Vec::new();
        client_read.read_to_end(&mut output).await.unwrap();
        (relay.await.unwrap(), stdin, output)
    }

    #[tokio::test]
    async fn row_088_half_closed_input_still_gets_all_output() {
        let relay = Relay {
            stdin: true,
            detach: None,
            frames: Frames::Kept,
        };
        let (end, stdin, output) = run(relay, b"early ", b"late", b"answer").await;
        assert_eq!(
            (end, stdin.as_slice(), output.as_slice()),
            (End::Output, &b"early late"[..], &b"answer"[..])
        );
    }

    #[tokio::test]
    async fn input_that_was_not_asked_for_is_forgotten() {
        let relay = Relay {
            stdin: false,
            detach: None,
            frames: Frames::Kept,
        };
        let (end, stdin, output) = run(relay, b"x", b"yz", b"answer").await;
        assert_eq!(
            (end, stdin.as_slice(), output.as_slice()),
            (End::Output, &b""[..], &b"answer"[..])
        );
    }

    #[tokio::test]
    async fn detach_keys_end_the_relay() {
        let relay = Relay {
            stdin: true,
            detach: Some(DetachKeys::parse("").unwrap()),
            frames: Frames::Kept,
        };
        let (end, stdin, output) = run(relay, b"", b"ls\x10\x11", b"").await;
        assert_eq!(
            (end, stdin.as_slice(), output.as_slice()),
            (End::Detached, &b"ls"[..], &b""[..])
        );
    }

    #[tokio::test]
    async fn a_client_that_left_is_noticed() {
        let (client, client_end) = UnixStream::pair().unwrap();
        drop(client);
        tokio::time::timeout(Duration::from_secs(20), hung_up(&Socket::Unix(client_end)))
            .await
            .unwrap();
    }
}
