//! Help pages in Docker's form. Source of the form: docker/cli `cli/cobra.go`, and pflag's `FlagUsagesWrapped`.
//!
//! clap knows the commands, their flags and their words; how they are shown is made here from what it knows, so that a
//! page cannot say anything else than the parser does. Values are named by their kind (`string`, `list`, `filter`): the
//! value name of the flag where it begins with a small letter.

use clap::{Arg, ArgAction, Command};
use std::fmt::Write as _;
use tierce_format::listing::Column;

/// Width of a page where no terminal says otherwise.
const COLUMNS: usize = 80;
/// Commands that stand first on the page of the program.
const COMMON: [&str; 11] = [
    "run", "exec", "ps", "pull", "push", "images", "login", "logout", "search", "version", "info",
];
/// Commands whose flags are not mentioned in their usage line.
const WITHOUT_OPTIONS: [&str; 4] = ["context rm", "manifest create", "network rm", "image tag"];
/// Commands that have several names, in the order in which they are told.
const ALIASES: &[&[&str]] = &[
    &["container attach", "attach"],
    &["container commit", "commit"],
    &["container cp", "cp"],
    &["container create", "create"],
    &["container diff", "diff"],
    &["container exec", "exec"],
    &["container export", "export"],
    &["container kill", "kill"],
    &["container logs", "logs"],
    &["container ls", "container list", "container ps", "ps"],
    &["container pause", "pause"],
    &["container port", "port"],
    &["container rename", "rename"],
    &["container restart", "restart"],
    &["container rm", "container remove", "rm"],
    &["container run", "run"],
    &["container start", "start"],
    &["container stats", "stats"],
    &["container stop", "stop"],
    &["container top", "top"],
    &["container unpause", "unpause"],
    &["container update", "update"],
    &["container wait", "wait"],
    &["context ls", "context list"],
    &["context rm", "context remove"],
    &["image history", "history"],
    &["image import", "import"],
    &["image load", "load"],
    &["image ls", "image list", "images"],
    &["image pull", "pull"],
    &["image push", "push"],
    &["image rm", "image remove", "rmi"],
    &["image save", "save"],
    &["image tag", "tag"],
    &["network ls", "network list"],
    &["network rm", "network remove"],
    &["system events", "events"],
    &["system info", "info"],
    &["volume ls", "volume list"],
    &["volume rm", "volume remove"],
];

/// What `--format` of a list does.
pub(crate) const FORMAT: &str = "Format output using a custom template:
'table':            Print output in table format with column headers (default)
'table TEMPLATE':   Print output in table format using the given Go template
'json':             Print in JSON format
'TEMPLATE':         Print output using the given Go template.
Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates";
/// What `--format` of an inspection does.
pub(crate) const INSPECT_FORMAT: &str = "Format output using a custom template:
'json':             Print in JSON format
'TEMPLATE':         Print output using the given Go template.
Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates";

/// What the formats and filters of a list accept, for the end of its page.
pub(crate) fn accepted(columns: &[Column], filters: &[&str]) -> String {
    let names: Vec<&str> = columns.iter().map(Column::name).collect();
    accepted_names(&names, filters)
}

/// The same for what is no list.
pub(crate) fn accepted_names(fields: &[&str], filters: &[&str]) -> String {
    let list = |words: &[String]| wrapped(&words.join(" "), 2, COLUMNS);
    let fields: Vec<String> = fields.iter().map(|name| format!(".{name}")).collect();
    let filters: Vec<String> = filters.iter().map(|name| (*name).to_owned()).collect();
    let mut text = format!("Fields of --format:\n  {}", list(&fields));
    if !filters.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n\nNames of --filter:\n  {}", list(&filters));
    }
    text
}

/// A command with the words that lead to it.
#[derive(Clone, Copy)]
pub(crate) struct Named<'a> {
    /// The words after the program's name, joined by spaces; empty for the program itself.
    pub(crate) words: &'a str,
    /// What they lead to.
    pub(crate) command: &'a Command,
}

/// Finds the command that a command line means, as far as its words go.
pub(crate) fn find<'a>(root: &'a Command, words: &[String]) -> (String, &'a Command) {
    let (mut path, mut command) = (Vec::new(), root);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word.starts_with('-') {
            if takes_next(command, word) {
                words.next();
            }
            continue;
        }
        let Some(next) = command.find_subcommand(word) else {
            break;
        };
        path.push(word.as_str());
        command = next;
    }
    (path.join(" "), command)
}

/// Whether the word after a flag is its value.
fn takes_next(command: &Command, flag: &str) -> bool {
    let named = |argument: &&Arg| match flag.strip_prefix("--") {
        Some(name) => argument.get_long() == Some(name),
        None => argument.get_short().is_some_and(|letter| flag == format!("-{letter}")),
    };
    command
        .get_arguments()
        .find(named)
        .is_some_and(|argument| kind(argument).is_some())
}

