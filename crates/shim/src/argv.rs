//! The command line by which containerd and our supervisor call a shim.
//!
//! Flags are Go's: `-id X`, `-id=X`, `--id X`; they end at the first word that is none, the action.

use std::path::PathBuf;

use tierce_fault::Kind;

use crate::error::{Error, Result};

/// A parsed command line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// containerd's namespace; the supervisor says `moby`.
    pub(crate) namespace: String,
    /// The container.
    pub(crate) id: String,
    /// Address of whoever started the shim; only distinguishes same ids of different daemons.
    pub(crate) address: String,
    /// Directory of the bundle; the working directory if absent.
    pub(crate) bundle: Option<PathBuf>,
    /// What to do.
    pub(crate) action: Action,
}

/// What to do.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// `start`: leave a server behind and print where it listens. The only way to get one.
    Start,
    /// `delete`: clean up after a shim that is dead.
    Delete,
    /// `-info`: describe this program.
    Info,
    /// `-v`.
    #[default]
    Version,
}

/// Flags that take no value.
const SWITCHES: [&str; 4] = ["debug", "v", "version", "info"];
/// Flags that take one.
const VALUED: [&str; 7] = [
    "namespace",
    "id",
    "address",
    "bundle",
    "publish-binary",
    "socket",
    "debug-socket",
];

fn usage(message: impl Into<String>) -> Error {
    Error::refused(Kind::Invalid, message)
}

/// Reads the words after the program's name.
pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Arguments> {
    let mut arguments = Arguments::default();
    let mut words = words.into_iter();
    let mut action = None;
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
            action = Some(match word.as_str() {
                "start" => Action::Start,
                "delete" => Action::Delete,
                other => return Err(usage(format!("unknown action {other:?}: use start or delete"))),
            });
            break;
        };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        if SWITCHES.contains(&name) {
            match name {
                "info" => action = Some(Action::Info),
                "v" | "version" => action = Some(Action::Version),
                _ => {}
            }
            continue;
        }
        if !VALUED.contains(&name) {
            return Err(usage(format!("unknown flag -{name}")));
        }
        let value = value
            .or_else(|| words.next())
            .ok_or_else(|| usage(format!("flag -{name} needs a value")))?;
        match name {
            "namespace" => arguments.namespace = value,
            "id" => arguments.id = value,
            "address" => arguments.address = value,
            "bundle" if !value.is_empty() => arguments.bundle = Some(PathBuf::from(value)),
            _ => {}
        }
    }
    arguments.action = action.ok_or_else(|| usage("no action: this program is started by containerd or tierced"))?;
    if matches!(arguments.action, Action::Start | Action::Delete) {
        check_name("namespace", &arguments.namespace)?;
        check_name("id", &arguments.id)?;
    }
    Ok(arguments)
}

/// Names become parts of file names.
fn check_name(what: &str, name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'+');
    if name.is_empty() || name.len() > 128 || name.starts_with('.') || !name.bytes().all(allowed) {
        return Err(usage(format!(
            "{what} {name:?} is not a name of letters, digits, '_', '.', '-'"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn containerds_call_is_understood() {
        let line = "-namespace default -address /run/containerd/containerd.sock -publish-binary /usr/bin/containerd \
                    -debug --id=c1 start";
        let arguments = parsed(line).unwrap();
        assert_eq!((arguments.id.as_str(), arguments.namespace.as_str()), ("c1", "default"));
        assert_eq!(arguments.action, Action::Start);
        let delete = parsed("-namespace n -id c -bundle /b delete").unwrap();
        assert_eq!(
            (delete.bundle, delete.action),
            (Some(PathBuf::from("/b")), Action::Delete)
        );
        assert_eq!(parsed("-info").unwrap().action, Action::Info);
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "",
            "-id",
            "-what x start",
            "-namespace n -id ../c start",
            "-namespace n start",
            "-namespace n -id c run",
        ] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }
}
