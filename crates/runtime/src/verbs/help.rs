//! The help texts: one page for the program, one a verb, laid out as runc's.

use std::fmt::Write;

/// What the program is called when it has no name of its own to answer to.
const OWN_NAME: &str = "tierce-runtime";
/// The name of the program whose place it can take: called so, it says so, for scripts that look.
const STAND_IN: &str = "runc";

/// A verb's page.
struct Verb {
    name: &'static str,
    /// One line of what it does.
    purpose: &'static str,
    /// Words behind the flags.
    words: &'static str,
    /// A paragraph more, where one line does not say it.
    more: &'static str,
    flags: &'static [&'static [Flag]],
}

/// A flag: its names as `--bundle value, -b value`, and what it is for.
type Flag = (&'static str, &'static str);

const ID: &str = "<container-id>";

const CREATE: &[Flag] = &[
    (
        "--bundle value, -b value",
        "directory with config.json (default: the current one)",
    ),
    (
        "--console-socket value",
        "AF_UNIX socket that gets the master side of the container's terminal",
    ),
    (
        "--pidfd-socket value",
        "AF_UNIX socket that gets a descriptor of the container's process",
    ),
    ("--pid-file value", "file that gets the process id"),
    (
        "--no-pivot",
        "move the root instead of pivot_root, for a root on an initial RAM disk",
    ),
    ("--no-new-keyring", "keep the caller's session keyring"),
    (
        "--preserve-fds value",
        "hand on N descriptors behind stdio and $LISTEN_FDS (default: 0)",
    ),
];

const RUN: &[Flag] = &[
    ("--detach, -d", "do not stay until the container ends"),
    ("--keep", "do not delete the container when it has ended"),
    (
        "--no-subreaper",
        "accepted; orphans of the container are never taken in",
    ),
];

const EXEC: &[Flag] = &[
    (
        "--console-socket value",
        "AF_UNIX socket that gets the master side of the process's terminal",
    ),
    (
        "--pidfd-socket value",
        "AF_UNIX socket that gets a descriptor of the process",
    ),
    ("--cwd value", "working directory in the container"),
    ("--env value, -e value", "set an environment variable; may be repeated"),
    ("--tty, -t", "give the process a terminal"),
    ("--user value, -u value", "user as UID[:GID]"),
    ("--additional-gids value, -g value", "further group; may be repeated"),
    (
        "--process value, -p value",
        "file with the whole process, as config.json has it",
    ),
    ("--detach, -d", "do not stay until the process ends"),
    ("--pid-file value", "file that gets the process id"),
    ("--process-label value", "SELinux label of the process"),
    ("--apparmor value", "AppArmor profile of the process"),
    ("--no-new-privs", "forbid the process to gain privileges"),
    ("--cap value, -c value", "add a capability; may be repeated"),
    (
        "--preserve-fds value",
        "hand on N descriptors behind stdio and $LISTEN_FDS (default: 0)",
    ),
    (
        "--cgroup value",
        "existing sub-cgroup to run in, as [CONTROLLER[,…]:]PATH; may be repeated",
    ),
    ("--ignore-paused", "go on although the container is paused"),
];

const CHECKPOINT: &[Flag] = &[
    (
        "--image-path value",
        "directory of the images (default: \"checkpoint\")",
    ),
    ("--work-path value", "directory of work files and logs"),
    (
        "--parent-path value",
        "images of an earlier pre-dump, relative to the image path",
    ),
    ("--leave-running", "let the container run on"),
    ("--tcp-established", "take open TCP connections along"),
    (
        "--tcp-skip-in-flight",
        "leave TCP connections out that are just being made",
    ),
    ("--link-remap", "link deleted files back where possible"),
    ("--ext-unix-sk", "allow unix sockets that lead out of the container"),
    ("--shell-job", "allow a session that begins outside the container"),
    ("--lazy-pages", "leave memory behind, to be fetched when it is used"),
    (
        "--status-fd value",
        "descriptor that gets a NUL byte when lazy pages are ready (default: -1)",
    ),
    ("--page-server value", "ADDRESS:PORT of a page server"),
    ("--file-locks", "take file locks along"),
    ("--pre-dump", "write memory only, and let the container run on"),
    (
        "--manage-cgroups-mode value",
        "'soft', 'full', 'strict' or 'ignore' (default: soft)",
    ),
    (
        "--empty-ns value",
        "make a namespace of this kind anew instead of restoring it; only 'network'",
    ),
    ("--auto-dedup", "drop pages from older images that newer ones have"),
];

