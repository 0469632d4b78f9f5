//! A lexer of command lines in the manner of Go's `flag` package, which runc's callers write for: `-flag`, `--flag`,
//! `--flag=value`, `--flag value`, `--` ends the flags.
//!
//! The runtime is started for every verb of every container and must be through in less than a millisecond, so it
//! spells out its few flags here instead of carrying a command line framework.

use crate::error::Error;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

/// The arguments that have not been looked at yet.
#[derive(Debug)]
pub(crate) struct Arguments {
    rest: VecDeque<OsString>,
    /// The value of `--flag=value`, until it is asked for.
    attached: Option<String>,
    flag: String,
    flags_ended: bool,
}

/// One piece of a command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A flag, without its dashes.
    Flag(String),
    /// Anything else.
    Word(String),
}

impl Arguments {
    /// Takes the arguments behind the program's name.
    pub(crate) fn new(arguments: impl IntoIterator<Item = OsString>) -> Self {
        Self {
            rest: arguments.into_iter().collect(),
            attached: None,
            flag: String::new(),
            flags_ended: false,
        }
    }

    /// The next argument. Only when its turn comes it must be UTF-8, so that the complaint goes to the log that the
    /// arguments before it named.
    fn pop(&mut self) -> Result<Option<String>, Error> {
        self.rest.pop_front().map(utf8).transpose()
    }

    /// The next flag or word.
    ///
    /// # Errors
    /// [`Error::Misused`] when the flag before had a value that nobody asked for, or the next one is not UTF-8.
    pub(crate) fn next(&mut self) -> Result<Option<Piece>, Error> {
        if let Some(value) = self.attached.take() {
            return Err(Error::Misused(format!(
                "flag --{} takes no value, but got {value:?}",
                self.flag
            )));
        }
        let Some(argument) = self.pop()? else {
            return Ok(None);
        };
        if self.flags_ended || argument == "-" || !argument.starts_with('-') {
            return Ok(Some(Piece::Word(argument)));
        }
        if argument == "--" {
            self.flags_ended = true;
            return self.next();
        }
        let name = argument
            .strip_prefix("--")
            .or_else(|| argument.strip_prefix('-'))
            .unwrap_or(&argument);
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (name, None),
        };
        self.attached = value;
        name.clone_into(&mut self.flag);
        Ok(Some(Piece::Flag(name.to_owned())))
    }

    /// The value of the flag that [`Self::next`] returned last.
    ///
    /// # Errors
    /// [`Error::Misused`] when there is none, or it is not UTF-8.
    pub(crate) fn value(&mut self) -> Result<String, Error> {
        match self.attached.take() {
            Some(value) => Ok(value),
            None => self.pop()?.ok_or_else(|| self.missing()),
        }
    }

    fn missing(&self) -> Error {
        Error::Misused(format!("flag needs an argument: --{}", self.flag))
    }

    /// The value of the last flag as a path.
    pub(crate) fn path(&mut self) -> Result<PathBuf, Error> {
        match self.attached.take() {
            Some(value) => Ok(value.into()),
            None => self.rest.pop_front().map(PathBuf::from).ok_or_else(|| self.missing()),
        }
    }

    /// The value of the last flag as a number.
    pub(crate) fn number<T: FromStr>(&mut self) -> Result<T, Error> {
        let text = self.value()?;
        text.parse()
            .map_err(|_| Error::Misused(format!("invalid value {text:?} for flag --{}", self.flag)))
    }

    /// The truth of the last flag: set, unless it says `=false`.
    pub(crate) fn truth(&mut self) -> Result<bool, Error> {
        let Some(text) = self.attached.take() else {
            return Ok(true);
        };
        tierce_oci::parse_bool(&text)
            .map_err(|_| Error::Misused(format!("invalid boolean value {text:?} for flag --{}", self.flag)))
    }

    /// Everything behind, flags and words alike.
    ///
    /// # Errors
    /// [`Error::Misused`] for one that is not UTF-8.
    pub(crate) fn remainder(&mut self) -> Result<Vec<String>, Error> {
        if !self.flags_ended && self.rest.front().is_some_and(|first| first == "--") {
            self.rest.pop_front();
        }
        self.rest.drain(..).map(utf8).collect()
    }

    /// What follows from the last flag, which no verb knows: help where it asks for it, else an error.
    pub(crate) fn unknown<T>(&self) -> Result<T, Error> {
        if matches!(self.flag.as_str(), "help" | "h") {
            return Err(Error::Help);
        }
        Err(Error::Misused(format!("flag provided but not defined: -{}", self.flag)))
    }
}

fn utf8(argument: OsString) -> Result<String, Error> {
    argument
        .into_string()
        .map_err(|argument| Error::Misused(format!("argument {:?} is not UTF-8", argument.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(words: &[&str]) -> Arguments {
        Arguments::new(words.iter().map(OsString::from))
    }

    #[test]
    fn flags_come_with_one_or_two_dashes_and_either_way_of_value() {
        let mut arguments = arguments(&["-root=/a", "--log", "/b", "id", "--", "-x"]);
        assert_eq!(arguments.next().expect("a flag"), Some(Piece::Flag("root".into())));
        assert_eq!(arguments.value().expect("a value"), "/a");
        assert_eq!(arguments.next().expect("a flag"), Some(Piece::Flag("log".into())));
        assert_eq!(arguments.value().expect("a value"), "/b");
        assert_eq!(arguments.next().expect("a word"), Some(Piece::Word("id".into())));
        assert_eq!(arguments.next().expect("a word"), Some(Piece::Word("-x".into())));
        assert_eq!(arguments.next().expect("the end"), None);
    }

    #[test]
    fn a_missing_value_and_a_needless_one_are_errors() {
        let mut missing = arguments(&["--root"]);
        missing.next().expect("a flag");
        assert!(missing.value().is_err());
        let mut needless = arguments(&["--all=yes", "id"]);
        needless.next().expect("a flag");
        assert!(needless.next().is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_command_line_makes_the_lexer_panic_or_spin(words in proptest::collection::vec("[-=a-z]{0,6}", 0..12)) {
            let mut arguments = Arguments::new(words.iter().map(OsString::from));
            let mut pieces = 0;
            while let Ok(Some(_)) = arguments.next() {
                pieces += 1;
            }
            proptest::prop_assert!(pieces <= words.len());
        }
    }
}
