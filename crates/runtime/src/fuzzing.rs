//! Doors for the fuzz targets (`fuzz/`): what this room makes of a stranger's bytes, without touching the machine. Not
//! part of the library's interface.

use crate::argv::Arguments;
use crate::namespaces::Namespaces;
use crate::process::message::{LONGEST, Message};
use crate::program::Program;
use crate::state::Record;
use crate::{group, inherit, init};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use tierce_criu::Response;
use tierce_oci::runtime::{Process, Resources, Spec, Status};
use tierce_rootfs::{device, plan, propagation};

/// A `config.json`, up to the plan of what would be made.
pub fn config(bytes: &[u8]) {
    let Ok(mut spec) = Spec::from_json(bytes) else { return };
    let mut linux = spec.linux.take().unwrap_or_default();
    for namespace in &mut linux.namespaces {
        // To open what a stranger names is the only step here that touches the machine.
        namespace.path = None;
    }
    if let Some(process) = &spec.process {
        let _ = Program::of(process, Some(&linux), 0);
    }
    if let Ok(namespaces) = Namespaces::of(&linux) {
        let _ = (namespaces.clone_flags(), namespaces.needs_middle());
        let _ = init::sysctl::check(&linux.sysctl, &namespaces);
    }
    let _ = tierce_hooks::check(&spec.hooks.clone().unwrap_or_default());
    let _ = propagation::parse(&linux.rootfs_propagation);
    let _ = device::nodes(&linux.devices);
    let _ = group::resources(&linux);
    spec.linux = Some(linux);
    if let Ok(mounts) = plan::mounts(&spec, Path::new("/bundle"), Path::new("/bundle/rootfs")) {
        let _ = plan::fills_devices(&mounts);
        // One step for each mount that was asked for, and a few of our own: no document makes a plan explode.
        assert!(mounts.len() <= spec.mounts.len() + 8);
    }
}

/// A `process.json`, as `exec --process` takes it.
pub fn process(bytes: &[u8]) {
    let Ok(process) = tierce_oci::json::parse::<Process>("process.json", bytes) else {
        return;
    };
    let process = inherit::from_container(process, Some(&Process::default()));
    let _ = Program::of(&process, None, 0);
}

/// A `state.json`.
pub fn state(bytes: &[u8]) {
    let Ok(record) = tierce_oci::json::parse::<Record>("state.json", bytes) else {
        return;
    };
    let _ = (record.kinds(), record.document(Status::Stopped));
}

/// The limits of `update --resources`.
pub fn resources(bytes: &[u8]) {
    let _ = tierce_oci::json::parse::<Resources>("resources", bytes);
}

/// What the container's process says to its parent.
pub fn message(bytes: &[u8]) {
    if let Some(message) = Message::decode(bytes) {
        // What is no text grows when it is read, and a long text is shortened; it stays a message that fits.
        let again = message.encode();
        assert!(
            again.len() <= LONGEST && Message::decode(&again).is_some(),
            "{message:?}"
        );
    }
}

/// What CRIU answers.
pub fn criu(bytes: &[u8]) {
    let _ = Response::read(bytes);
}

/// A command line, its words separated by NUL bytes.
pub fn command_line(bytes: &[u8]) {
    let words = bytes
        .split(|byte| *byte == 0)
        .map(|word| OsString::from_vec(word.to_vec()));
    let mut arguments = Arguments::new(words);
    while let Ok(Some(_)) = arguments.next() {
        let _ = arguments.value();
    }
}