const RESTORE: &[Flag] = &[
    (
        "--console-socket value",
        "AF_UNIX socket that gets the master side of the container's terminal",
    ),
    (
        "--image-path value",
        "directory of the images (default: \"checkpoint\")",
    ),
    ("--work-path value", "directory of work files and logs"),
    ("--tcp-established", "restore open TCP connections"),
    ("--ext-unix-sk", "allow unix sockets that lead out of the container"),
    ("--shell-job", "allow a session that begins outside the container"),
    ("--file-locks", "restore file locks"),
    (
        "--manage-cgroups-mode value",
        "'soft', 'full', 'strict' or 'ignore' (default: soft)",
    ),
    (
        "--bundle value, -b value",
        "directory with config.json (default: the current one)",
    ),
    ("--detach, -d", "do not stay until the container ends"),
    ("--pid-file value", "file that gets the process id"),
    (
        "--no-subreaper",
        "accepted; orphans of the container are never taken in",
    ),
    (
        "--no-pivot",
        "move the root instead of pivot_root, for a root on an initial RAM disk",
    ),
    (
        "--empty-ns value",
        "make a namespace of this kind anew instead of restoring it; only 'network'",
    ),
    ("--auto-dedup", "drop pages from older images that newer ones have"),
    ("--lazy-pages", "fetch memory when it is used"),
    ("--lsm-profile value", "security label to restore with, as TYPE:NAME"),
    ("--lsm-mount-context value", "SELinux context of the restored mounts"),
];

const UPDATE: &[Flag] = &[
    (
        "--resources value, -r value",
        "JSON file with the limits, or '-' for standard input; the other flags do not count then",
    ),
    ("--blkio-weight value", "weight of block I/O, 10 to 1000 (default: 0)"),
    ("--cpu-period value", "CFS period in µs; 0 is the system's"),
    ("--cpu-quota value", "CFS quota in µs a period"),
    ("--cpu-burst value", "CFS burst in µs a period"),
    ("--cpu-share value", "CPU shares, beside other containers"),
    ("--cpu-rt-period value", "real-time period in µs; 0 is the system's"),
    ("--cpu-rt-runtime value", "real-time quota in µs a period"),
    ("--cpuset-cpus value", "CPUs to run on"),
    ("--cpuset-mems value", "memory nodes to use"),
    ("--memory value", "memory limit in bytes"),
    ("--cpu-idle value", "1 for SCHED_IDLE, 0 for the usual"),
    ("--memory-reservation value", "soft memory limit in bytes"),
    (
        "--memory-swap value",
        "limit of memory and swap together in bytes; -1 is none",
    ),
    ("--pids-limit value", "most processes (default: 0)"),
    ("--l3-cache-schema value", "schema of Intel RDT's L3 cache"),
    ("--mem-bw-schema value", "schema of Intel RDT's memory bandwidth"),
];

const FORMAT: &[Flag] = &[("--format value, -f value", "'table' or 'json' (default: \"table\")")];

