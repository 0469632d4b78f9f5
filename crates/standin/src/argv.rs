//! The command line, as our shim calls a runtime; `--shim` is from the script that stands for the runtime.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::error::{Error, Result};

/// A parsed command line. What is not given is empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// The other shim's program.
    pub(crate) shim: PathBuf,
    /// Directory of states.
    pub(crate) root: PathBuf,
    pub(crate) log: Option<PathBuf>,
    pub(crate) verb: String,
    pub(crate) bundle: PathBuf,
    pub(crate) pid_file: Option<PathBuf>,
    pub(crate) console_socket: Option<PathBuf>,
    /// Document of an exec.
    pub(crate) process: PathBuf,
    /// Document of an update.
    pub(crate) resources: PathBuf,
    pub(crate) all: bool,
    pub(crate) force: bool,
    /// The container, and for `kill` the signal.
    pub(crate) words: Vec<String>,
}

impl Arguments {
    /// Reads the words after the program's name.
    pub(crate) fn read(words: impl Iterator<Item = OsString>) -> Result<Self> {
        let mut arguments = Self::default();
        let mut words = words;
        while let Some(word) = words.next() {
            let text = word.to_string_lossy().into_owned();
            let Some(flag) = text.strip_prefix("--") else {
                if arguments.verb.is_empty() {
                    arguments.verb = text;
                } else {
                    arguments.words.push(text);
                }
                continue;
            };
            let mut value = || {
                let value = words.next().map(PathBuf::from);
                value.ok_or_else(|| Error::Usage(format!("--{flag} needs a value")))
            };
            match flag {
                "shim" => arguments.shim = value()?,
                "root" => arguments.root = value()?,
                "log" => arguments.log = Some(value()?),
                "log-format" => drop(value()?),
                "bundle" => arguments.bundle = value()?,
                "pid-file" => arguments.pid_file = Some(value()?),
                "console-socket" => arguments.console_socket = Some(value()?),
                "process" => arguments.process = value()?,
                "resources" => arguments.resources = value()?,
                "all" => arguments.all = true,
                "force" => arguments.force = true,
                // They are runc's business; another shim has its own ways.
                "systemd-cgroup" | "no-pivot" | "no-new-keyring" | "detach" => {}
                _ => return Err(Error::Usage(format!("the flag --{flag} is not known here"))),
            }
        }
        Ok(arguments)
    }

    /// The container.
    pub(crate) fn id(&self) -> Result<&str> {
        let id = self.words.first().map(String::as_str);
        id.ok_or_else(|| Error::Usage(format!("{} needs a container", self.verb)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_our_shim_says_is_read() {
        let words =
            "--shim /opt/s --root /r --log /l --log-format json --systemd-cgroup create --bundle /b --pid-file /p c1";
        let read = |words: &str| Arguments::read(words.split(' ').map(OsString::from));
        let arguments = read(words).unwrap();
        assert_eq!(
            arguments,
            Arguments {
                shim: "/opt/s".into(),
                root: "/r".into(),
                log: Some("/l".into()),
                verb: "create".to_owned(),
                bundle: "/b".into(),
                pid_file: Some("/p".into()),
                words: vec!["c1".to_owned()],
                ..Arguments::default()
            }
        );
        let kill = read("--shim /s --root /r kill --all c1 9").unwrap();
        assert_eq!((kill.all, kill.id().unwrap(), &*kill.words[1]), (true, "c1", "9"));
        assert!(read("--root").is_err() && read("--nope").is_err());
    }
}
