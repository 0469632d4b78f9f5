//! nf_tables over netlink: each call is one transaction.
//!
//! All go through one socket that stays open: the kernel waits for RCU (12 to 24 ms) when a socket of netfilter's is
//! closed, and not at all when it is used. Calls take turns; the kernel would make them do so anyway.

use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;
use tierce_sys::netlink::{Attributes, Batch, Family as Netlink, Socket, flags};

use crate::encode::{SUBSYSTEM, Transaction};
use crate::{Backend, Change, Elements, Error, Family};

const GET_TABLE: u16 = SUBSYSTEM + 1;
const GET_CHAIN: u16 = SUBSYSTEM + 4;

/// The nf_tables back end.
#[derive(Debug, Default)]
pub(super) struct Nft {
    /// Opened by the first call, and anew by the call after one whose exchange broke off.
    socket: Mutex<Option<Socket>>,
}

impl Nft {
    /// Does `work` with the socket and keeps it open unless answers may be missing or left over in it.
    fn with_socket<T>(&self, work: impl FnOnce(&Socket) -> Result<T, Error>) -> Result<T, Error> {
        let mut kept = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let socket = match kept.take() {
            Some(socket) => socket,
            None => Socket::open(Netlink::Netfilter).map_err(Error::Open)?,
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

    fn transact(socket: &Socket, changes: &[Change]) -> Result<(), Error> {
        let transaction = Transaction::new(changes);
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

    fn remove_what_is_there(&self, changes: &[Change]) -> Result<(), Error> {
        for change in changes {
            let Change::Remove(all) = change else { continue };
            for element in &all.elements {
                let one = Change::Remove(Elements {
                    elements: vec![element.clone()],
                    ..all.clone()
                });
                match self.with_socket(|socket| Self::transact(socket, &[one])) {
                    Err(Error::Refused { cause, .. }) if cause.is(Errno::NOENT) => {}
                    other => other?,
                }
            }
        }
        Ok(())
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
        let whole = self.with_socket(|socket| Self::transact(socket, changes));
        match whole {
            // Somebody flushed our table or took elements out: what remains of a removal is done one by one.
            Err(Error::Refused { cause, .. })
                if cause.is(Errno::NOENT) && changes.iter().all(|change| matches!(change, Change::Remove(_))) =>
            {
                self.remove_what_is_there(changes)
            }
            other => other,
        }
    }

    fn has_table(&self, family: Family, name: &str) -> Result<bool, Error> {
        let mut batch = Batch::default();
        let header = [
            if family == Family::Ip {
                2
            } else if family == Family::Ip6 {
                10
            } else {
                1
            },
            0,
            0,
            0,
        ];
        batch.message(GET_TABLE, flags::REQUEST | flags::ACK, &header, |m| {
            m.text(1, name);
        });
        match self.query("look up table", name, &batch) {
            Ok(_) => Ok(true),
            Err(Error::Refused { cause, .. }) if cause.is(Errno::NOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn foreign_forward_drops(&self, own: &str) -> Result<Vec<String>, Error> {
        const FORWARD: u32 = 2;
        let mut found = Vec::new();
        for (number, family) in [(2u8, "ip"), (1, "inet")] {
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
}

fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default())
        .trim_end_matches('\0')
        .to_owned()
}
