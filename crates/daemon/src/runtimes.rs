//! The runtimes that containers may choose.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::document::{Document, Runtime};

/// Names to programs, and the one of containers that name none.
#[derive(Debug, Clone)]
pub(crate) struct Runtimes(pub(crate) tierce_engine::Runtimes);

impl Runtimes {
    /// Those that are there by themselves, and those of the document.
    pub(crate) fn new(document: &Document) -> Result<Self> {
        let mut runtimes = tierce_engine::Runtimes::default();
        for (name, runtime) in document.runtimes.iter().flatten() {
            let program = match (&runtime.path, &runtime.runtime_type) {
                (Some(_), Some(_)) => {
                    bail!("runtime {name}: cannot configure both path and runtimeType for the same runtime")
                }
                (None, None) => bail!("runtime {name}: either a runtimeType or a path must be configured"),
                (None, Some(_)) if !runtime.runtime_args.is_empty() => {
                    bail!("runtime {name}: args cannot be used with a runtimeType runtime")
                }
                (Some(_), None) if !runtime.options.is_empty() => {
                    bail!("runtime {name}: options cannot be used with a path runtime")
                }
                (Some(_), None) if !runtime.runtime_args.is_empty() => {
                    bail!("runtime {name}: arguments for runtimes are not served")
                }
                (Some(path), None) => Some(found(path)),
                (None, Some(kind)) => of_type(name, kind, runtime)?,
            };
            runtimes.programs.insert(name.clone(), program);
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

/// The program of a runtime that is named by its shim.
///
/// containerd's shim for runc keeps a container with an OCI runtime by runc's command line. So does ours, and it stands in
/// for that one, with the runtime that the options name. Others are programs that we do not speak with yet.
fn of_type(name: &str, kind: &str, runtime: &Runtime) -> Result<Option<PathBuf>> {
    let shim = Path::new(kind).file_name().unwrap_or_default();
    if kind != "io.containerd.runc.v2" && shim != "containerd-shim-runc-v2" {
        bail!(
            "runtime {name}: the shim {kind} is not served; io.containerd.runc.v2 is, and so is every OCI runtime with runc's \
             command line, by its path"
        );
    }
    let mut program = None;
    for (option, value) in &runtime.options {
        match (option.as_str(), value.as_str()) {
            ("BinaryName", Some("")) => {}
            ("BinaryName", Some(path)) => program = Some(found(Path::new(path))),
            _ => bail!("runtime {name}: the option {option} of {kind} is not served"),
        }
    }
    Ok(program.or_else(|| tierce_engine::Runtimes::default().programs.remove("runc").flatten()))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(json: &str) -> Result<tierce_engine::Runtimes> {
        let document: Document = serde_json::from_str(json).unwrap();
        Runtimes::new(&document).map(|runtimes| runtimes.0)
    }

    #[test]
    fn row_109_a_runtime_is_named_by_path_or_by_the_shim_that_ours_stands_in_for() {
        let runtimes = programs(
            r#"{"runtimes": {
                "path": {"path": "/opt/vm"},
                "type": {"runtimeType": "io.containerd.runc.v2", "options": {"BinaryName": "/opt/vm"}},
                "shim": {"runtimeType": "/usr/bin/containerd-shim-runc-v2", "options": {"BinaryName": "/opt/vm"}}
            }}"#,
        )
        .unwrap();
        for name in ["path", "type", "shim"] {
            assert_eq!(runtimes.programs[name].as_deref(), Some(Path::new("/opt/vm")), "{name}");
        }
        for (runtime, word) in [
            (r"{}", "runtime bad: either a runtimeType or a path must be configured"),
            (
                r#"{"path": "/x", "runtimeType": "io.containerd.runc.v2"}"#,
                "runtime bad: cannot configure both path and runtimeType for the same runtime",
            ),
            (
                r#"{"runtimeType": "io.containerd.runc.v2", "runtimeArgs": ["x"]}"#,
                "runtime bad: args cannot be used with a runtimeType runtime",
            ),
            (
                r#"{"path": "/x", "options": {"BinaryName": "y"}}"#,
                "runtime bad: options cannot be used with a path runtime",
            ),
            (
                r#"{"runtimeType": "io.containerd.kata.v2"}"#,
                "io.containerd.kata.v2 is not served",
            ),
            (
                r#"{"runtimeType": "io.containerd.runc.v2", "options": {"Root": "/x"}}"#,
                "option Root of io.containerd.runc.v2 is not served",
            ),
        ] {
            let refused = programs(&format!(r#"{{"runtimes": {{"bad": {runtime}}}}}"#)).unwrap_err();
            assert!(refused.to_string().contains(word), "{refused}");
        }
    }
}
