//! What may come next on a command line: commands, flags, values, names of what the daemon has.
//!
//! One candidate a line, with a tab before what it is; `:files` alone means: any file.

use crate::context::{Choice, Context, Global};
use crate::help::{self, Named};
use clap::{Arg, ArgAction, Command};
use tierce_api_types::Filters;
use tierce_client::ListContainers;

/// Any file will do.
const FILES: &str = ":files";
/// Commands that make sense on a running container only.
const RUNNING: [&str; 9] = [
    "attach", "exec", "kill", "pause", "port", "stop", "top", "stats", "unpause",
];

/// What a word may be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    /// One of these words, each with what it is.
    Words(Vec<(String, String)>),
    /// A container; only running ones where it says so.
    Container(bool),
    Image,
    Network,
    Volume,
    Context,
    File,
    Nothing,
}

/// Prints the candidates for the last word. Where nobody can be asked there are none.
pub(super) async fn print(global: Global, words: &[String], described: bool) {
    let root = crate::commands();
    let (before, current) = match words.split_last() {
        Some((current, before)) => (before, current.as_str()),
        None => (&[][..], ""),
    };
    let (wanted, prefix) = wanted(&root, before, current);
    let typed = current.strip_prefix(&prefix).unwrap_or(current);
    let found = match wanted {
        Wanted::File => {
            println!("{FILES}");
            return;
        }
        Wanted::Words(words) => words,
        other => names(global, &other).await,
    };
    for (word, about) in found {
        if word.starts_with(typed) {
            if described && !about.is_empty() {
                println!("{prefix}{word}\t{about}");
            } else {
                println!("{prefix}{word}");
            }
        }
    }
}

/// What the last word may be, and what stands before it in the same word (`--network=`).
fn wanted(root: &Command, before: &[String], current: &str) -> (Wanted, String) {
    let (path, command) = help::find(root, before);
    if let Some((flag, _)) = current.split_once('=').filter(|_| current.starts_with("--")) {
        let found = find_flag(command, flag).map_or(Wanted::Nothing, value_of);
        return (found, format!("{flag}="));
    }
    if let Some(flag) = before.last().filter(|word| word.starts_with('-'))
        && let Some(argument) = find_flag(command, flag)
        && help::kind(argument).is_some()
    {
        return (value_of(argument), String::new());
    }
    let found = if current.starts_with('-') {
        Wanted::Words(flags(command))
    } else if command.has_subcommands() {
        Wanted::Words(commands(command))
    } else {
        positional(&Named { words: &path, command }, before)
    };
    (found, String::new())
}

fn find_flag<'a>(command: &'a Command, flag: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|argument| match flag.strip_prefix("--") {
        Some(name) => argument.get_long() == Some(name),
        // Of several letters, the last one takes the value.
        None => argument.get_short() == flag.chars().last(),
    })
}

fn flags(command: &Command) -> Vec<(String, String)> {
    let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
    shown
        .filter_map(|argument| {
            let about = argument.get_help().map(ToString::to_string).unwrap_or_default();
            let first = about.lines().next().unwrap_or_default().to_owned();
            Some((format!("--{}", argument.get_long()?), first))
        })
        .collect()
}

fn commands(command: &Command) -> Vec<(String, String)> {
    let shown = command.get_subcommands().filter(|one| !one.is_hide_set());
    shown
        .map(|one| {
            let about = one.get_about().map(ToString::to_string).unwrap_or_default();
            (one.get_name().to_owned(), about)
        })
        .collect()
}

/// What the value of a flag may be.
fn value_of(argument: &Arg) -> Wanted {
    let words = |words: &[&str]| Wanted::Words(words.iter().map(|word| ((*word).to_owned(), String::new())).collect());
    match argument.get_long().unwrap_or_default() {
        "network" => Wanted::Network,
        "volumes-from" | "link" => Wanted::Container(false),
        "context" | "from" => Wanted::Context,
        "restart" => words(&["always", "no", "on-failure", "unless-stopped"]),
        "pull" => words(&["always", "missing", "never"]),
        "log-driver" => words(&["journald", "json-file", "local", "none", "syslog"]),
        "type" => words(&["container", "image", "network", "volume"]),
        "format" => words(&["json", "table"]),
        "env-file" | "label-file" | "cidfile" | "input" | "output" | "config" | "tlscacert" | "tlscert" | "tlskey"
        | "volume" => Wanted::File,
        _ => {
            let possible: Vec<String> = argument
                .get_possible_values()
                .iter()
                .map(|value| value.get_name().to_owned())
                .collect();
            if possible.is_empty() {
                Wanted::Nothing
            } else {
                Wanted::Words(possible.into_iter().map(|value| (value, String::new())).collect())
            }
        }
    }
}

