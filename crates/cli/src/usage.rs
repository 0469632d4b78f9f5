//! Help where it was asked for, and wrong command lines, told as Docker tells them.

use crate::error;
use crate::help::{self, Named};
use crate::terminal;
use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::error::Error as _;
use std::num::{IntErrorKind, ParseIntError};

/// Prints help or version where they were asked for, or what is wrong with the command line; gives the exit code.
///
/// `root` is the whole tree of commands, `words` the command line after the program's name.
pub(crate) fn report(error: &clap::Error, root: &Command, words: &[String]) -> i32 {
    let (path, command) = help::find(root, words);
    let named = Named { words: &path, command };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            print!("{}", named.page(terminal::columns()));
            0
        }
        ErrorKind::DisplayVersion => {
            // Nobody is left to tell when standard output is closed.
            let _ = error.print();
            0
        }
        _ => {
            let (text, code) = wrong(error, &named, words);
            eprintln!("{text}");
            code
        }
    }
}

/// What is told of a wrong command line, and the exit code.
fn wrong(error: &clap::Error, named: &Named<'_>, words: &[String]) -> (String, i32) {
    let path = named.path();
    let usage = |text: &str, hint: &str| {
        format!(
            "{text}\n\nUsage:  {}\n\n{hint} '{path} --help' for more information",
            named.usage()
        )
    };
    let invalid = first(error, ContextKind::InvalidArg).unwrap_or_default();
    let flag = flag_of(named.command, &invalid);
    let text = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let name = first(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            let text = format!("tierce: unknown command: {path} {name}");
            let text = if named.words.is_empty() {
                format!("{text}\n\nRun 'tierce --help' for more information")
            } else {
                usage(&text, "Run")
            };
            let nearest = nearest(error, ContextKind::SuggestedSubcommand).map(|nearest| format!("{path} {nearest}"));
            return (with_nearest(text, nearest), 1);
        }
        ErrorKind::UnknownArgument if invalid.starts_with("--") => format!("unknown flag: {invalid}"),
        ErrorKind::UnknownArgument if invalid.starts_with('-') => {
            let letter = invalid.chars().nth(1).unwrap_or_default();
            format!("unknown shorthand flag: '{letter}' in {invalid}")
        }
        ErrorKind::UnknownArgument | ErrorKind::TooManyValues | ErrorKind::MissingRequiredArgument => {
            let (least, most) = count_of_words(named.command);
            let hint = if most.is_none() { "See" } else { "Run" };
            let text = format!("tierce: '{path}' {}", wanted(least, most));
            return (usage(&text, hint), 1);
        }
        ErrorKind::InvalidValue if first(error, ContextKind::InvalidValue).is_some_and(|value| value.is_empty()) => {
            needs_argument(words)
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let value = first(error, ContextKind::InvalidValue).unwrap_or_default();
            format!(
                "invalid argument {value:?} for \"{flag}\" flag: {}",
                cause(error, &value)
            )
        }
        _ => {
            let text = error.to_string();
            text.lines()
                .next()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned()
        }
    };
    let nearest = nearest(error, ContextKind::SuggestedArg);
    (with_nearest(usage(&text, "Run"), nearest), error::USAGE)
}

/// The likeliest of the names that clap suggests, which is its last one.
fn nearest(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => texts.last().cloned(),
        _ => None,
    }
}

/// Names what was probably meant, which Docker does not.
fn with_nearest(text: String, nearest: Option<String>) -> String {
    match nearest {
        Some(nearest) => format!("{text}\n\nDid you mean '{nearest}'?"),
        None => text,
    }
}

/// Why a value is refused, in Go's words where a number is none.
fn cause(error: &clap::Error, value: &str) -> String {
    let Some(source) = error.source() else {
        let text = error.to_string();
        let possible = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("[possible values: "));
        return match possible {
            Some(values) => format!("must be one of {}", values.trim_end_matches(']')),
            None => "invalid value".to_owned(),
        };
    };
    match source.downcast_ref::<ParseIntError>().map(ParseIntError::kind) {
        Some(IntErrorKind::PosOverflow | IntErrorKind::NegOverflow) => {
            format!("strconv.ParseInt: parsing {value:?}: value out of range")
        }
        Some(_) => format!("strconv.ParseInt: parsing {value:?}: invalid syntax"),
        None => source.to_string(),
    }
}

/// A flag is the last word of the command line, and wants one more.
fn needs_argument(words: &[String]) -> String {
    let word = words.last().map(String::as_str).unwrap_or_default();
    match word.strip_prefix("--") {
        Some(_) => format!("flag needs an argument: {word}"),
        None => format!(
            "flag needs an argument: '{}' in {word}",
            word.chars().last().unwrap_or_default()
        ),
    }
}

