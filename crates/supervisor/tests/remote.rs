//! Who is at the address of a supervisor, and who is not.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use prost::Message;
use tierce_fault::{Fault, Kind};
use tierce_grpc::{Answer, Channel, Request, Service, Status};
use tierce_supervisor::{Config, Records, Remote, RemoteConfig, Supervisor};
use tierce_task::messages::{Any, Empty, Envelope};
use tierce_task::services::containers::{Container, ListContainersRequest, ListContainersResponse, OneContainer};
use tierce_task::services::daemon::VersionResponse;
use tierce_task::services::tasks::{ListTasksRequest, ListTasksResponse};
use tierce_task::services::{RuntimeName, SubscribeRequest};
use tierce_task::{ProcessId, Tasks};
use tokio::net::UnixListener;

/// Answers every question with the version of containerd.
struct Containerd;

#[async_trait]
impl Service for Containerd {
    fn outlives_caller(&self, _method: &str) -> bool {
        true
    }

    async fn call(&self, _request: Request) -> Result<Answer, Status> {
        let version = VersionResponse {
            version: "v2.1.9".to_owned(),
            ..VersionResponse::default()
        };
        Ok(Answer::One(version.encode_to_vec()))
    }
}

/// A supervisor without tasks.
fn start(directory: &Path) -> std::path::PathBuf {
    let address = directory.join("sock");
    let listener = UnixListener::bind(&address).unwrap();
    let supervisor = Supervisor::open(Config::new(directory.join("state"), "/no/shim")).unwrap();
    let records = Records::open(&directory.join("root")).unwrap();
    tokio::spawn(tierce_supervisor::serve(listener, supervisor, records, "me".to_owned()));
    address
}

async fn connect(address: &Path, namespace: &str) -> Channel {
    Channel::connect(address, &[("containerd-namespace", namespace)])
        .await
        .unwrap()
}

fn container(id: &str) -> OneContainer {
    OneContainer {
        container: Some(Container {
            id: id.to_owned(),
            runtime: Some(RuntimeName {
                name: "io.containerd.runc.v2".to_owned(),
                options: None,
            }),
            spec: Some(Any {
                type_url: "t".to_owned(),
                value: b"{}".to_vec(),
            }),
            ..Container::default()
        }),
    }
}

fn program(directory: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tierce-supervisor"));
    command.arg("--state").arg(directory.join("state"));
    command.arg("--root").arg(directory.join("root"));
    command.args(["--shim", "/bin/true"]);
    command
}

#[test]
fn row_099_a_socket_without_a_place_of_its_own_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let refused = program(directory.path()).args(["--address", "sock"]).output().unwrap();
    let text = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(text, "tierce-supervisor: the path sock must be absolute\n");
    assert!(!refused.status.success());
}

