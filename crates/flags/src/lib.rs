//! Flags that several commands share, and what they become: the flags of `run` and `create` as the documents of a create
//! request, grouped by what they are about; those of `update`; filters, labels and other words of many commands.
//!
//! Nothing is asked of a daemon here. What cannot be meant is refused in Docker's words.
//!
//! ```
//! use clap::{Args, FromArgMatches};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let run = tierce_flags::ContainerFlags::augment_args(clap::Command::new("run").disable_help_flag(true));
//! let matches = run.try_get_matches_from(["run", "--rm", "-p", "8080:80", "web", "serve"])?;
//! let request = tierce_flags::ContainerFlags::from_arg_matches(&matches)?.request(None)?;
//! assert_eq!(request.config.image, "web");
//! # Ok(()) }
//! ```

mod attachment;
mod blocks;
mod csv;
mod devices;
mod elsewhere;
pub mod environment;
mod error;
pub mod filter;
mod gpus;
mod health;
mod logging;
mod mounts;
mod names;
mod network;
pub mod pairs;
mod ports;
mod resources;
mod restart;
mod security;

pub use blocks::BlockFlags;
pub use error::Error;
pub use resources::{CpuFlags, parse_swap};
pub use restart::parse as parse_restart_policy;

use clap::Args;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tierce_api_types::container::{Config, CreateRequest, HostConfig};
use tierce_oci::container::StrSlice;

/// Everything but what `run` alone has.
#[derive(Debug, Args)]
pub struct ContainerFlags {
    /// Print usage
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    /// Which image, and what the container is called.
    #[command(flatten)]
    pub image: ImageFlags,
    /// Suppress the pull output
    #[arg(short, long)]
    pub quiet: bool,
    /// Write the container ID to the file
    #[arg(long, value_name = "string")]
    pub cidfile: Option<PathBuf>,
    /// Automatically remove the container and its associated anonymous volumes when it exits
    #[arg(long)]
    pub rm: bool,
    /// Keep STDIN open even if not attached
    #[arg(short, long)]
    pub interactive: bool,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    pub tty: bool,
    #[command(flatten)]
    process: ProcessFlags,
    #[command(flatten)]
    network: network::NetworkFlags,
    #[command(flatten)]
    mounts: mounts::MountFlags,
    #[command(flatten)]
    resources: resources::ResourceFlags,
    #[command(flatten)]
    security: security::SecurityFlags,
    #[command(flatten)]
    logging: logging::LoggingFlags,
    #[arg(skip)]
    detached: bool,
    /// Image, then command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_names = ["IMAGE", "COMMAND"])]
    words: Vec<String>,
}

/// Which image, and what the container is called.
#[derive(Debug, Args)]
pub struct ImageFlags {
    /// Assign a name to the container
    #[arg(long, default_value = "", hide_default_value = true)]
    pub name: String,
    /// Set platform if server is multi-platform capable
    #[arg(long, default_value = "", hide_default_value = true)]
    pub platform: String,
    /// Pull image before running ("always", "missing", "never")
    #[arg(long, default_value = "missing")]
    pub pull: String,
    /// Remove a container of the same name first, whatever it does (not in Docker)
    #[arg(long)]
    pub replace: bool,
    /// Take a directory of the daemon's host as the root of the container instead of an image; all words are the command
    /// (not in Docker)
    #[arg(long, value_name = "string", default_value = "", hide_default_value = true)]
    pub rootfs: String,
    /// Bind mount Docker API socket and required auth
    #[arg(long)]
    pub use_api_socket: bool,
}

