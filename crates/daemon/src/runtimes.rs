//! The runtimes that containers may choose.
//!
//! A runtime is a program. Where more is to be said than its path, arguments or that it is a shim, a script says it:
//!
//! ```text
//!  DR/runtimes/<name>     exec PROGRAM ARGUMENT… "$@"       or     exec tierce-stand-in --shim SHIM "$@"
//! ```

use std::ffi::OsStr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::document::{Document, Runtime};

/// Where scripts are, and what those of shims execute.
#[derive(Debug, Clone)]
pub(crate) struct Workshop {
    /// `DR/runtimes`: what is below `/run` may not be executed everywhere.
    pub(crate) scripts: PathBuf,
    /// `tierce-stand-in`
    pub(crate) stand_in: PathBuf,
}

/// Names to programs, the one of containers that name none, and the scripts that some of the programs are.
#[derive(Debug, Clone)]
pub(crate) struct Runtimes {
    pub(crate) known: tierce_engine::Runtimes,
    scripts: Vec<(PathBuf, String)>,
}

impl Runtimes {
    /// Those that are there by themselves, and those of the document. Nothing is written yet.
    pub(crate) fn new(document: &Document, workshop: &Workshop) -> Result<Self> {
        let mut runtimes = Self {
            known: tierce_engine::Runtimes::default(),
            scripts: Vec::new(),
        };
        for (name, shim) in shims_in_path() {
            let program = runtimes.of_shim(&name, &shim, workshop);
            runtimes.known.programs.insert(name, Some(program));
        }
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
                (Some(path), None) if !runtime.runtime_args.is_empty() => {
                    let words = runtime.runtime_args.iter().map(OsStr::new);
                    Some(runtimes.script(name, workshop, &found(path), words))
                }
                (Some(path), None) => Some(found(path)),
                (None, Some(kind)) => match shim(name, kind)? {
                    None => of_runc(name, kind, runtime)?,
                    Some(_) if !runtime.options.is_empty() => {
                        bail!("runtime {name}: options of the shim {kind} are not served")
                    }
                    Some(shim) => Some(runtimes.of_shim(name, &shim, workshop)),
                },
            };
            runtimes.known.programs.insert(name.clone(), program);
        }
        let known = &mut runtimes.known;
        if let Some(default) = document.default_runtime.as_ref().filter(|name| !name.is_empty()) {
            known.default.clone_from(default);
        }
        if !known.programs.contains_key(&known.default) {
            bail!("specified default runtime '{}' does not exist", known.default);
        }
        Ok(runtimes)
    }

    /// Writes the scripts.
    pub(crate) fn write(self) -> Result<tierce_engine::Runtimes> {
        for (path, text) in &self.scripts {
            let write = || {
                if let Some(directory) = path.parent() {
                    std::fs::DirBuilder::new()
                        .recursive(true)
                        .mode(0o700)
                        .create(directory)?;
                }
                // A new file: the old one may be executed just now.
                let new = path.with_extension("new");
                let mut options = std::fs::File::options();
                let mut file = options.write(true).create(true).truncate(true).mode(0o700).open(&new)?;
                std::io::Write::write_all(&mut file, text.as_bytes())?;
                drop(file);
                std::fs::rename(&new, path)
            };
            write().with_context(|| format!("write {}", path.display()))?;
        }
        Ok(self.known)
    }

    /// The script of a runtime that is a shim.
    fn of_shim(&mut self, name: &str, shim: &Path, workshop: &Workshop) -> PathBuf {
        let words = [OsStr::new("--shim"), shim.as_os_str()];
        self.script(name, workshop, &workshop.stand_in, words.into_iter())
    }

    /// A script that executes a program with some words before those that it is given.
    fn script<'a>(
        &mut self,
        name: &str,
        workshop: &Workshop,
        program: &Path,
        words: impl Iterator<Item = &'a OsStr>,
    ) -> PathBuf {
        let program = std::iter::once(quoted(program.as_os_str()));
        let words: Vec<String> = program.chain(words.map(quoted)).collect();
        let path = workshop.scripts.join(name.replace('/', "_"));
        let text = format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" "));
        self.scripts.push((path.clone(), text));
        path
    }
}

/// A word of the shell.
fn quoted(word: &OsStr) -> String {
    format!("'{}'", word.to_string_lossy().replace('\'', "'\\''"))
}

