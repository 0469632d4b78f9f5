//! Both sides, over a real socket.

#![allow(clippy::unwrap_used, reason = "a test")]

use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tierce_grpc::{Answer, Channel, Error, Request, Service, Status, serve};
use tokio::net::UnixListener;
use tokio::sync::{Notify, mpsc};

/// What takes moments on an idle machine is waited for so long on a busy one.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);

#[derive(Clone, PartialEq, prost::Message)]
struct Text {
    #[prost(string, tag = "1")]
    text: String,
}

#[derive(Default)]
struct Echo {
    waiting: AtomicUsize,
    done: AtomicUsize,
    dropped: AtomicUsize,
    go_on: Notify,
}

/// Counts when it goes away before it is forgotten.
struct Count<'a>(&'a AtomicUsize);

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Service for Echo {
    fn outlives_caller(&self, method: &str) -> bool {
        method == "/t.T/Work"
    }

    async fn call(&self, request: Request) -> Result<Answer, Status> {
        match request.method.as_str() {
            "/t.T/Echo" => Ok(Answer::One(request.message.to_vec())),
            "/t.T/Who" => Ok(Answer::One(request.metadata["who"].as_bytes().to_vec())),
            "/t.T/Refuse" => Err(Status::new(5, "100 % no")),
            "/t.T/Work" => {
                self.go_on.notified().await;
                self.done.fetch_add(1, Ordering::SeqCst);
                Ok(Answer::One(Vec::new()))
            }
            "/t.T/Wait" => {
                let _count = Count(&self.dropped);
                self.waiting.fetch_add(1, Ordering::SeqCst);
                std::future::pending().await
            }
            "/t.T/Many" => {
                let (sender, receiver) = mpsc::channel(4);
                tokio::spawn(async move {
                    for number in 0..100 {
                        let text = Text {
                            text: number.to_string(),
                        };
                        sender.send(prost::Message::encode_to_vec(&text)).await.unwrap();
                    }
                });
                Ok(Answer::Many(receiver))
            }
            other => Err(Status::new(Status::UNIMPLEMENTED, format!("unknown method {other}"))),
        }
    }
}

async fn start() -> (tempfile::TempDir, Arc<Echo>, Channel) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sock");
    let service = Arc::new(Echo::default());
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(serve(listener, Arc::clone(&service)));
    let channel = Channel::connect(&path, &[("who", "me")]).await.unwrap();
    (directory, service, channel)
}

#[tokio::test(flavor = "multi_thread")]
async fn row_098_messages_of_any_size_come_back_and_calls_do_not_wait_for_each_other() {
    let (_directory, _service, channel) = start().await;
    let waiting = channel.clone();
    let wait = tokio::spawn(async move { waiting.call_raw("/t.T/Wait", Vec::new()).await });
    for size in [0, 1, 16 << 10, 3 << 20] {
        let text = Text { text: "x".repeat(size) };
        assert_eq!(channel.call::<Text>("/t.T/Echo", &text).await.unwrap(), text);
    }
    assert_eq!(
        channel.call_raw("/t.T/Who", Vec::new()).await.unwrap(),
        Bytes::from("me")
    );
    assert!(!wait.is_finished());
}

