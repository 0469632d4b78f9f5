//! What an ordinary user's container must be like, with runc's texts. What such a user may not do beyond that, the
//! kernel says.

use crate::error::Error;
use crate::namespaces::Namespaces;
use tierce_oci::runtime::{IdMapping, Linux, NamespaceKind};
use tierce_rootfs::plan::MountPlan;

/// Refuses documents that only root can have made real. Root's are all right.
///
/// # Errors
/// [`Error::Invalid`].
pub(crate) fn check(linux: &Linux, namespaces: &Namespaces, mounts: &[MountPlan]) -> Result<(), Error> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    if !namespaces.has(NamespaceKind::User) {
        return Err(Error::Invalid("rootless container requires user namespaces".into()));
    }
    if !namespaces.is_new(NamespaceKind::User) {
        return Ok(());
    }
    for (key, value) in mounts.iter().flat_map(|plan| &plan.data) {
        let mappings = match key.as_str() {
            "uid" => &linux.uid_mappings,
            "gid" => &linux.gid_mappings,
            _ => continue,
        };
        let Some(id) = value.as_deref().and_then(|value| value.parse().ok()) else {
            continue;
        };
        if !is_mapped(mappings, id) {
            return Err(Error::Invalid(format!(
                "cannot specify {key}={id} mount option for rootless container: user namespaces enabled, but no \
                 mapping found for {key} {id}"
            )));
        }
    }
    Ok(())
}

fn is_mapped(mappings: &[IdMapping], id: u32) -> bool {
    mappings.iter().any(|mapping| {
        id.checked_sub(mapping.container_id)
            .is_some_and(|offset| offset < mapping.size)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_ids() {
        let mappings = [IdMapping {
            container_id: 10,
            host_id: u32::MAX,
            size: 2,
        }];
        assert!(is_mapped(&mappings, 11) && !is_mapped(&mappings, 12) && !is_mapped(&mappings, 9));
    }
}
