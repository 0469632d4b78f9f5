//! The server over real sockets, with routes of its own instead of the engine's.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use hyper::Method;
use serde_json::{Map, Value};
use tempfile::TempDir;
use tierce_api_types::stdcopy::{StreamKind, encode_header};
use tierce_client::{AttachContainer, Client, Demultiplexer, Endpoint, EventsOptions, StreamFormat};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::hijack::stream_head;
use crate::relay::Relay;
use crate::reply::Reply;
use crate::router::{Route, Router};
use crate::server::Socket;
use crate::{Listener, Server};

/// A server in this process. Ends with the test's runtime.
struct Fixture {
    _directory: TempDir,
    path: PathBuf,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let listener = Listener::bind_unix(&path, None).unwrap();
        let server = Server::with_router(Router::new(routes()));
        tokio::spawn(async move { server.serve(listener, std::future::pending()).await });
        Self {
            _directory: directory,
            path,
        }
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.path).await.unwrap()
    }

    /// Sends bytes, closes the sending side only after the answer, and gives all that comes back.
    async fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_millis(400), stream.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn client(&self) -> Client {
        Client::new(Endpoint::Unix(self.path.clone()))
    }
}

/// Shouts back what it reads, in frames.
fn shouting_process() -> UnixStream {
    let (ours, theirs) = UnixStream::pair().unwrap();
    tokio::spawn(async move {
        let mut input = Vec::new();
        let (mut read, mut write) = ours.into_split();
        write
            .write_all(&[&encode_header(StreamKind::Stderr, 3)[..], b"hi\n"].concat())
            .await
            .unwrap();
        read.read_to_end(&mut input).await.unwrap();
        let shout = input.to_ascii_uppercase();
        let frame = [&encode_header(StreamKind::Stdout, shout.len() as u32)[..], &shout].concat();
        // A client that left early is part of the tests.
        let _ = write.write_all(&frame).await;
    });
    theirs
}

fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/_ping", |_| async {
            Ok(Reply::bytes("text/plain", "OK"))
        }),
        Route::new(Method::GET, "/panic", |_| async { panic!("a defect") }),
        Route::new(Method::POST, "/echo", |mut request| async move {
            let document: Map<String, Value> = request.json().await?;
            Reply::json(&document)
        }),
        Route::new(Method::GET, "/events", |_| async {
            let ticks = stream::unfold(0_u64, |tick| async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Some((
                    Bytes::from(format!("{{\"timeNano\":{tick},\"Type\":\"container\"}}\n")),
                    tick + 1,
                ))
            });
            Ok(Reply::stream("application/json", ticks))
        }),
        Route::new(Method::POST, "/containers/{id}/attach", |request| async move {
            let head = stream_head(&request.head.headers, request.speaks(42), false);
            request
                .hijacker
                .take(move |socket: Socket, early| async move {
                    socket.write_whole(head.as_bytes()).await.unwrap();
                    let relay = Relay {
                        stdin: true,
                        detach: None,
                        frames: crate::frames::Frames::Kept,
                    };
                    relay
                        .run(socket, early, shouting_process(), std::future::ready(()))
                        .await;
                })
                .await
        }),
    ]
}

#[tokio::test]
async fn a_body_in_chunks_that_nobody_wants_costs_neither_the_answer_nor_the_connection() {
    let server = Fixture::new();
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    let upload = format!(
        "POST /nothing HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunk.repeat(6)
    );
    let ping = "GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n";
    let answers = server.exchange(&format!("{upload}{ping}")).await;
    assert!(answers.starts_with("HTTP/1.1 404 "), "{answers}");
    assert!(answers.contains("HTTP/1.1 200 OK"), "{answers}");
}

#[tokio::test]
async fn row_087_answers_have_dockers_headers_and_versions() {
    let server = Fixture::new();
    let ping = server.exchange("GET /v1.24/_ping HTTP/1.1\r\nHost: d\r\n\r\n").await;
    assert!(ping.starts_with("HTTP/1.1 200 OK\r\n"), "{ping}");
    for header in [
        "api-version: 1.51",
        "ostype: linux",
        "docker-experimental: false",
        "server: tierce/",
    ] {
        assert!(ping.to_ascii_lowercase().contains(header), "{header} in {ping}");
    }
    let unknown = server.exchange("GET /v1.51/nothing HTTP/1.1\r\nHost: d\r\n\r\n").await;
    assert!(
        unknown.starts_with("HTTP/1.1 404") && unknown.contains("{\"message\":\"page not found\"}"),
        "{unknown}"
    );
    let new = server.exchange("GET /v1.99/_ping HTTP/1.1\r\nHost: d\r\n\r\n").await;
    assert!(
        new.starts_with("HTTP/1.1 400") && new.contains("client version 1.99 is too new"),
        "{new}"
    );
}

