//! Rule sets → nfnetlink messages (`linux/netfilter/nf_tables.h`).
//!
//! Each function adds messages to a [`Transaction`], which remembers what every message is about, so that a refusal
//! can name the object.

mod statement;

use tierce_sys::netlink::{Attributed, Batch, flags};

mod present;
mod values;

pub(crate) use present::Present;
pub(crate) use values::join;
use values::{part, part_length, type_number, width};

use crate::ruleset::{Chain, ChainKind, Change, Element, Elements, Family, Point, Rule, Set, Table, Type};

const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
/// `NFNL_SUBSYS_NFTABLES` as high byte of the message type.
pub(crate) const SUBSYSTEM: u16 = 10 << 8;
const NEW_TABLE: u16 = SUBSYSTEM;
const DELETE_TABLE: u16 = SUBSYSTEM + 2;
const NEW_CHAIN: u16 = SUBSYSTEM + 3;
const DELETE_CHAIN: u16 = SUBSYSTEM + 5;
const NEW_RULE: u16 = SUBSYSTEM + 6;
const DELETE_RULE: u16 = SUBSYSTEM + 8;
const NEW_SET: u16 = SUBSYSTEM + 9;
const NEW_ELEMENT: u16 = SUBSYSTEM + 12;
const DELETE_ELEMENT: u16 = SUBSYSTEM + 14;
/// Elements a message: the list's attribute is limited to 64 KiB.
const ELEMENTS_A_MESSAGE: usize = 400;

/// Messages between batch begin and batch end; the kernel applies all or none.
#[derive(Debug)]
pub(crate) struct Transaction<'a> {
    present: &'a [Present],
    batch: Batch,
    /// Verb and object of each message, by sequence number from 1.
    about: Vec<(&'static str, String)>,
}

impl<'a> Transaction<'a> {
    /// Encodes the changes. Tables that are not among `present` are replaced and withdrawn as a whole.
    pub(crate) fn new(changes: &[Change], present: &'a [Present]) -> Self {
        let mut transaction = Self {
            present,
            batch: Batch::default(),
            about: Vec::new(),
        };
        transaction.mark(BATCH_BEGIN, "begin");
        let last = changes.len().saturating_sub(1);
        for (index, change) in changes.iter().enumerate() {
            transaction.change(change, index == last);
        }
        transaction.mark(BATCH_END, "commit");
        transaction
    }

    /// The bytes to send.
    pub(crate) fn batch(&self) -> &Batch {
        &self.batch
    }

    /// What the message with this sequence number was about.
    pub(crate) fn about(&self, sequence: u32) -> (&'static str, String) {
        let known = sequence
            .checked_sub(1)
            .and_then(|index| self.about.get(index as usize))
            .cloned();
        known.unwrap_or_else(|| ("commit", "packet filter transaction".to_owned()))
    }

    fn mark(&mut self, kind: u16, verb: &'static str) {
        let [high, low] = (SUBSYSTEM >> 8).to_be_bytes();
        self.batch.message(kind, flags::REQUEST, &[0, 0, high, low], |_| {});
        self.about.push((verb, "packet filter transaction".to_owned()));
    }

