//! What is wrong with a command line, in the words of dockerd's flag library.

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The text for standard error.
pub(super) fn explain(command: &Command, error: &clap::Error) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let name = command.get_name();
    // `--mtu <BYTES>`: only the flag.
    let argument = text(ContextKind::InvalidArg);
    let flag = argument.split([' ', '[']).next().unwrap_or_default();
    let value = text(ContextKind::InvalidValue);
    let problem = match error.kind() {
        ErrorKind::UnknownArgument if !argument.starts_with('-') => {
            return format!("{name:?} accepts no arguments.\nSee '{name} --help'.");
        }
        ErrorKind::UnknownArgument if argument.starts_with("--") => format!("unknown flag: {flag}"),
        ErrorKind::UnknownArgument => {
            let letter = flag.trim_start_matches('-').chars().next().unwrap_or('?');
            format!("unknown shorthand flag: '{letter}' in {flag}")
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("flag needs an argument: {flag}"),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let reason = std::error::Error::source(error)
                .map(ToString::to_string)
                .unwrap_or_default();
            format!(
                "invalid argument {value:?} for \"{}\" flag: {reason}",
                with_short(command, flag)
            )
        }
        _ => return error.to_string(),
    };
    format!("{problem}\nSee '{name} --help'.")
}

/// A flag as usage shows it: `-H, --host`.
fn with_short(command: &Command, flag: &str) -> String {
    let long = flag.trim_start_matches('-');
    let short = command
        .get_arguments()
        .find(|argument| argument.get_long() == Some(long))
        .and_then(clap::Arg::get_short);
    short.map_or_else(|| flag.to_owned(), |short| format!("-{short}, {flag}"))
}
