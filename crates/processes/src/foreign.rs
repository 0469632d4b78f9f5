//! The host's `ps`, for forms that are not made here.

use crate::{Error, ProcessTable};

/// Asks the host's `ps` and keeps the rows of the container's processes.
pub(crate) fn foreign(arguments: &[String], pids: &[u32]) -> Result<ProcessTable, Error> {
    let output = std::process::Command::new("ps")
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(Error::NoPs)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::Invalid(format!("ps: {said}")));
    }
    parse_ps(&String::from_utf8_lossy(&output.stdout), pids)
}

pub(crate) fn parse_ps(output: &str, pids: &[u32]) -> Result<ProcessTable, Error> {
    let mut lines = output.lines();
    let titles: Vec<String> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let pid_column = titles
        .iter()
        .position(|title| title == "PID")
        .ok_or_else(|| Error::Invalid("Couldn't find PID field in ps output".to_owned()))?;
    let mut processes = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ours = words
            .get(pid_column)
            .and_then(|word| word.parse().ok())
            .is_some_and(|pid| pids.contains(&pid));
        if !ours || words.len() < titles.len() {
            continue;
        }
        // The last column may have spaces in it.
        let (head, tail) = words.split_at(titles.len() - 1);
        let mut row: Vec<String> = head.iter().map(|word| (*word).to_owned()).collect();
        row.push(tail.join(" "));
        processes.push(row);
    }
    Ok(ProcessTable { titles, processes })
}
