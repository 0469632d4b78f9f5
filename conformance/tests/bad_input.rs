//! Bad input: each gets Docker's answer, and nothing is left behind.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::io::{Read as _, Write as _};
use std::time::Duration;
use tierce_testkit::{Daemon, Entry, ImageBuilder, wait_until};

fn nothing_is_left(daemon: &Daemon) {
    assert_eq!(daemon.docker(&["images", "-aq"]).ok(), "");
    let count = |room: &str| std::fs::read_dir(daemon.data_root().join(room)).map_or(0, Iterator::count);
    for room in [
        "overlay2/l",
        "image/overlay2/layerdb/sha256",
        "image/overlay2/layerdb/tmp",
        "tmp/blobs",
        "tmp/work",
    ] {
        // A layer that was being unpacked when another one failed is taken away when its unpacking ends.
        wait_until(room, Duration::from_secs(30), || count(room) == 0);
    }
}

/// One entry of a tar archive: name, type, link target, content.
fn tar(entries: &[(&str, u8, &str, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, kind, link, content) in entries {
        let mut header = [0u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..108].copy_from_slice(b"0000644\0");
        header[108..116].copy_from_slice(b"0000000\0");
        header[116..124].copy_from_slice(b"0000000\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        header[136..148].copy_from_slice(b"00000000000\0");
        header[148..156].copy_from_slice(b"        ");
        header[156] = *kind;
        header[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend_from_slice(&header);
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

#[test]
fn an_unknown_image_is_named() {
    let mut daemon = Daemon::start();
    let registry = daemon.registry().address();
    let text = daemon.docker(&["pull", &format!("{registry}/nope:1")]).fails(1);
    assert!(
        text.contains(&format!("manifest for {registry}/nope:1 not found")),
        "{text}"
    );
    let text = daemon.docker(&["run", "--pull", "never", "nope:1"]).fails(125);
    assert!(text.contains("No such image: nope:1"), "{text}");
    let text = daemon.tierce(&["run", "--pull", "never", "nope:1"]).fails(125);
    assert!(text.contains("No such image: nope:1"), "{text}");
    let text = daemon.docker(&["rmi", "nope"]).fails(1);
    assert!(text.contains("No such image: nope:latest"), "{text}");
    nothing_is_left(&daemon);
}

#[test]
fn a_layer_cannot_leave_its_root() {
    let mut daemon = Daemon::start();
    let victim = tempfile::tempdir().unwrap();
    let target = victim.path().to_string_lossy().into_owned();
    let file = format!("{target}/file");
    std::fs::write(victim.path().join("secret"), "host").unwrap();
    let secret = format!("{target}/secret");
    let up = format!("../../../../../../../..{file}");
    let archives: Vec<Vec<u8>> = vec![
        tar(&[(&up, b'0', "", b"x")]),
        tar(&[(&file, b'0', "", b"x")]),
        tar(&[("dir", b'2', &target, b""), ("dir/file", b'0', "", b"x")]),
        tar(&[
            ("dir", b'2', "../../../../../../../../..", b""),
            (&format!("dir{file}"), b'0', "", b"x"),
        ]),
        tar(&[("hard", b'1', &secret, b""), ("hard", b'0', "", b"changed")]),
        tar(&[("dir", b'2', &target, b""), ("dir/.wh.secret", b'0', "", b"")]),
        tar(&[(".wh...", b'0', "", b"")]),
        tar(&[("a/.wh...", b'0', "", b"")]),
    ];
    for (number, archive) in archives.into_iter().enumerate() {
        let image = ImageBuilder::busybox().raw_layer(archive);
        let name = daemon.registry().push(&image, &format!("hostile{number}"));
        let output = daemon.docker(&["pull", &name]);
        assert!(
            !victim.path().join("file").exists(),
            "archive {number} wrote outside: {output:?}"
        );
        assert_eq!(
            std::fs::read_to_string(victim.path().join("secret")).unwrap(),
            "host",
            "archive {number}"
        );
        daemon.docker(&["rmi", "-f", &name]);
    }
    nothing_is_left(&daemon);
}

#[test]
fn a_truncated_layer_is_refused() {
    let mut daemon = Daemon::start();
    let mut archive = tar(&[("file", b'0', "", &[7; 5000])]);
    archive.truncate(2048);
    let name = daemon
        .registry()
        .push(&ImageBuilder::busybox().raw_layer(archive), "truncated");
    let text = daemon.docker(&["pull", &name]).fails(1);
    assert!(
        text.to_lowercase().contains("unexpected eof") || text.to_lowercase().contains("truncated"),
        "{text}"
    );
    nothing_is_left(&daemon);
}

#[test]
fn a_registry_that_hangs_up_is_named() {
    let daemon = Daemon::start();
    let text = daemon.docker(&["pull", "127.0.0.1:1/x"]).fails(1);
    assert!(text.contains("127.0.0.1:1") && text.contains("refused"), "{text}");
    // A registry that resets every connection; it must be in the daemon's network namespace, so busybox plays it.
    let mut server = daemon
        .host()
        .command("busybox")
        .args(["nc", "-ll", "-p", "5001", "-e", "/bin/false"])
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let text = daemon.docker(&["pull", "127.0.0.1:5001/x"]).fails(1);
    assert!(text.contains("127.0.0.1:5001"), "{text}");
    server.kill().unwrap();
    server.wait().unwrap();
    nothing_is_left(&daemon);
}

#[test]
fn the_wrong_architecture_is_told() {
    let mut daemon = Daemon::start();
    let image = ImageBuilder::busybox().platform("linux", "s390x");
    let name = daemon.registry().push(&image, "foreign");
    // An image that is for one platform only is pulled all the same, with dockerd's warning.
    let text = daemon.docker(&["pull", "--platform", "linux/arm64", &name]).ok();
    assert!(
        text.contains("its platform (linux/s390x) does not match the specified platform (linux/arm64)"),
        "{text}"
    );
    let windows = daemon
        .registry()
        .push(&ImageBuilder::busybox().platform("windows", "amd64"), "windows");
    let output = daemon.docker(&["pull", &windows]);
    assert_ne!(output.code, 0, "{output:?}");
    // A program of another machine: the kernel's refusal is told, with what it means.
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x16\0\x01\0\0\0".to_vec();
    elf.resize(4096, 0);
    let image = ImageBuilder::empty().layer(&[Entry::File("prog", elf, 0o755)]);
    let name = daemon.add_image(&image, "elf");
    let output = daemon.docker(&["run", "--rm", &name, "/prog"]);
    assert!(output.stderr.contains("exec format error"), "{output:?}");
    let image = ImageBuilder::busybox().layer(&[Entry::File("prog", b"\x01\x02\x03".to_vec(), 0o755)]);
    let name = daemon.add_image(&image, "garbage");
    daemon
        .docker(&["run", "-d", "--name", "c1", &name, "sleep", "100"])
        .ok();
    let told = daemon.docker(&["exec", "c1", "/prog"]).fails(255);
    assert_eq!(told, "exec /prog: exec format error\n");
    daemon.docker(&["rm", "-f", "c1"]).ok();
}

#[test]
fn a_missing_command_has_dockers_code() {
    let (daemon, image) = Daemon::with_busybox();
    for client in [Daemon::docker, Daemon::tierce] {
        client(&daemon, &["run", "--rm", &image, "nope"]).fails(127);
        client(&daemon, &["run", "--rm", &image, "/nope"]).fails(127);
        client(&daemon, &["run", "--rm", &image, "/etc/passwd"]).fails(126);
        client(&daemon, &["run", "--rm", &image, "/etc"]).fails(126);
        client(&daemon, &["run", "--frob", &image]).fails(125);
        client(&daemon, &["run", "--rm", "-v", "relative/path:/x", &image, "true"]).fails(125);
        client(&daemon, &["run", "--rm", "-w", "relative", &image, "true"]).fails(125);
    }
    assert_eq!(daemon.docker(&["ps", "-aq"]).ok(), "");
}

#[test]
fn an_image_without_a_command_is_refused() {
    let mut daemon = Daemon::start();
    let image = ImageBuilder::busybox().config("Cmd", serde_json::Value::Null);
    let name = daemon.add_image(&image, "bare");
    let text = daemon.docker(&["run", "--rm", &name]).fails(125);
    assert!(text.contains("no command specified"), "{text}");
}

#[test]
fn a_client_that_talks_nonsense_is_answered_and_dropped() {
    let daemon = Daemon::start();
    for bytes in [
        &b"\x00\xff\x00garbage\r\n\r\n"[..],
        b"GET",
        b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 99999999999\r\n\r\n{",
    ] {
        let mut stream = std::os::unix::net::UnixStream::connect(daemon.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
    }
    assert_eq!(daemon.request("GET", "/_ping", None), (200, "OK".to_owned()));
}
