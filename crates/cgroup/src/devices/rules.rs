//! A list of device rules and the state it leads to.
//!
//! The state is what the v1 controller keeps (kernel's `cgroup-v1/devices.rst`): a default, and the exceptions from it.
//! Rules are applied in order; one for all devices (`a`) sets the default and forgets the exceptions. A rule that would
//! take back a part of a wildcard exception is refused, since v1 would silently ignore it.

use crate::{Error, Result};
use std::collections::BTreeMap;
use std::fmt;
use tierce_oci::runtime::DeviceCgroup;

/// Kinds of device nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Block,
    Char,
}

/// A set of `r`, `w`, `m`, with the bits of linux/bpf.h (`BPF_DEVCG_ACC_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access(pub(crate) u8);

impl Access {
    pub(crate) const MKNOD: Self = Self(1);
    const READ: Self = Self(2);
    const WRITE: Self = Self(4);
    pub(crate) const ALL: Self = Self(7);

    /// Other letters mean nothing, as under runc.
    fn parse(text: &str) -> Self {
        let bit = |letter| match letter {
            'r' => Self::READ.0,
            'w' => Self::WRITE.0,
            'm' => Self::MKNOD.0,
            _ => 0,
        };
        Self(text.chars().map(bit).fold(0, std::ops::BitOr::bitor))
    }
}

impl fmt::Display for Access {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, letter) in [(Self::READ, "r"), (Self::WRITE, "w"), (Self::MKNOD, "m")] {
            if self.0 & bit.0 != 0 {
                out.write_str(letter)?;
            }
        }
        Ok(())
    }
}

/// Some devices; `None` stands for every number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Devices {
    pub(crate) kind: Kind,
    pub(crate) major: Option<u32>,
    pub(crate) minor: Option<u32>,
}

impl Devices {
    /// Whether all of `other` are among these.
    fn covers(&self, other: &Self) -> bool {
        let number = |mine: Option<u32>, theirs| mine.is_none() || mine == theirs;
        self.kind == other.kind && number(self.major, other.major) && number(self.minor, other.minor)
    }
}

impl fmt::Display for Devices {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: Option<u32>| number.map_or_else(|| "*".to_owned(), |number| number.to_string());
        let kind = if self.kind == Kind::Block { 'b' } else { 'c' };
        write!(out, "{kind} {}:{}", number(self.major), number(self.minor))
    }
}

/// Devices that every container may use, whatever its specification says; a runtime makes these nodes itself.
/// Source: runc 1.3 `specconv.AllowedDevices`.
const ALWAYS_ALLOWED: [(Kind, Option<u32>, Option<u32>, Access); 11] = [
    (Kind::Char, None, None, Access::MKNOD),
    (Kind::Block, None, None, Access::MKNOD),
    (Kind::Char, Some(1), Some(3), Access::ALL),    // null
    (Kind::Char, Some(1), Some(8), Access::ALL),    // random
    (Kind::Char, Some(1), Some(7), Access::ALL),    // full
    (Kind::Char, Some(5), Some(0), Access::ALL),    // tty
    (Kind::Char, Some(1), Some(5), Access::ALL),    // zero
    (Kind::Char, Some(1), Some(9), Access::ALL),    // urandom
    (Kind::Char, Some(136), None, Access::ALL),     // pts/*
    (Kind::Char, Some(5), Some(2), Access::ALL),    // ptmx
    (Kind::Char, Some(10), Some(200), Access::ALL), // net/tun
];

/// What rules amount to.
#[derive(Debug, Clone, Eq)]
pub(crate) struct State {
    /// What holds for devices that are no exception.
    pub(crate) default_allow: bool,
    /// The exceptions, with the accesses that they concern.
    pub(crate) exceptions: BTreeMap<Devices, Access>,
    /// The exceptions in the order in which they came up, which is the order of the v1 controller's list.
    order: Vec<Devices>,
}

impl PartialEq for State {
    /// The order changes nothing of what is allowed.
    fn eq(&self, other: &Self) -> bool {
        (self.default_allow, &self.exceptions) == (other.default_allow, &other.exceptions)
    }
}

impl State {
    /// The state of a list of rules that begins with nothing allowed, with what every container may use.
    pub(crate) fn of(rules: &[DeviceCgroup]) -> Result<Self> {
        let mut state = Self {
            default_allow: false,
            exceptions: BTreeMap::new(),
            order: Vec::new(),
        };
        for rule in rules {
            state.apply(rule)?;
        }
        for (kind, major, minor, access) in ALWAYS_ALLOWED {
            state.change(true, Devices { kind, major, minor }, access)?;
        }
        Ok(state)
    }

