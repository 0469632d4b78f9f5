//! Who changes our tables behind our back: the kernel's notifications of nf_tables.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;
use tierce_sys::netlink::{Attributes, Family, Socket};

use crate::Error;
use crate::encode::SUBSYSTEM;

/// `NFNLGRP_NFTABLES`
const GROUP: u32 = 7;
const NEW_RULE: u16 = SUBSYSTEM + 6;
const DELETE_RULE: u16 = SUBSYSTEM + 8;
/// The end of each transaction; says who made it.
const NEW_GENERATION: u16 = SUBSYSTEM + 15;

/// A socket that hears of every change in this network namespace.
#[derive(Debug)]
pub struct Watch {
    socket: Socket,
    /// Address of the socket through which we make our own changes.
    own: Arc<AtomicU32>,
}

/// What others did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Something in the table was made or removed, or notifications were lost and nobody knows.
    pub table: bool,
    /// The program, as `nft (1234)`, where the kernel told.
    pub by: Option<String>,
}

impl Watch {
    pub(crate) fn open(own: Arc<AtomicU32>) -> Result<Self, Error> {
        let socket = Socket::open(Family::Netfilter).map_err(Error::Open)?;
        socket.join(GROUP).map_err(Error::Open)?;
        Ok(Self { socket, own })
    }

    /// Reads one datagram, waiting for it: did others touch the table `name`, of whatever family? Rules in `kept` chains
    /// are theirs to touch.
    pub fn read(&self, name: &str, kept: &[&str]) -> io::Result<Touched> {
        let own = self.own.load(Ordering::Relaxed);
        let mut touched = Touched::default();
        let heard = self.socket.listen(|message| {
            if message.origin == own {
                return;
            }
            let attributes = message.payload.get(4..).unwrap_or_default();
            if message.kind == NEW_GENERATION {
                touched.by = author(attributes);
                return;
            }
            // The first attribute of tables, chains, rules, sets and lists of elements is the table's name, the second of
            // rules that of their chain.
            let named = |attribute| Attributes::find(attributes, attribute).map(text).unwrap_or_default();
            let theirs = matches!(message.kind, NEW_RULE | DELETE_RULE) && kept.contains(&named(2).as_str());
            touched.table |= named(1) == name && !theirs;
        });
        match heard {
            Err(error) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => {
                touched.table = true;
                Ok(touched)
            }
            other => other.map(|()| touched),
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn author(attributes: &[u8]) -> Option<String> {
    let pid = Attributes::find(attributes, 2)?
        .try_into()
        .map(u32::from_be_bytes)
        .ok()?;
    let name = text(Attributes::find(attributes, 3)?);
    Some(format!("{} ({pid})", name.escape_debug()))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}
