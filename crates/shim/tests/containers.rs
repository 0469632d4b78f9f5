//! A real shim, driven by the real supervisor, with our own runtime and a busybox root filesystem.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use support::{Client, House, can_run, process, run};
use tierce_fault::{Fault, Kind};
use tierce_logs::Stream;
use tierce_supervisor::Supervisor;
use tierce_task::{EventKind, Exec, ProcessId, TaskControl, TaskStatus, Tasks};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn row_080_exit_codes_are_exact_and_nothing_is_left() {
    if !can_run() {
        return;
    }
    let house = House::new();
    let supervisor = house.supervisor();
    let mut events = supervisor.subscribe();
    for (script, status) in [("true", 0), ("exit 7", 7), ("exit 255", 255)] {
        let create = house.create(script);
        let id = create.id.clone();
        assert_eq!(run(&supervisor, create).await, status, "{script}");
        let event = events.recv().await.unwrap();
        assert_eq!(event.container, id);
        assert!(matches!(event.kind, EventKind::Exited(exit) if exit.status == status));
    }
    let create = house.create_with(&["sleep", "100"], false);
    let id = ProcessId::init(create.id.clone());
    supervisor.create(create).await.unwrap();
    supervisor.start(&id).await.unwrap();
    // Pid 1 is spared the signals it has no handler for, but not this one.
    supervisor.kill(&id, 15, false).await.unwrap();
    supervisor.kill(&id, 9, false).await.unwrap();
    assert_eq!(supervisor.wait(&id).await.unwrap().status, 137);
    supervisor.delete(&id).await.unwrap();
    assert!(supervisor.list().is_empty());
    assert_eq!(house.mounts(), 0);
    let left = |name: &str| {
        std::fs::read_dir(house.directory.path().join("r").join(name))
            .unwrap()
            .count()
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((left("tasks"), left("s"), left("runtime")), (0, 0, 0));
}

/// CVE-2019-5736: a process on its way into a container still has the shim's program as its `/proc/PID/exe`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_shims_program_cannot_be_written_through_the_containers_process() {
    use rustix::fs::{StatVfsMountFlags, statvfs};
    if !can_run() {
        return;
    }
    let house = House::new();
    let supervisor = house.supervisor();
    let create = house.create("true");
    let id = ProcessId::init(create.id.clone());
    let created = supervisor.create(create).await.unwrap();
    // The worker that made the process is its parent for a moment; then the shim is.
    let parent_flags = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", created.pid)).unwrap();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
        statvfs(format!("/proc/{}/exe", parent.trim())).ok()
    };
    let mut shim = parent_flags();
    for _ in 0..500 {
        if shim.is_some() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
        shim = parent_flags();
    }
    let own = statvfs(format!("/proc/{}/exe", created.pid)).unwrap();
    for (who, found) in [("the container's process", own), ("the shim", shim.unwrap())] {
        assert!(
            found.f_flag.contains(StatVfsMountFlags::RDONLY),
            "the program of {who} is on a writable mount"
        );
    }
    supervisor.start(&id).await.unwrap();
    supervisor.wait(&id).await.unwrap();
    supervisor.delete(&id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn row_106_a_created_container_waits_for_its_start() {
    if !can_run() {
        return;
    }
    let house = House::new();
    let supervisor = house.supervisor();
    let create = house.create("echo started > /tmp/mark");
    let id = ProcessId::init(create.id.clone());
    let created = supervisor.create(create.clone()).await.unwrap();
    assert_eq!(supervisor.create(create).await.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(supervisor.state(&id.container).unwrap().status, TaskStatus::Created);
    assert!(Path::new(&format!("/proc/{}", created.pid)).exists());
    assert!(!house.rootfs.join("tmp/mark").exists());
    assert_eq!(supervisor.start(&id).await.unwrap(), created.pid);
    assert_eq!(supervisor.wait(&id).await.unwrap().status, 0);
    assert_eq!(supervisor.state(&id.container).unwrap().status, TaskStatus::Stopped);
    assert_eq!(
        supervisor.kill(&id, 15, false).await.unwrap_err().kind(),
        Kind::NotFound
    );
    assert!(house.rootfs.join("tmp/mark").exists());
    supervisor.delete(&id).await.unwrap();

    // One that was never started can be deleted.
    let create = house.create("true");
    let id = ProcessId::init(create.id.clone());
    supervisor.create(create).await.unwrap();
    supervisor.delete(&id).await.unwrap();
    assert_eq!(supervisor.state(&id.container).unwrap_err().kind(), Kind::NotFound);
    assert_eq!(house.mounts(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn row_076_streams_are_separate_logged_and_attached_before_the_start() {
    if !can_run() {
        return;
    }
    let house = House::new();
    let supervisor = house.supervisor();
    let create = house.create("echo out; echo err >&2; printf unfinished");
    let id = ProcessId::init(create.id.clone());
    let io = supervisor.create(create).await.unwrap().io;
    let (mut first, mut second) = (Client::attach(&io, ""), Client::attach(&io, ""));
    supervisor.start(&id).await.unwrap();
    for client in [&mut first, &mut second] {
        assert_eq!(client.frames(), ("out\nunfinished".to_owned(), "err\n".to_owned()));
    }
    supervisor.wait(&id).await.unwrap();
    assert_eq!(house.logged(Stream::Stdout), "out\nunfinished");
    assert_eq!(house.logged(Stream::Stderr), "err\n");
    // Who comes after the end gets nothing, but no error either.
    assert_eq!(Client::attach(&io, "").frames(), (String::new(), String::new()));
    supervisor.delete(&id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn row_076_attaching_midway_gets_what_comes_from_then_on() {
    if !can_run() {
        return;
    }
    let house = House::new();
    let supervisor = house.supervisor();
    let mut create = house.create("echo early; read line; echo late: $line; read line && echo more");
    create.stdin = true;
    create.stdin_once = true;
    let id = ProcessId::init(create.id.clone());
    let io = supervisor.create(create).await.unwrap().io;
    supervisor.start(&id).await.unwrap();
    while !house.log_path().exists() || house.logged(Stream::Stdout) != "early\n" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut client = Client::attach(&io, "");
    client.send(b"hello\n");
    client.end_input();
    assert_eq!(client.frames().0, "late: hello\n");
    assert_eq!(
        supervisor.wait(&id).await.unwrap().status,
        1,
        "the second read found the end"
    );
    supervisor.delete(&id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn input_of_any_size_comes_through_and_can_be_closed_by_request() {
    if !can_run() {
        return;
    }
    let house = House::new();
    let supervisor = house.supervisor();
    let mut create = house.create_with(&["wc", "-c"], false);
    create.stdin = true;
    let id = ProcessId::init(create.id.clone());
    let io = supervisor.create(create).await.unwrap().io;
    let mut client = Client::attach(&io, "");
    supervisor.start(&id).await.unwrap();
    client.send(&vec![b'x'; 3_000_000]);
    // Input is not closed with its first giver: another may come.
    client.end_input();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(supervisor.state(&id.container).unwrap().status, TaskStatus::Running);
    supervisor.close_stdin(&id).await.unwrap();
    assert_eq!(client.frames().0.trim(), "3000000");
    supervisor.wait(&id).await.unwrap();
    supervisor.delete(&id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_terminal_is_raw_has_a_size_and_ends() {
    if !can_run() {
        return;
    }
    let house = House::new();
    let supervisor = house.supervisor();
    let mut create = house.create_with(&["sh", "-c", "read a; stty size; tty; exit 3"], true);
    create.stdin = true;
    let id = ProcessId::init(create.id.clone());
    let io = supervisor.create(create).await.unwrap().io;
    let mut client = Client::attach(&io, "");
    supervisor.start(&id).await.unwrap();
    supervisor.resize(&id, 33, 101).await.unwrap();
    client.send(b"go\r");
    let text = String::from_utf8(client.raw()).unwrap();
    assert!(text.contains("33 101\r\n"), "{text:?}");
    assert!(text.contains("/dev/"), "{text:?}");
    assert_eq!(supervisor.wait(&id).await.unwrap().status, 3);
    assert!(house.logged(Stream::Stdout).contains("33 101\r\n"));
    supervisor.delete(&id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn row_077_exec_joins_and_returns_its_own_exit_code() {
    if !can_run() {
        return;
    }
    let house = House::new();
    let supervisor = house.supervisor();
    let create = house.create("exec sleep 100");
    let container = create.id.clone();
    let init = ProcessId::init(container.clone());
    supervisor.create(create).await.unwrap();
    supervisor.start(&init).await.unwrap();

    let id = ProcessId::exec(container.clone(), "e1");
    let document = process(
        &[
            "sh",
            "-c",
            // The first process may still be on its way.
            "echo out; echo err >&2; until grep -q ^sleep /proc/1/cmdline; do :; done; cat /proc/1/cmdline | tr '\\0' ' '; \
             cat; exit 5",
        ],
        false,
    );
    let io = supervisor
        .exec(
            &id,
            Exec {
                process: document,
                terminal: false,
                stdin: true,
                fifos: None,
            },
        )
        .await
        .unwrap();
    let mut client = Client::attach(&io, "e1");
    supervisor.start(&id).await.unwrap();
    client.send(b"input");
    client.end_input();
    let (out, err) = client.frames();
    assert_eq!((out.as_str(), err.as_str()), ("out\nsleep 100 input", "err\n"));
    assert_eq!(supervisor.wait(&id).await.unwrap().status, 5);
    assert_eq!(supervisor.delete(&id).await.unwrap().status, 5);
    assert!(supervisor.state(&container).unwrap().execs.is_empty());

    let id = ProcessId::exec(container.clone(), "e2");
    let document = process(&["sh", "-c", "stty size; exit 6"], true);
    let io = supervisor
        .exec(
            &id,
            Exec {
                process: document,
                terminal: true,
                stdin: true,
                fifos: None,
            },
        )
        .await
        .unwrap();
    let mut client = Client::attach(&io, "e2");
    supervisor.start(&id).await.unwrap();
    assert!(String::from_utf8(client.raw()).unwrap().ends_with("\r\n"));
    assert_eq!(supervisor.wait(&id).await.unwrap().status, 6);

    // A program that is not there: an account, a client that is let go, and nothing left.
    let id = ProcessId::exec(container.clone(), "e3");
    let exec = Exec {
        process: process(&["no-such-program"], false),
        terminal: false,
        stdin: false,
        fifos: None,
    };
    let io = supervisor.exec(&id, exec).await.unwrap();
    let mut client = Client::attach(&io, "e3");
    let error = supervisor.start(&id).await.unwrap_err();
    assert!(error.to_string().contains("no-such-program"), "{error}");
    client.raw();
    supervisor.delete(&id).await.unwrap();
    assert!(
        house.log_path().exists() && house.logged(Stream::Stdout).is_empty(),
        "an exec is not logged"
    );

    supervisor.kill(&init, 9, false).await.unwrap();
    supervisor.wait(&init).await.unwrap();
    supervisor.delete(&init).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_exec_that_leaves_a_daemon_behind_ends_all_the_same() {
    if !can_run() {
        return;
    }
    let house = House::new();
    let supervisor = house.supervisor();
    let create = house.create("exec sleep 100");
    let init = ProcessId::init(create.id.clone());
    supervisor.create(create).await.unwrap();
    supervisor.start(&init).await.unwrap();
    let id = ProcessId::exec(init.container.clone(), "e");
    let exec = Exec {
        process: process(&["sh", "-c", "sleep 50 & echo done"], false),
        ..Exec::default()
    };
    let io = supervisor.exec(&id, exec).await.unwrap();
    let mut client = Client::attach(&io, "e");
    let begin = Instant::now();
    supervisor.start(&id).await.unwrap();
    assert_eq!(supervisor.wait(&id).await.unwrap().status, 0);
    assert!(
        begin.elapsed() < Duration::from_secs(1),
        "the exit waited for the daemon"
    );
    assert_eq!(client.frames().0, "done\n");
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "the client waited for the daemon"
    );
    supervisor.kill(&init, 9, true).await.unwrap();
    supervisor.wait(&init).await.unwrap();
    supervisor.delete(&init).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn row_079_killing_it_from_the_host_is_reported() {
    if !can_run() {
        return;
    }
    let house = House::new();
    let supervisor = house.supervisor();
    let create = house.create("exec sleep 100");
    let id = ProcessId::init(create.id.clone());
    let pid = supervisor.create(create).await.unwrap().pid;
    supervisor.start(&id).await.unwrap();
    let pids = supervisor.pids(&id.container).await.unwrap();
    assert_eq!(pids, [pid]);
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    assert_eq!(supervisor.wait(&id).await.unwrap().status, 137);
    supervisor.delete(&id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_container_is_paused_measured_updated_and_resumed() {
    if !can_run() {
        return;
    }
    let house = House::new();
    let supervisor = house.supervisor();
    let create = house.create("exec sleep 100");
    let id = ProcessId::init(create.id.clone());
    supervisor.create(create).await.unwrap();
    supervisor.start(&id).await.unwrap();
    supervisor.pause(&id.container).await.unwrap();
    assert_eq!(supervisor.state(&id.container).unwrap().status, TaskStatus::Paused);
    supervisor.resume(&id.container).await.unwrap();
    assert_eq!(supervisor.state(&id.container).unwrap().status, TaskStatus::Running);
    let limits = serde_json::from_str(r#"{"memory":{"limit":67108864},"pids":{"limit":50}}"#).unwrap();
    supervisor.update(&id.container, limits).await.unwrap();
    let metrics = supervisor.stats(&id.container).await.unwrap();
    assert_eq!(metrics.memory.unwrap().limit, 67_108_864);
    assert_eq!(metrics.pids.unwrap().current, 1);
    supervisor.kill(&id, 9, false).await.unwrap();
    supervisor.wait(&id).await.unwrap();
    supervisor.delete(&id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn row_080_running_out_of_memory_is_told() {
    if !can_run() {
        return;
    }
    let house = House::new();
    let supervisor = house.supervisor();
    let mut events = supervisor.subscribe();
    let mut create = house.create_with(&["dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1"], false);
    let limits = serde_json::from_str(r#"{"memory":{"limit":16777216,"swap":16777216}}"#).unwrap();
    create.spec.linux.as_mut().unwrap().resources = Some(limits);
    let id = ProcessId::init(create.id.clone());
    supervisor.create(create).await.unwrap();
    supervisor.start(&id).await.unwrap();
    let exit = supervisor.wait(&id).await.unwrap();
    assert_eq!((exit.status, exit.oom_killed), (137, true));
    assert!(supervisor.delete(&id).await.unwrap().oom_killed);
    let mut kinds = Vec::new();
    while kinds.len() < 2 {
        kinds.push(events.recv().await.unwrap().kind);
    }
    assert!(kinds.contains(&EventKind::OutOfMemory), "{kinds:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_client_that_does_not_read_holds_the_process_up_and_loses_nothing() {
    if !can_run() {
        return;
    }
    let house = House::new();
    let supervisor = house.supervisor();
    let create = house.create("seq 1 400000");
    let id = ProcessId::init(create.id.clone());
    let io = supervisor.create(create).await.unwrap().io;
    let mut client = Client::attach(&io, "");
    supervisor.start(&id).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(supervisor.state(&id.container).unwrap().status, TaskStatus::Running);
    let (out, _) = tokio::task::spawn_blocking(move || client.frames()).await.unwrap();
    let mut expected = String::new();
    for number in 1..=400_000 {
        expected.push_str(&number.to_string());
        expected.push('\n');
    }
    assert!(out == expected, "{} bytes instead of {}", out.len(), expected.len());
    supervisor.wait(&id).await.unwrap();
    assert!(house.logged(Stream::Stdout) == expected);
    supervisor.delete(&id).await.unwrap();
}

/// Everything the supervisor knew is gone, connections included; as `kill -9` of the daemon.
fn with_supervisor<T>(house: &House, work: impl AsyncFnOnce(&Supervisor) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let done = runtime.block_on(async {
        let supervisor = house.supervisor();
        work(&supervisor).await
    });
    runtime.shutdown_background();
    done
}

#[test]
fn row_102_103_104_nothing_is_lost_while_the_supervisor_is_dead() {
    if !can_run() {
        return;
    }
    let house = House::new();
    let mut create = house.create("while read line; do echo got $line; [ $line = end ] && exit 9; done");
    create.stdin = true;
    let id = ProcessId::init(create.id.clone());
    let exec = ProcessId::exec(create.id.clone(), "e");
    let io = with_supervisor(&house, async |supervisor| {
        let io = supervisor.create(create).await.unwrap().io;
        supervisor.start(&id).await.unwrap();
        let process = process(&["sh", "-c", "sleep 0.3; exit 4"], false);
        supervisor
            .exec(
                &exec,
                Exec {
                    process,
                    ..Exec::default()
                },
            )
            .await
            .unwrap();
        supervisor.start(&exec).await.unwrap();
        io
    });
    let mut client = Client::attach(&io, "");
    client.send(b"one\n");
    client.read_until("got one");
    with_supervisor(&house, async |supervisor| {
        let found = supervisor.recover().await;
        assert_eq!((found.len(), found[0].status), (1, TaskStatus::Running));
        assert_eq!((&found[0].io, &found[0].execs), (&io, &vec!["e".to_owned()]));
        assert_eq!(supervisor.wait(&exec).await.unwrap().status, 4);
        assert_eq!(supervisor.delete(&exec).await.unwrap().status, 4);
    });
    client.send(b"end\n");
    client.raw();
    with_supervisor(&house, async |supervisor| {
        let found = supervisor.recover().await;
        assert_eq!(found[0].status, TaskStatus::Stopped);
        assert_eq!(found[0].exit.unwrap().status, 9);
        assert_eq!(supervisor.wait(&id).await.unwrap().status, 9);
        assert_eq!(house.logged(Stream::Stdout), "got one\ngot end\n");
        assert_eq!(supervisor.delete(&id).await.unwrap().status, 9);
        assert!(supervisor.recover().await.is_empty());
    });
    assert_eq!(house.mounts(), 0);
}

fn kill_shim(house: &House, id: &str) {
    let file = house.directory.path().join("r/tasks").join(id).join("shim.pid");
    let pid: i32 = std::fs::read_to_string(file).unwrap().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn row_102_a_killed_shim_takes_its_container_along_and_leaves_nothing() {
    if !can_run() {
        return;
    }
    let house = House::new();
    let gone = |pid: u32| {
        let begin = Instant::now();
        while Path::new(&format!("/proc/{pid}/exe")).exists() && begin.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(10));
        }
        !Path::new(&format!("/proc/{pid}/exe")).exists()
    };
    let (first, second) = (house.create("exec sleep 100"), house.create("exec sleep 100"));
    let (one, two) = (ProcessId::init(first.id.clone()), ProcessId::init(second.id.clone()));
    let pid = with_supervisor(&house, async |supervisor| {
        let mut events = supervisor.subscribe();
        let pid = supervisor.create(first).await.unwrap().pid;
        supervisor.start(&one).await.unwrap();
        kill_shim(&house, &one.container);
        let event = events.recv().await.unwrap();
        assert!(
            matches!(event.kind, EventKind::Exited(exit) if exit.status == 137),
            "{event:?}"
        );
        assert!(gone(pid));
        assert_eq!(supervisor.state(&one.container).unwrap().status, TaskStatus::Stopped);
        assert_eq!(
            supervisor.kill(&one, 15, false).await.unwrap_err().kind(),
            Kind::NotFound
        );
        assert_eq!(supervisor.delete(&one).await.unwrap().status, 137);

        let pid = supervisor.create(second).await.unwrap().pid;
        supervisor.start(&two).await.unwrap();
        pid
    });
    // The same while nobody watches.
    kill_shim(&house, &two.container);
    with_supervisor(&house, async |supervisor| {
        let found = supervisor.recover().await;
        assert_eq!(
            (found[0].status, found[0].exit.unwrap().status),
            (TaskStatus::Stopped, 137)
        );
        assert!(gone(pid));
        assert_eq!(supervisor.delete(&two).await.unwrap().status, 137);
        assert!(supervisor.list().is_empty());
    });
    assert_eq!(house.mounts(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_creation_that_fails_says_why_and_leaves_nothing() {
    if !can_run() {
        return;
    }
    let house = House::new();
    let supervisor = house.supervisor();
    let create = house.create_with(&["no-such-program"], false);
    let id = ProcessId::init(create.id.clone());
    // Runtimes may find it out at create or at start.
    let error = if let Err(error) = supervisor.create(create).await {
        error
    } else {
        let error = supervisor.start(&id).await.unwrap_err();
        supervisor.delete(&id).await.unwrap();
        error
    };
    assert!(error.to_string().contains("no-such-program"), "{error}");
    let mut create = house.create("true");
    create.rootfs[0].source = "/no/such/directory".into();
    let error = supervisor.create(create).await.unwrap_err();
    assert!(
        error.to_string().starts_with("cannot mount bind /no/such/directory on"),
        "{error}"
    );
    let mut create = house.create("true");
    create.id = "../escape".into();
    assert_eq!(supervisor.create(create).await.unwrap_err().kind(), Kind::Invalid);
    assert!(supervisor.list().is_empty());
    assert_eq!(house.mounts(), 0);
    assert_eq!(
        std::fs::read_dir(house.directory.path().join("r/tasks"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn row_101_foreign_runtimes_serve_as_well() {
    if !can_run() {
        return;
    }
    for name in ["runc", "crun"] {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let Some(program) = std::env::split_paths(&path)
            .map(|dir| dir.join(name))
            .find(|path| path.exists())
        else {
            println!("skipped: {name} is not installed");
            continue;
        };
        let house = House::new();
        let supervisor = house.supervisor();
        let mut create = house.create("echo from $0; exit 8");
        create.runtime = Some(program.clone());
        let _ = std::fs::remove_file(house.log_path());
        assert_eq!(run(&supervisor, create).await, 8, "{name}");
        assert_eq!(house.logged(Stream::Stdout), "from sh\n");

        let mut create = house.create_with(&["sh", "-c", "tty; exec sleep 100"], true);
        create.runtime = Some(program);
        let init = ProcessId::init(create.id.clone());
        let io = supervisor.create(create).await.unwrap().io;
        let mut client = Client::attach(&io, "");
        supervisor.start(&init).await.unwrap();
        client.read_until("/dev/");
        let id = ProcessId::exec(init.container.clone(), "e");
        let exec = Exec {
            process: process(&["sh", "-c", "echo hi; exit 2"], false),
            ..Exec::default()
        };
        supervisor.exec(&id, exec).await.unwrap();
        let mut client = Client::attach(&io, "e");
        supervisor.start(&id).await.unwrap();
        assert_eq!(client.frames().0, "hi\n");
        assert_eq!(supervisor.wait(&id).await.unwrap().status, 2);
        supervisor.pause(&init.container).await.unwrap();
        supervisor.resume(&init.container).await.unwrap();
        supervisor.kill(&init, 9, false).await.unwrap();
        assert_eq!(supervisor.wait(&init).await.unwrap().status, 137);
        supervisor.delete(&init).await.unwrap();
        assert_eq!(house.mounts(), 0);
    }
}