/// What a word that is no flag may be, by the name that the usage line gives it.
fn positional(named: &Named<'_>, before: &[String]) -> Wanted {
    let given = before_positionals(named, before);
    let arguments: Vec<&Arg> = named.command.get_positionals().collect();
    let Some(argument) = arguments.get(given).or_else(|| arguments.last()) else {
        return Wanted::Nothing;
    };
    let several = matches!(argument.get_action(), ArgAction::Append)
        || argument.get_num_args().is_some_and(|range| range.max_values() > 1);
    if given >= arguments.len() && !several {
        return Wanted::Nothing;
    }
    let name = argument
        .get_value_names()
        .and_then(<[_]>::first)
        .map_or_else(|| argument.get_id().as_str().to_ascii_uppercase(), ToString::to_string);
    let verb = named.words.rsplit(' ').next().unwrap_or_default();
    match name.as_str() {
        // Behind the image or container comes a program of its own.
        "IMAGE" if matches!(verb, "run" | "create") && given > 0 => Wanted::File,
        "COMMAND" => Wanted::File,
        "CONTAINER" | "NAME|ID" => Wanted::Container(RUNNING.contains(&verb)),
        name if name.starts_with("IMAGE") || name.contains("SOURCE_IMAGE") || name == "NAME[:TAG]" => Wanted::Image,
        "NETWORK" => Wanted::Network,
        "VOLUME" => Wanted::Volume,
        "CONTEXT" => Wanted::Context,
        "SRC_PATH" | "DEST_PATH" | "FILE|-" | "DIRECTORY" => Wanted::File,
        _ => Wanted::Nothing,
    }
}

/// How many words that are no flags stand behind the command already.
fn before_positionals(named: &Named<'_>, before: &[String]) -> usize {
    let mut count = 0;
    let mut words = before.iter().skip_while(|word| word.starts_with('-'));
    while let Some(word) = words.next() {
        if !word.starts_with('-') {
            count += 1;
        } else if find_flag(named.command, word).is_some_and(|flag| help::kind(flag).is_some() && !word.contains('=')) {
            words.next();
        }
    }
    let of_command = named.words.split(' ').filter(|word| !word.is_empty()).count();
    usize::saturating_sub(count, of_command)
}

/// Names of what the daemon or the user has.
async fn names(global: Global, wanted: &Wanted) -> Vec<(String, String)> {
    let Ok(choice) = Choice::of(global) else {
        return Vec::new();
    };
    if *wanted == Wanted::Context {
        let contexts = choice.settings.contexts().list().unwrap_or_default();
        let own = contexts
            .iter()
            .map(|one| (one.name.clone(), one.description().to_owned()));
        return own.chain([("default".to_owned(), String::new())]).collect();
    }
    let Ok(context) = Context::open(choice) else {
        return Vec::new();
    };
    let client = &context.client;
    match wanted {
        Wanted::Container(running) => {
            let options = ListContainers {
                all: !running,
                ..ListContainers::default()
            };
            let found = client.containers().list(&options).await.unwrap_or_default();
            found
                .into_iter()
                .map(|one| {
                    let name = one.names.first().map(|name| name.trim_start_matches('/').to_owned());
                    (name.unwrap_or(one.id), format!("{}, {}", one.image, one.status))
                })
                .collect()
        }
        Wanted::Image => {
            let found = client.images().list(false, &Filters::new()).await.unwrap_or_default();
            let names = found.into_iter().flat_map(|one| one.repo_tags.into_iter().flatten());
            names.map(|name| (name, String::new())).collect()
        }
        Wanted::Network => {
            let found = client.networks().list(&Filters::new()).await.unwrap_or_default();
            found.into_iter().map(|one| (one.name, one.driver)).collect()
        }
        Wanted::Volume => {
            let found = client.volumes().list(&Filters::new()).await.map(|found| found.volumes);
            found
                .unwrap_or_default()
                .into_iter()
                .map(|one| (one.name, one.driver))
                .collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted_of(line: &str) -> Wanted {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let (current, before) = words.split_last().unwrap();
        wanted(&crate::commands(), before, current).0
    }

    fn has(line: &str, word: &str) -> bool {
        matches!(wanted_of(line), Wanted::Words(words) if words.iter().any(|(known, _)| known == word))
    }

    #[test]
    fn every_place_has_its_candidates() {
        assert!(has("", "run") && has("", "image") && !has("", "__complete"));
        assert!(has("image ", "ls") && has("run --", "--network") && has("-H x image ", "ls"));
        assert!(has("run --restart ", "always") && has("run --restart=", "always"));
        assert_eq!(wanted_of("stop "), Wanted::Container(true));
        assert_eq!(wanted_of("rm -f a "), Wanted::Container(false));
        assert_eq!(wanted_of("run --name x "), Wanted::Image);
        assert_eq!(wanted_of("run busybox "), Wanted::File);
        assert_eq!(wanted_of("run --network "), Wanted::Network);
        assert_eq!(wanted_of("network connect "), Wanted::Network);
        assert_eq!(wanted_of("network connect net "), Wanted::Container(false));
        assert_eq!(wanted_of("volume rm a "), Wanted::Volume);
        assert_eq!(wanted_of("context use "), Wanted::Context);
        assert_eq!(wanted_of("context use x "), Wanted::Nothing);
        assert_eq!(wanted_of("cp "), Wanted::File);
    }
}
