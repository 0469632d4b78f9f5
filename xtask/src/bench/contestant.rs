//! Who is measured: engines (ours, docker, podman) and OCI runtimes (ours, crun, runc, youki, the C bound).
//!
//! All engines speak Docker's command line and all runtimes runc's, so one row is one list of words for all of them. A
//! peer that is not on the machine, or whose daemon does not answer, is left out and the reason is told.

use super::measure::{run, run_for};
use super::mover::PATIENCE;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Says that a peer is not measured, and why.
pub(super) fn leave_out(name: &str, reason: &anyhow::Error) {
    let text = format!("{reason:#}");
    // Commands may be long and talkative; how it began tells enough.
    let short: String = text.lines().next().unwrap_or_default().chars().take(300).collect();
    println!("left out: {name}: {short}");
}

/// Whoever is measured has a name in the table.
pub(super) trait Named {
    /// That name.
    fn name(&self) -> &str;
}

impl Named for Engine {
    fn name(&self) -> &str {
        self.name
    }
}

impl Named for Runtime {
    fn name(&self) -> &str {
        self.name
    }
}

/// A program with Docker's command line.
#[derive(Debug)]
pub(super) struct Engine {
    /// What the table calls it.
    pub(super) name: &'static str,
    program: PathBuf,
    /// Words before the verb.
    leading: Vec<String>,
    /// Words that `pull` and `push` need for a registry without TLS.
    pub(super) registry_words: &'static [&'static str],
    /// Names of the processes that are its daemon; none where it has no daemon.
    pub(super) daemons: &'static [&'static str],
}

impl Engine {
    /// Ours, on this socket.
    pub(super) fn tierce(programs: &Path, socket: &Path) -> Self {
        Self {
            name: "tierce",
            program: programs.join("tierce"),
            leading: vec!["-H".to_owned(), format!("unix://{}", socket.display())],
            registry_words: &[],
            daemons: &[],
        }
    }

    /// The peers that are installed and answer.
    pub(super) fn peers() -> Vec<Self> {
        let peer = |name, registry_words, daemons| Self {
            name,
            program: PathBuf::from(name),
            leading: Vec::new(),
            registry_words,
            daemons,
        };
        let mut peers = vec![
            peer("docker", &[], &["dockerd", "containerd"]),
            peer("podman", &["--tls-verify=false"], &[]),
        ];
        peers.retain(|peer| match run(&mut peer.command(&["info"])) {
            Ok(_) => true,
            Err(error) => {
                leave_out(peer.name, &error);
                false
            }
        });
        peers
    }

    /// `ENGINE WORDS…`.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_remove("DOCKER_HOST")
            .env("PODMAN_IGNORE_CGROUPSV1_WARNING", "1")
            .args(&self.leading)
            .args(words);
        command
    }

    /// Runs it and gives what it printed.
    pub(super) fn run(&self, words: &[&str]) -> Result<String> {
        run(&mut self.command(words)).map(|finished| finished.stdout)
    }

    /// Pulls the image from the loopback registry.
    pub(super) fn pull(&self, image: &str) -> Result<()> {
        let words = [&["pull", "--quiet"], self.registry_words, &[image]].concat();
        run_for(&mut self.command(&words), PATIENCE)
            .map(drop)
            .with_context(|| format!("pull the image with {}", self.name))
    }

    /// The command that starts a container that does nothing and prints its id. A first process ignores the gentle
    /// signal, which some engines would wait for when the container is removed.
    pub(super) fn idle_command(&self, image: &str) -> Command {
        self.command(&["run", "-d", "--stop-signal", "KILL", image, "sleep", "100000"])
    }

    /// Starts such a container; gives its id.
    pub(super) fn start_idle(&self, image: &str) -> Result<String> {
        run(&mut self.idle_command(image)).map(|finished| finished.stdout)
    }

    /// Removes these containers, running or not.
    pub(super) fn remove(&self, ids: &[String]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let ids = ids.iter().map(String::as_str);
        let words: Vec<&str> = ["rm", "-f", "-v"].into_iter().chain(ids).collect();
        self.run(&words).map(drop)
    }

    /// Its version, as it says.
    pub(super) fn version(&self) -> String {
        ["{{.Server.Version}}", "{{.Client.Version}}"]
            .iter()
            .find_map(|format| self.run(&["version", "--format", format]).ok())
            .unwrap_or_else(|| "?".to_owned())
    }
}

/// Compiles a C program of `bench/` into the scratch folder, static, so that it runs wherever that folder is seen.
pub(super) fn compile(name: &str, project: &Path, scratch: &Path) {
    let (source, program) = (project.join(format!("bench/{name}.c")), scratch.join(name));
    let changed = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    if changed(&program) < changed(&source) {
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-static", "-o"]).arg(&program).arg(&source);
        if let Err(error) = run(&mut compiler) {
            println!("bench/{name}.c cannot be compiled: {error:#}");
        }
    }
}

fn bound_in(scratch: &Path) -> PathBuf {
    scratch.join("bound")
}

/// A program that runs a bundle to its end.
#[derive(Debug)]
pub(super) struct Runtime {
    /// What the table calls it.
    pub(super) name: &'static str,
    program: PathBuf,
    /// Folder of its states; the C bound keeps none and gets none.
    root: Option<PathBuf>,
}

impl Runtime {
    /// Ours first, then the peers that are installed, then the bound, where it was compiled; states go below `roots`.
    pub(super) fn all(programs: &Path, scratch: &Path, roots: &Path) -> Vec<Self> {
        let installed = |name| {
            let paths = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&paths)
                .map(|directory| directory.join(name))
                .find(|path| path.exists())
        };
        let runtime = |name: &'static str, program| Self {
            name,
            program,
            root: Some(roots.join(name)),
        };
        let mut all = vec![runtime("tierce-runtime", programs.join("tierce-runtime"))];
        for name in ["crun", "runc", "youki"] {
            match installed(name) {
                Some(program) => all.push(runtime(name, program)),
                None => println!("left out: {name}: not installed"),
            }
        }
        let bound = bound_in(scratch);
        if bound.exists() {
            all.push(Self {
                name: "bound",
                program: bound,
                root: None,
            });
        }
        all
    }

    /// Whether it is a runtime, and not the bound.
    pub(super) fn has_verbs(&self) -> bool {
        self.root.is_some()
    }

    /// The program.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// The command that runs the bundle's `true` under this id.
    pub(super) fn command(&self, bundle: &Path, id: &str) -> Command {
        if self.has_verbs() {
            return self.made("run", bundle, id);
        }
        let mut command = Command::new(&self.program);
        command.arg(bundle.join("rootfs")).arg("/bin/true");
        command
    }

    /// The command that makes a container of a bundle: `run` or `create`.
    pub(super) fn made(&self, verb: &str, bundle: &Path, id: &str) -> Command {
        let mut command = self.verb(&[verb]);
        command.arg("--bundle").arg(bundle).arg(id);
        command
    }

    /// The command that these words make.
    pub(super) fn verb(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(root) = &self.root {
            command.arg("--root").arg(root);
        }
        command.args(words);
        command
    }

    /// Its version, as it says.
    pub(super) fn version(&self) -> String {
        if self.root.is_none() {
            return String::new();
        }
        let text = run(Command::new(&self.program).arg("--version")).map(|finished| finished.stdout);
        let text = text.unwrap_or_default();
        text.split_whitespace()
            .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))
            .unwrap_or("?")
            .to_owned()
    }
}
