//! The house rules as tests. Every ban has a reason and says what to do instead.
//!
//! | Rule | Limit | Why |
//! |---|---|---|
//! | lines of a file, tests left out | 500 | a file is one thought |
//! | lines of a function | 80 | it fits a screen |
//! | inherent methods of a type, over all files | 25 | a type with more is several types |
//! | methods of a trait | 12 | a seam is narrow |
//! | fields of a struct | 15 | group what belongs together (wire documents are exempt) |
//! | lines of a crate, tests left out | 10,000 | a room can be walked through |
//! | imports between rooms | the table in [`floors`] | imports go down only |
//! | drivers | import no other driver | siblings do not know each other |
//! | `unsafe` | crate `sys` only | one place to review |
//! | module documentation | every file | a stranger knows what it is for |
//! | paths in the documents | exist | the map is the truth |
//!
//! Exceptions stand in [`exceptions`], each with its reason; an exception that is no longer needed is an error too, so
//! the list can only shrink.

mod documents;
mod exceptions;
mod floors;
mod source;

use anyhow::{Context, Result, bail};
use exceptions::Exceptions;
use source::SourceFile;
use std::collections::BTreeMap;
use std::path::Path;

/// One broken rule: which, where, and what was found.
#[derive(Debug)]
struct Finding {
    rule: &'static str,
    place: String,
    detail: String,
}

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 80;
const TYPE_METHODS: usize = 25;
const TRAIT_METHODS: usize = 12;
const STRUCT_FIELDS: usize = 15;
const CRATE_LINES: usize = 10_000;

/// Checks the whole tree below `root` and fails with all findings.
pub(crate) fn run(root: &Path) -> Result<()> {
    let files = source::read_tree(root)?;
    let mut findings = Vec::new();
    for file in &files {
        check_file(file, &mut findings);
    }
    check_types(&files, &mut findings);
    check_crates(&files, &mut findings);
    floors::check(root, &mut findings)?;
    documents::check(root, &mut findings)?;
    let mut exceptions = Exceptions::new();
    findings.retain(|finding| !exceptions.covers(finding));
    findings.extend(exceptions.unused());
    for finding in &findings {
        eprintln!("tidy: {}: {}: {}", finding.rule, finding.place, finding.detail);
    }
    if !findings.is_empty() {
        bail!("{} broken house rules", findings.len());
    }
    let lines: usize = files.iter().map(|file| file.lines).sum();
    println!(
        "tidy: {} files, {lines} lines without tests, {} exceptions: all house rules hold",
        files.len(),
        exceptions.len()
    );
    Ok(())
}

fn check_file(file: &SourceFile, findings: &mut Vec<Finding>) {
    let mut found = |rule, place: String, detail| findings.push(Finding { rule, place, detail });
    if file.lines > FILE_LINES {
        found(
            "file-lines",
            file.path.clone(),
            format!("{} lines, at most {FILE_LINES}: split it by subject", file.lines),
        );
    }
    if !file.has_module_doc {
        found(
            "module-doc",
            file.path.clone(),
            "no `//!` doc: say what the file is for".to_owned(),
        );
    }
    if file.uses_unsafe && file.room != "sys" {
        found(
            "unsafe",
            file.path.clone(),
            "unsafe code: put the call into crates/sys".to_owned(),
        );
    }
    for (name, lines) in &file.functions {
        if *lines > FUNCTION_LINES {
            found(
                "function-lines",
                format!("{}: {name}", file.path),
                format!("{lines} lines, at most {FUNCTION_LINES}: name its parts"),
            );
        }
    }
    for (name, methods) in &file.traits {
        if *methods > TRAIT_METHODS {
            found(
                "trait-methods",
                format!("{}: {name}", file.path),
                format!("{methods} methods, at most {TRAIT_METHODS}: split it by asker"),
            );
        }
    }
    for (name, fields) in &file.structs {
        if *fields > STRUCT_FIELDS && !file.is_wire_document() {
            found(
                "struct-fields",
                format!("{}: {name}", file.path),
                format!("{fields} fields, at most {STRUCT_FIELDS}: group them"),
            );
        }
    }
    for sibling in &file.sibling_drivers {
        found(
            "drivers",
            file.path.clone(),
            format!("imports the driver `{sibling}`: move what is shared above the drivers"),
        );
    }
}

fn check_types(files: &[SourceFile], findings: &mut Vec<Finding>) {
    let mut methods: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for file in files {
        for (name, count) in &file.inherent_methods {
            *methods.entry((&file.room, name)).or_default() += count;
        }
    }
    for ((room, name), count) in methods {
        if count > TYPE_METHODS {
            findings.push(Finding {
                rule: "type-methods",
                place: format!("{room}: {name}"),
                detail: format!("{count} inherent methods, at most {TYPE_METHODS}: it is several types"),
            });
        }
    }
}

fn check_crates(files: &[SourceFile], findings: &mut Vec<Finding>) {
    let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
    for file in files {
        *lines.entry(&file.room).or_default() += file.lines;
    }
    for (room, count) in lines {
        if count > CRATE_LINES {
            findings.push(Finding {
                rule: "crate-lines",
                place: room.to_owned(),
                detail: format!("{count} lines, at most {CRATE_LINES}: it is several rooms"),
            });
        }
    }
}

/// Reads a file of the project.
fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}
