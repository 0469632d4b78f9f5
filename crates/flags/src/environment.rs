//! Environment variables and labels, from words and files. Source: docker/cli `opts/file.go`, `opts/env.go`.

use crate::Error;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `NAME=value` words of files, then of flags. A bare `NAME` takes our own value. Where we have none, that of a file is left
/// out, and that of a flag stays: it takes the image's value away.
pub fn collect(words: &[String], files: &[PathBuf]) -> Result<Vec<String>, Error> {
    let mut variables = Vec::new();
    for file in files {
        for line in lines(file)? {
            let name = line.split('=').next().unwrap_or_default();
            if name.is_empty() {
                return Err(Error::usage(format!(
                    "invalid env file ({}): no variable name on line '{line}'",
                    file.display()
                )));
            }
            if name.contains(char::is_whitespace) {
                return Err(Error::usage(format!(
                    "invalid env file ({}): variable '{name}' contains whitespaces",
                    file.display()
                )));
            }
            variables.extend(resolve(&line));
        }
    }
    for word in words {
        variables.push(resolve(word).unwrap_or_else(|| word.clone()));
    }
    Ok(variables)
}

/// A `NAME=value` or `NAME` of the command line.
pub fn variable(word: &str) -> Result<String, String> {
    if word.is_empty() || word.starts_with('=') {
        return Err(format!("invalid environment variable: {word}"));
    }
    Ok(word.to_owned())
}

fn resolve(word: &str) -> Option<String> {
    if word.contains('=') {
        return Some(word.to_owned());
    }
    std::env::var(word).ok().map(|value| format!("{word}={value}"))
}

/// `name=value` words of files, then of flags.
pub(crate) fn labels(words: &[String], files: &[PathBuf]) -> Result<BTreeMap<String, String>, Error> {
    let mut labels = BTreeMap::new();
    for file in files {
        // As Docker's client, which drops a label of a file that has no value.
        let lines = lines(file)?;
        labels.extend(lines.iter().filter(|line| line.contains('=')).map(|line| pair(line)));
    }
    labels.extend(words.iter().map(|word| pair(word)));
    Ok(labels)
}

/// `name=value`, or `name` with an empty value.
pub(crate) fn pair(word: &str) -> (String, String) {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    (name.to_owned(), value.to_owned())
}

/// Lines that are neither empty nor comments, without leading blanks.
fn lines(file: &Path) -> Result<Vec<String>, Error> {
    let text = std::fs::read_to_string(file).map_err(|error| Error::opening(file, &error))?;
    let text = text.trim_start_matches('\u{feff}');
    let lines = text.lines().map(|line| line.trim_start().to_owned());
    Ok(lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_files_are_joined_in_order() {
        let file = std::env::temp_dir().join(format!("tierce-env-{}", std::process::id()));
        std::fs::write(&file, "\u{feff}# comment\n\n  A=1\nTIERCE_SURELY_UNSET\nB=x y\n").unwrap();
        let variables = collect(
            &["C=3".into(), "PATH".into(), "TIERCE_UNSET".into()],
            std::slice::from_ref(&file),
        )
        .unwrap();
        std::fs::write(&file, "A B=1\n").unwrap();
        let error = collect(&[], std::slice::from_ref(&file)).unwrap_err();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(variables[..3], ["A=1", "B=x y", "C=3"]);
        assert!(variables[3].starts_with("PATH="));
        assert_eq!(variables[4], "TIERCE_UNSET");
        assert!(error.to_string().contains("contains whitespaces"), "{error}");
        assert!(variable("=x").is_err() && variable("").is_err() && variable("x").is_ok());
    }
}