/// What runs and as whom.
#[derive(Debug, Args)]
struct ProcessFlags {
    /// Attach to STDIN, STDOUT or STDERR
    #[arg(short, long, value_name = "list", value_parser = parse_stream)]
    attach: Vec<String>,
    /// Set environment variables
    #[arg(short, long, value_name = "list", value_parser = environment::variable)]
    env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long, value_name = "list")]
    env_file: Vec<PathBuf>,
    /// Overwrite the default ENTRYPOINT of the image
    #[arg(long, value_name = "string")]
    entrypoint: Option<String>,
    /// Run an init inside the container that forwards signals and reaps processes
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    init: Option<bool>,
    /// Set meta data on a container
    #[arg(short, long, value_name = "list")]
    label: Vec<String>,
    /// Read in a line delimited file of labels
    #[arg(long, value_name = "list")]
    label_file: Vec<PathBuf>,
    /// Add an annotation to the container (passed through to the OCI runtime)
    #[arg(long, value_name = "map")]
    annotation: Vec<String>,
    #[command(flatten)]
    health: health::HealthFlags,
    /// Restart policy to apply when a container exits
    #[arg(long, default_value = "no")]
    restart: String,
    /// Runtime to use for this container
    #[arg(long, default_value = "", hide_default_value = true)]
    runtime: String,
    /// Signal to stop the container
    #[arg(long, default_value = "", hide_default_value = true)]
    stop_signal: String,
    /// Timeout (in seconds) to stop a container
    #[arg(long, allow_negative_numbers = true)]
    stop_timeout: Option<i64>,
    /// Username or UID (format: <name|uid>[:<group|gid>])
    #[arg(short, long, default_value = "", hide_default_value = true)]
    user: String,
    /// Working directory inside the container
    #[arg(short, long, default_value = "", hide_default_value = true)]
    workdir: String,
}

impl ContainerFlags {
    /// The container runs without us.
    pub fn detach(&mut self) -> Result<(), Error> {
        if !self.process.attach.is_empty() {
            return Err(Error::usage(
                "conflicting options: cannot specify both --attach and --detach",
            ));
        }
        self.detached = true;
        Ok(())
    }

    /// The body of the request; `console` is the size of the user's terminal, rows and columns.
    pub fn request(&self, console: Option<(u16, u16)>) -> Result<CreateRequest, Error> {
        let (image, command) = match self.words.split_first() {
            None => return Err(Error::usage("an image is required")),
            Some(_) if !self.image.rootfs.is_empty() => ("", &*self.words),
            Some((image, command)) => (image.as_str(), command),
        };
        // What stands where the image should be and looks like a flag is one that nobody knows.
        match image.strip_prefix("--") {
            Some(flag) => return Err(Error::Unknown(format!("unknown flag: --{flag}"))),
            None if image.starts_with('-') => {
                let letter = image.chars().nth(1).unwrap_or_default();
                return Err(Error::Unknown(format!("unknown shorthand flag: '{letter}' in {image}")));
            }
            None => {}
        }
        if !matches!(&*self.image.pull, "always" | "missing" | "never" | "") {
            return Err(Error::usage(format!(
                "invalid pull option: '{}': must be one of \"always\", \"missing\" or \"never\"",
                self.image.pull
            )));
        }
        let (mut config, mut host) = (Config::default(), HostConfig::default());
        image.clone_into(&mut config.image);
        config.cmd = (!command.is_empty()).then(|| StrSlice(command.to_vec()));
        self.streams(&mut config, &mut host, console);
        self.process.apply(&mut config, &mut host)?;
        self.network.apply(&mut config, &mut host)?;
        self.mounts.apply(&mut config, &mut host)?;
        self.resources.apply(&mut host)?;
        self.security.apply(&mut host)?;
        self.logging.apply(&mut host)?;
        host.auto_remove = self.rm;
        if self.rm && !matches!(host.restart_policy.name.as_str(), "" | "no") {
            return Err(Error::usage(
                "conflicting options: cannot specify both --restart and --rm",
            ));
        }
        let networking_config = Some(self.network.networking()?);
        Ok(CreateRequest {
            config,
            host_config: Some(host),
            networking_config,
        })
    }

