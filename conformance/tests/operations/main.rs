//! Every operation of Docker's API document, asked of a running daemon (issue: "every operation"; rows 86, 87).
//!
//! - `operations.txt`: the operations of `docs/api/v1.51.yaml` of moby 28.5, made by
//!
//!   ```sh
//!   awk '/^paths:/{p=1;next} p&&/^  \/[^:]*:$/{sub(/:$/,"");path=$1;next}
//!        p&&/^    (get|post|put|delete|head):$/{sub(/:$/,"");print toupper($1),path}' v1.51.yaml
//!   ```
//! - `samples.txt`: a request for each, with dockerd's status.
//!
//! The test prints a table of what is served. It fails when an operation has no sample, answers otherwise than dockerd,
//! or with "page not found".

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::collections::BTreeSet;
use std::process::Command;
use tierce_testkit::Daemon;

const OPERATIONS: &str = include_str!("operations.txt");
const SAMPLES: &str = include_str!("samples.txt");

/// What is served in part only, and what of it is not.
const PARTLY: [(&str, &str); 1] = [("POST /networks/create", "the overlay driver and plugins")];

/// A line of `samples.txt`.
struct Sample<'a> {
    operation: String,
    method: &'a str,
    status: &'a str,
    path: String,
    body: Option<String>,
}

impl<'a> Sample<'a> {
    fn parse(line: &'a str, fill: &dyn Fn(&str) -> String) -> Self {
        let mut rest = line;
        let mut word = || {
            let begun = rest.trim_start();
            let end = begun.find(' ').unwrap_or(begun.len());
            rest = &begun[end..];
            &begun[..end]
        };
        let (method, operation, status, path) = (word(), word(), word(), word());
        let body = rest.trim();
        Self {
            operation: format!("{method} {operation}"),
            method,
            status,
            path: fill(path),
            body: Some(fill(body)).filter(|body| !body.is_empty()),
        }
    }

    /// Makes the request; gives status and body.
    fn ask(&self, daemon: &Daemon) -> (String, String) {
        let mut command = Command::new("curl");
        command.args(["--silent", "--max-time", "60", "--write-out", "\n%{http_code}"]);
        if self.method == "HEAD" {
            command.arg("--head");
        } else {
            command.args(["--request", self.method]);
        }
        match self.body.as_deref() {
            Some("@tar") => {
                let tar = tempfile::NamedTempFile::new().unwrap();
                std::fs::write(tar.path(), [0; 1024]).unwrap();
                let data = format!("@{}", tar.path().display());
                command.args(["--header", "Content-Type: application/x-tar", "--data-binary", &data]);
                return self.run(command, daemon);
            }
            Some(body) => {
                command.args(["--header", "Content-Type: application/json", "--data-binary", body]);
            }
            None => {}
        }
        self.run(command, daemon)
    }

    fn run(&self, mut command: Command, daemon: &Daemon) -> (String, String) {
        command.arg("--unix-socket").arg(daemon.socket());
        command
            .args(["--output", "-"])
            .arg(format!("http://d/v1.51{}", self.path));
        // Archives are no text.
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').expect("a status after the body");
        (status.to_owned(), body.to_owned())
    }
}

#[test]
fn row_086_row_087_every_operation_is_answered_as_by_dockerd() {
    let (daemon, image) = Daemon::with_busybox();
    let run = |arguments: &[&str]| daemon.docker(arguments).ok();
    run(&["network", "create", "net"]);
    run(&["volume", "create", "vol"]);
    run(&["run", "-d", "--name", "run", &image, "sleep", "1000"]);
    run(&["run", "-dt", "--name", "tty", &image, "sleep", "1000"]);
    run(&["run", "--name", "done", &image, "echo", "hello"]);
    let (_, exec) = daemon.request("POST", "/v1.51/containers/run/exec", Some(r#"{"Cmd":["true"]}"#));
    let exec: serde_json::Value = serde_json::from_str(&exec).unwrap();
    let exec = exec["Id"].as_str().unwrap().to_owned();
    let fill = |text: &str| text.replace("{image}", &image).replace("{exec}", &exec);

    let lines = SAMPLES
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let samples: Vec<Sample<'_>> = lines.map(|line| Sample::parse(line, &fill)).collect();
    let sampled: BTreeSet<&str> = samples.iter().map(|sample| sample.operation.as_str()).collect();
    assert_eq!(sampled, OPERATIONS.lines().collect(), "samples and operations");

    let (mut wrong, mut counts) = (Vec::new(), [0; 3]);
    for sample in &samples {
        let (status, body) = sample.ask(&daemon);
        let expected = if sample.status == "not" { "501" } else { sample.status };
        if status != expected || body.contains("page not found") {
            wrong.push(format!(
                "{}: {status} instead of {expected}: {body:.200}",
                sample.operation
            ));
        }
        let partly = PARTLY.iter().find(|(operation, _)| *operation == sample.operation);
        let (verdict, note) = match (status.as_str(), partly) {
            ("501", _) => (2, ""),
            (_, Some((_, note))) => (1, *note),
            _ => (0, ""),
        };
        counts[verdict] += 1;
        let verdict = ["done", "partly", "not"][verdict];
        println!("| {} | {verdict} | {status} | {note} |", sample.operation);
    }
    println!("done {}, partly {}, not {}", counts[0], counts[1], counts[2]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
