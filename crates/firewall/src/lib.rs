//! Packet filter rule sets as values, and the back ends that apply them.
//!
//! A [`Table`] is built without touching the kernel and compared, tested and printed like any value; a [`Backend`]
//! makes it so in one transaction. No `nft` or `iptables` process is ever started.
//!
//! ```no_run
//! use tierce_firewall::{Chain, ChainKind, Change, Choice, Family, Hook, Point, Rule, Statement, Table, open};
//! let table = Table {
//!     family: Family::Ip,
//!     name: "example".into(),
//!     sets: vec![],
//!     chains: vec![Chain {
//!         name: "forward".into(),
//!         hook: Some(Hook { kind: ChainKind::Filter, point: Point::Forward, priority: 0 }),
//!         rules: vec![Rule { comment: "answers", statements: vec![Statement::Established, Statement::Accept] }],
//!     }],
//!     kept: vec![],
//! };
//! open(Choice::Nft).apply(&[Change::Replace(table)])?;
//! # Ok::<(), tierce_firewall::Error>(())
//! ```

mod backend;
mod backends;
mod encode;
mod error;
mod live;
mod ruleset;
#[cfg(test)]
mod tests;
mod watch;

pub use backend::Backend;
pub use backends::{Choice, open};
pub use error::Error;
pub use live::{LiveRules, Packet, Passage};
pub use ruleset::{
    Chain, ChainKind, Change, Element, Elements, Family, Hook, Point, Rule, Selector, Set, Statement, Table, Type,
    Value,
};
pub use watch::{Touched, Watch};
