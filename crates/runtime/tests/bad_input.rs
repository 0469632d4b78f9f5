//! Bad input: documents, command lines and machines that cannot give a container. Each ends in an error that names the
//! member or the path, on standard error and in the log in the form that was asked for, and leaves nothing.

mod bed;

use bed::{Bed, Said, bed, eventually};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

const NOTHING: Vec<String> = Vec::new();

/// Runs a command that writes its log to a file; returns what it said and what the log says.
fn logged(bed: &Bed, words: &[&OsStr], format: &str) -> (Said, String) {
    let log = bed.path().join("log");
    let _ = std::fs::remove_file(&log);
    let mut command = bed.command();
    command
        .arg("--log")
        .arg(&log)
        .args(["--log-format", format])
        .args(words);
    (
        finished(&mut command),
        std::fs::read_to_string(&log).unwrap_or_default(),
    )
}

/// Runs a command to its end. Its output goes through a file, for a container that is made against the test's will
/// would keep a pipe open.
fn finished(command: &mut Command) -> Said {
    let error = tempfile::NamedTempFile::new().expect("a file");
    let status = command
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(error.reopen().expect("a file"))
        .status()
        .expect("execute");
    Said {
        code: status.code().unwrap_or(-1),
        out: String::new(),
        err: std::fs::read_to_string(error.path()).expect("output"),
    }
}

/// The message of the last line of a log in JSON.
fn message(log: &str) -> String {
    let line: Value = serde_json::from_str(log.lines().last().unwrap_or_default()).expect("a line of JSON");
    assert_eq!(line["level"], "error", "{log}");
    // As it is told on standard error.
    line["msg"].as_str().expect("a message").replace('\0', "\\0")
}

/// `create` and `run` must refuse the bundle as it is, in these words, and leave nothing. Returns what they did else.
fn complaints(bed: &Bed, case: &str, wanted: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for verb in ["create", "run"] {
        let (said, log) = logged(bed, &[verb.as_ref(), bed.id.as_ref()], "json");
        let good = said.code == 1
            && said.err.contains(wanted)
            && !said.err.contains("panicked")
            && said.err.len() < 10_000
            && message(&log).contains(wanted);
        if !good {
            let said = format!("{said:?}, log {log:?}");
            complaints.push(format!("{verb} of {case:.200}: {said:.1000}, but not {wanted:?}"));
            bed.verb(&["delete", "--force"]);
        }
        let traces = bed.traces();
        if traces != NOTHING {
            complaints.push(format!("{verb} of {case:.200} leaves {traces:?}"));
        }
    }
    complaints
}

/// The same, which must be all.
#[track_caller]
fn refused(bed: &Bed, case: &str, wanted: &str) {
    assert_eq!(complaints(bed, case, wanted), NOTHING);
}

/// Puts a value into the document, at a JSON pointer; objects on the way are made.
fn put(config: &mut Value, pointer: &str, value: Value) {
    let mut place = config;
    for name in pointer.split('/').skip(1) {
        place = match place {
            Value::Array(elements) => &mut elements[name.parse::<usize>().expect("a position")],
            other => &mut other[name],
        };
    }
    *place = value;
}

/// Refuses the document with each of these values at its place.
fn refuses(cases: &[(&str, Value, &str)]) {
    let Some(mut bed) = bed() else { return };
    bed.args(&["true"]);
    let good = bed.config.clone();
    let mut all = Vec::new();
    for (pointer, value, wanted) in cases {
        put(&mut bed.config, pointer, value.clone());
        bed.write();
        all.extend(complaints(&bed, &format!("{pointer} = {value}"), wanted));
        bed.config = good.clone();
    }
    assert!(all.is_empty(), "{all:#?}");
}

