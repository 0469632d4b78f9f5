//! The life of containers over parts in memory: what is undone, what is published, what survives a restart.

use crate::container::requests::{Create, List, Remove, Stop, WaitCondition};
use crate::error::Error;
use crate::exec::{ExecCreate, ExecStart};
use crate::testing::Bench;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tierce_events::{EventStream, Watch};
use tierce_fault::{Fault, Kind};
use tierce_lifecycle::Status;
use tierce_oci::container::{Config, HostConfig, RestartPolicy};
use tierce_store::Resource;
use tierce_task::memory::MemoryTasks;
use tierce_task::{ProcessId, Tasks};

fn request(name: &str) -> Create {
    Create {
        name: Some(name.to_owned()),
        config: Config {
            image: "app".into(),
            ..Config::default()
        },
        host_config: HostConfig {
            network_mode: "none".into(),
            ..HostConfig::default()
        },
        ..Create::default()
    }
}

async fn bench() -> (Bench, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let bench = Bench::open(directory.path(), &Arc::new(MemoryTasks::new())).await;
    (bench, directory)
}

impl Bench {
    async fn made(&self, request: Create) -> String {
        Box::pin(self.containers.create(request)).await.unwrap().id
    }

    fn status(&self, id: &str) -> Status {
        self.context.find(id).unwrap().snapshot().record.state.status()
    }

    async fn until(&self, id: &str, wanted: Status) {
        let mut changes = self.context.find(id).unwrap().watch();
        let reached = changes.wait_for(|snapshot| snapshot.record.state.status() == wanted);
        tokio::time::timeout(Duration::from_secs(10), reached)
            .await
            .expect("status in time")
            .unwrap();
    }

    fn events(&self) -> EventStream {
        self.context.events.watch(Watch {
            since: Some(SystemTime::UNIX_EPOCH),
            ..Watch::default()
        })
    }
}

async fn actions(mut stream: EventStream, last: &str) -> Vec<String> {
    let mut actions = Vec::new();
    while actions.last().is_none_or(|action| action != last) {
        let event = tokio::time::timeout(Duration::from_secs(10), stream.next())
            .await
            .expect("event in time")
            .unwrap();
        actions.push(event.action);
    }
    actions
}

#[tokio::test]
async fn row_070_steps_and_events_come_in_order() {
    let (bench, _directory) = bench().await;
    let mut create = request("web");
    create.host_config.auto_remove = true;
    let id = bench.made(create).await;
    let removed = bench.containers.wait("web", WaitCondition::Removed).unwrap();
    bench.containers.start("web").await.unwrap();
    assert_eq!(bench.status(&id), Status::Running);
    bench.tasks.finish(&ProcessId::init(&id), 3);
    assert_eq!(removed.outcome().await.unwrap().status, 3);
    assert_eq!(
        actions(bench.events(), "destroy").await,
        ["create", "start", "die", "destroy"]
    );
    assert!(matches!(bench.context.find(&id), Err(Error::NoSuchContainer(_))));
    assert!(bench.network.joined.lock().unwrap().is_empty());
    assert!(bench.tasks.list().is_empty());
}

#[tokio::test]
async fn row_070_a_failed_start_leaves_nothing_behind() {
    let (bench, _directory) = bench().await;
    let mut create = request("web");
    create.host_config.network_mode = "nonet".into();
    let id = bench.made(create).await;
    let error = bench.containers.start("web").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to set up container networking: network nonet not found"
    );
    assert_eq!(error.kind(), Kind::NotFound);
    assert_eq!(bench.status(&id), Status::Created);
    let mut create = request("bob");
    create.config.user = "bob".into();
    bench.made(create).await;
    let error = bench.containers.start("bob").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "unable to find user bob: no matching entries in passwd file"
    );
    assert!(bench.network.joined.lock().unwrap().is_empty());
    assert!(bench.tasks.list().is_empty());
}

