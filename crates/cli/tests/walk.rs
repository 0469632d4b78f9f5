//! The stock client's own help, walked command by command and compared with ours: commands, flags, their letters, and
//! whether they take a value. What is missing stands in one list here, with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// What Docker has and this program has not: command, flag (empty: the whole command), reason. An entry that is no longer
/// missing fails the test.
const MISSING: &[(&str, &str, &str)] = &[
    ("build", "", "images are not built yet"),
    ("image build", "", "images are not built yet"),
    (
        "volume update",
        "",
        "cluster volumes are of a swarm; refused in Docker's words",
    ),
    ("volume ls", "cluster", "cluster volumes are of a swarm"),
    ("volume create", "availability", "cluster volumes are of a swarm"),
    ("volume create", "group", "cluster volumes are of a swarm"),
    ("volume create", "limit-bytes", "cluster volumes are of a swarm"),
    ("volume create", "required-bytes", "cluster volumes are of a swarm"),
    ("volume create", "scope", "cluster volumes are of a swarm"),
    ("volume create", "secret", "cluster volumes are of a swarm"),
    ("volume create", "sharing", "cluster volumes are of a swarm"),
    ("volume create", "topology-preferred", "cluster volumes are of a swarm"),
    ("volume create", "topology-required", "cluster volumes are of a swarm"),
    ("volume create", "type", "cluster volumes are of a swarm"),
    ("completion powershell", "", "a shell of other systems"),
];

/// Groups that are walked with all that is in them.
const GROUPS: [&str; 9] = [
    "checkpoint",
    "container",
    "context",
    "image",
    "manifest",
    "network",
    "system",
    "volume",
    "completion",
];
/// Commands at the top that belong to groups which are not walked: builds, swarm, plugins, trust.
const ELSEWHERE: [&str; 12] = [
    "builder", "buildx", "compose", "config", "node", "plugin", "secret", "service", "stack", "swarm", "trust", "model",
];
/// Commands that stand on no page.
const HIDDEN: [&str; 1] = ["system dial-stdio"];

/// A help page, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
struct Page {
    commands: BTreeSet<String>,
    /// By long name: the letter, and whether there is a value.
    flags: BTreeMap<String, (Option<char>, bool)>,
}

fn page(program: &str, words: &str) -> Option<Page> {
    let output = Command::new(program)
        .args(words.split_whitespace())
        .arg("--help")
        // Wide, so that every flag stands on one line with its kind.
        .env("COLUMNS", "400")
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success() && text.contains("Usage:")).then(|| taken_apart(&text))
}

fn taken_apart(text: &str) -> Page {
    let mut page = Page::default();
    let mut section = "";
    for line in text.lines() {
        if !line.starts_with(' ') {
            section = line;
            continue;
        }
        if section.ends_with("Commands:") {
            page.commands.extend(
                line.split_whitespace()
                    .next()
                    .map(|name| name.trim_end_matches('*').to_owned()),
            );
        } else if section.ends_with("Options:") {
            page.flags.extend(flag(line));
        }
    }
    page
}

/// `  -f, --filter filter   What it does`.
fn flag(line: &str) -> Option<(String, (Option<char>, bool))> {
    let head = line.trim_start().split("   ").next()?;
    // Lines that go on with a text begin further right.
    if !head.starts_with('-') || line.len() - line.trim_start().len() > 6 {
        return None;
    }
    let mut words = head.split_whitespace().peekable();
    let letter = words
        .next_if(|word| !word.starts_with("--"))
        .and_then(|word| word.chars().nth(1));
    let name = words.next()?.strip_prefix("--")?.to_owned();
    Some((name, (letter, words.next().is_some())))
}

#[test]
fn row_086_the_command_line_has_all_that_the_stock_client_has() {
    let ours = env!("CARGO_BIN_EXE_tierce");
    let Some(top) = page("docker", "") else {
        println!("skipped: no docker here");
        return;
    };
    let mut commands: Vec<String> = vec![String::new()];
    for name in top.commands.iter().filter(|name| !ELSEWHERE.contains(&name.as_str())) {
        commands.push(name.clone());
    }
    for group in GROUPS {
        let inside = page("docker", group).unwrap_or_default().commands;
        commands.extend(inside.iter().map(|name| format!("{group} {name}")));
        commands.push(group.to_owned());
    }
    commands.extend(HIDDEN.map(str::to_owned));
    commands.sort();
    commands.dedup();

    let mut used: BTreeSet<(String, String)> = BTreeSet::new();
    let mut failures = Vec::new();
    let mut known = |command: &str, flag: &str| {
        let found = MISSING.iter().any(|(one, other, _)| (*one, *other) == (command, flag));
        if found {
            used.insert((command.to_owned(), flag.to_owned()));
        }
        found
    };
    for command in &commands {
        let Some(theirs) = page("docker", command) else {
            continue;
        };
        let Some(found) = page(ours, command).filter(|_| exists(ours, command)) else {
            println!("{command:24} not");
            if !known(command, "") {
                failures.push(format!("{command}: the command is missing"));
            }
            continue;
        };
        let mut partly = Vec::new();
        for (name, (letter, value)) in &theirs.flags {
            let same = match found.flags.get(name) {
                None => name == "help" || name == "version",
                Some((our_letter, our_value)) => our_letter == letter && our_value == value,
            };
            if same {
                continue;
            }
            partly.push(format!("--{name}"));
            if !known(command, name) {
                failures.push(format!(
                    "{command}: --{name} is {letter:?} with value {value} there, {:?} here",
                    found.flags.get(name)
                ));
            }
        }
        match partly.as_slice() {
            [] => println!("{command:24} done"),
            flags => println!("{command:24} partly (missing: {})", flags.join(" ")),
        }
    }
    for (command, flag, reason) in MISSING {
        if !used.contains(&((*command).to_owned(), (*flag).to_owned())) {
            failures.push(format!(
                "{command} {flag}: no longer missing ({reason}); take it off the list"
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Whether a command is there: of one that is not, the page of what is above it is shown.
fn exists(program: &str, words: &str) -> bool {
    let Some((above, name)) = words
        .rsplit_once(' ')
        .or(Some(("", words)))
        .filter(|_| !words.is_empty())
    else {
        return true;
    };
    HIDDEN.contains(&words) || page(program, above).is_some_and(|page| page.commands.contains(name))
}

#[test]
fn pages_are_taken_apart() {
    let text = "Usage:  x COMMAND\n\nCommon Commands:\n  run         Create\n  a*          b\n\nOptions:\n  -f, --filter filter   \
                Filter --x\n      --no-trunc        Not\n                        --y\n";
    let page = taken_apart(text);
    assert!(page.commands.contains("run") && page.commands.contains("a"));
    assert_eq!(page.flags["filter"], (Some('f'), true));
    assert_eq!(page.flags["no-trunc"], (None, false));
    assert_eq!(page.flags.len(), 2);
}