#[tokio::test]
async fn bad_bodies_are_refused_with_dockers_texts() {
    let server = Fixture::new();
    let post = |content_type: &str, body: &str| {
        format!(
            "POST /echo HTTP/1.1\r\nHost: d\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    for (content_type, body, status, text) in [
        ("application/json", "{\"a\":1}", "200", "{\"a\":1}"),
        ("application/json; charset=utf-8", "{}", "200", "{}"),
        (
            "text/plain",
            "{}",
            "400",
            "unsupported Content-Type header (text/plain): must be 'application/json'",
        ),
        (
            "application/json",
            "",
            "400",
            "invalid JSON: got EOF while reading request body",
        ),
        ("application/json", "{bad", "400", "invalid JSON: "),
        ("application/json", "{} {}", "400", "unexpected content after JSON"),
        ("application/json", "[[[[", "400", "invalid JSON: "),
    ] {
        let answer = server.exchange(&post(content_type, body)).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(text),
            "{body}: {answer}"
        );
    }
    // Neither kills the server.
    server.exchange("\0\u{1}garbage\r\n\r\n").await;
    server
        .exchange("POST /echo HTTP/1.1\r\nHost: d\r\nContent-Length: 99999999999999999999\r\n\r\n")
        .await;
    assert!(
        server
            .exchange("GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
            .await
            .ends_with("OK")
    );
}

#[tokio::test]
async fn a_panic_is_one_failed_request() {
    let server = Fixture::new();
    let answer = server
        .exchange("GET /panic HTTP/1.1\r\nHost: d\r\n\r\nGET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 500") && answer.ends_with("OK"), "{answer}");
}

#[tokio::test]
async fn row_088_the_client_library_drives_the_server() {
    let server = Fixture::new();
    let client = server.client();
    assert_eq!(client.api_version().await.unwrap().to_string(), "1.51");
    let error = client.containers().inspect("x", false).await.unwrap_err();
    assert_eq!(
        (error.status(), error.to_string()),
        (Some(404), "page not found".to_owned())
    );
    let mut events = client.system().events(&EventsOptions::default()).await.unwrap();
    for expected in 0..3 {
        assert_eq!(events.next().await.unwrap().unwrap().time_nano, expected);
    }
    let nobody = Client::new(Endpoint::Unix(server.path.with_file_name("none")));
    assert!(
        nobody
            .system()
            .ping()
            .await
            .unwrap_err()
            .to_string()
            .contains("is the daemon running?")
    );
}

#[tokio::test]
async fn row_085_attached_streams_flow_both_ways_with_half_close() {
    let server = Fixture::new();
    let client = server.client();
    let attached = client
        .containers()
        .attach("x", &AttachContainer::default())
        .await
        .unwrap();
    assert_eq!(attached.format(), Some(StreamFormat::Multiplexed));
    let (reader, mut writer) = attached.split();
    let input = "hello ".repeat(100_000);
    let sending = async {
        writer.write_all(input.as_bytes()).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let ((), copied) = tokio::join!(sending, Demultiplexer::copy(reader, &mut out, &mut err));
    copied.unwrap();
    assert_eq!(err, b"hi\n");
    assert_eq!(out, input.to_ascii_uppercase().as_bytes());
}

#[tokio::test]
async fn clients_without_upgrade_get_a_bare_stream() {
    let server = Fixture::new();
    let mut stream = server.connect().await;
    // The input comes in the same write as the request, on a connection that was used before.
    stream
        .write_all(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
        .await
        .unwrap();
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).await.unwrap();
    assert!(answer[..length].ends_with(b"OK"));
    stream
        .write_all(b"POST /v1.41/containers/x/attach HTTP/1.1\r\nHost: d\r\n\r\nearly")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n"),
        "{answer}"
    );
    assert!(answer.contains("hi\n") && answer.ends_with("EARLY"), "{answer}");
}

#[tokio::test]
async fn requests_under_way_are_waited_for_and_streams_are_not() {
    let server = Server::with_router(Router::new(vec![
        Route::new(Method::GET, "/slow", |_| async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            Ok(Reply::bytes("text/plain", "done"))
        }),
        Route::new(Method::GET, "/endless", |_| async {
            Ok(Reply::stream("text/plain", stream::pending()))
        }),
    ]));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let listener = Listener::bind_unix(&path, None).unwrap();
    let serving = server.clone();
    tokio::spawn(async move { serving.serve(listener, std::future::pending()).await });
    let mut endless = UnixStream::connect(&path).await.unwrap();
    endless
        .write_all(b"GET /endless HTTP/1.1\r\nHost: d\r\n\r\n")
        .await
        .unwrap();
    endless.read_u8().await.unwrap();
    server.idle().await;
    let mut slow = UnixStream::connect(&path).await.unwrap();
    slow.write_all(b"GET /slow HTTP/1.1\r\nHost: d\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let begun = std::time::Instant::now();
    server.idle().await;
    assert!(begun.elapsed() > Duration::from_millis(50));
}

#[tokio::test]
async fn a_client_that_does_not_read_delays_nobody() {
    let server = Fixture::new();
    let mut lazy = Vec::new();
    for _ in 0..20 {
        let mut stream = server.connect().await;
        stream
            .write_all(b"GET /events HTTP/1.1\r\nHost: d\r\n\r\n")
            .await
            .unwrap();
        lazy.push(stream);
        let mut half = server.connect().await;
        half.write_all(b"GET /ev").await.unwrap();
        lazy.push(half);
    }
    let begun = std::time::Instant::now();
    assert!(server.client().system().ping().await.is_ok());
    assert!(begun.elapsed() < Duration::from_secs(1));
}
