//! Where errors are told: standard error, and the file of `--log` in the form that containerd and podman read.

use crate::timestamp;
use std::borrow::Cow;
use std::io::Write;
use std::path::PathBuf;
use std::sync::OnceLock;

/// How lines of the log file look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// `time="…" level={level} msg="…"`
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Where warnings, and what `--debug` asks for, go; a library's caller has not asked for any.
static WARNINGS: OnceLock<Log> = OnceLock::new();

/// The log of one command.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    /// `--log`
    pub(crate) file: Option<PathBuf>,
    /// `--log-format`
    pub(crate) format: Format,
    /// `--debug`
    pub(crate) debug: bool,
}

/// Tells of something that went wrong and changes nothing. As under runc, the file of `--log` takes the place of
/// standard error.
pub(crate) fn warn(message: &str) {
    tell("warning", message);
}

/// Tells, where `--debug` asks for it, of what is being done.
pub(crate) fn debug(message: impl FnOnce() -> String) {
    if WARNINGS.get().is_some_and(|log| log.debug) {
        tell("debug", &message());
    }
}

fn tell(level: &str, message: &str) {
    let Some(log) = WARNINGS.get() else { return };
    let line = line(log.format, level, message);
    if log.file.is_some() {
        log.append(&line);
    } else {
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

fn line(format: Format, level: &str, message: &str) -> String {
    let time = timestamp::now();
    match format {
        Format::Text => format!("time=\"{time}\" level={level} msg={message:?}\n"),
        Format::Json => format!(
            "{}\n",
            serde_json::json!({"level": level, "msg": message, "time": time})
        ),
    }
}

impl Log {
    /// Has warnings told from here on, at this log.
    pub(crate) fn take_warnings(&self) {
        // The first one stays; a program has one log.
        let _ = WARNINGS.set(self.clone());
    }

    fn append(&self, line: &str) {
        if let Some(path) = &self.file {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
        }
    }

    /// Tells an error. A log that cannot be written is no reason to fail once more.
    pub(crate) fn error(&self, message: &str) {
        self.append(&line(self.format, "error", message));
        let _ = writeln!(std::io::stderr(), "{}", printable(message));
    }
}

/// The message as a terminal may see it: names in it are strangers', and may hold its control sequences.
fn printable(message: &str) -> Cow<'_, str> {
    let hostile = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
    if !message.contains(hostile) {
        return Cow::Borrowed(message);
    }
    let escape = |text: String, character: char| {
        if hostile(character) {
            text + &character.escape_debug().to_string()
        } else {
            text + character.encode_utf8(&mut [0; 4])
        }
    };
    Cow::Owned(message.chars().fold(String::new(), escape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_s_name_does_not_reach_the_terminal_as_it_is() {
        assert_eq!(printable("open a\0b\x1b[2J\nä"), "open a\\0b\\u{1b}[2J\nä");
    }

    #[test]
    fn json_lines_have_the_three_members_that_podman_reads() {
        let parsed: serde_json::Value = serde_json::from_str(&line(Format::Json, "error", "a \"b\"")).expect("JSON");
        assert_eq!(
            (parsed["level"].as_str(), parsed["msg"].as_str()),
            (Some("error"), Some("a \"b\""))
        );
    }
}
