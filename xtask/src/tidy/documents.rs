//! The documents lead somewhere: every path that they name as code exists.

use super::{Finding, read};
use anyhow::Result;
use std::path::Path;

/// The documents that are held to it.
const DOCUMENTS: &[&str] = &["ARCHITECTURE.md", "README.md", "docs/glossary.md"];
/// Where paths of ours begin.
const TOPS: &[&str] = &[
    "crates/",
    "xtask/",
    "conformance/",
    "fuzz/",
    "packaging/",
    "bench/",
    "docs/",
];

/// Looks up every code span of the documents that is a path of ours.
pub(super) fn check(root: &Path, findings: &mut Vec<Finding>) -> Result<()> {
    for document in DOCUMENTS {
        let text = read(&root.join(document))?;
        for (number, line) in text.lines().enumerate() {
            for path in paths(line).filter(|path| !root.join(path).exists()) {
                findings.push(Finding {
                    rule: "documents",
                    place: format!("{document}:{}", number + 1),
                    detail: format!("names {path}, which does not exist: tell what is there now"),
                });
            }
        }
    }
    Ok(())
}

/// The paths among the code spans of a line.
fn paths(line: &str) -> impl Iterator<Item = &str> {
    let spans = line.split('`').skip(1).step_by(2);
    let plain =
        |span: &&str| !span.contains("NNNN") && !span.contains(|c: char| c.is_whitespace() || "*{}<>$…".contains(c));
    spans
        .filter(plain)
        .filter(|span| TOPS.iter().any(|top| span.starts_with(top)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_172_only_paths_of_ours_are_looked_up() {
        let line = "see `crates/cli/src/main.rs`, `crates/*/src`, `cargo test`, crates/none and `xtask/`";
        assert_eq!(paths(line).collect::<Vec<_>>(), ["crates/cli/src/main.rs", "xtask/"]);
    }
}
