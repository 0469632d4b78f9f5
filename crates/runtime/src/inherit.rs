//! What a further process has of its container's document where its own says nothing, as under runc: a document given to
//! `exec --process` without capabilities means the container's, not none.

use tierce_oci::runtime::Process;

/// The further process, completed by the container's.
pub(crate) fn from_container(mut process: Process, container: Option<&Process>) -> Process {
    let Some(container) = container else { return process };
    if process.capabilities.is_none() {
        process.capabilities.clone_from(&container.capabilities);
    }
    if process.apparmor_profile.is_empty() {
        process.apparmor_profile.clone_from(&container.apparmor_profile);
    }
    if process.selinux_label.is_empty() {
        process.selinux_label.clone_from(&container.selinux_label);
    }
    if process.rlimits.is_empty() {
        process.rlimits.clone_from(&container.rlimits);
    }
    if process.io_priority.is_none() {
        process.io_priority.clone_from(&container.io_priority);
    }
    if process.scheduler.is_none() {
        process.scheduler.clone_from(&container.scheduler);
    }
    if process.exec_cpu_affinity.is_none() {
        process.exec_cpu_affinity.clone_from(&container.exec_cpu_affinity);
    }
    process
}

#[cfg(test)]
mod tests {
    use super::*;
    use tierce_oci::runtime::Capabilities;

    #[test]
    fn what_is_said_stands_and_what_is_not_comes_from_the_container() {
        let names = |name: &str| {
            Some(Capabilities {
                bounding: vec![name.into()],
                ..Capabilities::default()
            })
        };
        let container = Process {
            capabilities: names("CAP_KILL"),
            apparmor_profile: "theirs".into(),
            selinux_label: "label".into(),
            ..Process::default()
        };
        let silent = from_container(Process::default(), Some(&container));
        assert_eq!(silent.capabilities, container.capabilities);
        assert_eq!(
            (silent.apparmor_profile.as_str(), silent.selinux_label.as_str()),
            ("theirs", "label")
        );
        let own = Process {
            capabilities: Some(Capabilities::default()),
            apparmor_profile: "unconfined".into(),
            ..Process::default()
        };
        let said = from_container(own.clone(), Some(&container));
        assert_eq!(said.capabilities, own.capabilities);
        assert_eq!(said.apparmor_profile, "unconfined");
    }
}