#[tokio::test]
async fn row_070_a_failed_create_leaves_nothing_behind() {
    let (bench, directory) = bench().await;
    let error = bench.containers.create(Create {
        config: Config {
            image: "missing".into(),
            ..Config::default()
        },
        ..Create::default()
    });
    assert_eq!(error.await.unwrap_err().kind(), Kind::NotFound);
    let mut create = request("web");
    create.config.image = "bare".into();
    assert_eq!(
        bench.containers.create(create).await.unwrap_err().to_string(),
        "no command specified"
    );
    let mut create = request("web");
    create.config.image = "withvolume".into();
    create.host_config.binds = Some(vec!["x!y:/z".into()]);
    assert_eq!(bench.containers.create(create).await.unwrap_err().kind(), Kind::Invalid);
    assert_eq!(
        std::fs::read_dir(directory.path().join("containers")).unwrap().count(),
        0
    );
    assert!(bench.context.volumes.list().is_empty());
    // The name is free again.
    bench.made(request("web")).await;
}

#[tokio::test]
async fn row_072_wrong_transitions_have_dockers_kinds_and_words() {
    let (bench, _directory) = bench().await;
    let id = bench.made(request("web")).await;
    assert_eq!(
        bench.containers.stop("web", Stop::default()).await.unwrap_err().kind(),
        Kind::NotModified
    );
    assert_eq!(
        bench.containers.kill("web", None).await.unwrap_err().to_string(),
        format!("cannot kill container: web: container {id} is not running")
    );
    assert_eq!(bench.containers.pause("web").await.unwrap_err().kind(), Kind::Conflict);
    bench.containers.start("web").await.unwrap();
    assert_eq!(
        bench.containers.start("web").await.unwrap_err().kind(),
        Kind::NotModified
    );
    assert_eq!(
        bench
            .containers
            .remove("web", Remove::default())
            .await
            .unwrap_err()
            .to_string(),
        "cannot remove container \"web\": container is running: stop the container before removing or force remove"
    );
    bench.containers.pause("web").await.unwrap();
    assert_eq!(
        bench
            .containers
            .remove("web", Remove::default())
            .await
            .unwrap_err()
            .to_string(),
        "cannot remove container \"web\": container is paused and must be unpaused first"
    );
    assert_eq!(
        bench.containers.start("web").await.unwrap_err().to_string(),
        "cannot start a paused container, try unpause instead"
    );
    bench.containers.unpause("web").await.unwrap();
    let error = bench.containers.create(request("web")).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("Conflict. The container name \"/web\" is already in use by container")
    );
    assert_eq!(
        bench.containers.rename("web", "web").await.unwrap_err().to_string(),
        "Renaming a container with the same name as its current name"
    );
    bench
        .containers
        .remove(
            "web",
            Remove {
                force: true,
                ..Remove::default()
            },
        )
        .await
        .unwrap();
    assert!(bench.context.all().is_empty());
}

#[tokio::test]
async fn row_073_a_stopped_container_keeps_its_identity_and_files() {
    let (bench, directory) = bench().await;
    let id = bench.made(request("web")).await;
    bench.containers.start("web").await.unwrap();
    let file = directory.path().join("roots").join(&id).join("file");
    std::fs::write(&file, "kept").unwrap();
    bench.containers.stop("web", Stop::default()).await.unwrap();
    assert_eq!(bench.status(&id), Status::Exited);
    assert_eq!(
        bench
            .containers
            .inspect("web", false)
            .await
            .unwrap()
            .record
            .state
            .exit_code,
        143
    );
    bench.containers.start(&id[..12]).await.unwrap();
    assert_eq!(bench.context.find("web").unwrap().id, id);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "kept");
}