/// The program of a shim by its type or path; `None`: containerd's for runc.
///
/// That one keeps a container with an OCI runtime by runc's command line. So does ours, and it stands in for it, with the
/// runtime that the options name.
fn shim(name: &str, kind: &str) -> Result<Option<PathBuf>> {
    let path = Path::new(kind);
    let program = if path.is_absolute() {
        path.to_owned()
    } else {
        let parts: Vec<&str> = kind.split('.').collect();
        let [.., shim, version] = parts.as_slice() else {
            bail!("runtime {name}: {kind} is no shim: neither io.containerd.NAME.v2 nor an absolute path");
        };
        found(Path::new(&format!("containerd-shim-{shim}-{version}")))
    };
    let of_runc = program.file_name() == Some(OsStr::new("containerd-shim-runc-v2"));
    Ok((!of_runc).then_some(program))
}

/// The shims that are installed, by the types that containers may name them by without being told of.
fn shims_in_path() -> Vec<(String, PathBuf)> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = Vec::new();
    for entry in std::env::split_paths(&path).flat_map(|directory| std::fs::read_dir(directory).into_iter().flatten()) {
        let Ok(entry) = entry else { continue };
        let name = entry.file_name();
        let shim = name.to_str().and_then(|name| name.strip_prefix("containerd-shim-"));
        let Some((shim, version)) = shim.and_then(|shim| shim.rsplit_once('-')) else {
            continue;
        };
        if !matches!(shim, "runc" | "tierce") && version.starts_with('v') {
            found.push((format!("io.containerd.{shim}.{version}"), entry.path()));
        }
    }
    // The first of the path counts.
    found.reverse();
    found
}

/// The program of a runtime that runc's shim is named for.
fn of_runc(name: &str, kind: &str, runtime: &Runtime) -> Result<Option<PathBuf>> {
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

    fn workshop() -> Workshop {
        Workshop {
            scripts: "/run/tierce/runtimes".into(),
            stand_in: "/opt/bin/tierce-stand-in".into(),
        }
    }

    fn programs(json: &str) -> Result<tierce_engine::Runtimes> {
        let document: Document = serde_json::from_str(json).unwrap();
        Runtimes::new(&document, &workshop()).map(|runtimes| runtimes.known)
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
                r#"{"runtimeType": "io.containerd.kata.v2", "options": {"ConfigPath": "/x"}}"#,
                "options of the shim io.containerd.kata.v2 are not served",
            ),
            (r#"{"runtimeType": "kata"}"#, "kata is no shim"),
            (
                r#"{"runtimeType": "io.containerd.runc.v2", "options": {"Root": "/x"}}"#,
                "option Root of io.containerd.runc.v2 is not served",
            ),
        ] {
            let refused = programs(&format!(r#"{{"runtimes": {{"bad": {runtime}}}}}"#)).unwrap_err();
            assert!(refused.to_string().contains(word), "{refused}");
        }
    }

    #[test]
    fn row_109_arguments_and_other_shims_are_said_by_a_script() {
        let directory = tempfile::tempdir().unwrap();
        let workshop = Workshop {
            scripts: directory.path().join("runtimes"),
            ..workshop()
        };
        let document = r#"{"runtimes": {
            "arguments": {"path": "/opt/vm", "runtimeArgs": ["--debug", "it's"]},
            "shim": {"runtimeType": "/opt/containerd-shim-vm-v2"},
            "type": {"runtimeType": "io.containerd.nowhere.v2"}
        }}"#;
        let document: Document = serde_json::from_str(document).unwrap();
        let runtimes = Runtimes::new(&document, &workshop).unwrap().write().unwrap();
        let script = |name: &str| std::fs::read_to_string(runtimes.programs[name].as_ref().unwrap()).unwrap();
        assert_eq!(
            script("arguments"),
            "#!/bin/sh\nexec '/opt/vm' '--debug' 'it'\\''s' \"$@\"\n"
        );
        assert_eq!(
            script("shim"),
            "#!/bin/sh\nexec '/opt/bin/tierce-stand-in' '--shim' '/opt/containerd-shim-vm-v2' \"$@\"\n"
        );
        assert!(script("type").contains("'--shim' 'containerd-shim-nowhere-v2'"));
    }
}
