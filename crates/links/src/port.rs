//! Requests about ports of bridges.

use tierce_sys::netlink::Attributed;

use crate::Plan;
use crate::numbers::{AF_BRIDGE, IFLA_PROTINFO, SET_LINK, link_header};

impl Plan {
    /// The port exchanges no frames with the other isolated ports of its bridge (`icc=false`).
    pub fn isolate(&mut self, name: &str, index: u32) -> &mut Self {
        const ISOLATED: u16 = 33;
        self.bridge_port("isolate bridge port", name, index, |m| {
            m.u8(ISOLATED, 1);
        })
    }

    /// The port may get its own frames back: a container that calls its own published port is translated on the
    /// bridge itself where br_netfilter is at work.
    pub fn hairpin(&mut self, name: &str, index: u32) -> &mut Self {
        const MODE: u16 = 4;
        self.bridge_port("set hairpin mode of bridge port", name, index, |m| {
            m.u8(MODE, 1);
        })
    }

    /// The port passes nothing any more, and the bridge forgets what it learned from it. Needs no RCU grace period,
    /// unlike taking the port out or the link down.
    pub fn silence(&mut self, name: &str, index: u32) -> &mut Self {
        const STATE: u16 = 1;
        const FLUSH: u16 = 24;
        self.bridge_port("disable bridge port", name, index, |m| {
            m.u8(STATE, 0).bytes(FLUSH, &[]);
        })
    }

    fn bridge_port(
        &mut self,
        verb: &'static str,
        name: &str,
        index: u32,
        write: impl FnOnce(&mut Attributed<'_>),
    ) -> &mut Self {
        let mut header = link_header(index, 0, 0);
        header[0] = AF_BRIDGE;
        self.add(verb, name, SET_LINK, 0, &header, |m| {
            m.nest(IFLA_PROTINFO, write);
        })
    }
}
