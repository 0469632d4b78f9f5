//! Log drivers and reading back.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;
use tierce_testkit::{Daemon, wait_until};

#[test]
fn row_076_the_local_driver_is_read_back_and_its_place_is_not_told() {
    let (daemon, image) = Daemon::with_busybox();
    let script = "echo one; echo two >&2; printf three";
    let run = [
        "run",
        "--name",
        "web",
        "--log-driver",
        "local",
        "--log-opt",
        "max-size=1m",
        &image,
        "sh",
        "-c",
        script,
    ];
    daemon.docker(&run).ok();
    let read = daemon.docker(&["logs", "web"]);
    assert_eq!((read.stdout.as_str(), read.stderr.as_str()), ("one\nthree", "two\n"));
    assert_eq!(daemon.docker(&["logs", "--tail", "0", "web"]).ok(), "");
    assert_eq!(
        daemon.inspect("web", "[{{.LogPath}}] {{.HostConfig.LogConfig.Type}}"),
        "[] local"
    );
    let id = daemon.inspect("web", "{{.Id}}");
    let file = daemon
        .data_root()
        .join("containers")
        .join(id)
        .join("local-logs/container.log");
    assert!(fs::metadata(file).unwrap().len() > 30);
    // It goes on behind what is there.
    daemon.docker(&["start", "-a", "web"]).ok();
    assert_eq!(daemon.docker(&["logs", "web"]).stdout, "one\nthreeone\nthree");
}

#[test]
fn row_076_what_is_sent_to_a_syslog_server_can_be_read_here_too() {
    let (daemon, image) = Daemon::with_busybox();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let server = UnixDatagram::bind(&path).unwrap();
    server.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let address = format!("syslog-address=unixgram://{}", path.display());
    let options = [
        "--log-driver",
        "syslog",
        "--log-opt",
        &address,
        "--log-opt",
        "tag={{.Name}}",
    ];
    let run = [&["run", "--name", "sends"], &options[..], &[&image, "echo", "hello"]].concat();
    assert_eq!(daemon.docker(&run).ok(), "hello");
    let mut buffer = [0; 500];
    let count = server.recv(&mut buffer).unwrap();
    let message = String::from_utf8_lossy(&buffer[..count]).into_owned();
    assert!(
        message.starts_with("<30>") && message.contains(" sends[") && message.ends_with("]: hello\n"),
        "{message}"
    );
    assert_eq!(daemon.docker(&["logs", "sends"]).ok(), "hello");
    // Without the copy there is nothing to read.
    let without = [
        &["run", "--name", "blind", "--log-opt", "cache-disabled=true"],
        &options[..],
        &[&image, "true"],
    ];
    daemon.docker(&without.concat()).ok();
    let refused = daemon.docker(&["logs", "blind"]).fails(1);
    assert!(
        refused.contains("configured logging driver does not support reading"),
        "{refused}"
    );
    // A server that goes away takes no container with it.
    let run = [
        &["run", "-d", "--name", "goes-on"],
        &options[..],
        &[&image, "sh", "-c", "while sleep 0.1; do date; done"],
    ];
    daemon.docker(&run.concat()).ok();
    server.recv(&mut buffer).unwrap();
    drop(server);
    fs::remove_file(&path).unwrap();
    let lines = || daemon.docker(&["logs", "goes-on"]).ok().lines().count();
    let before = lines();
    wait_until("it goes on", Duration::from_secs(30), || lines() > before + 5);
    let server = UnixDatagram::bind(&path).unwrap();
    server.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    server.recv(&mut buffer).unwrap();
}

#[test]
fn row_076_drivers_and_options_that_there_are_not_are_refused_in_dockers_words() {
    let (daemon, image) = Daemon::with_busybox();
    for (flags, text) in [
        (
            &["--log-driver", "nope"][..],
            "error looking up logging plugin nope: plugin \"nope\" not found",
        ),
        (
            &["--log-opt", "foo=1"][..],
            "unknown log opt 'foo' for json-file log driver",
        ),
        (
            &["--log-driver", "local", "--log-opt", "tag=x"][..],
            "unknown log opt 'tag' for log driver local",
        ),
        (
            &["--log-opt", "max-buffer-size=1m"][..],
            "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
        ),
        (
            &["--log-driver", "syslog", "--log-opt", "syslog-facility=x"][..],
            "invalid syslog facility",
        ),
    ] {
        let refused = daemon.docker(&[&["create"], flags, &[&image]].concat()).fails(1);
        assert!(refused.contains(text), "{flags:?}: {refused}");
    }
    daemon
        .docker(&["run", "--name", "none", "--log-driver", "none", &image, "echo", "x"])
        .ok();
    let refused = daemon.docker(&["logs", "none"]).fails(1);
    assert!(
        refused.contains("configured logging driver does not support reading"),
        "{refused}"
    );
    daemon
        .docker(&["create", "--name", "later", "--log-opt", "max-size=x", &image])
        .ok();
    let refused = daemon.docker(&["start", "later"]).fails(1);
    let text = "failed to create task for container: failed to initialize logging driver: ";
    assert!(refused.contains(text), "{refused}");
    let info = daemon
        .docker(&["info", "--format", "{{.Plugins.Log}} {{.LoggingDriver}}"])
        .ok();
    assert_eq!(info, "[journald json-file local syslog] json-file");
}

#[test]
fn ask_007_a_follower_loses_nothing_while_a_heavy_writer_rotates() {
    let (daemon, image) = Daemon::with_busybox();
    // Three rotations, and no file goes: a client that is slower than all kept files would miss lines, as with Docker.
    let options = [
        "--log-opt",
        "max-size=500k",
        "--log-opt",
        "max-file=6",
        "--log-opt",
        "compress=true",
    ];
    let script =
        "while [ ! -e /go ]; do sleep 0.1; done; i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done";
    let run = [
        &["run", "-d", "--name", "web"],
        &options[..],
        &[&image, "sh", "-c", script],
    ]
    .concat();
    daemon.docker(&run).ok();
    let mut follow = daemon.docker_command();
    follow.args(["logs", "-f", "web"]).stdout(std::process::Stdio::piped());
    let follow = follow.spawn().unwrap();
    daemon.docker(&["exec", "web", "touch", "/go"]).ok();
    let output = follow.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 20_000);
    for (number, line) in text.lines().enumerate() {
        assert_eq!(line, format!("line {number}"));
    }
    let id = daemon.inspect("web", "{{.Id}}");
    let kept = fs::read_dir(daemon.data_root().join("containers").join(id)).unwrap();
    let logs = kept.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("-json.log")
    });
    assert!(logs.count() <= 6 + 1);
}

#[test]
fn ask_006_labels_and_the_tag_are_details_and_the_limits_are_told() {
    let (daemon, image) = Daemon::with_busybox();
    let options = [
        "--log-opt",
        "labels-regex=^te",
        "--log-opt",
        "env=A",
        "--log-opt",
        "tag={{.ImageName}}",
    ];
    let run = [
        &["run", "--name", "web", "-l", "team=red", "-e", "A=b"],
        &options[..],
        &[&image, "echo", "x"],
    ]
    .concat();
    daemon.docker(&run).ok();
    let details = daemon.docker(&["logs", "--details", "web"]).ok();
    assert!(
        details.contains("team=red") && details.contains("A=b") && details.ends_with('x'),
        "{details}"
    );
    let info = daemon.tierce(&["info"]).ok();
    assert!(info.contains("20 MB"), "{info}");
}
