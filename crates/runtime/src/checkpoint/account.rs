//! What CRIU's log says about a failure, told as warnings: CRIU's answer itself is only a number.

use crate::log;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// How many lines before an error are told with it.
const BEFORE: usize = 5;

/// The most lines of a log that are told.
const MOST: usize = 60;

/// Tells the errors of a log, each with the lines before it.
pub(crate) fn tell(path: &Path) {
    match std::fs::File::open(path) {
        Ok(file) => {
            let lines = BufReader::new(file).lines().map_while(Result::ok);
            let quoted = quote(lines);
            if !quoted.is_empty() {
                log::warn(&format!("--- Quoting {:?}", path.display().to_string()));
                for line in &quoted {
                    log::warn(line);
                }
                log::warn("---");
            }
        }
        Err(error) => log::warn(&format!("open {}: {error}", path.display())),
    }
}

/// The lines around errors with their numbers; `...` marks a gap.
fn quote(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut quoted = Vec::new();
    let mut told = 0;
    let mut recent = std::collections::VecDeque::new();
    for (number, line) in (1..).zip(lines) {
        let is_error = line.contains("Error");
        recent.push_back((number, line));
        if recent.len() > BEFORE + 1 {
            recent.pop_front();
        }
        if !is_error {
            continue;
        }
        if told > 0 && recent.front().is_some_and(|(first, _)| *first > told + 1) {
            quoted.push("...".to_owned());
        }
        quoted.extend(recent.drain(..).map(|(number, line)| format!("{number}:{line}")));
        told = number;
        if quoted.len() >= MOST {
            break;
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_quoted_with_what_came_before_and_once() {
        let lines = (1..=30).map(|number| match number {
            3 | 4 | 20 => format!("Error {number}"),
            _ => format!("line {number}"),
        });
        assert_eq!(
            quote(lines),
            [
                "1:line 1",
                "2:line 2",
                "3:Error 3",
                "4:Error 4",
                "...",
                "15:line 15",
                "16:line 16",
                "17:line 17",
                "18:line 18",
                "19:line 19",
                "20:Error 20"
            ]
        );
        assert_eq!(quote(std::iter::once("fine".to_owned())), Vec::<String>::new());
    }
}
