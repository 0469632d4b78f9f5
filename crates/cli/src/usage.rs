//! Wrong command lines, told as Docker tells them.

use crate::error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Prints help where it was asked for, or what is wrong with the command line; gives the exit code.
pub(crate) fn report(error: &clap::Error) -> i32 {
    if !error.use_stderr() {
        // Nobody is left to tell when standard output is closed.
        let _ = error.print();
        return 0;
    }
    let (text, code) = match (error.kind(), first(error, ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(flag)) if flag.starts_with("--") => {
            (format!("unknown flag: {flag}"), error::USAGE)
        }
        (ErrorKind::UnknownArgument, Some(flag)) if flag.starts_with('-') => {
            let letter = flag.chars().nth(1).unwrap_or_default();
            (format!("unknown shorthand flag: '{letter}' in {flag}"), error::USAGE)
        }
        (ErrorKind::MissingRequiredArgument, _) => (format!("tierce: '{}' requires more arguments", command(error)), 1),
        (ErrorKind::InvalidSubcommand, _) => {
            let name = first(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            eprintln!("tierce: unknown command: tierce {name}\n\nRun 'tierce --help' for more information");
            return 1;
        }
        _ => {
            let _ = error.print();
            return error::USAGE;
        }
    };
    eprintln!(
        "{text}\n\nUsage:  {}\n\nRun '{} --help' for more information",
        usage(error),
        command(error)
    );
    code
}

fn first(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => texts.first().cloned(),
        _ => None,
    }
}

/// `tierce ps [OPTIONS]`.
fn usage(error: &clap::Error) -> String {
    match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(text)) => text.to_string().trim_start_matches("Usage:").trim().to_owned(),
        _ => "tierce [OPTIONS] COMMAND".to_owned(),
    }
}

/// `tierce ps`: the usage up to what is no word of a command.
fn command(error: &clap::Error) -> String {
    let usage = usage(error);
    let words = usage
        .split_whitespace()
        .take_while(|word| word.chars().all(|c| c.is_ascii_lowercase()));
    words.collect::<Vec<_>>().join(" ")
}
