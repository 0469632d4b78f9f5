//! The runtimes that containers may choose.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::document::Document;

/// Names to programs, and the one of containers that name none.
#[derive(Debug, Clone)]
pub(crate) struct Runtimes(pub(crate) tierce_engine::Runtimes);

impl Runtimes {
    /// Those that are there by themselves, and those of the document.
    pub(crate) fn new(document: &Document) -> Result<Self> {
        let mut runtimes = tierce_engine::Runtimes::default();
        for (name, runtime) in document.runtimes.iter().flatten() {
            if !runtime.runtime_args.is_empty() {
                bail!("runtime {name}: arguments for runtimes are not served");
            }
            if let Some(kind) = &runtime.runtime_type {
                bail!("runtime {name}: other shims ({kind}) are not served");
            }
            let path = runtime
                .path
                .clone()
                .with_context(|| format!("runtime {name}: it has no path"))?;
            runtimes.programs.insert(name.clone(), Some(found(&path)));
        }
        if let Some(default) = document.default_runtime.as_ref().filter(|name| !name.is_empty()) {
            runtimes.default.clone_from(default);
        }
        if !runtimes.programs.contains_key(&runtimes.default) {
            bail!("specified default runtime '{}' does not exist", runtimes.default);
        }
        Ok(Self(runtimes))
    }
}

/// A program without a slash is looked for in `PATH`, as dockerd does.
fn found(program: &Path) -> PathBuf {
    if program.components().count() > 1 {
        return program.to_owned();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| program.to_owned())
}
