//! One file a verb: the function of the library, and its command line.

pub(crate) mod checkpoint;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod events;
pub(crate) mod exec;
pub(crate) mod features;
pub(crate) mod foreground;
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
pub(crate) mod statistics;
pub(crate) mod update;

use crate::argv::{Arguments, Piece};
use crate::error::Error;
use crate::log::{Format, Log};
use crate::state::DEFAULT_ROOT;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

/// The flags before the verb.
#[derive(Debug)]
pub(crate) struct Globals {
    /// `--root`
    pub(crate) root: PathBuf,
    /// `--systemd-cgroup`
    pub(crate) systemd_cgroup: bool,
}

const HELP: &str = "\
NAME:
   tierce-runtime - Open Container Initiative runtime

USAGE:
   tierce-runtime [global options] command [command options] [arguments...]

COMMANDS:
   checkpoint write a running container's processes to files
   create     create a container from a bundle
   delete     delete a container and what it holds
   events     show statistics and out-of-memory events of a container
   exec       execute a further process in a container
   features   show what this runtime can do, as JSON
   kill       send a signal to a container's process
   list       list containers
   pause      freeze all processes of a container
   ps         list the processes of a container
   restore    make a container from the files of a checkpoint
   resume     thaw all processes of a paused container
   run        create, start, wait for and delete a container
   spec       write a config.json to start from
   start      execute the program of a created container
   state      show the state of a container, as JSON
   update     change the limits of a container

GLOBAL OPTIONS:
   --debug              tell what is being done
   --log value          file that errors are written to
   --log-format value   'text' or 'json' (default: \"text\")
   --root value         directory of the containers' states (default: \"/run/tierce/runtime\")
   --systemd-cgroup     make control groups through systemd
   --help, -h           show help
   --version, -v        show the version
";

/// The whole program: reads the command line, does what it says, tells errors, returns the exit code.
pub fn command_line(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let mut log = Log::default();
    let mut verb = String::new();
    match dispatch(arguments, &mut log, &mut verb) {
        Ok(code) => code,
        Err(Error::Usage(text)) => {
            log.error(&format!(
                "tierce-runtime: {text}; run 'tierce-runtime --help' for usage"
            ));
            1
        }
        Err(error) => {
            let what = if verb.is_empty() {
                String::new()
            } else {
                format!(" {verb} failed")
            };
            log.error(&format!("tierce-runtime{what}: {error}"));
            // runc's code for a process that could not be executed; all other failures are 1.
            if verb == "exec" { 255 } else { 1 }
        }
    }
}

fn dispatch(arguments: impl IntoIterator<Item = OsString>, log: &mut Log, verb: &mut String) -> Result<u8, Error> {
    let mut arguments = Arguments::new(arguments.into_iter().skip(1));
    let mut globals = Globals {
        root: DEFAULT_ROOT.into(),
        systemd_cgroup: false,
    };
    loop {
        match arguments.next()? {
            None => return print(HELP),
            Some(Piece::Word(word)) => {
                *verb = word;
                break;
            }
            Some(Piece::Flag(flag)) => match flag.as_str() {
                "root" => globals.root = arguments.path()?,
                "log" => log.file = Some(arguments.path()?),
                "log-format" => {
                    log.format = match arguments.value()?.as_str() {
                        "text" => Format::Text,
                        "json" => Format::Json,
                        other => return Err(Error::Usage(format!("invalid log-format: {other}"))),
                    }
                }
                "debug" => log.debug = arguments.truth()?,
                "systemd-cgroup" => globals.systemd_cgroup = arguments.truth()?,
                "rootless" | "criu" => drop(arguments.value()?),
                "help" | "h" => return print(HELP),
                "version" | "v" => return print(&version()),
                _ => return arguments.unknown(),
            },
        }
    }
    log.take_warnings();
    match verb.as_str() {
        "checkpoint" => checkpoint::command(&globals, &mut arguments),
        "create" => create::command(&globals, &mut arguments),
        "delete" => delete::command(&globals, &mut arguments),
        "events" => events::command(&globals, &mut arguments),
        "exec" => exec::command(&globals, &mut arguments),
        "features" => features::command(),
        "help" => print(HELP),
        "kill" => kill::command(&globals, &mut arguments),
        "list" => list::command(&globals, &mut arguments),
        "pause" => pause::command(&globals, &mut arguments),
        "ps" => ps::command(&globals, &mut arguments),
        "restore" => restore::command(&globals, &mut arguments),
        "resume" => resume::command(&globals, &mut arguments),
        "run" => run::command(&globals, &mut arguments),
        "spec" => spec::command(&mut arguments),
        "start" => start::command(&globals, &mut arguments),
        "state" => state::command(&globals, &mut arguments),
        "update" => update::command(&globals, &mut arguments),
        other => Err(Error::Usage(format!("no such command: {other:?}"))),
    }
}

fn version() -> String {
    format!(
        "tierce-runtime version {}\nspec: {}\n",
        env!("CARGO_PKG_VERSION"),
        tierce_oci::runtime::VERSION
    )
}

/// Writes to standard output.
pub(crate) fn print(text: &str) -> Result<u8, Error> {
    use crate::error::Doing;
    std::io::stdout()
        .write_all(text.as_bytes())
        .doing(|| "write to standard output".into())?;
    Ok(0)
}

/// The one word that a verb takes: the container's id; and the words it takes behind it.
pub(crate) fn container_id(verb: &str, words: Vec<String>, most: usize) -> Result<(String, Vec<String>), Error> {
    let mut words = words.into_iter();
    let Some(id) = words.next() else {
        return Err(Error::Usage(format!("{verb}: a container id is required")));
    };
    let rest: Vec<String> = words.collect();
    if rest.len() > most {
        return Err(Error::Usage(format!("{verb}: unexpected argument {:?}", rest[most])));
    }
    Ok((id, rest))
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
