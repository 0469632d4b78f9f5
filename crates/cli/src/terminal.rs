//! The user's terminal: raw mode and size. See termios(3).

use rustix::termios::{self, OptionalActions, Termios};
use std::io::IsTerminal;

/// Whether standard input is a terminal.
pub(crate) fn stdin_is_terminal() -> bool {
    std::io::stdin().is_terminal()
}

/// Whether standard output is a terminal.
pub(crate) fn stdout_is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Rows and columns of the terminal, where there is one.
pub(crate) fn size() -> Option<(u16, u16)> {
    let size =
        termios::tcgetwinsize(rustix::stdio::stdout()).or_else(|_| termios::tcgetwinsize(rustix::stdio::stdin()));
    size.ok()
        .map(|size| (size.ws_row, size.ws_col))
        .filter(|(rows, columns)| *rows > 0 && *columns > 0)
}

/// Columns of the terminal that shows standard output, where one does.
pub(crate) fn columns() -> Option<usize> {
    let size = termios::tcgetwinsize(rustix::stdio::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// The terminal shows nothing of what is typed until this is dropped.
pub(crate) struct Silence {
    before: Termios,
}

impl Silence {
    /// Switches off the echo of standard input; `None` when it is no terminal.
    pub(crate) fn begin() -> Option<Self> {
        let before = termios::tcgetattr(rustix::stdio::stdin()).ok()?;
        let mut silent = before.clone();
        silent.local_modes.remove(termios::LocalModes::ECHO);
        termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &silent).ok()?;
        Some(Self { before })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // The terminal may be gone; then there is nothing to restore.
        let _ = termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
    }
}

/// The terminal passes every key on unchanged until this is dropped.
pub(crate) struct RawMode {
    before: Termios,
}

impl RawMode {
    /// Switches standard input to raw mode; `None` when it is no terminal.
    pub(crate) fn enter() -> Option<Self> {
        let before = termios::tcgetattr(rustix::stdio::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Self { before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // The terminal may be gone; then there is nothing to restore.
        let _ = termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
    }
}