#[test]
fn documents_that_are_none() {
    let Some(bed) = bed() else { return };
    let file = bed.path().join("bundle/config.json");
    let cases: [(&[u8], &str); 9] = [
        (b"", "config.json: EOF while parsing a value"),
        (b"{", "config.json: EOF while parsing an object"),
        (b"[]", "config.json: invalid length 0"),
        (b"null", "config.json: invalid type: null"),
        (b"\xef\xbb\xbf{}", "config.json: expected value at line 1 column 1"),
        (
            b"{\"ociVersion\": \"\xff\"}",
            "config.json: ociVersion: invalid unicode code point",
        ),
        (b"{\"hostname\": \"x\"}", "config.json: missing field `ociVersion`"),
        (b"{\"ociVersion\": \"\"}", "ociVersion"),
        (
            b"{\"ociVersion\": \"1.0.0\", \"annotations\": {\"a\": 1}}",
            "annotations.a: invalid type: integer `1`",
        ),
    ];
    for (bytes, wanted) in cases {
        std::fs::write(&file, bytes).expect("write");
        refused(&bed, &String::from_utf8_lossy(bytes), wanted);
    }
    std::fs::write(&file, format!("{{\"ociVersion\": {}", "[".repeat(1 << 20))).expect("write");
    refused(&bed, "deep nesting", "config.json: ociVersion");
    std::fs::remove_file(&file).expect("remove");
    refused(&bed, "no config.json", "config.json");
    std::fs::create_dir(&file).expect("mkdir");
    refused(&bed, "config.json is a directory", "config.json");
}

#[test]
fn unknown_members_are_no_error() {
    let Some(mut bed) = bed() else { return };
    for pointer in [
        "/unknown",
        "/process/unknown",
        "/linux/unknown",
        "/root/unknown",
        "/linux/namespaces/0/unknown",
    ] {
        put(&mut bed.config, pointer, json!({"a": [1, null, {"b": "c"}]}));
    }
    let said = bed.args(&["true"]).run();
    assert_eq!(said.code, 0, "{said:?}");
}

#[test]
fn processes_that_can_never_run() {
    refuses(&[
        ("/process", json!([]), "process: invalid length"),
        ("/process/args", json!([]), "args must not be empty"),
        (
            "/process/args",
            json!(["tr\0ue"]),
            "argument \"tr\\0ue\" contains a NUL byte",
        ),
        (
            "/process/args",
            json!([""]),
            "exec: \"\": executable file not found in $PATH",
        ),
        (
            "/process/env",
            json!(["A=\0"]),
            "invalid environment variable \"A\": contains nul byte",
        ),
        ("/process/cwd", json!("tmp"), "cwd tmp must be an absolute path"),
        ("/process/cwd", json!(""), "cwd"),
        ("/process/cwd", json!("/a\0b"), "/a\\0b"),
        ("/process/cwd", json!("/bin/busybox"), "/bin/busybox"),
        (
            "/process/user/uid",
            json!(-1),
            "process.user.uid: invalid value: integer `-1`",
        ),
        (
            "/process/user/uid",
            json!(1_u64 << 32),
            "process.user.uid: invalid value: integer `4294967296`",
        ),
        (
            "/process/user/uid",
            json!("root"),
            "process.user.uid: invalid type: string",
        ),
        ("/process/oomScoreAdj", json!(5000), "oom_score_adj"),
        (
            "/process/oomScoreAdj",
            json!(1e300),
            "process.oomScoreAdj: invalid type: floating point",
        ),
        (
            "/process/rlimits",
            json!([{"type": "RLIMIT_NO", "soft": 1, "hard": 1}]),
            "wrong rlimit value: RLIMIT_NO",
        ),
        (
            "/process/rlimits",
            json!([{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}]),
            "RLIMIT_CORE",
        ),
        (
            "/process/rlimits",
            json!([{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}, {"type": "RLIMIT_CORE", "soft": 1, "hard": 1}]),
            "RLIMIT_CORE",
        ),
        (
            "/process/rlimits",
            json!([{"type": "RLIMIT_CORE", "soft": -1, "hard": 1}]),
            "process.rlimits[0].soft",
        ),
        ("/process/scheduler", json!({"policy": "SCHED_SOON"}), "SCHED_SOON"),
        (
            "/process/ioPriority",
            json!({"class": "IOPRIO_CLASS_NONSENSE", "priority": 1}),
            "IOPRIO_CLASS_NONSENSE",
        ),
    ]);
}

#[test]
fn arguments_that_are_too_many() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["true", &"x".repeat(200_000)]);
    let said = bed.run();
    assert!(
        said.code == 1 && said.err.contains("argument list too long"),
        "{said:?}"
    );
    assert_eq!(bed.traces(), NOTHING);
}

