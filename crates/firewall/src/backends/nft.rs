//! nf_tables over netlink: each call is one transaction.
//!
//! All go through one socket that stays open: the kernel waits for RCU (12 to 24 ms) when a socket of netfilter's is
//! closed, and not at all when it is used. Calls take turns; the kernel would make them do so anyway.

use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;
use tierce_sys::netlink::{Attributes, Batch, Family as Netlink, Socket, flags};

use crate::encode::{Present, SUBSYSTEM, Transaction, family_number};
use crate::live::{Expression, LiveRules, decode};
use crate::{Backend, Change, Error, Family, Table, Watch};

const GET_TABLE: u16 = SUBSYSTEM + 1;
const GET_CHAIN: u16 = SUBSYSTEM + 4;
const GET_RULE: u16 = SUBSYSTEM + 7;
const GET_SET: u16 = SUBSYSTEM + 10;
const GET_ELEMENTS: u16 = SUBSYSTEM + 13;

/// The nf_tables back end.
#[derive(Debug, Default)]
pub(super) struct Nft {
    /// Opened by the first call, and anew by the call after one whose exchange broke off.
    socket: Mutex<Option<Socket>>,
    /// The address of `socket`, by which a watch knows our own changes.
    port: Arc<AtomicU32>,
}

impl Nft {
    fn open(&self) -> Result<Socket, Error> {
        let socket = Socket::open(Netlink::Netfilter).map_err(Error::Open)?;
        let port = socket.port_id().map_err(Error::Open)?;
        self.port.store(port, Ordering::Relaxed);
        Ok(socket)
    }

    /// Does `work` with the socket and keeps it open unless answers may be missing or left over in it.
    fn with_socket<T>(&self, work: impl FnOnce(&Socket) -> Result<T, Error>) -> Result<T, Error> {
        let mut kept = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let socket = match kept.take() {
            Some(socket) => socket,
            None => self.open()?,
        };
        let result = work(&socket);
        let usable = match &result {
            Ok(_) => true,
            // The kernel refused, and may have queued more answers than the one that ended the exchange.
            Err(Error::Refused { cause, .. }) => cause.sequence != 0 && socket.discard_answers().is_ok(),
            Err(_) => false,
        };
        if usable {
            *kept = Some(socket);
        }
        result
    }

    fn transact(socket: &Socket, changes: &[Change], present: &[Present]) -> Result<(), Error> {
        let transaction = Transaction::new(changes, present);
        match socket.exchange(transaction.batch()) {
            Ok(_) => Ok(()),
            Err(cause) => {
                let (verb, object) = transaction.about(cause.sequence);
                Err(Error::Refused { verb, object, cause })
            }
        }
    }

    fn query(&self, verb: &'static str, object: &str, batch: &Batch) -> Result<Vec<Vec<u8>>, Error> {
        self.with_socket(|socket| match socket.exchange(batch) {
            Ok(replies) => Ok(replies.into_iter().map(|reply| reply.payload).collect()),
            Err(cause) => Err(Error::Refused {
                verb,
                object: object.to_owned(),
                cause,
            }),
        })
    }

    /// What there is of the tables whose kept chains must not be lost.
    fn present(&self, changes: &[Change]) -> Result<Vec<Present>, Error> {
        let mut all = Vec::new();
        for change in changes {
            let found = match change {
                Change::Replace(table) if !table.kept.is_empty() => self.look(table)?,
                Change::Withdraw(table) if self.has_kept_rules(table)? => self.look(table)?,
                _ => None,
            };
            all.extend(found);
        }
        Ok(all)
    }

    /// Chains and sets of a table, if it is there.
    fn look(&self, table: &Table) -> Result<Option<Present>, Error> {
        if !self.has_table(table.family, &table.name)? {
            return Ok(None);
        }
        let of_table = |payload: &&Vec<u8>| text(find(payload, 1)) == table.name;
        let chains = self.dump("chains", GET_CHAIN, table, None)?;
        let sets = self.dump("sets", GET_SET, table, None)?;
        Ok(Some(Present {
            family: table.family,
            table: table.name.clone(),
            chains: chains
                .iter()
                .filter(of_table)
                .map(|payload| (text(find(payload, 3)), find(payload, 4).is_some()))
                .collect(),
            sets: sets
                .iter()
                .filter(of_table)
                .map(|payload| text(find(payload, 2)))
                .collect(),
        }))
    }