#[tokio::test(flavor = "multi_thread")]
async fn row_098_refusals_have_code_and_words_and_the_connection_goes_on() {
    let (_directory, _service, channel) = start().await;
    let refused = channel.call::<Text>("/t.T/Refuse", &Text::default()).await;
    assert_eq!(refused, Err(Error::Refused(Status::new(5, "100 % no"))));
    let unknown = channel.call::<Text>("/t.T/Nothing", &Text::default()).await;
    assert!(matches!(unknown, Err(Error::Refused(status)) if status.code == Status::UNIMPLEMENTED));
    let too_long = channel.call_raw("/t.T/Echo", vec![0; 17 << 20]).await;
    assert!(matches!(too_long, Err(Error::Refused(status)) if status.code == Status::RESOURCE_EXHAUSTED));
    assert!(channel.call_raw("/t.T/Echo", vec![7]).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn row_098_a_stream_comes_whole_and_in_order() {
    let (_directory, _service, channel) = start().await;
    let mut stream = channel.stream::<Text>("/t.T/Many", &Text::default()).await.unwrap();
    for number in 0..100 {
        assert_eq!(stream.next().await.unwrap().unwrap().text, number.to_string());
    }
    assert_eq!(stream.next().await, Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn row_098_who_goes_away_stops_a_wait_and_no_work() {
    let (_directory, service, channel) = start().await;
    for method in ["/t.T/Work", "/t.T/Wait"] {
        let channel = channel.clone();
        let call = tokio::spawn(async move { channel.call_raw(method, Vec::new()).await });
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        call.abort();
    }
    while service.dropped.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    service.go_on.notify_one();
    while service.done.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
}

async fn connect_and_call(path: &std::path::Path) -> Result<Channel, Error> {
    let channel = Channel::connect(path, &[]).await?;
    channel.call_raw("/t.T/Echo", Vec::new()).await?;
    Ok(channel)
}

/// More connections than the server allows are told so, and those that go away make room.
#[tokio::test(flavor = "multi_thread")]
async fn row_098_connections_have_a_bound() {
    let (directory, _service, channel) = start().await;
    let path = directory.path().join("sock");
    channel.call_raw("/t.T/Echo", Vec::new()).await.unwrap();
    let mut all = vec![channel];
    let refused = loop {
        assert!(all.len() < 1000, "as many as one likes are served");
        match connect_and_call(&path).await {
            Ok(channel) => all.push(channel),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, Error::Disconnected(_)), "{refused:?}");
    assert!(all.len() > 100, "{}", all.len());
    all[0].call_raw("/t.T/Echo", Vec::new()).await.unwrap();
    drop(all);
    let served = async { while connect_and_call(&path).await.is_err() {} };
    tokio::time::timeout(PATIENCE, served).await.unwrap();
}

/// What is sent in many calls at once is not all kept.
#[tokio::test(flavor = "multi_thread")]
async fn row_098_bytes_under_way_have_a_bound() {
    const SIZE: usize = 15 << 20;
    let (_directory, service, channel) = start().await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let channel = channel.clone();
        calls.spawn(async move { channel.call_raw("/t.T/Wait", vec![0; SIZE]).await });
    }
    let all_wait = async {
        while service.waiting.load(Ordering::SeqCst) < 4 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, all_wait).await.unwrap();
    let one_more = channel.call_raw("/t.T/Echo", vec![0; SIZE]).await.map(drop);
    assert!(
        matches!(&one_more, Err(Error::Refused(status)) if status.code == Status::RESOURCE_EXHAUSTED),
        "{one_more:?}"
    );
    channel.call_raw("/t.T/Echo", vec![7]).await.unwrap();
    calls.shutdown().await;
    let served = async { while channel.call_raw("/t.T/Echo", vec![0; SIZE]).await.is_err() {} };
    tokio::time::timeout(PATIENCE, served).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn row_098_a_server_that_dies_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sock");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    listener.set_nonblocking(true).unwrap();
    runtime.spawn(async move { serve(UnixListener::from_std(listener).unwrap(), Arc::new(Echo::default())).await });
    let channel = Channel::connect(&path, &[]).await.unwrap();
    let other = channel.clone();
    let wait = tokio::spawn(async move { other.call_raw("/t.T/Wait", Vec::new()).await });
    channel.call_raw("/t.T/Echo", vec![7]).await.unwrap();
    runtime.shutdown_background();
    assert!(matches!(wait.await.unwrap(), Err(Error::Disconnected(_))));
    channel.closed().await;
    let after = channel.call_raw("/t.T/Echo", vec![7]).await;
    assert!(matches!(after, Err(Error::Disconnected(_))), "{after:?}");
    assert!(matches!(
        Channel::connect(&directory.path().join("none"), &[]).await,
        Err(Error::Disconnected(_))
    ));
}