    /// Whether nothing is refused.
    pub(crate) fn allows_all(&self) -> bool {
        self.default_allow && self.exceptions.is_empty()
    }

    fn apply(&mut self, rule: &DeviceCgroup) -> Result<()> {
        let number = |number: Option<i64>| match number {
            None | Some(-1) => Ok(None),
            Some(number) => u32::try_from(number)
                .map(Some)
                .map_err(|_| Error::Invalid(format!("invalid device number {number} in a device rule"))),
        };
        let (major, minor) = (number(rule.major)?, number(rule.minor)?);
        let access = if rule.access.is_empty() {
            Access::ALL
        } else {
            Access::parse(&rule.access)
        };
        let kind = match rule.kind.as_str() {
            "b" => Kind::Block,
            "c" | "u" => Kind::Char,
            "" | "a" => {
                self.default_allow = rule.allow;
                self.exceptions.clear();
                return Ok(());
            }
            other => {
                return Err(Error::Invalid(format!(
                    "invalid device type {other:?} in a device rule"
                )));
            }
        };
        self.change(rule.allow, Devices { kind, major, minor }, access)
    }

    fn change(&mut self, allow: bool, devices: Devices, access: Access) -> Result<()> {
        if allow == self.default_allow {
            self.remove(devices, access)
        } else {
            self.add(devices, access)
        }
    }

    #[allow(clippy::unnecessary_wraps)] // the two halves of a change have one form
    fn add(&mut self, devices: Devices, access: Access) -> Result<()> {
        let exception = self.exceptions.entry(devices).or_insert_with(|| {
            self.order.push(devices);
            Access(0)
        });
        exception.0 |= access.0;
        Ok(())
    }

    fn remove(&mut self, devices: Devices, access: Access) -> Result<()> {
        let hole = self
            .exceptions
            .iter()
            .find(|(wider, held)| **wider != devices && wider.covers(&devices) && held.0 & access.0 != 0);
        if let Some((wildcard, held)) = hole {
            let (rule, wildcard) = (format!("{devices} {access}"), format!("{wildcard} {held}"));
            return Err(Error::DeviceHole { rule, wildcard });
        }
        if let Some(held) = self.exceptions.get_mut(&devices) {
            held.0 &= !access.0;
            if held.0 == 0 {
                self.exceptions.remove(&devices);
            }
        }
        Ok(())
    }

    /// Reads `devices.list`. A group that allows by default shows no exceptions, so that they stay unknown.
    pub(crate) fn from_list(list: &str) -> Option<Self> {
        let mut state = Self {
            default_allow: false,
            exceptions: BTreeMap::new(),
            order: Vec::new(),
        };
        for line in list.lines() {
            let mut words = line.split([' ', ':']);
            let number = |word: &str| {
                if word == "*" {
                    Some(None)
                } else {
                    word.parse().ok().map(Some)
                }
            };
            let kind = match words.next()? {
                "a" => {
                    state.default_allow = true;
                    continue;
                }
                "b" => Kind::Block,
                "c" => Kind::Char,
                _ => return None,
            };
            let (major, minor) = (number(words.next()?)?, number(words.next()?)?);
            state
                .exceptions
                .insert(Devices { kind, major, minor }, Access::parse(words.next()?));
        }
        Some(state)
    }

    /// The writes (file, line) that lead a v1 group from the present state to this one. Nothing that is allowed before
    /// and after is refused meanwhile, unless the default changes.
    pub(crate) fn transition(&self, present: &Self) -> Vec<(&'static str, String)> {
        let file = |allow| if allow { "devices.allow" } else { "devices.deny" };
        let nothing = BTreeMap::new();
        let mut writes = Vec::new();
        let held = if self.default_allow == present.default_allow {
            &present.exceptions
        } else {
            writes.push((file(self.default_allow), "a".to_owned()));
            &nothing
        };
        let without = |one: &BTreeMap<Devices, Access>, devices: &Devices, access: Access| {
            Access(access.0 & !one.get(devices).map_or(0, |other| other.0))
        };
        for (devices, access) in held {
            let superfluous = without(&self.exceptions, devices, *access);
            if superfluous.0 != 0 {
                writes.push((file(self.default_allow), format!("{devices} {superfluous}")));
            }
        }
        // In the rules' order, which the specification asks for and the list shows.
        let mut added: Vec<_> = self.exceptions.iter().collect();
        added.sort_by_key(|(devices, _)| self.order.iter().position(|one| one == *devices));
        for (devices, access) in added {
            let missing = without(held, devices, *access);
            if missing.0 != 0 {
                writes.push((file(!self.default_allow), format!("{devices} {missing}")));
            }
        }
        writes
    }
}