#[test]
fn roots_that_are_none() {
    refuses(&[
        ("/root", json!(null), "root"),
        ("/root/path", json!("missing"), "missing"),
        ("/root/path", json!("config.json"), "config.json"),
        ("/root/path", json!("/"), "rootfs"),
        ("/root/path", json!("../../../../../../../../../.."), "rootfs"),
        ("/root/path", json!("a\0b"), "rootfs"),
        ("/root/path", json!("x".repeat(5000)), "rootfs"),
        ("/linux/rootfsPropagation", json!("sideways"), "sideways"),
    ]);
}

#[test]
fn mounts_that_cannot_be() {
    let Some(mut bed) = bed() else { return };
    std::os::unix::fs::symlink("loop", bed.rootfs().join("loop")).expect("link");
    std::fs::write(bed.rootfs().join("file"), "").expect("write");
    let tmpfs = |destination: &str| json!({"destination": destination, "type": "tmpfs", "source": "tmpfs"});
    let option = |option: &str| json!({"destination": "/m", "type": "tmpfs", "source": "tmpfs", "options": [option]});
    let bind =
        |source: &str, destination: &str| json!({"destination": destination, "source": source, "options": ["bind"]});
    let cases = [
        (tmpfs(""), "mount destination"),
        (tmpfs("a\0b"), "a\\0b"),
        (tmpfs("/loop/x"), "/loop/x"),
        (tmpfs("/file/x"), "/file/x"),
        (tmpfs("/file"), "/file"),
        (tmpfs(&"/x".repeat(3000)), "file name too long"),
        (tmpfs(&format!("/{}", "x".repeat(300))), "file name too long"),
        (option("size=lots"), "/m"),
        (option(&format!("mode={}", "7".repeat(9000))), "/m"),
        (option("nul=\0"), "/m"),
        (json!({"destination": "/m", "type": "nofs", "source": "x"}), "/m"),
        (json!({"destination": "/m", "type": "a\0b", "source": "x"}), "/m"),
        (bind("/does/not/exist", "/m"), "/does/not/exist"),
        (bind("a\0b", "/m"), "a\\0b"),
        (bind("/etc", "/file"), "/file"),
        (bind("/etc/passwd", "/bin"), "/bin"),
        (json!({"type": "tmpfs"}), "mounts[0]: missing field `destination`"),
        (
            json!({"destination": "/m", "type": "tmpfs", "options": "ro"}),
            "mounts[0].options: invalid type: string",
        ),
    ];
    bed.args(&["true"]);
    let good = bed.config.clone();
    let mut all = Vec::new();
    for (mount, wanted) in cases {
        bed.config["mounts"] = json!([mount]);
        bed.write();
        all.extend(complaints(&bed, &mount.to_string(), wanted));
        bed.config = good.clone();
    }
    assert!(all.is_empty(), "{all:#?}");
}

#[test]
fn namespaces_and_mappings_that_cannot_be() {
    let with = |more: Value| {
        let mut all = json!([{"type": "pid"}, {"type": "uts"}, {"type": "mount"}]);
        all.as_array_mut().expect("an array").push(more);
        all
    };
    refuses(&[
        ("/linux/namespaces", with(json!({"type": "pid"})), "pid"),
        (
            "/linux/namespaces",
            with(json!({"type": "pad"})),
            "linux.namespaces[3].type: unknown variant `pad`",
        ),
        (
            "/linux/namespaces",
            with(json!({"path": "/x"})),
            "linux.namespaces[3]: missing field `type`",
        ),
        (
            "/linux/namespaces",
            with(json!({"type": "network", "path": "/does/not/exist"})),
            "/does/not/exist",
        ),
        (
            "/linux/namespaces",
            with(json!({"type": "network", "path": "/etc/passwd"})),
            "net",
        ),
        (
            "/linux/namespaces",
            with(json!({"type": "network", "path": "/proc/self/ns/uts"})),
            "net",
        ),
        (
            "/linux/namespaces",
            with(json!({"type": "network", "path": "a\0b"})),
            "a\\0b",
        ),
        ("/linux/namespaces", json!([{"type": "mount"}]), "hostname"),
        (
            "/linux/uidMappings",
            json!([{"containerID": 0, "hostID": 0, "size": 1}]),
            "mappings",
        ),
        (
            "/linux/uidMappings",
            json!([{"containerID": -1, "hostID": 0, "size": 1}]),
            "linux.uidMappings[0].containerID",
        ),
        ("/linux/timeOffsets", json!({"monotonic": {"secs": 1}}), "time"),
        ("/hostname", json!("x".repeat(100)), "hostname"),
        ("/hostname", json!("a\0b"), "hostname"),
    ]);
    let Some(mut bed) = bed() else { return };
    bed.args(&["true"]);
    bed.config["linux"]["namespaces"] = json!([{"type": "pid"}, {"type": "mount"}, {"type": "uts"}, {"type": "user"}]);
    let one = json!([{"containerID": 0, "hostID": 0, "size": 10}]);
    let bad = [
        json!([{"containerID": 0, "hostID": 0, "size": 10}, {"containerID": 5, "hostID": 100, "size": 10}]),
        json!([{"containerID": 0, "hostID": 0, "size": 0}]),
        json!([{"containerID": 0, "hostID": u32::MAX, "size": 2}]),
        json!([]),
    ];
    for map in bad {
        bed.config["linux"]["gidMappings"] = one.clone();
        bed.config["linux"]["uidMappings"] = map.clone();
        bed.write();
        refused(
            &bed,
            &map.to_string(),
            if map == json!([]) { "uidMappings" } else { "uid_map" },
        );
    }
}

