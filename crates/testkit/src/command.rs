//! Running programs, and waiting for what they do.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a program printed and how it ended.
#[derive(Debug, Clone)]
pub struct Output {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Exit code; 128 + signal when it was killed.
    pub code: i32,
}

impl Output {
    /// Panics with everything that is known unless the code is 0; gives standard output without its last line end.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(
            self.code, 0,
            "exit code {}\nstdout: {}\nstderr: {}",
            self.code, self.stdout, self.stderr
        );
        self.stdout.trim_end_matches('\n').to_owned()
    }

    /// Panics unless the code is this one; gives standard output and error together.
    #[track_caller]
    pub fn fails(self, code: i32) -> String {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self.stdout + &self.stderr
    }
}

/// Running a command to its end.
pub trait Run {
    /// Runs it without input.
    fn run(&mut self) -> Output;
    /// Runs it with this input.
    fn run_with(&mut self, input: &[u8]) -> Output;
}

impl Run for Command {
    fn run(&mut self) -> Output {
        self.run_with(b"")
    }

    fn run_with(&mut self, input: &[u8]) -> Output {
        use std::os::unix::process::ExitStatusExt as _;
        self.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.spawn().unwrap_or_else(|error| panic!("start {self:?}: {error}"));
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let input = input.to_owned();
        let writer = std::thread::spawn(move || {
            // A program need not read its input.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().expect("wait for the program");
        writer.join().expect("the writer does not panic");
        Output {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output
                .status
                .code()
                .unwrap_or_else(|| 128 + output.status.signal().unwrap_or_default()),
        }
    }
}

/// A program of this project as it was built for this test run: beside the test's own binary, or in `TIERCE_BIN_DIR`.
pub fn binary(name: &str) -> PathBuf {
    let directory = std::env::var_os("TIERCE_BIN_DIR").map_or_else(
        || {
            let test = std::env::current_exe().expect("the path of this test");
            test.ancestors()
                .nth(2)
                .expect("target/<profile>/deps/<test>")
                .to_owned()
        },
        PathBuf::from,
    );
    let path = directory.join(name);
    assert!(
        path.exists(),
        "{} is not built: run `cargo build --workspace --bins` first",
        path.display()
    );
    path
}

/// Says which of these programs is not installed, in the words of a skip.
pub fn missing_tool(names: &[&str]) -> Option<String> {
    let found = |name: &&&str| {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        !std::env::split_paths(&paths).any(|directory| directory.join(name).exists())
    };
    names
        .iter()
        .find(found)
        .map(|name| format!("skipped: {name} is not installed"))
}

/// Waits until the condition holds; panics with `what` after the limit.
#[track_caller]
pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < limit, "gave up after {limit:?} waiting until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