/// `-f, --filter` of what clap calls `--filter <filter>`.
fn flag_of(command: &Command, named: &str) -> String {
    let long = named.split([' ', '=', '[']).next().unwrap_or_default();
    let argument = command.get_arguments().find(|argument| {
        argument
            .get_long()
            .is_some_and(|name| long.strip_prefix("--") == Some(name))
    });
    match argument.and_then(clap::Arg::get_short) {
        Some(short) => format!("-{short}, {long}"),
        None => long.to_owned(),
    }
}

/// How many words a command takes at least, and at most where there is a limit.
fn count_of_words(command: &Command) -> (usize, Option<usize>) {
    let (mut least, mut most) = (0, Some(0));
    for argument in command.get_positionals() {
        let many = argument.get_num_args().is_some_and(|range| range.max_values() > 1)
            || matches!(argument.get_action(), clap::ArgAction::Append);
        least += usize::from(argument.is_required_set());
        most = most.filter(|_| !many).map(|most| most + 1);
    }
    (least, most)
}

fn wanted(least: usize, most: Option<usize>) -> String {
    let plural = |count: usize| if count == 1 { "argument" } else { "arguments" };
    match (least, most) {
        (_, Some(0)) => "accepts no arguments".to_owned(),
        (least, None) => format!("requires at least {least} {}", plural(least)),
        (least, Some(most)) if least == most => format!("requires {most} {}", plural(most)),
        (0, Some(most)) => format!("requires at most {most} {}", plural(most)),
        (least, Some(most)) => format!("requires at least {least} and at most {most} {}", plural(most)),
    }
}

fn first(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => texts.first().cloned(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> (String, i32) {
        let mut root = crate::commands();
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let all = std::iter::once("tierce".to_owned()).chain(words.clone());
        let error = root.try_get_matches_from_mut(all).unwrap_err();
        let (path, command) = help::find(&root, &words);
        wrong(&error, &Named { words: &path, command }, &words)
    }

    #[test]
    fn what_was_probably_meant_is_named() {
        assert!(
            told("imgaes").0.ends_with("Did you mean 'tierce images'?"),
            "{}",
            told("imgaes").0
        );
        assert!(told("images --qiuet").0.ends_with("Did you mean '--quiet'?"));
        assert!(!told("zzzzzz").0.contains("Did you mean"));
    }

    #[test]
    fn row_093_wrong_command_lines_are_told_as_docker_tells_them() {
        for (line, text, code) in [
            (
                "foo",
                "tierce: unknown command: tierce foo\n\nRun 'tierce --help' for more information",
                1,
            ),
            (
                "image foo",
                "tierce: unknown command: tierce image foo\n\nUsage:  tierce image\n\nRun 'tierce image --help' for more \
                 information",
                1,
            ),
            (
                "images --foo",
                "unknown flag: --foo\n\nUsage:  tierce images [OPTIONS] [REPOSITORY[:TAG]]\n\nRun 'tierce images --help' \
                 for more information",
                125,
            ),
            ("images -Z", "unknown shorthand flag: 'Z' in -Z", 125),
            (
                "rmi",
                "tierce: 'tierce rmi' requires at least 1 argument\n\nUsage:  tierce rmi [OPTIONS] IMAGE [IMAGE...]\n\nSee \
                 'tierce rmi --help' for more information",
                1,
            ),
            ("tag a", "tierce: 'tierce tag' requires 2 arguments", 1),
            ("tag a b c", "tierce: 'tierce tag' requires 2 arguments", 1),
            ("images a b", "tierce: 'tierce images' requires at most 1 argument", 1),
            ("image prune x", "tierce: 'tierce image prune' accepts no arguments", 1),
            ("history", "tierce: 'tierce history' requires 1 argument", 1),
            (
                "images --filter foo",
                "invalid argument \"foo\" for \"-f, --filter\" flag: bad format of filter (expected name=value)",
                125,
            ),
            (
                "volume prune --filter foo",
                "invalid argument \"foo\" for \"--filter\" flag: bad format of filter (expected name=value)",
                125,
            ),
            ("images --filter", "flag needs an argument: --filter", 125),
            ("images -f", "flag needs an argument: 'f' in -f", 125),
            (
                "images --all=maybe",
                "invalid argument \"maybe\" for \"-a, --all\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax",
                125,
            ),
            (
                "search --limit x a",
                "invalid argument \"x\" for \"--limit\" flag: strconv.ParseInt: parsing \"x\": invalid syntax",
                125,
            ),
            (
                "--foo",
                "unknown flag: --foo\n\nUsage:  tierce [OPTIONS] COMMAND [ARG...]\n\nRun 'tierce --help' for more \
                 information",
                125,
            ),
        ] {
            let (told, told_code) = told(line);
            assert!(told.starts_with(text), "{line}: {told}");
            assert_eq!(told_code, code, "{line}");
        }
    }
}