const VERBS: &[Verb] = &[
    Verb {
        name: "checkpoint",
        purpose: "write a running container into files with CRIU",
        words: ID,
        more: "",
        flags: &[CHECKPOINT],
    },
    Verb {
        name: "create",
        purpose: "create a container",
        words: ID,
        more: "Makes the container that the bundle's config.json describes. Its process is prepared and waits for start. \
               The id must be unique under --root.",
        flags: &[CREATE],
    },
    Verb {
        name: "delete",
        purpose: "delete a container and everything it holds",
        words: ID,
        more: "",
        flags: &[&[("--force, -f", "kill the container first if it still runs")]],
    },
    Verb {
        name: "events",
        purpose: "show out-of-memory events and statistics of a container",
        words: ID,
        more: "One JSON object a line; statistics come every 5 seconds unless --interval says otherwise.",
        flags: &[&[
            ("--interval value", "time between statistics (default: 5s)"),
            ("--stats", "show statistics once and end"),
        ]],
    },
    Verb {
        name: "exec",
        purpose: "execute a further process in a container",
        words: "<container-id> <command> [arguments...] || -p process.json <container-id>",
        more: "Flags stand before the id; what follows it belongs to the command.",
        flags: &[EXEC],
    },
    Verb {
        name: "kill",
        purpose: "send a signal (default: SIGTERM) to the container's first process",
        words: "<container-id> [signal]",
        more: "The signal is a number or a name, with or without SIG.",
        flags: &[],
    },
    Verb {
        name: "list",
        purpose: "list the containers under --root",
        words: " ",
        more: "",
        flags: &[FORMAT, &[("--quiet, -q", "show only ids")]],
    },
    Verb {
        name: "pause",
        purpose: "freeze all processes of a container",
        words: ID,
        more: "",
        flags: &[],
    },
    Verb {
        name: "ps",
        purpose: "show the processes of a container",
        words: "<container-id> [ps options]",
        more: "",
        flags: &[FORMAT],
    },
    Verb {
        name: "restore",
        purpose: "bring a container back from a checkpoint",
        words: ID,
        more: "",
        flags: &[RESTORE],
    },
    Verb {
        name: "resume",
        purpose: "thaw all processes of a paused container",
        words: ID,
        more: "",
        flags: &[],
    },
    Verb {
        name: "run",
        purpose: "create and run a container",
        words: ID,
        more: "Does create and start, passes signals and the terminal on, and when the process has ended deletes the \
               container and ends with the process's exit code.",
        flags: &[CREATE, RUN],
    },
    Verb {
        name: "spec",
        purpose: "write a config.json to start from",
        words: " ",
        more: "",
        flags: &[&[
            (
                "--bundle value, -b value",
                "directory that gets it (default: the current one)",
            ),
            ("--rootless", "for a user without privileges"),
        ]],
    },
    Verb {
        name: "start",
        purpose: "execute the program of a created container",
        words: ID,
        more: "",
        flags: &[],
    },
    Verb {
        name: "state",
        purpose: "show the state of a container, as JSON",
        words: ID,
        more: "",
        flags: &[],
    },
    Verb {
        name: "update",
        purpose: "change the limits of a container",
        words: ID,
        more: "",
        flags: &[UPDATE],
    },
    Verb {
        name: "features",
        purpose: "show what this runtime can do, as JSON",
        words: " ",
        more: "",
        flags: &[],
    },
];

const GLOBAL: &[Flag] = &[
    ("--debug", "tell what is being done"),
    (
        "--log value",
        "file that errors are written to (default: standard error)",
    ),
    ("--log-format value", "'text' or 'json' (default: \"text\")"),
    (
        "--root value",
        "directory of the containers' states, on a tmpfs (default: \"/run/tierce/runtime\")",
    ),
    (
        "--systemd-cgroup",
        "make control groups through systemd; cgroupsPath is \"slice:prefix:name\" then",
    ),
    (
        "--rootless value",
        "ignore that control groups are not permitted: 'true', 'false' or 'auto' (default: \"auto\")",
    ),
    ("--help, -h", "show help"),
    ("--version, -v", "show the version"),
];

/// The name under which the program presents itself.
pub(crate) fn name() -> &'static str {
    let called = std::env::args_os().next().unwrap_or_default();
    match std::path::Path::new(&called).file_name() {
        Some(name) if name == STAND_IN => STAND_IN,
        _ => OWN_NAME,
    }
}