#[test]
fn limits_and_rules_that_cannot_be() {
    refuses(&[
        (
            "/linux/resources/memory",
            json!({"limit": "1"}),
            "linux.resources.memory.limit: invalid type: string",
        ),
        (
            "/linux/resources/memory",
            json!({"limit": 1e30}),
            "linux.resources.memory.limit: invalid type: floating point",
        ),
        ("/linux/resources/memory", json!({"limit": -5}), "memory"),
        ("/linux/resources/cpu", json!({"cpus": "1000"}), "cpuset"),
        ("/linux/resources/cpu", json!({"cpus": "a-b"}), "cpuset"),
        ("/linux/resources/cpu", json!({"period": 1}), "cpu"),
        (
            "/linux/resources/pids",
            json!({"limit": "x"}),
            "linux.resources.pids.limit",
        ),
        ("/linux/resources/devices", json!([{"allow": true, "type": "q"}]), "q"),
        ("/linux/cgroupsPath", json!("/a\0b"), "a\\0b"),
        ("/linux/devices", json!([{"path": "/dev/x", "type": "q"}]), "/dev/x"),
        (
            "/linux/devices",
            json!([{"path": "dev\0x", "type": "c", "major": 1, "minor": 3}]),
            "/dev\\0x",
        ),
        (
            "/linux/devices",
            json!([{"path": "/dev/x", "type": "c", "major": -7, "minor": 3}]),
            "/dev/x",
        ),
        (
            "/linux/devices",
            json!([{"path": "/dev/x", "type": "c", "major": 1i64 << 40, "minor": 3}]),
            "/dev/x",
        ),
        ("/linux/sysctl", json!({"kernel.nonsense": "1"}), "kernel.nonsense"),
        ("/linux/sysctl", json!({"net.ipv4.nonsense": "1"}), "net/ipv4/nonsense"),
        (
            "/linux/sysctl",
            json!({"net.ipv4.ip_forward": "many"}),
            "net/ipv4/ip_forward",
        ),
        (
            "/linux/sysctl",
            json!({"net/../../etc/passwd": "1"}),
            "net/../../etc/passwd",
        ),
        ("/linux/sysctl", json!({"net.a\0b": "1"}), "net/a\\0b"),
        ("/linux/maskedPaths", json!(["a\0b"]), "a\\0b"),
        ("/linux/readonlyPaths", json!(["a\0b"]), "a\\0b"),
        ("/linux/personality", json!({"domain": "HURD"}), "HURD"),
        (
            "/linux/seccomp",
            json!({"defaultAction": "SCMP_ACT_MAYBE"}),
            "linux.seccomp.defaultAction",
        ),
        (
            "/linux/seccomp",
            json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_PDP11"]}),
            "SCMP_ARCH_PDP11",
        ),
        (
            "/linux/seccomp",
            json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]}]}),
            "seccomp",
        ),
    ]);
}

