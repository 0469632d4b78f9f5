//! Network interfaces, their addresses and routes: the requests of rtnetlink that Tierce needs, as thin functions over the
//! codec of `tierce_sys::netlink` (`rtnetlink(7)`, `linux/if_link.h`).
//!
//! A [`Plan`] collects requests; [`Rtnetlink::apply`] sends them in one go. The kernel does not undo the earlier ones
//! when a later one fails; callers do.
//!
//! ```no_run
//! use tierce_links::{Plan, Rtnetlink};
//! let mut plan = Plan::default();
//! plan.create_bridge("br0", [2, 0x42, 10, 0, 0, 1], 1500).up("br0").look_up("br0");
//! let entries = Rtnetlink::open()?.apply(&plan)?;
//! println!("{}", entries[0].index);
//! # Ok::<(), tierce_links::Error>(())
//! ```

mod entry;
mod error;
mod going;
mod numbers;
mod plan;
mod port;
mod socket;
mod upper;

pub use entry::{LinkEntry, News, RouteEntry, is_link_local};
pub use error::Error;
pub use plan::Plan;
pub use socket::Rtnetlink;
pub use upper::Upper;