    fn add(
        &mut self,
        verb: &'static str,
        object: String,
        kind: u16,
        flag: u16,
        family: Family,
        write: impl FnOnce(&mut Attributed<'_>),
    ) {
        self.batch
            .message(kind, flags::REQUEST | flag, &[family_number(family), 0, 0, 0], write);
        self.about.push((verb, object));
    }

    fn change(&mut self, change: &Change, last: bool) {
        // Only the very last message asks for an acknowledgement: it comes after all refusals.
        let ack = if last { flags::ACK } else { 0 };
        match change {
            Change::Replace(table) => {
                match self.present_of(table) {
                    Some(present) => self.empty(table, present),
                    None => self.remove_table(table.family, &table.name, 0),
                }
                self.contents(table);
                // An addition that changes nothing, to be acknowledged.
                self.table("add", table.family, &table.name, NEW_TABLE, flags::CREATE | ack);
            }
            Change::Withdraw(table) => match self.present_of(table) {
                Some(present) => {
                    self.empty(table, present);
                    for (name, _) in present.chains.iter().filter(|(name, _)| present::is_own(table, name)) {
                        self.chain_of("delete", table, name, DELETE_CHAIN);
                    }
                    self.table("add", table.family, &table.name, NEW_TABLE, flags::CREATE | ack);
                }
                None => self.remove_table(table.family, &table.name, ack),
            },
            Change::RemoveTable { family, name } => self.remove_table(*family, name, ack),
            Change::Add(elements) => self.elements("add", elements, NEW_ELEMENT, flags::CREATE, ack),
            Change::Remove(elements) => self.elements("delete", elements, DELETE_ELEMENT, 0, ack),
        }
    }

    fn table(&mut self, verb: &'static str, family: Family, name: &str, kind: u16, flag: u16) {
        self.add(
            verb,
            format!("table {} {name}", family_name(family)),
            kind,
            flag,
            family,
            |m| {
                m.text(1, name);
            },
        );
    }

    fn contents(&mut self, table: &Table) {
        self.table("add", table.family, &table.name, NEW_TABLE, flags::CREATE);
        for (index, set) in table.sets.iter().enumerate() {
            self.set(table, set, index as u32 + 1);
        }
        for chain in &table.chains {
            self.chain(table, chain);
        }
        for chain in &table.chains {
            for rule in &chain.rules {
                self.rule(table, chain, rule);
            }
        }
        for set in table.sets.iter().filter(|set| !set.elements.is_empty()) {
            let elements = Elements {
                family: table.family,
                table: table.name.clone(),
                set: set.name.clone(),
                interval: set.interval,
                elements: set.elements.clone(),
            };
            self.elements("add", &elements, NEW_ELEMENT, flags::CREATE, 0);
        }
    }

    fn set(&mut self, table: &Table, set: &Set, id: u32) {
        const INTERVAL: u32 = 4;
        const MAP: u32 = 8;
        const CONCATENATION: u32 = 0x80;
        let object = format!("set {} {} {}", family_name(table.family), table.name, set.name);
        self.add("add", object, NEW_SET, flags::CREATE, table.family, |m| {
            let mut set_flags = 0;
            if set.interval {
                set_flags |= INTERVAL;
                if set.key.len() > 1 {
                    set_flags |= CONCATENATION;
                }
            }
            if !set.value.is_empty() {
                set_flags |= MAP;
            }
            m.text(1, &table.name).text(2, &set.name).be32(3, set_flags);
            m.be32(4, type_number(&set.key)).be32(5, width(&set.key) as u32);
            if !set.value.is_empty() {
                m.be32(6, type_number(&set.value)).be32(7, width(&set.value) as u32);
            }
            if set.interval && set.key.len() > 1 {
                m.nest(9, |m| {
                    m.nest(2, |m| {
                        for part in &set.key {
                            m.nest(1, |m| {
                                m.be32(1, part_length(*part) as u32);
                            });
                        }
                    });
                });
            }
            m.be32(10, id);
            // `nft` reads interface names backwards unless told their byte order: key byte order (0), host's (1).
            if set.key == [Type::Interface] {
                m.bytes(13, &[0, 4, 1, 0, 0, 0]);
            }
        });
    }

    fn chain(&mut self, table: &Table, chain: &Chain) {
        let object = format!("chain {} {} {}", family_name(table.family), table.name, chain.name);
        self.add("add", object, NEW_CHAIN, flags::CREATE, table.family, |m| {
            m.text(1, &table.name).text(3, &chain.name);
            if let Some(hook) = chain.hook {
                m.nest(4, |m| {
                    m.be32(1, point_number(hook.point)).be32(2, hook.priority as u32);
                });
                m.be32(5, 1);
                m.text(
                    7,
                    match hook.kind {
                        ChainKind::Filter => "filter",
                        ChainKind::Nat => "nat",
                    },
                );
            }
        });
    }

    fn rule(&mut self, table: &Table, chain: &Chain, rule: &Rule) {
        let object = format!(
            "rule {:?} in chain {} {} {}",
            rule.comment,
            family_name(table.family),
            table.name,
            chain.name
        );
        self.add(
            "add",
            object,
            NEW_RULE,
            flags::CREATE | flags::APPEND,
            table.family,
            |m| {
                m.text(1, &table.name).text(2, &chain.name);
                m.nest(4, |m| {
                    for statement in &rule.statements {
                        statement::encode(m, statement);
                    }
                });
                // Type 0 of libnftnl's rule user data is the comment, with its NUL.
                let mut comment = vec![0, rule.comment.len() as u8 + 1];
                comment.extend_from_slice(rule.comment.as_bytes());
                comment.push(0);
                m.bytes(7, &comment);
            },
        );
    }

    fn elements(&mut self, verb: &'static str, elements: &Elements, kind: u16, flag: u16, ack: u16) {
        let chunks = elements.elements.chunks(ELEMENTS_A_MESSAGE);
        let count = chunks.len();
        for (index, chunk) in chunks.enumerate() {
            let object = match chunk {
                [only] => format!("element {:?} of set {} {}", only.key, elements.table, elements.set),
                _ => format!("elements of set {} {}", elements.table, elements.set),
            };
            let flag = if index + 1 == count { flag | ack } else { flag };
            self.add(verb, object, kind, flag, elements.family, |m| {
                m.text(1, &elements.table).text(2, &elements.set);
                m.nest(3, |m| {
                    for element in chunk {
                        m.nest(1, |m| {
                            encode_element(m, element, elements.interval, kind == NEW_ELEMENT);
                        });
                    }
                });
            });
        }
    }
}

fn encode_element(m: &mut Attributed<'_>, element: &Element, interval: bool, with_value: bool) {
    data(m, 1, &join(&element.key));
    if interval {
        data(m, 10, &join(element.key_end.as_ref().unwrap_or(&element.key)));
    }
    if with_value && !element.value.is_empty() {
        data(m, 2, &join(&element.value));
    }
}

/// `NFTA_DATA_VALUE` inside attribute `kind`.
fn data(m: &mut Attributed<'_>, kind: u16, value: &[u8]) {
    m.nest(kind, |m| {
        m.bytes(1, value);
    });
}

/// Netfilter's number of a family.
pub(crate) fn family_number(family: Family) -> u8 {
    match family {
        Family::Inet => 1,
        Family::Ip => 2,
        Family::Ip6 => 10,
    }
}

/// `nft`'s word for a family.
pub(crate) fn family_name(family: Family) -> &'static str {
    match family {
        Family::Inet => "inet",
        Family::Ip => "ip",
        Family::Ip6 => "ip6",
    }
}

fn point_number(point: Point) -> u32 {
    match point {
        Point::Prerouting => 0,
        Point::Input => 1,
        Point::Forward => 2,
        Point::Output => 3,
        Point::Postrouting => 4,
    }
}
