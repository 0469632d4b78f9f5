//! Which members answers have under each version of the API, beside what dockerd 28.5 gives. Row 93.
//!
//! `recorded/members-28.5.json` has the members of dockerd's answers by request: lists of paths, each for a range of
//! versions. `TIERCE_RECORD_MEMBERS=/path/to/docker.sock` makes this test write it anew from that daemon, which is given
//! objects for it and loses them again.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use tierce_testkit::{Daemon, Run as _};

const VERSIONS: std::ops::RangeInclusive<u32> = 24..=51;

/// What is asked; `EXEC` stands for the id of an exec instance.
const REQUESTS: [&str; 14] = [
    "/info",
    "/version",
    r#"/containers/json?all=1&filters={"name":["members"]}"#,
    r#"/containers/json?all=1&size=1&filters={"name":["members"]}"#,
    "/containers/members-up/json?size=1",
    "/containers/members-down/json",
    r#"/images/json?filters={"reference":["members"]}"#,
    "/images/members/json",
    "/images/members/history",
    "/networks/members",
    "/volumes/members",
    "/exec/EXEC/json",
    "/system/df",
    "/containers/members-up/stats?stream=0",
];

/// What is not alike, and why. A path counts with everything below it.
const DIFFERENCES: [(&str, &str, &str); 7] = [
    ("/info", ".Containerd", "there is no containerd"),
    ("/info", ".LogLimits", "ours: what becomes of logs without limits"),
    (
        "/info",
        ".Runtimes",
        "ours is called in process, and says nothing of itself here",
    ),
    ("/info", ".Warnings", "a matter of the host"),
    ("/info", ".DriverStatus", "a matter of the host"),
    ("/version", ".BuildTime", "a build is told by its commit"),
    (
        "/version",
        ".Components[].Details.BuildTime",
        "a build is told by its commit",
    ),
];

/// What dockerd gives on a host with cgroup v1, as the one that was asked.
const OF_CGROUP_V1: [(&str, &str); 2] = [("/info", ".KernelMemoryTCP"), ("/containers/members-up/stats", "")];

/// Members of an answer in some versions.
struct Range {
    since: u32,
    until: u32,
    members: BTreeSet<String>,
}

impl Range {
    fn document(&self) -> Value {
        json!({"since": self.since, "until": self.until, "members": self.members})
    }

    fn of(document: &Value) -> Self {
        let number = |name: &str| document[name].as_u64().unwrap() as u32;
        let members = document["members"].as_array().unwrap();
        Self {
            since: number("since"),
            until: number("until"),
            members: members
                .iter()
                .map(|member| member.as_str().unwrap().to_owned())
                .collect(),
        }
    }
}

/// Maps whose keys are names that somebody chose.
fn names_of_users(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or_default();
    matches!(
        last,
        "Networks"
            | "Ports"
            | "PortBindings"
            | "Labels"
            | "ExposedPorts"
            | "Volumes"
            | "Options"
            | "IndexConfigs"
            | "Containers"
    )
}

/// Collects the paths of all members, and of what kind they are.
fn members(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) if !object.is_empty() => {
            for (name, value) in object {
                let name = if names_of_users(path) { "*" } else { name };
                members(value, &format!("{path}.{name}"), found);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                members(item, &format!("{path}[]"), found);
            }
        }
        Value::Object(_) => drop(found.insert(format!("{path} {{}}"))),
        Value::Array(_) => drop(found.insert(format!("{path} []"))),
        Value::Null => drop(found.insert(format!("{path} null"))),
        Value::Bool(_) => drop(found.insert(format!("{path} bool"))),
        Value::Number(_) => drop(found.insert(format!("{path} number"))),
        Value::String(_) => drop(found.insert(format!("{path} string"))),
    }
}

/// A daemon by its socket, with the objects that are asked about.
struct Asked {
    socket: PathBuf,
    exec: String,
}