/// The page of `--version`.
pub(crate) fn version() -> String {
    let commit = option_env!("TIERCE_COMMIT").unwrap_or("unknown");
    format!(
        "{} version {}\ncommit: {commit}\nspec: {}\n",
        name(),
        env!("CARGO_PKG_VERSION"),
        tierce_oci::runtime::VERSION
    )
}

/// Whether there is such a verb.
pub(crate) fn knows(verb: &str) -> bool {
    VERBS.iter().any(|one| one.name == verb)
}

/// The page of a verb, or of the program for none that is known.
pub(crate) fn page(verb: &str) -> String {
    let name = name();
    let Some(verb) = VERBS.iter().find(|one| one.name == verb) else {
        return whole(name);
    };
    let options = if verb.flags.is_empty() {
        ""
    } else {
        " [command options]"
    };
    let mut page = format!(
        "NAME:\n   {name} {} - {}\n\nUSAGE:\n   {name} {}{options} {}\n",
        verb.name, verb.purpose, verb.name, verb.words
    );
    if !verb.more.is_empty() {
        let _ = write!(page, "\nDESCRIPTION:\n   {}\n", verb.more);
    }
    if !verb.flags.is_empty() {
        page += "\nOPTIONS:\n";
        columns(&mut page, &verb.flags.concat());
    }
    page
}

fn whole(name: &str) -> String {
    let mut page = format!(
        "NAME:\n   {name} - Open Container Initiative runtime\n\nUSAGE:\n   \
         {name} [global options] command [command options] [arguments...]\n\nVERSION:\n   {}\n\nCOMMANDS:\n",
        env!("CARGO_PKG_VERSION")
    );
    let verbs: Vec<Flag> = VERBS.iter().map(|verb| (verb.name, verb.purpose)).collect();
    columns(&mut page, &verbs);
    page += "\nGLOBAL OPTIONS:\n";
    columns(&mut page, GLOBAL);
    page
}

/// Two columns, indented.
fn columns(page: &mut String, rows: &[Flag]) {
    let width = rows.iter().map(|(left, _)| left.len()).max().unwrap_or(0);
    for (left, right) in rows {
        let _ = writeln!(page, "   {left:width$}  {right}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::command_line;

    /// The first name of every flag of a verb, without dashes, and whether it takes a value.
    fn flags(verb: &Verb) -> Vec<(String, bool)> {
        let names = verb.flags.concat().into_iter().flat_map(|(names, _)| names.split(", "));
        names
            .map(|name| {
                (
                    name.split(' ').next().unwrap_or_default().to_owned(),
                    name.ends_with(" value"),
                )
            })
            .collect()
    }

    #[test]
    fn pages_name_what_they_are_about() {
        for verb in VERBS {
            let page = page(verb.name);
            assert!(
                page.starts_with(&format!("NAME:\n   tierce-runtime {} - ", verb.name)),
                "{page}"
            );
            assert!(verb.flags.is_empty() != page.contains("OPTIONS:"), "{page}");
        }
        let whole = page("");
        assert!(
            VERBS.iter().all(|verb| whole.contains(&format!("\n   {}", verb.name))),
            "{whole}"
        );
    }

    #[test]
    fn every_flag_of_the_pages_is_understood() {
        use crate::argv::Arguments;
        // A flag that a verb does not know is an error before the help behind it is asked for; the help then ends
        // the command before it does anything.
        for verb in VERBS {
            for (flag, value) in flags(verb) {
                let mut words = vec![flag.clone()];
                if value {
                    words.push("1".into());
                }
                words.push("--help".into());
                let mut arguments = Arguments::new(words.iter().map(std::ffi::OsString::from));
                let outcome = crate::verbs::verb(verb.name, &crate::verbs::Globals::default(), &mut arguments);
                let outcome = outcome.expect_err("help or an error").to_string();
                assert!(!outcome.contains("not defined"), "{} {flag}: {outcome}", verb.name);
            }
        }
        assert_eq!(
            command_line(["tierce-runtime", "state", "--no-such-flag"].map(Into::into)),
            1
        );
    }
}