#[tokio::test]
async fn row_074_the_directory_holds_what_dockers_holds() {
    let (bench, directory) = bench().await;
    let id = bench.made(request("web")).await;
    bench.containers.start("web").await.unwrap();
    let own = directory.path().join("containers").join(&id);
    for name in [
        "config.v2.json",
        "hostconfig.json",
        "hostname",
        "hosts",
        "resolv.conf",
        "checkpoints",
        "mounts",
    ] {
        assert!(own.join(name).exists(), "{name}");
    }
    // Row 75: the host name is the short id.
    assert_eq!(
        std::fs::read_to_string(own.join("hostname")).unwrap(),
        format!("{}\n", &id[..12])
    );
    let record = bench.containers.inspect("web", false).await.unwrap().record;
    assert_eq!(record.config.hostname, &id[..12]);
    assert_eq!(record.hosts_path, own.join("hosts").to_string_lossy());
    let stored: serde_json::Value =
        serde_json::from_slice(&std::fs::read(own.join("config.v2.json")).unwrap()).unwrap();
    assert_eq!(stored["State"]["Running"], true);
    assert_eq!(stored["ID"], id.as_str());
}

#[tokio::test]
async fn row_077_exec_needs_a_running_container_and_tells_its_code() {
    let (bench, _directory) = bench().await;
    let id = bench.made(request("web")).await;
    let run = ExecCreate {
        command: vec!["true".into()],
        ..ExecCreate::default()
    };
    let error = bench.execs.create("web", run.clone()).unwrap_err();
    assert_eq!(error.to_string(), format!("container {id} is not running"));
    bench.containers.start("web").await.unwrap();
    // The fake's pid is no process, so the container's users are looked up in our own root.
    bench
        .context
        .find("web")
        .unwrap()
        .change_record(|record| record.state.pid = std::process::id());
    let exec = bench.execs.create("web", run).unwrap();
    bench
        .execs
        .start(
            &exec,
            ExecStart {
                detach: true,
                ..ExecStart::default()
            },
        )
        .await
        .unwrap();
    assert!(bench.execs.inspect(&exec).unwrap().running);
    bench.tasks.finish(&ProcessId::exec(&id, &exec), 7);
    for _ in 0..100 {
        if bench.execs.inspect(&exec).unwrap().exit_code == Some(7) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the exit code did not arrive");
}

#[tokio::test]
async fn row_080_a_clock_that_is_set_neither_calms_nor_lengthens_a_life() {
    let (bench, _directory) = bench().await;
    let mut create = request("web");
    create.host_config.restart_policy.name = "always".into();
    let id = bench.made(create).await;
    bench.containers.start("web").await.unwrap();
    let container = bench.context.find("web").unwrap();
    let (day, now) = (Duration::from_hours(24), SystemTime::now());
    for (life, at) in [(2, now + day), (3, now - day), (4, now + day)] {
        bench.tasks.finish_at(&ProcessId::init(&id), 1, at);
        let mut changes = container.watch();
        let again = changes.wait_for(|snapshot| snapshot.starts == life && snapshot.record.state.is_alive());
        tokio::time::timeout(Duration::from_secs(10), again)
            .await
            .unwrap()
            .unwrap();
    }
    // Each life was a short one, so the delays went on doubling.
    assert_eq!(
        container.transition().await.backoff.next(Duration::ZERO),
        Duration::from_millis(800)
    );
    let mut events = bench.events();
    let mut lives = Vec::new();
    while lives.len() < 3 {
        let event = tokio::time::timeout(Duration::from_secs(10), events.next())
            .await
            .unwrap()
            .unwrap();
        lives.extend(event.attributes.get("execDuration").cloned());
    }
    assert_eq!(lives, ["0", "0", "0"]);
}

#[tokio::test]
async fn row_080_restart_policies_count_and_a_manual_stop_wins() {
    let (bench, _directory) = bench().await;
    let mut create = request("web");
    create.host_config.restart_policy = RestartPolicy {
        name: "on-failure".into(),
        maximum_retry_count: 1,
    };
    let id = bench.made(create).await;
    bench.containers.start("web").await.unwrap();
    bench.tasks.finish(&ProcessId::init(&id), 1);
    let container = bench.context.find("web").unwrap();
    let mut changes = container.watch();
    changes
        .wait_for(|snapshot| snapshot.starts == 2 && snapshot.record.state.is_alive())
        .await
        .unwrap();
    assert_eq!(container.snapshot().record.restart_count, 1);
    bench.tasks.finish(&ProcessId::init(&id), 1);
    // The second failure is one too many.
    bench.until("web", Status::Exited).await;

    let mut create = request("always");
    create.host_config.restart_policy = RestartPolicy {
        name: "always".into(),
        maximum_retry_count: 0,
    };
    let id = bench.made(create).await;
    bench.containers.start("always").await.unwrap();
    bench.tasks.finish(&ProcessId::init(&id), 0);
    bench.until("always", Status::Restarting).await;
    bench.containers.stop("always", Stop::default()).await.unwrap();
    assert_eq!(bench.status("always"), Status::Exited);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(bench.status("always"), Status::Exited);
}

#[tokio::test]
async fn row_162_anonymous_volumes_are_filled_and_go_with_their_container() {
    let (bench, _directory) = bench().await;
    let mut create = request("web");
    create.config.image = "withvolume".into();
    create.host_config.binds = Some(vec!["named:/named".into()]);
    bench.made(create).await;
    let volumes = bench.context.volumes.list();
    let anonymous = volumes.iter().find(|volume| volume.is_anonymous()).unwrap();
    assert_eq!(
        std::fs::read_to_string(anonymous.mountpoint.join("seed")).unwrap(),
        "from the image"
    );
    assert!(bench.context.leases.is_held(&Resource::volume("named")));
    bench
        .containers
        .remove(
            "web",
            Remove {
                volumes: true,
                ..Remove::default()
            },
        )
        .await
        .unwrap();
    let left: Vec<String> = bench
        .context
        .volumes
        .list()
        .into_iter()
        .map(|volume| volume.name)
        .collect();
    assert_eq!(left, ["named"]);
}

#[tokio::test]
async fn row_092_a_restart_of_the_daemon_loses_nothing() {
    let (bench, directory) = bench().await;
    let tasks = Arc::clone(&bench.tasks);
    let lives = bench.made(request("lives")).await;
    let ends = bench.made(request("ends")).await;
    let down = bench.made(request("down")).await;
    let mut create = request("policy");
    create.host_config.restart_policy.name = "unless-stopped".into();
    let policy = bench.made(create.clone()).await;
    create.name = Some("stopped".into());
    bench.made(create).await;
    for name in ["lives", "ends", "policy", "stopped"] {
        bench.containers.start(name).await.unwrap();
    }
    bench.containers.stop("stopped", Stop::default()).await.unwrap();
    // The daemon dies; its event loop does not hear what ends now.
    bench
        .context
        .daemon
        .shutting_down
        .store(true, std::sync::atomic::Ordering::Relaxed);
    let before = bench
        .containers
        .list(List {
            all: true,
            ..List::default()
        })
        .await
        .unwrap();
    let frozen = tempfile::tempdir().unwrap();
    copy_tree(directory.path(), frozen.path());
    let outage = Arc::new(MemoryTasks::new());
    for id in [&lives, &ends, &policy] {
        let process = ProcessId::init(id.as_str());
        outage
            .create(tierce_task::Create {
                id: (*id).clone(),
                ..tierce_task::Create::default()
            })
            .await
            .unwrap();
        outage.start(&process).await.unwrap();
    }
    drop((bench, tasks));
    outage.finish(&ProcessId::init(&ends), 42);
    outage.finish(&ProcessId::init(&policy), 0);
    let half_made = "ee".repeat(32);
    outage
        .create(tierce_task::Create {
            id: half_made.clone(),
            ..tierce_task::Create::default()
        })
        .await
        .unwrap();

    let bench = Bench::open(frozen.path(), &outage).await;
    let after = bench
        .containers
        .list(List {
            all: true,
            ..List::default()
        })
        .await
        .unwrap();
    let ids = |list: &[crate::container::requests::Summary]| -> Vec<String> {
        list.iter().map(|summary| summary.record.id.clone()).collect()
    };
    assert_eq!(ids(&before), ids(&after));
    assert_eq!(bench.status("lives"), Status::Running);
    assert_eq!(
        bench.context.find("ends").unwrap().snapshot().record.state.exit_code,
        42
    );
    assert_eq!(bench.status("ends"), Status::Exited);
    assert_eq!(bench.status(&down), Status::Created);
    assert_eq!(bench.status("stopped"), Status::Exited);
    bench.until("policy", Status::Running).await;
    assert!(
        bench
            .context
            .leases
            .is_held(&Resource::image(format!("sha256:{}", "ab".repeat(32))))
    );
    assert!(bench.network.joined.lock().unwrap().contains(&lives));
    assert!(outage.state(&half_made).is_err(), "a task of nobody is ended");
}

#[tokio::test]
async fn a_shim_that_is_gone_means_255() {
    let (bench, directory) = bench().await;
    bench.made(request("web")).await;
    bench.containers.start("web").await.unwrap();
    let frozen = tempfile::tempdir().unwrap();
    copy_tree(directory.path(), frozen.path());
    let bench = Bench::open(frozen.path(), &Arc::new(MemoryTasks::new())).await;
    assert_eq!(bench.status("web"), Status::Exited);
    assert_eq!(
        bench.context.find("web").unwrap().snapshot().record.state.exit_code,
        255
    );
}

#[tokio::test]
async fn a_corrupt_record_is_left_alone_and_the_rest_works() {
    let (bench, directory) = bench().await;
    let broken = bench.made(request("broken")).await;
    bench.made(request("sound")).await;
    drop(bench);
    // The first engine's tasks live on in this process, and hold the volumes' database.
    std::fs::remove_file(directory.path().join("volumes/metadata.db")).unwrap();
    let record = directory.path().join("containers").join(&broken).join("config.v2.json");
    std::fs::write(&record, "{\"ID\":").unwrap();
    let bench = Bench::open(directory.path(), &Arc::new(MemoryTasks::new())).await;
    assert_eq!(bench.context.all().len(), 1);
    assert!(bench.context.find("sound").is_ok());
    assert!(record.exists());
}

#[tokio::test]
async fn one_stuck_container_blocks_no_other_command() {
    let (bench, _directory) = bench().await;
    bench.made(request("stuck")).await;
    bench.made(request("free")).await;
    let stuck = bench.context.find("stuck").unwrap();
    let _held = stuck.transition().await;
    let free = async {
        bench.containers.start("free").await.unwrap();
        bench.containers.inspect("stuck", false).await.unwrap();
        bench
            .containers
            .list(List {
                all: true,
                ..List::default()
            })
            .await
            .unwrap()
            .len()
    };
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(10), free)
            .await
            .expect("nobody waits"),
        2
    );
}