impl Asked {
    fn new(socket: &Path) -> Self {
        let mut asked = Self {
            socket: socket.to_owned(),
            exec: String::new(),
        };
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root.tar");
        let busybox = ["/bin/busybox", "/usr/bin/busybox"]
            .into_iter()
            .find(|path| Path::new(path).exists());
        std::fs::create_dir(directory.path().join("bin")).unwrap();
        std::fs::copy(busybox.unwrap(), directory.path().join("bin/sleep")).unwrap();
        let mut pack = Command::new("tar");
        pack.arg("-C")
            .arg(directory.path())
            .arg("-cf")
            .arg(&root)
            .arg("bin")
            .run()
            .ok();
        asked.docker(&[
            "import",
            "-c",
            "CMD [\"sleep\", \"1000\"]",
            "-c",
            "ENV PATH=/bin",
            &root.to_string_lossy(),
            "members",
        ]);
        asked.docker(&["network", "create", "members"]);
        asked.docker(&["volume", "create", "members"]);
        let up = [
            "run",
            "-d",
            "--name",
            "members-up",
            "--network",
            "members",
            "-p",
            "127.0.0.1::80",
        ];
        asked.docker(&[&up[..], &["-v", "members:/data", "-m", "64m", "members"]].concat());
        asked.docker(&[
            "create",
            "--name",
            "members-down",
            "--network",
            "none",
            "members",
            "false",
        ]);
        let (status, answer) = asked.call(
            "POST",
            "/v1.51/containers/members-up/exec",
            Some(r#"{"Cmd": ["true"]}"#),
        );
        assert_eq!(status, 201, "{answer}");
        answer["Id"].as_str().unwrap().clone_into(&mut asked.exec);
        asked
    }

    fn docker(&self, words: &[&str]) {
        let mut command = Command::new("docker");
        command.arg("-H").arg(format!("unix://{}", self.socket.display()));
        command.args(words).run().ok();
    }

    fn call(&self, method: &str, path: &str, body: Option<&str>) -> (u16, Value) {
        let mut command = Command::new("curl");
        command.args([
            "--silent",
            "--globoff",
            "--max-time",
            "30",
            "--request",
            method,
            "--write-out",
            "\n%{http_code}",
        ]);
        command.arg("--unix-socket").arg(&self.socket);
        if let Some(body) = body {
            command.args(["--header", "Content-Type: application/json", "--data-binary", body]);
        }
        let path = path.replace('{', "%7B").replace('}', "%7D").replace('"', "%22");
        let text = command.arg(format!("http://d{path}")).run().ok();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), serde_json::from_str(body).unwrap_or_default())
    }

    fn members(&self, request: &str, version: u32) -> BTreeSet<String> {
        let path = format!("/v1.{version}{}", request.replace("EXEC", &self.exec));
        let (status, answer) = self.call("GET", &path, None);
        assert_eq!(status, 200, "{path}: {answer}");
        let mut found = BTreeSet::new();
        members(&answer, "", &mut found);
        found
    }

    fn record(&self) -> Value {
        let ranges = |request: &str| -> Value {
            let mut ranges: Vec<Range> = Vec::new();
            for version in VERSIONS {
                let members = self.members(request, version);
                match ranges.last_mut() {
                    Some(range) if range.members == members => range.until = version,
                    _ => ranges.push(Range {
                        since: version,
                        until: version,
                        members,
                    }),
                }
            }
            ranges.iter().map(Range::document).collect()
        };
        REQUESTS
            .iter()
            .map(|request| ((*request).to_owned(), ranges(request)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        for words in [
            &["rm", "-f", "members-up", "members-down"][..],
            &["network", "rm", "members"],
            &["volume", "rm", "members"],
            &["rmi", "members"],
        ] {
            let mut command = Command::new("docker");
            command
                .arg("-H")
                .arg(format!("unix://{}", self.socket.display()))
                .args(words)
                .run();
        }
    }
}

fn is_known(request: &str, member: &str) -> bool {
    let of_v1 = OF_CGROUP_V1
        .iter()
        .filter(|_| !Path::new("/sys/fs/cgroup/memory").exists());
    let known = DIFFERENCES.iter().map(|(of, path, _)| (of, path));
    known.chain(of_v1.map(|(of, path)| (of, path))).any(|(of, path)| {
        request.starts_with(of)
            && member
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '.', '[']))
    })
}

#[test]
fn row_093_answers_have_the_members_of_their_version() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("recorded/members-28.5.json");
    if let Some(socket) = std::env::var_os("TIERCE_RECORD_MEMBERS") {
        let recorded = Asked::new(Path::new(&socket)).record();
        let text = serde_json::to_string_pretty(&recorded).unwrap();
        std::fs::write(&file, text + "\n").unwrap();
        return;
    }
    let recorded: serde_json::Map<String, Value> =
        serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(recorded.len(), REQUESTS.len());
    let daemon = Daemon::start();
    let asked = Asked::new(&daemon.socket());
    let mut wrong = BTreeMap::<String, Vec<u32>>::new();
    for (request, ranges) in &recorded {
        for range in ranges.as_array().unwrap().iter().map(Range::of) {
            for version in range.since..=range.until {
                let ours = asked.members(request, version);
                let missing = range.members.difference(&ours).map(|member| ("lacks", member));
                let extra = ours.difference(&range.members).map(|member| ("has", member));
                for (what, member) in missing.chain(extra).filter(|(_, member)| !is_known(request, member)) {
                    let versions = wrong.entry(format!("{request} {what} {member}")).or_default();
                    versions.push(version);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn row_093_a_body_that_nobody_asked_for_costs_no_answer() {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;
    let daemon = Daemon::start();
    for path in ["/v1.41/containers/nope/start", "/v1.41/nope"] {
        let mut stream = UnixStream::connect(daemon.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        // The answer is there before the body is: the connection stays, and serves the next request.
        let mut answer = [0; 4096];
        let length = stream.read(&mut answer).unwrap();
        assert!(
            String::from_utf8_lossy(&answer[..length]).starts_with("HTTP/1.1 404"),
            "{path}"
        );
        stream
            .write_all(b"{}GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("HTTP/1.1 200"), "{path}: {rest}");
    }
}
