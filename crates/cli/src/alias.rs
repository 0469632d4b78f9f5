//! Commands of the user's own: `aliases` of the configuration, for instance `{"aliases":{"l":"container ls -a"}}`.
//!
//! A name that this program knows itself is never an alias. Docker has them for `builder` alone.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;
use std::path::Path;
use tierce_settings::Settings;

/// The command line with its alias replaced by what it stands for; `None` when its command is no alias.
pub(crate) fn expanded(error: &clap::Error, words: &[OsString]) -> Option<Vec<OsString>> {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidSubcommand) else {
        return None;
    };
    let file = settings(words).file().ok()?;
    let meant = file.texts("aliases").find(|(known, _)| known == name)?.1.to_owned();
    replaced(words, name, &meant)
}

/// The same words with the first `name` replaced.
fn replaced(words: &[OsString], name: &str, meant: &str) -> Option<Vec<OsString>> {
    let at = words.iter().skip(1).position(|word| word == name)? + 1;
    let meant = meant.split_whitespace().map(OsString::from);
    Some(
        words[..at]
            .iter()
            .cloned()
            .chain(meant)
            .chain(words[at + 1..].iter().cloned())
            .collect(),
    )
}

/// Those that the command line names, whatever else is wrong with it.
fn settings(words: &[OsString]) -> Settings {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if let Some(directory) = word.to_str().and_then(|word| word.strip_prefix("--config=")) {
            return Settings::at(Path::new(directory));
        }
        if word == "--config"
            && let Some(directory) = words.next()
        {
            return Settings::at(Path::new(directory));
        }
    }
    Settings::of_user()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alias_is_replaced_where_it_stands() {
        let words: Vec<OsString> = ["tierce", "-D", "l", "-q", "l"].map(OsString::from).into();
        let expected: Vec<OsString> = ["tierce", "-D", "container", "ls", "-q", "l"]
            .map(OsString::from)
            .into();
        assert_eq!(replaced(&words, "l", "container ls"), Some(expected));
        assert_eq!(replaced(&words, "x", "y"), None);
        assert_eq!(
            settings(&["tierce", "--config", "/c", "l"].map(OsString::from)).directory(),
            Path::new("/c")
        );
    }
}
