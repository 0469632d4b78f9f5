//! One file a verb: the function of the library, and its command line.

pub(crate) mod checkpoint;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod events;
pub(crate) mod exec;
pub(crate) mod features;
pub(crate) mod foreground;
pub(crate) mod help;
pub(crate) mod kill;
pub(crate) mod list;
pub(crate) mod pause;
pub(crate) mod ps;
pub(crate) mod restore;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod signal;
pub(crate) mod spec;
pub(crate) mod start;
pub(crate) mod state;
pub(crate) mod update;

use crate::argv::{Arguments, Piece};
use crate::error::{Doing, Error};
use crate::log::{Format, Log};
use crate::state::DEFAULT_ROOT;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

/// The flags before the verb.
#[derive(Debug, Default)]
pub(crate) struct Globals {
    /// `--root`
    pub(crate) root: PathBuf,
    /// `--systemd-cgroup`
    pub(crate) systemd_cgroup: bool,
}

/// The exit code for a command that is not known, as runc's.
const NO_SUCH_COMMAND: u8 = 3;

/// The whole program: reads the command line, does what it says, tells errors, returns the exit code.
pub fn command_line(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let mut log = Log::default();
    let mut name = String::new();
    let error = match dispatch(arguments, &mut log, &mut name) {
        Ok(code) => return code,
        Err(error) => error,
    };
    let failed = match &error {
        Error::Help => return print(&help::page(&name)).unwrap_or(1),
        Error::Misused(text) => {
            // Whoever cannot be shown the page still hears the error.
            let _ = print(&format!("Incorrect Usage: {text}\n\n{}", help::page(&name)));
            text.clone()
        }
        Error::NoCommand(_) => {
            log.error(&error.to_string());
            return NO_SUCH_COMMAND;
        }
        // As under runc, where nobody but the process itself is left to say it.
        Error::Executed { text, .. } => {
            let _ = writeln!(std::io::stderr(), "{text}");
            return failure(&name);
        }
        _ => match name.as_str() {
            "create" | "run" => format!("{} {name} failed: {error}", help::name()),
            "exec" => format!("exec failed: {error}"),
            _ => error.to_string(),
        },
    };
    log.error(&failed);
    if matches!(error, Error::Misused(_)) {
        1
    } else {
        failure(&name)
    }
}

/// The exit code of a verb that failed: runc's code for a process that could not be executed, 1 for all others.
fn failure(verb: &str) -> u8 {
    if verb == "exec" { 255 } else { 1 }
}

fn dispatch(arguments: impl IntoIterator<Item = OsString>, log: &mut Log, name: &mut String) -> Result<u8, Error> {
    let mut arguments = Arguments::new(arguments.into_iter().skip(1));
    let mut globals = Globals::default();
    let mut root = None;
    loop {
        match arguments.next()? {
            None => return Err(Error::Help),
            Some(Piece::Word(word)) => {
                *name = word;
                break;
            }
            Some(Piece::Flag(flag)) => match flag.as_str() {
                "root" => root = Some(arguments.path()?),
                "log" => log.file = Some(arguments.path()?).filter(|path| !path.as_os_str().is_empty()),
                "log-format" => log.format = Format::parse(&arguments.value()?)?,
                "debug" => log.debug = arguments.truth()?,
                "systemd-cgroup" => globals.systemd_cgroup = arguments.truth()?,
                "rootless" => rootless(&arguments.value()?)?,
                "criu" => drop(arguments.value()?),
                "version" | "v" => return print(&help::version()),
                _ => return arguments.unknown(),
            },
        }
    }
    globals.root = match root {
        Some(root) => given_root(&root)?,
        None => default_root(),
    };
    log.open()?;
    log.take_warnings();
    verb(name, &globals, &mut arguments)
}

