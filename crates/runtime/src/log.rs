//! Where errors are told: standard error, and the file of `--log` in the form that containerd and podman read.

use crate::timestamp;
use std::io::Write;
use std::path::PathBuf;

/// How lines of the log file look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// `time="…" level=error msg="…"`
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The log of one command.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// `--log`
    pub(crate) file: Option<PathBuf>,
    /// `--log-format`
    pub(crate) format: Format,
}

fn line(format: Format, message: &str) -> String {
    let time = timestamp::now();
    match format {
        Format::Text => format!("time=\"{time}\" level=error msg={message:?}\n"),
        Format::Json => format!(
            "{}\n",
            serde_json::json!({"level": "error", "msg": message, "time": time})
        ),
    }
}

impl Log {
    /// Tells an error. A log that cannot be written is no reason to fail once more.
    pub(crate) fn error(&self, message: &str) {
        if let Some(path) = &self.file {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            let _ = file.and_then(|mut file| file.write_all(line(self.format, message).as_bytes()));
        }
        let _ = writeln!(std::io::stderr(), "{message}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_lines_have_the_three_members_that_podman_reads() {
        let parsed: serde_json::Value = serde_json::from_str(&line(Format::Json, "a \"b\"")).expect("JSON");
        assert_eq!(
            (parsed["level"].as_str(), parsed["msg"].as_str()),
            (Some("error"), Some("a \"b\""))
        );
    }
}
