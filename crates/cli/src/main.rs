//! `tierce`: the command line. Called as `docker` it is the same program.
//!
//! One file a verb in `commands/`; flags that several verbs share in `flags/`; what is printed in `output/`. This
//! program knows the Engine API and nothing of the daemon, so it drives dockerd as well.

mod alias;
mod commands;
mod context;
mod credentials;
mod error;
mod help;
mod output;
mod session;
mod stdin;
mod terminal;
mod usage;

use clap::{ArgAction, Args as _, FromArgMatches as _};
use commands::Invocation;
use error::Error;
use std::ffi::OsString;
use std::io::Write as _;

fn main() {
    let mut commands = commands();
    let words: Vec<OsString> = std::env::args_os().collect();
    let code = match parse(&mut commands, words) {
        Ok(invocation) => run(invocation),
        Err((error, words)) => {
            let words: Vec<String> = words
                .iter()
                .skip(1)
                .map(|word| word.to_string_lossy().into_owned())
                .collect();
            usage::report(&error, &commands, &words)
        }
    };
    let _ = std::io::stdout().flush();
    // A thread may still wait for input from the terminal; it must not hold up the end.
    std::process::exit(code)
}

/// Reads a command line; a command that nobody knows may be an alias of the user's. A failure tells the line that was read.
fn parse(commands: &mut clap::Command, words: Vec<OsString>) -> Result<Invocation, (clap::Error, Vec<OsString>)> {
    match commands.try_get_matches_from_mut(&words) {
        Err(error) => match alias::expanded(&error, &words) {
            Some(words) => matched(commands.try_get_matches_from_mut(&words), words),
            None => Err((error, words)),
        },
        matches => matched(matches, words),
    }
}

fn matched(
    matches: Result<clap::ArgMatches, clap::Error>,
    words: Vec<OsString>,
) -> Result<Invocation, (clap::Error, Vec<OsString>)> {
    matches
        .and_then(|matches| Invocation::from_arg_matches(&matches))
        .map_err(|error| (error, words))
}

/// The whole tree of commands with their flags.
fn commands() -> clap::Command {
    let version = clap::Arg::new("version")
        .short('v')
        .long("version")
        .action(ArgAction::Version)
        .help("Print version information and quit");
    let command = clap::Command::new("tierce")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_version_flag(true)
        .arg(version);
    let command = Invocation::augment_args(command).about("Docker-compatible containers");
    // There it is another name of `ls`.
    let command = command.mut_subcommand("container", |group| group.mut_subcommand("ps", |verb| verb.hide(true)));
    go_flags(command)
}

fn run(invocation: Invocation) -> i32 {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return error::report(&Error::failed(format!("start the asynchronous runtime: {error}"))),
    };
    let result = runtime.block_on(async { Box::pin(invocation.command.run(invocation.global)).await });
    match result {
        Ok(()) => 0,
        Err(error) => error::report(&error),
    }
}

/// Lets every switch be written in Go's ways too: `--rm`, `--rm=true`, `--rm=false`. Those of a command are looked at when
/// it is needed, which spares a call all the others.
fn go_flags(command: clap::Command) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let mut command = command.mut_args(|argument| match argument.get_action() {
        ArgAction::SetTrue => {
            // Most are off unless given; a few, such as `--sig-proxy`, say otherwise.
            let default = argument.get_default_values().first().cloned();
            argument
                .action(ArgAction::Set)
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .default_value(default.unwrap_or_else(|| "false".into()))
                .hide_default_value(true)
                .hide_possible_values(true)
                .value_parser(tierce_oci::parse_bool)
        }
        _ => argument,
    });
    for name in names {
        command = command.mut_subcommand(name, |sub| sub.defer(go_flags));
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_consistent() {
        commands().debug_assert();
    }

    #[test]
    fn switches_keep_the_default_they_name() {
        let given = |words: &[&str]| {
            let command = commands();
            let matches = command.try_get_matches_from(words).unwrap();
            let (_, run) = matches.subcommand().unwrap();
            (
                run.get_one::<bool>("sig_proxy").copied(),
                run.get_one::<bool>("detach").copied(),
            )
        };
        assert_eq!(given(&["tierce", "run", "busybox"]), (Some(true), Some(false)));
        assert_eq!(
            given(&["tierce", "run", "--sig-proxy=false", "-d", "busybox"]),
            (Some(false), Some(true))
        );
    }

    #[test]
    fn switches_take_gos_values() {
        let parse = |words: &[&str]| {
            let command = commands();
            command.try_get_matches_from(words.iter().copied())
        };
        assert!(
            parse(&[
                "tierce",
                "run",
                "--rm=false",
                "-it",
                "-d=true",
                "busybox",
                "sh",
                "-c",
                "echo --rm"
            ])
            .is_ok()
        );
        assert!(parse(&["tierce", "run", "--rm=maybe", "busybox"]).is_err());
        assert!(parse(&["tierce", "ps", "-aq"]).is_ok());
    }
}