#[tokio::test]
async fn an_end_counts_even_if_the_clock_says_it_was_before_the_start() {
    let (bench, _directory) = bench().await;
    let id = bench.made(request("web")).await;
    bench.containers.start("web").await.unwrap();
    let tomorrow = jiff::Timestamp::now() + Duration::from_hours(24);
    bench
        .context
        .find("web")
        .unwrap()
        .change_record(|record| record.state.started_at = tomorrow);
    bench.tasks.finish(&ProcessId::init(&id), 0);
    bench.until("web", Status::Exited).await;
}

#[tokio::test]
async fn restart_keeps_a_container_that_removes_itself() {
    let (bench, _directory) = bench().await;
    let mut create = request("web");
    create.host_config.auto_remove = true;
    let id = bench.made(create).await;
    bench.containers.start("web").await.unwrap();
    bench.containers.restart("web", Stop::default()).await.unwrap();
    assert_eq!(bench.status(&id), Status::Running);
    assert!(bench.context.find("web").unwrap().snapshot().host_config.auto_remove);
}

/// Copies what a daemon has written so far. It may still write: a temporary file can be gone when its turn comes.
fn copy_tree(from: &std::path::Path, to: &std::path::Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy_tree(&entry.path(), &target);
        } else {
            let copied = std::fs::copy(entry.path(), target);
            assert!(
                copied.is_ok() || !entry.path().exists(),
                "{}: {copied:?}",
                entry.path().display()
            );
        }
    }
}