impl Named<'_> {
    /// `tierce images`.
    pub(crate) fn path(&self) -> String {
        match self.words {
            "" => "tierce".to_owned(),
            words => format!("tierce {words}"),
        }
    }

    /// `tierce images [OPTIONS] [REPOSITORY[:TAG]]`; of a group, as an error tells it, the path alone.
    pub(crate) fn usage(&self) -> String {
        let mut line = self.path();
        if self.words.is_empty() {
            return line + " [OPTIONS] COMMAND [ARG...]";
        }
        if self.command.has_subcommands() {
            return line;
        }
        if matches!(self.words, "cp" | "container cp") {
            // The one command with two forms.
            return format!(
                "{line} [OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\t{line} [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH"
            );
        }
        if flags(self.command).next().is_some() && !WITHOUT_OPTIONS.contains(&self.words) {
            line.push_str(" [OPTIONS]");
        }
        for argument in self.command.get_positionals() {
            line.push(' ');
            line.push_str(&positional(argument));
        }
        line
    }

    /// The whole page, for a terminal of so many columns.
    pub(crate) fn page(&self, columns: Option<usize>) -> String {
        let command = self.command;
        let usage = match (self.words, command.has_subcommands()) {
            ("", _) => format!("{} [OPTIONS] COMMAND", self.path()),
            (_, true) => format!("{} COMMAND", self.path()),
            (_, false) => self.usage(),
        };
        let about = command.get_long_about().or(command.get_about());
        let about = about.map(ToString::to_string).unwrap_or_default();
        let mut page = format!("Usage:  {usage}\n\n{}\n", about.trim());
        if let Some(names) = ALIASES.iter().find(|names| names.contains(&self.words)) {
            let names: Vec<String> = names.iter().map(|name| format!("tierce {name}")).collect();
            push_section(&mut page, "Aliases", &format!("  {}\n", names.join(", ")));
        }
        push_commands(&mut page, self);
        let head = if self.words.is_empty() {
            "Global Options"
        } else {
            "Options"
        };
        push_section(&mut page, head, &options(command, columns.unwrap_or(COLUMNS)));
        if let Some(after) = command.get_after_help() {
            // What formats accept; Docker's pages do not tell. Writing to a String cannot fail.
            let _ = writeln!(page, "\n{after}");
        }
        if command.has_subcommands() {
            let _ = writeln!(
                page,
                "\nRun '{} COMMAND --help' for more information on a command.",
                self.path()
            );
        }
        page
    }
}

fn push_section(page: &mut String, head: &str, body: &str) {
    if !body.is_empty() {
        let _ = write!(page, "\n{head}:\n{body}");
    }
}

/// The commands of a group by name; those of the program in three parts.
fn push_commands(page: &mut String, named: &Named<'_>) {
    let mut commands: Vec<&Command> = named
        .command
        .get_subcommands()
        .filter(|one| !one.is_hide_set())
        .collect();
    commands.sort_by_key(|one| one.get_name());
    let width = commands
        .iter()
        .map(|one| one.get_name().len())
        .max()
        .unwrap_or(0)
        .max(11);
    let lines = |commands: &[&Command]| -> String {
        let line = |one: &&Command| {
            let about = one.get_about().map(ToString::to_string).unwrap_or_default();
            format!("  {:width$} {about}\n", one.get_name())
        };
        commands.iter().map(line).collect()
    };
    if !named.words.is_empty() {
        return push_section(page, "Commands", &lines(&commands));
    }
    let is_common = |one: &&Command| COMMON.contains(&one.get_name());
    let (mut common, others): (Vec<&Command>, Vec<&Command>) = commands.into_iter().partition(is_common);
    common.sort_by_key(|one| COMMON.iter().position(|name| *name == one.get_name()));
    let (groups, others): (Vec<&Command>, Vec<&Command>) = others.into_iter().partition(|one| one.has_subcommands());
    push_section(page, "Common Commands", &lines(&common));
    push_section(page, "Management Commands", &lines(&groups));
    push_section(page, "Commands", &lines(&others));
}

/// The flags of a command but the one for help.
fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|argument| {
        let helps = matches!(
            argument.get_action(),
            ArgAction::Help | ArgAction::HelpLong | ArgAction::HelpShort
        );
        argument.get_long().is_some() && !argument.is_hide_set() && !helps
    })
}

/// `[NAME...]`, `NAME [NAME...]`, `[NAME]` or `NAME`. Of two value names the second is what may follow the first.
fn positional(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    let name = names
        .first()
        .map_or_else(|| argument.get_id().as_str(), |name| name.as_str());
    let many = argument.get_num_args().is_some_and(|range| range.max_values() > 1)
        || matches!(argument.get_action(), ArgAction::Append);
    match (argument.is_required_set(), many, names) {
        (true, true, [first, rest @ ..]) if !rest.is_empty() => {
            let between = rest[..rest.len() - 1].iter().map(|name| format!(" [{name}]"));
            format!("{first}{} [{}...]", between.collect::<String>(), rest[rest.len() - 1])
        }
        (true, true, _) => format!("{name} [{name}...]"),
        (true, false, _) => name.to_owned(),
        (false, true, [first, second]) => format!("[{first}] [{second}...]"),
        // The options of another program.
        (false, true, _) if name.starts_with("ps ") => format!("[{name}]"),
        (false, true, _) => format!("[{name}...]"),
        (false, false, _) => format!("[{name}]"),
    }
}

