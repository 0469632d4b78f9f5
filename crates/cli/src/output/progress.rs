//! The progress of a pull, push or load: one line a layer, kept up to date on a terminal, plain lines elsewhere.
//! Source of the form: moby `pkg/jsonmessage`.

use crate::error::Error;
use crate::terminal;
use std::collections::HashMap;
use std::io::Write;
use tierce_api_types::progress::{ProgressDetail, ProgressMessage};
use tierce_format::units;

/// Shows the messages of one operation.
pub(crate) struct Progress<W> {
    out: W,
    columns: Option<usize>,
    lines: HashMap<String, usize>,
}

impl<W: Write> Progress<W> {
    /// Writes to `out`; with a terminal behind it, lines are rewritten in place.
    pub(crate) fn new(out: W, on_terminal: bool) -> Self {
        let columns = on_terminal.then(|| terminal::size().map_or(80, |(_, columns)| usize::from(columns)));
        Self {
            out,
            columns,
            lines: HashMap::new(),
        }
    }

    /// Shows one message.
    ///
    /// # Errors
    /// When the message is the operation's failure, or cannot be written.
    pub(crate) fn show(&mut self, message: &ProgressMessage) -> Result<(), Error> {
        if let Some(error) = &message.error {
            return Err(Error::failed(error.clone()));
        }
        // A result in the stream is for programs.
        if message.aux.is_some() && message.status.is_none() && message.stream.is_none() {
            return Ok(());
        }
        self.write(message)
            .map_err(|error| Error::failed(format!("write progress: {error}")))
    }

    fn write(&mut self, message: &ProgressMessage) -> std::io::Result<()> {
        let bar = message
            .progress_detail
            .as_ref()
            .filter(|detail| detail.current.is_some());
        let status = message.status.as_deref().unwrap_or_default();
        let text = match &message.id {
            Some(id) => format!("{id}: {status}"),
            None => message.stream.clone().unwrap_or_else(|| status.to_owned()),
        };
        let Some(columns) = self.columns else {
            // Every step would be a line; only the changes of state are worth one.
            return if bar.is_none() {
                writeln!(self.out, "{}", text.trim_end())
            } else {
                Ok(())
            };
        };
        let text = match bar {
            Some(detail) => format!("{text} {}", bar_text(detail, columns)),
            None => text,
        };
        let Some(id) = message.id.as_ref().filter(|_| message.progress_detail.is_some()) else {
            writeln!(self.out, "{}", text.trim_end())?;
            self.lines.clear();
            return self.out.flush();
        };
        let next = self.lines.len();
        let line = *self.lines.entry(id.clone()).or_insert(next);
        if line == next {
            writeln!(self.out)?;
        }
        let up = self.lines.len() - line;
        write!(self.out, "\x1b[{up}A\x1b[2K\r{text}\r\x1b[{up}B")?;
        self.out.flush()
    }
}

/// `[=====>     ]  1.2MB/3.4MB`, as wide as the terminal has room for.
fn bar_text(detail: &ProgressDetail, columns: usize) -> String {
    let current = detail.current.unwrap_or_default();
    let shown = units::size(current as f64);
    let Some(total) = detail.total.filter(|total| *total > 0) else {
        return shown;
    };
    let total_shown = units::size(total as f64);
    if columns <= 110 {
        return format!("{shown}/{total_shown}");
    }
    let done = (current.min(total) as f64 / total as f64 * 50.0) as usize;
    let head = if done < 50 { ">" } else { "" };
    format!(
        "[{}{head}{}]  {shown}/{total_shown}",
        "=".repeat(done),
        " ".repeat(50 - done - head.len())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, status: &str, detail: Option<(u64, u64)>) -> ProgressMessage {
        let progress_detail = Some(match detail {
            Some((current, total)) => ProgressDetail {
                current: Some(current),
                total: Some(total),
            },
            None => ProgressDetail::default(),
        });
        ProgressMessage {
            id: Some(id.into()),
            status: Some(status.into()),
            progress_detail,
            ..Default::default()
        }
    }

    #[test]
    fn without_a_terminal_there_are_plain_lines_and_no_bars() {
        let mut out = Vec::new();
        let mut progress = Progress::new(&mut out, false);
        progress.show(&message("abc", "Downloading", Some((1, 2)))).unwrap();
        progress.show(&message("abc", "Pull complete", None)).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "abc: Pull complete\n");
    }

    #[test]
    fn a_failure_in_the_stream_fails() {
        let mut progress = Progress::new(Vec::new(), false);
        assert_eq!(
            progress.show(&ProgressMessage::failure("no")).unwrap_err().to_string(),
            "no"
        );
    }

    #[test]
    fn bars_fit_their_room() {
        let detail = ProgressDetail {
            current: Some(50),
            total: Some(100),
        };
        assert_eq!(bar_text(&detail, 80), "50B/100B");
        assert_eq!(
            bar_text(&detail, 200),
            format!("[{}>{}]  50B/100B", "=".repeat(25), " ".repeat(24))
        );
    }
}