#[test]
fn hooks_that_fail() {
    let hook = |hook: Value| json!({"createRuntime": [hook]});
    refuses(&[
        ("/hooks", hook(json!({"path": "/does/not/exist"})), "/does/not/exist"),
        ("/hooks", hook(json!({"path": "/etc/passwd"})), "/etc/passwd"),
        ("/hooks", hook(json!({"path": "a\0b"})), "hooks.createRuntime[0].path"),
        (
            "/hooks",
            hook(json!({"path": "/bin/true", "args": ["a\0b"]})),
            "createRuntime hook #0",
        ),
        (
            "/hooks",
            hook(json!({"path": "/bin/true", "env": ["A=a\0b"]})),
            "createRuntime hook #0",
        ),
        ("/hooks", hook(json!({"path": "/bin/false"})), "createRuntime hook #0"),
        (
            "/hooks",
            hook(json!({"path": "/bin/sh", "args": ["sh", "-c", "kill -9 $$"]})),
            "createRuntime hook #0",
        ),
        (
            "/hooks",
            hook(json!({"path": "/bin/sleep", "args": ["sleep", "60"], "timeout": 1})),
            "createRuntime hook #0",
        ),
        (
            "/hooks",
            hook(json!({"path": "/bin/true", "timeout": "1"})),
            "hooks.createRuntime[0].timeout",
        ),
        (
            "/hooks",
            json!({"prestart": [{"path": "/bin/false"}]}),
            "prestart hook #0",
        ),
        (
            "/hooks",
            json!({"createContainer": [{"path": "/bin/false"}]}),
            "createContainer hook #0",
        ),
    ]);
}

#[test]
fn ids_that_are_none() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["true"]).write();
    let long = "x".repeat(1025);
    let names_too_long = "x".repeat(300);
    let cases: [&[u8]; 12] = [
        b"",
        b".",
        b"..",
        b"a/b",
        b"/",
        b"../x",
        b"a b",
        b"a\nb",
        "ä".as_bytes(),
        b"\xff",
        long.as_bytes(),
        names_too_long.as_bytes(),
    ];
    for id in cases {
        for verb in [
            "create", "run", "state", "start", "kill", "delete", "exec", "pause", "update",
        ] {
            let id = OsStr::from_bytes(id);
            let mut words: Vec<&OsStr> = vec![verb.as_ref(), id];
            if verb == "exec" {
                words.push("true".as_ref());
            }
            let (said, log) = logged(&bed, &words, "json");
            assert!(said.code == 1 || said.code == 255, "{verb} {id:?}: {said:?}");
            assert!(
                !said.err.contains("panicked") && !message(&log).is_empty(),
                "{verb} {id:?}: {said:?}"
            );
        }
    }
    assert!(!bed.path().join("x").exists() && !bed.path().join("bundle/x").exists());
    let left: Vec<_> = std::fs::read_dir(bed.path().join("state"))
        .into_iter()
        .flatten()
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_text_log_quotes_what_strangers_wrote() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["a\" level=info msg=\"all is\nwell"]).write();
    let (said, log) = logged(&bed, &["create".as_ref(), bed.id.as_str().as_ref()], "text");
    assert_eq!(said.code, 1);
    assert!(log.lines().count() == 1 && log.contains("level=error msg="), "{log}");
}

#[test]
fn flags_that_cannot_be() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["true"]).write();
    let place = |name: &str| bed.path().join(name).display().to_string();
    std::fs::write(bed.path().join("file"), "").expect("write");
    let missing = place("missing");
    let (file, directory) = (place("file"), place("bundle"));
    let in_missing = format!("{missing}/x");
    let in_file = format!("{file}/x");
    let cases = [
        (vec!["--bundle", &missing], missing.as_str()),
        (vec!["--bundle", &file], file.as_str()),
        (vec!["--pid-file", &in_missing], in_missing.as_str()),
        (vec!["--pid-file", &directory], directory.as_str()),
        (vec!["--console-socket", &missing], "console"),
        (vec!["--preserve-fds", "-1"], "preserve-fds"),
        (vec!["--preserve-fds", "99999999999"], "preserve-fds"),
        (vec!["--no-such-flag"], "no-such-flag"),
        (vec!["--no-pivot=perhaps"], "no-pivot"),
    ];
    for (flags, wanted) in cases {
        let mut words: Vec<&OsStr> = vec!["create".as_ref()];
        words.extend(flags.iter().map(OsStr::new));
        words.push(bed.id.as_ref());
        let (said, log) = logged(&bed, &words, "json");
        assert_eq!(said.code, 1, "{flags:?}: {said:?}");
        assert!(
            said.err.contains(wanted) && message(&log).contains(wanted),
            "{flags:?}: {said:?} {log}"
        );
        assert_eq!(bed.traces(), NOTHING, "{flags:?}");
    }
    for (root, wanted) in [(&file, file.as_str()), (&in_file, file.as_str())] {
        let said: Said = Command::new(bed::program())
            .args(["--root", root, "create", "--bundle", &directory, &bed.id])
            .output()
            .expect("execute")
            .into();
        assert!(said.code == 1 && said.err.contains(wanted), "{root}: {said:?}");
    }
    let names: Vec<_> = std::fs::read_dir(bed.path())
        .expect("read")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert!(
        !names.iter().any(|name| name.as_bytes().starts_with(b".")),
        "a temporary file is left: {names:?}"
    );
}

