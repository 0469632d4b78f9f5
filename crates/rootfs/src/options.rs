//! Mount options of fstab's form, sorted into what they mean to the new mount API. The names are runc's.
//!
//! Plain options (`ro`, `nodev`, …) have the meaning that mount(8) gives them for one mount ([`Flags`]); those with a
//! leading `r` (`rro`, `rnodev`, …) change the mount and all below it, and nothing else of them ([`AttributeChange`]).

use super::plan::MountPlan;
use tierce_sys::mount_attributes::{Attributes, Propagation};

/// Attributes to set and to clear, of a mount and all below it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AttributeChange {
    /// Those to set.
    pub set: Attributes,
    /// Those to clear.
    pub clear: Attributes,
}

impl AttributeChange {
    /// Whether nothing changes.
    pub fn is_empty(self) -> bool {
        self.set.is_empty() && self.clear.is_empty()
    }

    /// Later options win over earlier ones.
    fn apply(&mut self, word: Word) {
        match word {
            Word::Attribute(true, attribute) => {
                self.set |= attribute;
                self.clear = self.clear.without(attribute);
            }
            Word::Attribute(false, attribute) => {
                self.clear |= attribute;
                self.set = self.set.without(attribute);
            }
            Word::AccessTime(given, mode) => {
                let all = Attributes::NO_ACCESS_TIME | Attributes::STRICT_ACCESS_TIME;
                self.set = self.set.without(all);
                self.clear |= all;
                if given {
                    self.set |= mode.attribute();
                }
            }
        }
    }
}

/// When the kernel writes access times of files. Exactly one of them holds for each mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessTime {
    /// When the file was changed since, or once a day.
    Relative,
    /// Never.
    Never,
    /// At each access.
    Always,
}

impl AccessTime {
    /// As the kernel wants it: relative is what is left when neither bit is set.
    pub fn attribute(self) -> Attributes {
        match self {
            Self::Relative => Attributes::NONE,
            Self::Never => Attributes::NO_ACCESS_TIME,
            Self::Always => Attributes::STRICT_ACCESS_TIME,
        }
    }
}

/// What the plain options say of one mount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags {
    /// Attributes that are asked for, access time modes left out.
    pub set: Attributes,
    /// Attributes that the mount shall not have.
    pub cleared: Attributes,
    /// The access time mode that is asked for.
    pub access_time: Option<AccessTime>,
    /// The access time mode that the mount shall not have.
    pub cleared_access_time: Option<AccessTime>,
    /// Options that only a new instance of a file system obeys; but a bind mount that names one has options, too.
    pub others: bool,
}

impl Flags {
    /// Whether no option was given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether an attribute is asked for.
    pub fn has(&self, attribute: Attributes) -> bool {
        self.set.contains(attribute)
    }

    /// Everything that is asked for, as the kernel wants it.
    pub fn attributes(&self) -> Attributes {
        self.set | self.access_time.map_or(Attributes::NONE, AccessTime::attribute)
    }

    /// Whether any of the access time options is asked for; if not, a bind mount keeps what its source has.
    pub fn names_access_time(&self) -> bool {
        self.access_time.is_some() || self.has(Attributes::NO_DIRECTORY_ACCESS_TIME)
    }

    fn apply(&mut self, word: Word) {
        match word {
            Word::Attribute(true, attribute) => {
                self.set |= attribute;
                self.cleared = self.cleared.without(attribute);
            }
            Word::Attribute(false, attribute) => {
                self.cleared |= attribute;
                self.set = self.set.without(attribute);
            }
            Word::AccessTime(true, mode) => {
                self.access_time = Some(mode);
                self.cleared_access_time = self.cleared_access_time.filter(|cleared| *cleared != mode);
            }
            Word::AccessTime(false, mode) => {
                self.access_time = self.access_time.filter(|wanted| *wanted != mode);
                self.cleared_access_time = Some(mode);
            }
        }
    }
}

/// An option that names an attribute or an access time mode, and whether it sets it.
#[derive(Debug, Clone, Copy)]
enum Word {
    Attribute(bool, Attributes),
    AccessTime(bool, AccessTime),
}

fn word(option: &str) -> Option<Word> {
    use AccessTime::{Always, Never, Relative};
    Some(match option {
        "ro" => Word::Attribute(true, Attributes::READ_ONLY),
        "rw" => Word::Attribute(false, Attributes::READ_ONLY),
        "nosuid" => Word::Attribute(true, Attributes::NO_SUID),
        "suid" => Word::Attribute(false, Attributes::NO_SUID),
        "nodev" => Word::Attribute(true, Attributes::NO_DEVICES),
        "dev" => Word::Attribute(false, Attributes::NO_DEVICES),
        "noexec" => Word::Attribute(true, Attributes::NO_EXECUTE),
        "exec" => Word::Attribute(false, Attributes::NO_EXECUTE),
        "nodiratime" => Word::Attribute(true, Attributes::NO_DIRECTORY_ACCESS_TIME),
        "diratime" => Word::Attribute(false, Attributes::NO_DIRECTORY_ACCESS_TIME),
        "nosymfollow" => Word::Attribute(true, Attributes::NO_SYMLINKS),
        "symfollow" => Word::Attribute(false, Attributes::NO_SYMLINKS),
        "noatime" => Word::AccessTime(true, Never),
        "atime" => Word::AccessTime(false, Never),
        "strictatime" => Word::AccessTime(true, Always),
        "nostrictatime" => Word::AccessTime(false, Always),
        "relatime" => Word::AccessTime(true, Relative),
        "norelatime" => Word::AccessTime(false, Relative),
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
pub(crate) fn sort(plan: &mut MountPlan, option: &str) {
    if let Some(word) = word(option) {
        plan.flags.apply(word);
    } else if let Some(word) = option.strip_prefix('r').and_then(word) {
        plan.recursive.apply(word);
    } else if let Some(change) = propagation(option) {
        plan.propagation.push(change);
    } else {
        match option {
            "defaults" | "" => {}
            // The kernel knows these as flags of mount(2) only, and obeys none of them any more.
            "silent" | "loud" | "iversion" | "noiversion" => plan.flags.others = true,
            // Words that every file system knows (fs/fs_context.c, `common_set_sb_flag`).
            "sync" | "async" | "dirsync" | "lazytime" | "nolazytime" | "mand" | "nomand" => {
                plan.flags.others = true;
                plan.switches.push(option.to_owned());
            }
            "bind" => plan.make_bind(false),
            "rbind" => plan.make_bind(true),
            "remount" => plan.remount = true,
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

/// Every option that has a meaning of its own; for `features`.
pub const KNOWN: &[&str] = &[
    "async",
    "atime",
    "bind",
    "defaults",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "idmap",
    "iversion",
    "lazytime",
    "loud",
    "mand",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "noiversion",
    "nolazytime",
    "nomand",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nosymfollow",
    "private",
    "ratime",
    "rbind",
    "rdev",
    "rdiratime",
    "relatime",
    "remount",
    "rexec",
    "ridmap",
    "rnoatime",
    "rnodev",
    "rnodiratime",
    "rnoexec",
    "rnorelatime",
    "rnostrictatime",
    "rnosuid",
    "rnosymfollow",
    "ro",
    "rprivate",
    "rrelatime",
    "rro",
    "rrw",
    "rshared",
    "rslave",
    "rstrictatime",
    "rsuid",
    "rsymfollow",
    "runbindable",
    "rw",
    "shared",
    "silent",
    "slave",
    "strictatime",
    "suid",
    "symfollow",
    "sync",
    "tmpcopyup",
    "unbindable",
];
