//! Containers whose creation or removal a crash cut short: they have a directory and perhaps a layer, and no record.

use super::disk::{HOST_CONFIG, RECORD};
use super::prepare;
use crate::parts::Rootfs;
use std::path::Path;
use tierce_fault::Kind;
use tierce_oci::container::HostConfig;

/// Written at every start of a container.
const STARTED: &str = "hostname";

/// What Dockers from before 2016 have in a container's directory, and no later one.
const OF_OLD_DOCKERS: [&str; 2] = ["config.json", "rw"];

/// Whether a directory whose record cannot be read is of no container any more, or not yet. Anything else may be worth
/// something to its owner.
pub(super) fn is(directory: &Path, rootfs: &dyn Rootfs) -> bool {
    if OF_OLD_DOCKERS
        .iter()
        .any(|name| tierce_fsops::exists(&directory.join(name)))
    {
        return false;
    }
    // Only what is made for `--rm` is not synced when it is made. The power went, so it has ended, and is to be gone.
    if is_blank(&directory.join(HOST_CONFIG)) {
        return true;
    }
    if is_blank(&directory.join(RECORD)) {
        return removes_itself(&directory.join(HOST_CONFIG));
    }
    if tierce_fsops::exists(&directory.join(RECORD)) {
        return false;
    }
    // Creation writes the record last, and removal takes the layer first.
    !tierce_fsops::exists(&directory.join(STARTED)) || has_no_layer(directory, rootfs)
}

/// A file of nothing or zeroes is one that was not written back before the power went.
fn is_blank(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.iter().all(|byte| *byte == 0))
}

/// Whether a host configuration is of a container of `--rm`, or is not there at all.
fn removes_itself(host_config: &Path) -> bool {
    match std::fs::read(host_config) {
        Ok(bytes) => serde_json::from_slice::<HostConfig>(&bytes).is_ok_and(|host_config| host_config.auto_remove),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

fn has_no_layer(directory: &Path, rootfs: &dyn Rootfs) -> bool {
    rootfs
        .layout(&id_of(directory))
        .is_err_and(|error| error.kind() == Kind::NotFound)
}

/// Removes what there is of it, the directory last, and tells the log.
pub(super) fn remove(directory: &Path, rootfs: &dyn Rootfs) {
    let id = id_of(directory);
    tracing::warn!(
        container = id,
        "removing a container that was half made or half removed"
    );
    prepare::unmount_shm(&directory.join("mounts/shm"));
    let removed = rootfs
        .remove(&id)
        .map_err(|error| error.to_string())
        .and_then(|()| tierce_fsops::remove_dir_all(directory).map_err(|error| error.to_string()));
    if let Err(error) = removed {
        tracing::error!(
            container = id,
            error,
            "it cannot be removed; the next start tries again"
        );
    }
}

fn id_of(directory: &Path) -> String {
    directory.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::testing_context;
    use std::collections::BTreeMap;
    use std::fs;

    #[test]
    fn what_never_was_or_was_removed_goes_and_a_record_that_is_damaged_stays() {
        let (context, root) = testing_context();
        let rootfs = &*context.rootfs;
        let directory = |id: &str, files: &[(&str, &str)]| {
            let directory = root.path().join("containers").join(id);
            fs::create_dir_all(directory.join("checkpoints")).unwrap();
            for (name, content) in files {
                fs::write(directory.join(name), content).unwrap();
            }
            rootfs.create(id, None, &BTreeMap::new()).unwrap();
            directory
        };
        let cases = [
            (directory("creating", &[(HOST_CONFIG, "{}")]), true),
            (directory("unsynced", &[(RECORD, "\0\0"), (STARTED, "h")]), true),
            (
                directory("empty", &[(RECORD, "{}"), (HOST_CONFIG, ""), (STARTED, "h")]),
                true,
            ),
            (
                directory("unsynced-rm", &[(RECORD, ""), (HOST_CONFIG, r#"{"AutoRemove": true}"#)]),
                true,
            ),
            // Somebody emptied the record of a container that is to stay.
            (directory("emptied", &[(RECORD, ""), (HOST_CONFIG, "{}")]), false),
            (directory("damaged", &[(RECORD, "{"), (HOST_CONFIG, "{}")]), false),
            (directory("started", &[(STARTED, "h")]), false),
            (
                directory("of-2015", &[("config.json", "{}"), (HOST_CONFIG, "{}")]),
                false,
            ),
        ];
        for (directory, expected) in cases {
            assert_eq!(is(&directory, rootfs), expected, "{}", directory.display());
            if expected {
                remove(&directory, rootfs);
                let layer = rootfs.layout(&id_of(&directory)).unwrap();
                assert!(
                    !directory.exists() && !layer.upper().exists(),
                    "{}",
                    directory.display()
                );
            }
        }
    }
}