#[test]
fn console_sockets_that_are_none() {
    let Some(mut bed) = bed() else { return };
    bed.config["process"]["terminal"] = json!(true);
    bed.args(&["true"]).write();
    let deaf = bed.path().join("deaf");
    drop(std::os::unix::net::UnixListener::bind(&deaf).expect("a socket"));
    let cases = [
        bed.path().join("missing"),
        bed.path().join("bundle"),
        bed.path().join("bundle/config.json"),
        deaf,
        bed.path().join("x".repeat(200)),
    ];
    for path in cases {
        let words: [&OsStr; 4] = [
            "create".as_ref(),
            "--console-socket".as_ref(),
            path.as_ref(),
            bed.id.as_str().as_ref(),
        ];
        let (said, log) = logged(&bed, &words, "json");
        let wanted = path.display().to_string();
        assert_eq!(said.code, 1, "{said:?}");
        assert!(
            said.err.contains(&wanted) && message(&log).contains(&wanted),
            "{said:?}"
        );
        assert_eq!(bed.traces(), NOTHING, "{}", path.display());
    }
}

/// Runs `run` under a shell that first narrows something; the container runs or is refused, and nothing is left.
fn narrowed(bed: &Bed, preparation: &str) -> Said {
    let script = format!("{preparation} && exec \"$@\"");
    let said: Said = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script, "sh", bed::program()])
        .arg("--root")
        .arg(bed.path().join("state"))
        .args(["run", "--bundle"])
        .arg(bed.path().join("bundle"))
        .arg(&bed.id)
        .stdin(Stdio::null())
        .output()
        .expect("execute")
        .into();
    assert!(!said.err.contains("panicked"), "{preparation}: {said:?}");
    assert!(said.code == 0 || !said.err.is_empty(), "{preparation}: {said:?}");
    assert_eq!(bed.traces(), NOTHING, "{preparation}: {said:?}");
    said
}

#[test]
fn too_few_descriptors() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["true"]).write();
    let codes: Vec<i32> = (3..40)
        .map(|most| narrowed(&bed, &format!("ulimit -n {most}")).code)
        .collect();
    assert!(codes.contains(&0) && codes.iter().any(|code| *code != 0), "{codes:?}");
}

#[test]
fn too_little_memory() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["true"]).write();
    for kibibytes in (6_000..16_000).step_by(1000) {
        let script = format!("{{ ulimit -v {kibibytes}; }}");
        let output = Command::new("sh")
            .args(["-c", &format!("{script} && exec \"$@\""), "sh", bed::program()])
            .arg("--root")
            .arg(bed.path().join("state"))
            .args(["run", "--bundle"])
            .arg(bed.path().join("bundle"))
            .arg(&bed.id)
            .stdin(Stdio::null())
            .output()
            .expect("execute");
        // An allocation that fails may end the process; then it is a crash like any other.
        if output.status.code() != Some(0) {
            bed.verb(&["delete", "--force"]);
        }
        assert_eq!(bed.traces(), NOTHING, "{kibibytes}: {output:?}");
    }
}

#[test]
fn no_room_for_the_state() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["true"]).write();
    let state = bed.path().join("state");
    std::fs::create_dir(&state).expect("mkdir");
    let state = state.display();
    for (size, inodes) in [
        ("4k", 2),
        ("4k", 3),
        ("4k", 4),
        ("4k", 5),
        ("8k", 5),
        ("8k", 9),
        ("1m", 9),
    ] {
        let said = narrowed(
            &bed,
            &format!("mount -t tmpfs -o size={size},nr_inodes={inodes} tmpfs {state}"),
        );
        assert!(
            said.code == 0 || said.err.contains("no space left on device"),
            "{size} {inodes}: {said:?}"
        );
    }
}