/// What kind of value a flag takes; `None` when it is a switch.
pub(crate) fn kind(argument: &Arg) -> Option<&str> {
    let switch = !argument.get_action().takes_values() || argument.is_require_equals_set();
    if switch {
        return None;
    }
    let name = argument
        .get_value_names()
        .and_then(<[_]>::first)
        .map(clap::builder::Str::as_str);
    Some(
        match name.filter(|name| !name.starts_with(|letter: char| letter.is_ascii_uppercase())) {
            Some(name) => name,
            None if matches!(argument.get_action(), ArgAction::Append) => "list",
            None => "string",
        },
    )
}

/// The flags of a command with what they do, in order.
pub(crate) fn described(command: &Command) -> Vec<(String, String)> {
    let mut flags: Vec<&Arg> = flags(command).collect();
    flags.sort_by_key(|argument| argument.get_long());
    flags
        .iter()
        .map(|argument| (names(argument), description(argument)))
        .collect()
}

fn options(command: &Command, columns: usize) -> String {
    let flags = described(command);
    let longest = flags.iter().map(|(names, _)| names.len()).max().unwrap_or(0);
    let lines = flags.iter().map(|(names, text)| {
        let text = wrapped(text, longest + 3, columns.saturating_sub(1));
        format!("{names:longest$}   {text}\n")
    });
    lines.collect()
}

/// `  -f, --filter filter`.
fn names(argument: &Arg) -> String {
    let long = argument.get_long().unwrap_or_default();
    let short = argument
        .get_short()
        .map_or("    ".to_owned(), |letter| format!("-{letter}, "));
    match kind(argument) {
        Some(kind) => format!("  {short}--{long} {kind}"),
        None => format!("  {short}--{long}"),
    }
}

fn description(argument: &Arg) -> String {
    let text = argument.get_long_help().or(argument.get_help());
    let mut text = text.map(ToString::to_string).unwrap_or_default();
    let default = argument
        .get_default_values()
        .first()
        .and_then(|value| value.to_str())
        .unwrap_or_default();
    match (kind(argument), default) {
        // Go shows an empty map, and no other empty value.
        (Some("map"), _) => text.push_str(" (default map[])"),
        (Some("stringToString" | "ulimit"), _) => text.push_str(" (default [])"),
        (_, "" | "0") | (None, "false") => {}
        (None | Some("int"), default) => {
            let _ = write!(text, " (default {default})");
        }
        (Some(_), default) => {
            let _ = write!(text, " (default {default:?})");
        }
    }
    text
}

/// Breaks a text at spaces, so that its lines after an indent end before `columns`. What follows the first line is
/// indented.
fn wrapped(text: &str, indent: usize, columns: usize) -> String {
    /// A short word at the end may go so far over.
    const SLOP: usize = 5;
    /// In less space than this, lines are not broken.
    const LEAST: usize = 24;
    let margin = format!("\n{}", " ".repeat(indent));
    let Some(width) = columns.checked_sub(indent).filter(|width| *width >= LEAST) else {
        return text.replace('\n', &margin);
    };
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = first_line(rest, width - SLOP, SLOP);
        lines.push(line.replace('\n', &margin));
        rest = after;
    }
    lines.join(&margin)
}

/// The part of a text that fits into so many bytes, and what is left. Flags are described in ASCII.
fn first_line(text: &str, width: usize, slop: usize) -> (&str, &str) {
    if width + slop > text.len() {
        return (text, "");
    }
    let Some(head) = text.get(..width) else {
        return (text, "");
    };
    let Some(end) = head.rfind([' ', '\t', '\n']).filter(|end| *end > 0) else {
        return (text, "");
    };
    let end = head.rfind('\n').filter(|line| *line > 0 && *line < end).unwrap_or(end);
    (&text[..end], &text[end + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pages of Docker 28.5, with our name, without what is not served.
    const PAGES: &str = include_str!("pages.txt");

    #[test]
    fn row_093_pages_are_dockers() {
        let root = crate::commands();
        let mut differences = String::new();
        for page in PAGES.split("=== ").skip(1) {
            let (words, expected) = page.split_once('\n').unwrap();
            let given: Vec<String> = words.split(' ').map(str::to_owned).collect();
            let (found, command) = find(&root, &given);
            let page = Named { words: &found, command }.page(None);
            // What formats accept comes behind Docker's page.
            if !page.starts_with(expected) {
                let _ = write!(differences, "--- expected {words}\n{expected}--- shown {found}\n{page}");
            }
        }
        assert!(differences.is_empty(), "{differences}");
    }

    #[test]
    fn a_command_is_found_behind_flags_and_their_values() {
        let root = crate::commands();
        let find = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            find(&root, &words).0
        };
        assert_eq!(find(&["-H", "image", "volume", "ls", "-q", "rm"]), "volume ls");
        assert_eq!(find(&["--host=x", "images", "--help"]), "images");
        assert_eq!(find(&["nonsense"]), "");
    }
}