/// Does what a verb says.
pub(crate) fn verb(name: &str, globals: &Globals, arguments: &mut Arguments) -> Result<u8, Error> {
    match name {
        "checkpoint" => checkpoint::command(globals, arguments),
        "create" => create::command(globals, arguments),
        "delete" => delete::command(globals, arguments),
        "events" => events::command(globals, arguments),
        "exec" => exec::command(globals, arguments),
        "features" => features::command(arguments),
        "kill" => kill::command(globals, arguments),
        "list" => list::command(globals, arguments),
        "pause" => pause::command(globals, arguments),
        "ps" => ps::command(globals, arguments),
        "restore" => restore::command(globals, arguments),
        "resume" => resume::command(globals, arguments),
        "run" => run::command(globals, arguments),
        "spec" => spec::command(arguments),
        "start" => start::command(globals, arguments),
        "state" => state::command(globals, arguments),
        "update" => update::command(globals, arguments),
        "help" | "h" => match arguments.next()? {
            Some(Piece::Word(verb)) if help::knows(&verb) => print(&help::page(&verb)),
            Some(Piece::Word(verb)) => Err(Error::NoCommand(verb)),
            _ => Err(Error::Help),
        },
        other => Err(Error::NoCommand(other.to_owned())),
    }
}

/// Checks `--rootless`. Whether control groups are permitted shows when they are made; `auto` is what always happens.
fn rootless(word: &str) -> Result<(), Error> {
    match word.to_ascii_lowercase().as_str() {
        "" | "auto" | "true" | "1" | "t" | "false" | "0" | "f" => Ok(()),
        _ => Err(Error::Usage(format!(
            "invalid value {word:?} for --rootless: give true, false or auto"
        ))),
    }
}

/// A given state directory, absolute. The root directory would be filled, and emptied, with containers.
fn given_root(path: &Path) -> Result<PathBuf, Error> {
    let absolute = std::path::absolute(if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    })
    .doing(|| format!("resolve --root {}", path.display()))?;
    let mut clean = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::ParentDir => drop(clean.pop()),
            other => clean.push(other),
        }
    }
    if clean == Path::new("/") {
        return Err(Error::Usage("Option --root argument should not be set to /".into()));
    }
    Ok(clean)
}

/// The state directory of a caller that gives none: root's, or a user's own.
fn default_root() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(directory) if !directory.is_empty() && !rustix::process::geteuid().is_root() => {
            PathBuf::from(directory).join("tierce/runtime")
        }
        _ => DEFAULT_ROOT.into(),
    }
}

/// The socket of whoever supervises this process, by the protocol of sd_notify(3).
pub(crate) fn notify_socket() -> Option<PathBuf> {
    std::env::var_os("NOTIFY_SOCKET")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
}

/// Writes to standard output.
pub(crate) fn print(text: &str) -> Result<u8, Error> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .doing(|| "write to standard output".into())?;
    Ok(0)
}

/// The container's id, which is the first word of a verb, and the words that it takes behind it, at most `most`.
///
/// # Errors
/// [`Error::Misused`] in runc's words; [`Error::Id`] for an empty id.
pub(crate) fn container_id(verb: &str, words: Vec<String>, most: usize) -> Result<(String, Vec<String>), Error> {
    let count = words.len();
    let mut words = words.into_iter();
    match words.next() {
        Some(id) if id.is_empty() => Err(Error::Id(id)),
        Some(id) if count <= most + 1 => Ok((id, words.collect())),
        Some(_) if most > 0 => Err(misused(verb, &format!("a maximum of {}", most + 1))),
        None if most > 0 => Err(misused(verb, "a minimum of 1")),
        _ => Err(misused(verb, "exactly 1")),
    }
}

/// The error of a verb with too few or too many words.
pub(crate) fn misused(verb: &str, wanted: &str) -> Error {
    let program = std::env::args_os().next().unwrap_or_default();
    Error::Misused(format!(
        "{}: {verb:?} requires {wanted} argument(s)",
        program.to_string_lossy()
    ))
}

/// Reads the rest of a command line that takes no words and no flags.
pub(crate) fn nothing(verb: &str, arguments: &mut Arguments) -> Result<(), Error> {
    match arguments.next()? {
        None => Ok(()),
        Some(Piece::Word(_)) => Err(misused(verb, "exactly 0")),
        Some(Piece::Flag(_)) => arguments.unknown(),
    }
}

/// Reads a verb's command line that has no flags of its own.
pub(crate) fn only_id(verb: &str, arguments: &mut Arguments) -> Result<String, Error> {
    let mut words = Vec::new();
    while let Some(piece) = arguments.next()? {
        match piece {
            Piece::Word(word) => words.push(word),
            Piece::Flag(_) => return arguments.unknown(),
        }
    }
    container_id(verb, words, 0).map(|(id, _)| id)
}
