//! `tierce man`: a manual page for each command, made from what the parser knows. See man(7).

use crate::error::Error;
use crate::help::{self, Named};
use clap::Command;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Writes all pages.
pub(super) fn write(directory: &Path) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::failed(format!("write to {}: {error}", directory.display()));
    fs::create_dir_all(directory).map_err(failed)?;
    for (name, text) in pages(&crate::commands()) {
        fs::write(directory.join(name), text).map_err(failed)?;
    }
    Ok(())
}

/// Names of files and their texts.
fn pages(root: &Command) -> Vec<(String, String)> {
    let mut pages = Vec::new();
    collect(root, "", &mut pages);
    pages
}

fn collect(command: &Command, words: &str, pages: &mut Vec<(String, String)>) {
    let named = Named { words, command };
    pages.push((format!("{}.1", title(words)), page(&named)));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let words = format!("{words} {}", sub.get_name());
        collect(sub, words.trim_start(), pages);
    }
}

/// `tierce-image-ls`.
fn title(words: &str) -> String {
    let words: Vec<&str> = std::iter::once("tierce").chain(words.split_whitespace()).collect();
    words.join("-")
}

fn page(named: &Named<'_>) -> String {
    let command = named.command;
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let long = command.get_long_about().map(ToString::to_string);
    let title = title(named.words);
    // Writing to a String cannot fail.
    let mut text = String::new();
    let _ = writeln!(
        text,
        ".TH {} 1 \"\" \"Tierce {}\"",
        title.to_uppercase(),
        env!("CARGO_PKG_VERSION")
    );
    let _ = writeln!(text, ".SH NAME\n{} \\- {}", escaped(&title), escaped(&about));
    let usage = if command.has_subcommands() && !named.words.is_empty() {
        format!("{} COMMAND", named.usage())
    } else {
        named.usage()
    };
    let _ = writeln!(text, ".SH SYNOPSIS\n.nf\n{}\n.fi", escaped(&usage));
    let _ = writeln!(
        text,
        ".SH DESCRIPTION\n.nf\n{}\n.fi",
        escaped(long.as_deref().unwrap_or(&about))
    );
    let options = help::described(command);
    if !options.is_empty() {
        text.push_str(".SH OPTIONS\n");
        for (names, description) in options {
            let _ = writeln!(text, ".TP\n.B {}\n{}", escaped(names.trim()), escaped(&description));
        }
    }
    let subs: Vec<&Command> = command.get_subcommands().filter(|sub| !sub.is_hide_set()).collect();
    if !subs.is_empty() {
        text.push_str(".SH COMMANDS\n");
        for sub in &subs {
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            let name = format!("{title}-{}", sub.get_name());
            let _ = writeln!(text, ".TP\n.BR {} (1)\n{}", escaped(&name), escaped(&about));
        }
    }
    if let Some(after) = command.get_after_help() {
        let _ = writeln!(text, ".SH FIELDS\n.nf\n{}\n.fi", escaped(&after.to_string()));
    }
    if let Some((above, _)) = title.rsplit_once('-') {
        let _ = writeln!(text, ".SH SEE ALSO\n.BR {} (1)", escaped(above));
    }
    text
}

/// A text whose lines troff takes as they are.
fn escaped(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        if line.starts_with(['.', '\'']) {
            format!("\\&{line}")
        } else {
            line
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_flags() {
        let pages = pages(&crate::commands());
        let of = |name: &str| {
            let found = pages.iter().find(|(known, _)| known == name);
            found.map_or_else(|| panic!("{name}"), |(_, text)| text.as_str())
        };
        assert!(of("tierce.1").contains(".BR tierce\\-run (1)"));
        assert!(of("tierce-run.1").contains("\\-\\-health\\-cmd string"));
        assert!(of("tierce-context-ls.1").contains(".SH FIELDS"));
        for (name, text) in &pages {
            assert!(
                text.starts_with(".TH TIERCE") && text.contains(".SH SYNOPSIS"),
                "{name}"
            );
        }
    }

    #[test]
    fn no_line_is_taken_for_a_request() {
        assert_eq!(escaped(".x\n'y\n-a\\b"), "\\&.x\n\\&'y\n\\-a\\eb");
    }
}