#[test]
fn no_room_in_the_root_file_system() {
    let Some(mut bed) = bed() else { return };
    bed.config["mounts"] = json!([{"destination": "/new/mount/point", "type": "tmpfs", "source": "tmpfs"}]);
    bed.args(&["true"]).write();
    let rootfs = bed.rootfs();
    let rootfs = rootfs.display();
    let said = narrowed(
        &bed,
        &format!("mount -t tmpfs -o nr_inodes=2 tmpfs {rootfs} && mkdir {rootfs}/a; true"),
    );
    assert!(
        said.code == 1 && said.err.contains("no space left on device"),
        "{said:?}"
    );
}

#[test]
fn a_process_that_vanishes_while_it_is_made() {
    let Some(mut bed) = bed() else { return };
    let kill = "pid=$(tr ',' '\\n' | sed -n 's/.*\"pid\":\\([0-9]*\\).*/\\1/p'); kill -9 $pid";
    bed.args(&["true"]);
    for stage in ["prestart", "createRuntime"] {
        bed.config["hooks"] =
            json!({stage: [{"path": "/bin/sh", "args": ["sh", "-c", kill], "env": ["PATH=/bin:/usr/bin"]}]});
        bed.write();
        refused(&bed, stage, "the container process ended before it was ready");
    }
}

#[test]
fn a_container_that_is_deleted_while_it_is_made() {
    let Some(mut bed) = bed() else { return };
    let program = bed::program();
    let root = bed.path().join("state");
    let args = [
        "tierce-runtime",
        "--root",
        &root.display().to_string(),
        "delete",
        "--force",
        &bed.id,
    ]
    .map(str::to_owned);
    bed.config["hooks"] = json!({"createRuntime": [{"path": program, "args": args}]});
    bed.args(&["true"]).write();
    refused(
        &bed,
        "deleted by a hook",
        "the container process ended before it was ready",
    );
}

#[test]
fn one_of_many_takes_an_id_and_many_may_delete_it() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["sleep", "60"]).write();
    let all = |words: &[&str]| -> Vec<Said> {
        let spawn = |_| {
            let mut command = bed.command();
            let error = tempfile::NamedTempFile::new().expect("a file");
            let child = command
                .args(words)
                .arg(&bed.id)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(error.reopen().expect("a file"))
                .spawn()
                .expect("execute");
            (child, error)
        };
        let children: Vec<_> = (0..6).map(spawn).collect();
        let wait = |(mut child, error): (std::process::Child, tempfile::NamedTempFile)| Said {
            code: child.wait().expect("wait").code().unwrap_or(-1),
            out: String::new(),
            err: std::fs::read_to_string(error.path()).expect("output"),
        };
        children.into_iter().map(wait).collect()
    };
    for _ in 0..3 {
        let said = all(&["create"]);
        assert_eq!(said.iter().filter(|said| said.code == 0).count(), 1, "{said:?}");
        assert!(
            said.iter()
                .all(|said| said.code == 0 || said.err.contains("container with given ID already exists")),
            "{said:?}"
        );
        let said = all(&["start"]);
        assert!(said.iter().any(|said| said.code == 0), "{said:?}");
        eventually("the program", || bed.verb(&["ps"]).out.contains("sleep"));
        let said = all(&["delete", "--force"]);
        assert!(said.iter().all(|said| said.code == 0), "{said:?}");
        assert_eq!(bed.traces(), NOTHING);
    }
}

#[test]
fn a_record_that_is_damaged_is_named() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["sleep", "60"]).start();
    let file = bed.path().join("state").join(&bed.id).join("state.json");
    let good = std::fs::read(&file).expect("read");
    for bad in [&b""[..], b"{", b"[]", b"{\"id\": 7}", &good[..good.len() / 2]] {
        std::fs::write(&file, bad).expect("write");
        for verb in ["state", "kill", "start", "pause", "ps"] {
            let said = bed.verb(&[verb]);
            assert!(said.code == 1 && said.err.contains("state.json"), "{verb}: {said:?}");
        }
        let list = finished(bed.command().arg("list"));
        assert_eq!(list.code, 0, "{list:?}");
    }
    std::fs::write(&file, good).expect("write");
    assert_eq!(bed.state("status"), "running");
}
