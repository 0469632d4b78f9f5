//! Where errors are told: standard error, and the file of `--log` in the form that containerd and podman read.

use crate::error::{Doing, Error};
use crate::timestamp;
use std::borrow::Cow;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
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

/// A line as logrus writes it, which runc logs with.
fn line(format: Format, level: &str, message: &str) -> String {
    let time = timestamp::seconds();
    match format {
        Format::Text => format!("time=\"{time}\" level={level} msg={}\n", quoted(message)),
        Format::Json => format!(
            "{}\n",
            serde_json::json!({"level": level, "msg": message, "time": time})
        ),
    }
}

/// A message in quotes, unless it is a plain word.
fn quoted(message: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/@^+".contains(c);
    if !message.is_empty() && message.chars().all(plain) {
        message.to_owned()
    } else {
        format!("{message:?}")
    }
}

impl Format {
    /// Reads `--log-format`.
    pub(crate) fn parse(word: &str) -> Result<Self, Error> {
        match word {
            "" | "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(Error::Usage(format!("invalid log-format: {other}"))),
        }
    }
}

impl Log {
    /// Makes sure that there is a log to write to.
    ///
    /// # Errors
    /// [`Error::Kernel`] when the file cannot be opened for appending.
    pub(crate) fn open(&self) -> Result<(), Error> {
        let Some(path) = &self.file else { return Ok(()) };
        // A pipe would be at its end for its reader before anything was said.
        if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Ok(());
        }
        // It is not kept open: its number may be one that is handed on to the container.
        Self::file(path).map(drop).doing(|| format!("open {}", path.display()))
    }

    fn file(path: &Path) -> std::io::Result<File> {
        File::options().create(true).append(true).open(path)
    }

    /// Has warnings told from here on, at this log.
    pub(crate) fn take_warnings(&self) {
        // The first one stays; a program has one log.
        let _ = WARNINGS.set(self.clone());
    }

    fn append(&self, line: &str) {
        if let Some(path) = &self.file {
            let _ = Self::file(path).and_then(|mut file| file.write_all(line.as_bytes()));
        }
    }

    /// Tells an error: in the log, and where that is a file, also on standard error as it is. A log that cannot be
    /// written is no reason to fail once more.
    pub(crate) fn error(&self, message: &str) {
        let line = line(self.format, "error", message);
        let shown = if self.file.is_some() {
            self.append(&line);
            format!("{}\n", printable(message))
        } else if self.format == Format::Text && std::io::stderr().is_terminal() {
            format!("ERRO[0000] {}\n", printable(message))
        } else {
            line
        };
        let _ = std::io::stderr().write_all(shown.as_bytes());
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

    #[test]
    fn text_lines_are_logruss() {
        let line = line(Format::Text, "error", "no \"x\"");
        assert!(
            line.starts_with("time=\"") && line.ends_with("Z\" level=error msg=\"no \\\"x\\\"\"\n"),
            "{line}"
        );
        assert_eq!((quoted("a/b-c").as_str(), quoted("").as_str()), ("a/b-c", "\"\""));
    }
}
