//! `ps`: the processes of a container.

use super::{Globals, state};
use crate::argv::{Arguments, Piece};
use crate::error::{Doing, Error};
use crate::state::Home;
use std::path::Path;
use std::process::Command;

/// Host pids of all processes of a container.
///
/// # Errors
/// [`Error::NotFound`].
pub fn pids(root: &Path, id: &str) -> Result<Vec<i32>, Error> {
    let record = Home::of(root, id)?.load()?;
    let mut pids: Vec<i32> = state::group(&record)
        .pids()?
        .into_iter()
        .map(u32::cast_signed)
        .collect();
    pids.sort_unstable();
    Ok(pids)
}

/// The command line.
pub(crate) fn command(globals: &Globals, arguments: &mut Arguments) -> Result<u8, Error> {
    let (mut as_json, mut id, mut options) = (false, None, Vec::new());
    while id.is_none() {
        match arguments.next()? {
            None => break,
            Some(Piece::Word(word)) => {
                id = Some(word);
                options = arguments.remainder()?;
            }
            Some(Piece::Flag(flag)) => match flag.as_str() {
                "format" | "f" => as_json = format(&arguments.value()?)?,
                _ => return arguments.unknown(),
            },
        }
    }
    let id = id.ok_or_else(|| super::misused("ps", "a minimum of 1"))?;
    let pids = pids(&globals.root, &id)?;
    if as_json {
        let text = serde_json::to_string(&pids).map_err(|error| Error::Invalid(error.to_string()))?;
        return super::print(&text);
    }
    table(&pids, &options)
}

/// Reads `--format`: whether it is JSON.
pub(crate) fn format(word: &str) -> Result<bool, Error> {
    match word {
        "json" => Ok(true),
        "table" => Ok(false),
        _ => Err(Error::Usage("invalid format option".into())),
    }
}

/// Asks the host's ps(1) and keeps the container's lines, as runc does.
fn table(pids: &[i32], options: &[String]) -> Result<u8, Error> {
    let default = ["-ef".to_owned()];
    let output = Command::new("ps")
        .args(if options.is_empty() { &default } else { options })
        .output()
        .doing(|| "execute ps".into())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let column = header
        .split_ascii_whitespace()
        .position(|title| title == "PID")
        .ok_or_else(|| Error::Invalid("couldn't find PID field in ps output".into()))?;
    let mut shown = format!("{header}\n");
    for line in lines {
        let pid = line
            .split_ascii_whitespace()
            .nth(column)
            .and_then(|field| field.parse().ok());
        if pid.is_some_and(|pid| pids.contains(&pid)) {
            shown += line;
            shown.push('\n');
        }
    }
    super::print(&shown)
}