    fn has_kept_rules(&self, table: &Table) -> Result<bool, Error> {
        for chain in &table.kept {
            let rules = self.dump("rules", GET_RULE, table, Some(chain))?;
            let in_chain =
                |payload: &&Vec<u8>| text(find(payload, 1)) == table.name && text(find(payload, 2)) == *chain;
            if rules.iter().any(|payload| in_chain(&payload)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The elements of a set that a rule refers to.
    fn elements_of(&self, family: u8, rule: &[u8], set: &str) -> Result<Vec<crate::live::LiveElement>, Error> {
        let mut batch = Batch::default();
        batch.message(GET_ELEMENTS, flags::REQUEST | flags::DUMP, &[family, 0, 0, 0], |m| {
            m.text(1, &text(find(rule, 1))).text(2, set);
        });
        match self.query("list", "elements", &batch) {
            Ok(replies) => Ok(replies.iter().flat_map(|payload| decode::elements(payload)).collect()),
            Err(Error::Refused { cause, .. }) if cause.is(Errno::NOENT) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn dump(&self, objects: &str, kind: u16, table: &Table, chain: Option<&String>) -> Result<Vec<Vec<u8>>, Error> {
        let mut batch = Batch::default();
        let header = [family_number(table.family), 0, 0, 0];
        batch.message(kind, flags::REQUEST | flags::DUMP, &header, |m| {
            m.text(1, &table.name);
            if let Some(chain) = chain {
                m.text(2, chain);
            }
        });
        match self.query("list", objects, &batch) {
            Err(Error::Refused { cause, .. }) if cause.is(Errno::NOENT) => Ok(Vec::new()),
            other => other,
        }
    }
}

impl Backend for Nft {
    fn name(&self) -> &'static str {
        "nft"
    }

    fn apply(&self, changes: &[Change]) -> Result<(), Error> {
        if changes.is_empty() {
            return Ok(());
        }
        let present = self.present(changes)?;
        let whole = self.with_socket(|socket| Self::transact(socket, changes, &present));
        match whole {
            // Made by another version of ours: what is there cannot become what shall be.
            Err(Error::Refused { cause, .. }) if cause.is(Errno::EXIST) && !present.is_empty() => {
                self.with_socket(|socket| Self::transact(socket, changes, &[]))
            }
            other => other,
        }
    }

    fn has_table(&self, family: Family, name: &str) -> Result<bool, Error> {
        let mut batch = Batch::default();
        let header = [family_number(family), 0, 0, 0];
        batch.message(GET_TABLE, flags::REQUEST | flags::ACK, &header, |m| {
            m.text(1, name);
        });
        match self.query("look up table", name, &batch) {
            Ok(_) => Ok(true),
            Err(Error::Refused { cause, .. }) if cause.is(Errno::NOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn watch(&self) -> Result<Option<Watch>, Error> {
        Watch::open(Arc::clone(&self.port)).map(Some)
    }

    fn foreign_forward_drops(&self, own: &str) -> Result<Vec<String>, Error> {
        const FORWARD: u32 = 2;
        let mut found = Vec::new();
        for (number, family) in [(2u8, "ip"), (1, "inet"), (10, "ip6")] {
            let mut batch = Batch::default();
            batch.message(GET_CHAIN, flags::REQUEST | flags::DUMP, &[number, 0, 0, 0], |_| {});
            for payload in self.query("list", "chains", &batch)? {
                // The answer starts with `struct nfgenmsg`.
                let attributes = payload.get(4..).unwrap_or_default();
                let be32 = |bytes: Option<&[u8]>| bytes.and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
                let hook = Attributes::find(attributes, 4).and_then(|hook| be32(Attributes::find(hook, 1)));
                let drops = be32(Attributes::find(attributes, 5)) == Some(0);
                let table = text(Attributes::find(attributes, 1));
                if hook == Some(FORWARD) && drops && table != own {
                    found.push(format!("{family} {table} {}", text(Attributes::find(attributes, 3))));
                }
            }
        }
        Ok(found)
    }

    fn live(&self) -> Result<LiveRules, Error> {
        let everything = |kind, objects| {
            let mut batch = Batch::default();
            batch.message(kind, flags::REQUEST | flags::DUMP, &[0; 4], |_| {});
            self.query("list", objects, &batch)
        };
        let chains = everything(GET_CHAIN, "chains")?;
        let mut live = LiveRules {
            chains: chains.iter().filter_map(|payload| decode::chain(payload)).collect(),
            unread: tables_of_before(),
            ..LiveRules::default()
        };
        for payload in everything(GET_RULE, "rules")? {
            let Some((table, chain, rule)) = decode::rule(&payload) else {
                continue;
            };
            for expression in &rule {
                let Expression::Lookup { set, .. } = expression else {
                    continue;
                };
                if let Entry::Vacant(entry) = live.sets.entry((table.clone(), set.clone())) {
                    entry.insert(self.elements_of(payload[0], &payload, set)?);
                }
            }
            let of_chain = |one: &&mut crate::live::LiveChain| one.table == table && one.name == chain;
            if let Some(chain) = live.chains.iter_mut().find(of_chain) {
                chain.rules.push(rule);
            }
        }
        Ok(live)
    }
}

/// Tables of the packet filter before nf_tables that filter what is forwarded or comes in. They are there once a program
/// asked for them, be there rules in them or not.
fn tables_of_before() -> Vec<String> {
    const FILTERING: [&str; 3] = ["filter", "mangle", "security"];
    let of_family = |family: &str| {
        // The file is there only where such a table was ever asked for.
        let names = std::fs::read_to_string(format!("/proc/thread-self/net/{family}_tables_names")).unwrap_or_default();
        let names = names.lines().filter(|name| FILTERING.contains(name));
        names.map(|name| format!("{family} {name}")).collect::<Vec<_>>()
    };
    [of_family("ip"), of_family("ip6")].concat()
}

/// An attribute of an answer, which starts with `struct nfgenmsg`.
fn find(payload: &[u8], kind: u16) -> Option<&[u8]> {
    Attributes::find(payload.get(4..)?, kind)
}

fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default())
        .trim_end_matches('\0')
        .to_owned()
}
