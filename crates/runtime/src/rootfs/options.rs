//! Mount options of fstab's form, sorted into what they mean to the new mount API. The names are runc's.

use super::plan::MountPlan;
use tierce_sys::mount_attributes::{Attributes, Propagation};

/// Attributes to set and to clear.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AttributeChange {
    pub(crate) set: Attributes,
    pub(crate) clear: Attributes,
}

impl AttributeChange {
    /// Whether nothing changes.
    pub(crate) fn is_empty(self) -> bool {
        self.set.is_empty() && self.clear.is_empty()
    }

    /// Later options win over earlier ones.
    fn apply(&mut self, set: bool, attributes: Attributes) {
        if set {
            self.set |= attributes;
            self.clear = self.clear.without(attributes);
        } else {
            self.clear |= attributes;
            self.set = self.set.without(attributes);
        }
    }
}

/// The attribute that an option names, and whether it sets it.
fn attribute(option: &str) -> Option<(bool, Attributes)> {
    Some(match option {
        "ro" => (true, Attributes::READ_ONLY),
        "rw" => (false, Attributes::READ_ONLY),
        "nosuid" => (true, Attributes::NO_SUID),
        "suid" => (false, Attributes::NO_SUID),
        "nodev" => (true, Attributes::NO_DEVICES),
        "dev" => (false, Attributes::NO_DEVICES),
        "noexec" => (true, Attributes::NO_EXECUTE),
        "exec" => (false, Attributes::NO_EXECUTE),
        "noatime" => (true, Attributes::NO_ACCESS_TIME),
        "atime" => (false, Attributes::NO_ACCESS_TIME),
        "strictatime" => (true, Attributes::STRICT_ACCESS_TIME),
        "nostrictatime" => (false, Attributes::STRICT_ACCESS_TIME),
        // `relatime` is what is left when neither other mode is set.
        "relatime" | "norelatime" => (false, Attributes::NO_ACCESS_TIME | Attributes::STRICT_ACCESS_TIME),
        "nodiratime" => (true, Attributes::NO_DIRECTORY_ACCESS_TIME),
        "diratime" => (false, Attributes::NO_DIRECTORY_ACCESS_TIME),
        "nosymfollow" => (true, Attributes::NO_SYMLINKS),
        "symfollow" => (false, Attributes::NO_SYMLINKS),
        _ => return None,
    })
}

fn propagation(option: &str) -> Option<(Propagation, bool)> {
    Some(match option {
        "private" => (Propagation::Private, false),
        "rprivate" => (Propagation::Private, true),
        "shared" => (Propagation::Shared, false),
        "rshared" => (Propagation::Shared, true),
        "slave" => (Propagation::Slave, false),
        "rslave" => (Propagation::Slave, true),
        "unbindable" => (Propagation::Unbindable, false),
        "runbindable" => (Propagation::Unbindable, true),
        _ => return None,
    })
}

/// Sorts one option into the plan. Anything unknown is the file system's own.
pub(super) fn sort(plan: &mut MountPlan, option: &str) {
    if let Some((set, attributes)) = attribute(option) {
        plan.attributes.apply(set, attributes);
    } else if let Some((set, attributes)) = option.strip_prefix('r').and_then(attribute) {
        plan.recursive.apply(set, attributes);
    } else if let Some(change) = propagation(option) {
        plan.propagation.push(change);
    } else {
        match option {
            "defaults" | "" | "silent" | "loud" | "acl" | "noacl" | "iversion" | "noiversion" => {}
            "bind" => plan.make_bind(false),
            "rbind" => plan.make_bind(true),
            "tmpcopyup" => plan.copy_up = true,
            "idmap" => plan.idmap = Some(false),
            "ridmap" => plan.idmap = Some(true),
            _ => match option.split_once('=') {
                Some((key, value)) => plan.data.push((key.to_owned(), Some(value.to_owned()))),
                None => plan.data.push((option.to_owned(), None)),
            },
        }
    }
}