    fn streams(&self, config: &mut Config, host: &mut HostConfig, console: Option<(u16, u16)>) {
        config.tty = self.tty;
        config.open_stdin = self.interactive;
        let wants = |name: &str| {
            self.process
                .attach
                .iter()
                .any(|stream| stream.eq_ignore_ascii_case(name))
        };
        if !self.detached {
            let default = self.process.attach.is_empty();
            config.attach_stdout = default || wants("stdout");
            config.attach_stderr = default || wants("stderr");
            config.attach_stdin = (default && self.interactive) || wants("stdin");
        }
        config.stdin_once = config.open_stdin && config.attach_stdin;
        if self.tty
            && let Some((rows, columns)) = console
        {
            host.console_size = [u64::from(rows), u64::from(columns)];
        }
    }
}

/// A stream, by its name in any letters.
fn parse_stream(text: &str) -> Result<String, String> {
    let name = text.to_ascii_lowercase();
    match name.as_str() {
        "stdin" | "stdout" | "stderr" => Ok(name),
        _ => Err("valid streams are STDIN, STDOUT and STDERR".to_owned()),
    }
}

impl ProcessFlags {
    fn apply(&self, config: &mut Config, host: &mut HostConfig) -> Result<(), Error> {
        config.env = Some(environment::collect(&self.env, &self.env_file)?).filter(|env| !env.is_empty());
        config.labels = Some(environment::labels(&self.label, &self.label_file)?);
        // An empty entry point is a wish of its own: run without the image's.
        config.entrypoint = self.entrypoint.as_ref().map(|word| StrSlice(vec![word.clone()]));
        config.stop_signal.clone_from(&self.stop_signal);
        config.stop_timeout = self.stop_timeout;
        config.user.clone_from(&self.user);
        config.working_dir.clone_from(&self.workdir);
        self.health.apply(config)?;
        host.init = self.init;
        host.restart_policy = restart::parse(&self.restart)?;
        host.runtime.clone_from(&self.runtime);
        let annotations: BTreeMap<String, String> =
            self.annotation.iter().map(|text| environment::pair(text)).collect();
        host.annotations = (!annotations.is_empty()).then_some(annotations);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Args)]
    struct Wrapper {
        #[command(flatten)]
        flags: ContainerFlags,
    }

    fn request(words: &[&str]) -> Result<CreateRequest, String> {
        use clap::FromArgMatches as _;
        let command = Wrapper::augment_args(clap::Command::new("run").disable_help_flag(true));
        let matches = command
            .try_get_matches_from(std::iter::once(&"run").chain(words))
            .map_err(|e| e.to_string())?;
        let wrapper = Wrapper::from_arg_matches(&matches).map_err(|error| error.to_string())?;
        wrapper.flags.request(None).map_err(|error| error.to_string())
    }

    #[test]
    fn row_071_the_everyday_flags_become_the_request() {
        let words = [
            "-it",
            "--entrypoint",
            "/bin/sh",
            "--rm",
            "--name",
            "alpine-container",
            "--net=none",
            "-p",
            "8080:80",
            "alpine",
            "-c",
            "ls",
        ];
        let request = request(&words).unwrap();
        assert!(request.config.tty && request.config.open_stdin && request.config.stdin_once);
        assert_eq!(request.config.image, "alpine");
        assert_eq!(request.config.cmd.unwrap().0, ["-c", "ls"]);
        assert_eq!(request.config.entrypoint.unwrap().0, ["/bin/sh"]);
        let host = request.host_config.unwrap();
        assert!(host.auto_remove);
        assert_eq!(host.network_mode, "none");
        assert_eq!(
            host.port_bindings.unwrap()["80/tcp"].as_ref().unwrap()[0].host_port,
            "8080"
        );
        assert!(request.config.exposed_ports.unwrap().contains_key("80/tcp"));
    }

    #[test]
    fn flags_after_the_image_belong_to_the_command() {
        let request = request(&["busybox", "ps", "-a", "--rm"]).unwrap();
        assert_eq!(request.config.cmd.unwrap().0, ["ps", "-a", "--rm"]);
        assert!(!request.host_config.unwrap().auto_remove);
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(
            request(&["--rm", "--restart", "always", "x"])
                .unwrap_err()
                .contains("cannot specify both")
        );
        assert!(request(&[]).is_err());
        assert_eq!(request(&["--frob", "x"]).unwrap_err(), "unknown flag: --frob");
    }
}
