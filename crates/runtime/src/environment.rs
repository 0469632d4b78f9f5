//! The environment of a process: checked, and each variable once.

use crate::error::Error;
use std::collections::HashSet;
use std::ffi::CString;

/// What `execve` takes of the document's `process.env`: the last line of each variable, in the document's order. An
/// empty `HOME` counts as none, for which the container's `/etc/passwd` is asked later.
///
/// # Errors
/// [`Error::Invalid`] in runc's words for a line without a name, without `=`, or with a NUL byte.
pub(crate) fn prepare(lines: &[String]) -> Result<Vec<CString>, Error> {
    let mut seen = HashSet::with_capacity(lines.len());
    let mut kept = Vec::with_capacity(lines.len() + 1);
    for line in lines.iter().rev() {
        let wrong = |what: &str| Error::Invalid(format!("invalid environment variable{what}"));
        let (name, value) = line.split_once('=').ok_or_else(|| wrong(": missing '='"))?;
        if name.is_empty() {
            return Err(wrong(": name cannot be empty"));
        }
        if !seen.insert(name) || (name == "HOME" && value.is_empty()) {
            continue;
        }
        let line = CString::new(line.as_str());
        kept.push(line.map_err(|_| wrong(&format!(" {name:?}: contains nul byte (\\x00)")))?);
    }
    kept.reverse();
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(lines: &[&str]) -> Result<Vec<String>, String> {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let texts = |lines: Vec<CString>| lines.iter().map(|line| line.to_string_lossy().into_owned()).collect();
        prepare(&lines).map(texts).map_err(|error| error.to_string())
    }

    #[test]
    fn the_last_line_of_a_variable_counts_and_only_that() {
        let lines = ["A=1", "PATH=/bin", "A=2", "HOME=/x", "A=", "HOME="];
        assert_eq!(prepared(&lines), Ok(vec!["PATH=/bin".into(), "A=".into()]));
        assert_eq!(
            prepared(&["X=a=b\nc", "HOME=/x"]),
            Ok(vec!["X=a=b\nc".into(), "HOME=/x".into()])
        );
    }

    #[test]
    fn lines_that_are_no_variables_are_refused() {
        assert_eq!(
            prepared(&["A"]),
            Err("invalid environment variable: missing '='".into())
        );
        assert_eq!(
            prepared(&["=a"]),
            Err("invalid environment variable: name cannot be empty".into())
        );
        assert_eq!(
            prepared(&["A=\0"]),
            Err("invalid environment variable \"A\": contains nul byte (\\x00)".into())
        );
    }
}
