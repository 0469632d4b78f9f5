//! Checkpoints: a running container's processes written to files, to go on from there with a later start.
//!
//! ```text
//!  DR/containers/<id>/checkpoints/<name>/     what CRIU wrote, as Docker has it: pages-1.img, descriptors.json, …
//! ```
//! Source of the texts: moby `daemon/checkpoint.go`, and what dockerd 28.5 answers.

use super::context::{Container, Context, blocking, run_to_end};
use super::start;
use crate::error::{Error, Result};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tierce_lifecycle::Status;
use tierce_task::options::CheckpointOptions;

/// What a checkpoint shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Directory to keep it in; empty: the container's own.
    pub directory: String,
    /// End the container with it.
    pub exit: bool,
}

/// The checkpoint verbs.
#[derive(Clone)]
pub struct Checkpoints {
    pub(crate) context: Arc<Context>,
}

impl Checkpoints {
    /// Writes one. When the runtime cannot, the container runs on, and nothing is left.
    pub async fn create(&self, container: &str, wanted: Wanted) -> Result<()> {
        let (context, found, called) = (
            Arc::clone(&self.context),
            self.context.find(container)?,
            container.to_owned(),
        );
        run_to_end(async move { create(&context, &found, &called, wanted).await }).await
    }

    /// Starts a container that goes on from one of its own. [`Error::NotModified`] when it runs already.
    pub async fn start(&self, container: &str, name: &str) -> Result<()> {
        let (context, found, name) = (
            Arc::clone(&self.context),
            self.context.find(container)?,
            name.to_owned(),
        );
        run_to_end(async move { start::start(&context, &found, Some(&name)).await }).await
    }

    /// The names of those in a directory (empty: the container's own), in order.
    pub async fn list(&self, container: &str, directory: &str) -> Result<Vec<String>> {
        let place = place(&*self.context.find(container)?, directory);
        let called = container.to_owned();
        blocking(move || list(&place, &called)).await
    }

    /// Removes one.
    pub async fn remove(&self, container: &str, name: &str, directory: &str) -> Result<()> {
        let place = place(&*self.context.find(container)?, directory);
        let (name, called) = (name.to_owned(), container.to_owned());
        blocking(move || {
            let path = existing(&place, &name, &called)?;
            fs::remove_dir_all(&path).map_err(Error::file("remove", path))
        })
        .await
    }
}

/// Where a container's checkpoints are.
fn place(container: &Container, directory: &str) -> PathBuf {
    if directory.is_empty() {
        container.directory.join("checkpoints")
    } else {
        PathBuf::from(directory)
    }
}

/// The directory of a checkpoint to start from.
pub(crate) fn of_start(container: &Container, name: &str) -> Result<PathBuf> {
    existing(&place(container, ""), name, &container.snapshot().record.name)
}

fn is_name(name: &str) -> bool {
    let rest = name.strip_prefix(|first: char| first.is_ascii_alphanumeric());
    rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)))
}

async fn create(context: &Arc<Context>, container: &Arc<Container>, called: &str, wanted: Wanted) -> Result<()> {
    let _transient = container.transition().await;
    if !matches!(
        container.snapshot().record.state.status(),
        Status::Running | Status::Paused
    ) {
        return Err(Error::Conflict(format!("container {} is not running", container.id)));
    }
    if !is_name(&wanted.name) {
        return Err(Error::Internal(format!(
            "Invalid checkpoint ID ({}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
            wanted.name
        )));
    }
    let place = place(container, &wanted.directory);
    let (name, called_here) = (wanted.name.clone(), called.to_owned());
    let path = blocking(move || make(&place, &name, &called_here)).await?;
    let options = CheckpointOptions {
        exit: wanted.exit,
        image_path: path.display().to_string(),
        ..CheckpointOptions::default()
    };
    if let Err(error) = context.control.checkpoint(&container.id, options).await {
        // Of any other failure it is not known whether the container's processes are in there, and nowhere else.
        if matches!(error, tierce_task::Error::Refused { .. }) {
            let _removed = blocking(move || fs::remove_dir_all(&path).map_err(Error::file("remove", path))).await;
        }
        // Whatever is missing, it is not what the client asked for: dockerd answers 500 to all of it.
        return Err(Error::Internal(format!(
            "Cannot checkpoint container {called}: {error}"
        )));
    }
    context.publish(&container.snapshot().record, "checkpoint", &[]);
    Ok(())
}

/// Makes the directory of a new checkpoint.
fn make(place: &Path, name: &str, called: &str) -> Result<PathBuf> {
    let failed = |what: &str| Error::Internal(format!("cannot checkpoint container {called}: {what}"));
    let path = place.join(name);
    let mut builder = fs::DirBuilder::new();
    builder.mode(0o700);
    let made = builder
        .recursive(true)
        .create(place)
        .and_then(|()| builder.recursive(false).create(&path));
    match made {
        Ok(()) => Ok(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Err(failed(&format!(
            "checkpoint with name {name} already exists for container {called}"
        ))),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(failed(&format!("{} exists and is not a directory", path.display())))
        }
        Err(error) => Err(failed(&format!("mkdir {}: {error}", path.display()))),
    }
}

/// The directory of a checkpoint that must be there. What is no name is none.
fn existing(place: &Path, name: &str, called: &str) -> Result<PathBuf> {
    let path = place.join(name);
    let missing = || Error::Internal(format!("checkpoint {name} does not exist for container {called}"));
    if !is_name(name) {
        return Err(missing());
    }
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => Ok(path),
        Ok(_) => Err(Error::Internal(format!(
            "{} exists and is not a directory",
            path.display()
        ))),
        Err(_) => Err(missing()),
    }
}

fn list(place: &Path, called: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let entries = fs::read_dir(place)
        .map_err(|_| Error::Internal(format!("checkpoint  does not exist for container {called}")))?;
    for entry in entries {
        let entry = entry.map_err(Error::file("read", place))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dockers() {
        for name in ["c1", "A.b_c-d", "0x"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "c", "-ab", "..", "a/b", "a b", "ä1"] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn a_checkpoint_is_a_directory_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("checkpoints");
        let made = make(&place, "c1", "box").unwrap();
        assert_eq!(made, place.join("c1"));
        let text = |result: Result<PathBuf>| result.unwrap_err().to_string();
        assert_eq!(
            text(make(&place, "c1", "box")),
            "cannot checkpoint container box: checkpoint with name c1 already exists for container box"
        );
        fs::write(place.join("file"), "").unwrap();
        assert!(text(make(&place, "file", "box")).ends_with("file exists and is not a directory"));
        assert!(text(existing(&place, "file", "box")).ends_with("file exists and is not a directory"));
        assert_eq!(
            text(existing(&place, "..", "box")),
            "checkpoint .. does not exist for container box"
        );
        assert_eq!(existing(&place, "c1", "box").unwrap(), made);
        assert_eq!(list(&place, "box").unwrap(), ["c1"]);
    }
}
