//! Replacing and withdrawing a table of which something stays.

use tierce_sys::netlink::flags;

use super::{DELETE_CHAIN, DELETE_ELEMENT, DELETE_RULE, DELETE_TABLE, NEW_TABLE, Transaction, family_name};
use crate::ruleset::{Family, Table};

/// What there is of a table whose kept chains shall stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Present {
    /// Which table.
    pub(crate) family: Family,
    /// Its name.
    pub(crate) table: String,
    /// Names of its chains, and whether the kernel calls them.
    pub(crate) chains: Vec<(String, bool)>,
    /// Names of its sets.
    pub(crate) sets: Vec<String>,
}

impl<'a> Transaction<'a> {
    pub(super) fn present_of(&self, table: &Table) -> Option<&'a Present> {
        let mut present = self.present.iter();
        present.find(|present| present.family == table.family && present.table == table.name)
    }

    pub(super) fn remove_table(&mut self, family: Family, name: &str, ack: u16) {
        self.table("add", family, name, NEW_TABLE, flags::CREATE);
        self.table("delete", family, name, DELETE_TABLE, ack);
    }

    /// Takes our rules and elements out of the table. Base chains that we no longer have go; other chains and sets that
    /// we do not know were made for use in the kept ones.
    pub(super) fn empty(&mut self, table: &Table, present: &Present) {
        for (name, hooked) in &present.chains {
            if is_own(table, name) || (*hooked && !table.kept.contains(name)) {
                self.chain_of("empty", table, name, DELETE_RULE);
            }
        }
        for (name, _) in present.chains.iter().filter(|(_, hooked)| *hooked) {
            if !table.chains.iter().any(|chain| chain.name == *name) {
                self.chain_of("delete", table, name, DELETE_CHAIN);
            }
        }
        for set in table.sets.iter().filter(|set| present.sets.contains(&set.name)) {
            let object = format!("set {} {} {}", family_name(table.family), table.name, set.name);
            self.add("empty", object, DELETE_ELEMENT, 0, table.family, |m| {
                m.text(1, &table.name).text(2, &set.name);
            });
        }
    }

    /// A message about a whole chain: its deletion, or that of all its rules.
    pub(super) fn chain_of(&mut self, verb: &'static str, table: &Table, chain: &str, kind: u16) {
        let object = format!("chain {} {} {chain}", family_name(table.family), table.name);
        let name = if kind == DELETE_RULE { 2 } else { 3 };
        self.add(verb, object, kind, 0, table.family, |m| {
            m.text(1, &table.name).text(name, chain);
        });
    }
}

/// Whether a chain is one of ours, and not kept for others.
pub(super) fn is_own(table: &Table, chain: &str) -> bool {
    table.chains.iter().any(|own| own.name == chain) && !table.kept.iter().any(|kept| kept == chain)
}