#[test]
fn row_099_the_socket_is_for_root_and_its_group_whatever_the_mask() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("state/supervisor.sock");
    let mut masked = std::process::Command::new("sh");
    masked.args(["-c", "umask 0; exec \"$@\"", "sh"]);
    let own = program(directory.path());
    masked.arg(own.get_program()).args(own.get_args());
    let mut running = masked.spawn().unwrap();
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        assert!(running.try_wait().unwrap().is_none(), "it ended");
        std::thread::sleep(Duration::from_millis(10));
    }
    // Its mode is set right after it is made; that it may be connected to says that it is made.
    let mode = || std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777;
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
    while mode() != 0o660 {
        assert_eq!(mode() & 0o002, 0, "it is open to everybody");
        assert!(std::time::Instant::now() < deadline, "it stays {:o}", mode());
        std::thread::sleep(Duration::from_millis(10));
    }
    running.kill().unwrap();
    running.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn row_091_nobody_at_the_address_is_told_with_the_address() {
    let directory = tempfile::tempdir().unwrap();
    let address = directory.path().join("sock");
    let opened = Remote::open(RemoteConfig::new(&address), Duration::from_millis(200)).await;
    let error = opened.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    let text = error.to_string();
    assert!(
        text.contains(&format!(
            "the supervisor at {} is away: cannot connect",
            address.display()
        )),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn row_098_containerd_itself_is_refused_with_the_reason_and_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let address = directory.path().join("sock");
    tokio::spawn(tierce_grpc::serve(
        UnixListener::bind(&address).unwrap(),
        Arc::new(Containerd),
    ));
    let opened = Remote::open(RemoteConfig::new(&address), Duration::from_mins(10)).await;
    let text = opened.unwrap_err().to_string();
    assert!(text.contains("it is containerd v2.1.9, which cannot be used"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_098_an_engine_and_a_supervisor_without_tasks_agree_that_there_are_none() {
    let directory = tempfile::tempdir().unwrap();
    let address = start(directory.path());
    let remote = Remote::open(RemoteConfig::new(&address), Duration::from_secs(30))
        .await
        .unwrap();
    assert_eq!((remote.list(), remote.absence()), (Vec::new(), None));
    let unknown = ProcessId::init("c");
    for kind in [
        remote.kill(&unknown, 9, true).await.unwrap_err().kind(),
        remote.delete(&unknown).await.unwrap_err().kind(),
        remote.start(&unknown).await.unwrap_err().kind(),
        remote.wait(&unknown).await.unwrap_err().kind(),
    ] {
        assert_eq!(kind, Kind::NotFound);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_098_a_namespace_is_needed_and_others_are_empty() {
    let directory = tempfile::tempdir().unwrap();
    let address = start(directory.path());
    let list = "/containerd.services.containers.v1.Containers/List";
    let create = "/containerd.services.containers.v1.Containers/Create";
    let own = connect(&address, "moby").await;
    own.call::<OneContainer>(create, &container("c")).await.unwrap();
    let count = |channel: Channel| async move {
        let answer: ListContainersResponse = channel.call(list, &ListContainersRequest::default()).await.unwrap();
        answer.containers.len()
    };
    assert_eq!(count(own.clone()).await, 1);
    let other = connect(&address, "other").await;
    assert_eq!(count(other.clone()).await, 0);
    let text = other
        .call::<OneContainer>(create, &container("d"))
        .await
        .unwrap_err()
        .to_string();
    assert!(text.contains("one namespace, which is \"moby\""), "{text}");
    let nameless = Channel::connect(&address, &[]).await.unwrap();
    let tasks = "/containerd.services.tasks.v1.Tasks/List";
    let text = nameless
        .call::<ListTasksResponse>(tasks, &ListTasksRequest::default())
        .await;
    assert_eq!(
        text.unwrap_err().to_string(),
        "namespace is required: failed precondition"
    );
    // A filter that is not served is no reason to answer with everything.
    let filtered = ListContainersRequest {
        filters: vec!["labels.a==b".to_owned()],
    };
    assert!(own.call::<ListContainersResponse>(list, &filtered).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn row_098_an_engine_in_another_namespace_is_told_so_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = RemoteConfig::new(start(directory.path()));
    config.namespace = "other".to_owned();
    let text = Remote::open(config, Duration::from_mins(10))
        .await
        .unwrap_err()
        .to_string();
    assert!(text.contains("it has no namespace \"other\""), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_098_what_happens_to_records_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let address = start(directory.path());
    let channel = connect(&address, "moby").await;
    let subscribe = "/containerd.services.events.v1.Events/Subscribe";
    let mut events = channel
        .stream::<Envelope>(subscribe, &SubscribeRequest::default())
        .await
        .unwrap();
    let service = "/containerd.services.containers.v1.Containers";
    channel
        .call::<OneContainer>(&format!("{service}/Create"), &container("c"))
        .await
        .unwrap();
    let id = tierce_task::services::containers::ContainerId { id: "c".to_owned() };
    channel.call::<Empty>(&format!("{service}/Delete"), &id).await.unwrap();
    for topic in ["/containers/create", "/containers/delete"] {
        let event = events.next().await.unwrap().unwrap();
        assert_eq!((event.topic.as_str(), event.namespace.as_str()), (topic, "moby"));
    }
    let gone = channel
        .call::<Empty>(&format!("{service}/Delete"), &id)
        .await
        .unwrap_err();
    assert!(matches!(gone, tierce_grpc::Error::Refused(status) if status.code == 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn row_098_bytes_that_are_no_request_harm_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let address = start(directory.path());
    let channel = connect(&address, "moby").await;
    for method in [
        "containers.v1.Containers/Create",
        "tasks.v1.Tasks/Create",
        "tasks.v1.Tasks/Exec",
        "x/y",
    ] {
        let refused = channel
            .call_raw(&format!("/containerd.services.{method}"), vec![0xff; 40])
            .await;
        assert!(
            matches!(refused, Err(tierce_grpc::Error::Refused(_))),
            "{method}: {refused:?}"
        );
    }
    let version = channel
        .call_raw("/containerd.services.version.v1.Version/Version", Vec::new())
        .await;
    let version = VersionResponse::decode(version.unwrap()).unwrap();
    assert!(version.version.contains("tierce-supervisor") && version.extensions > 0);
}
