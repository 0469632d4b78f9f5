//! Address management: subnets for networks, addresses for endpoints. Nothing but arithmetic and memory: what is held follows
//! from the records of networks and sandboxes, so nothing can leak over a restart.
//!
//! ```
//! use tierce_ipam::{Addresses, Ipam, Pool, choose_subnet, first_host};
//! let subnet = choose_subnet(&Pool::defaults(), false, &[])?;
//! let ipam = Ipam { gateway: Some(first_host(subnet)), ..Ipam::of(subnet) };
//! let addresses = Addresses::default();
//! addresses.open("bridge", std::iter::once(&ipam));
//! let given = addresses.take("bridge", subnet, None, "a container");
//! assert_eq!(given.map(|address| address.to_string()), Ok("172.17.0.2".to_owned()));
//! # Ok::<(), tierce_ipam::PoolsExhausted>(())
//! ```

mod address_pool;
mod addresses;
mod numbers;
mod subnet;
mod subnet_pool;

pub use address_pool::Refusal;
pub use addresses::Addresses;
pub use subnet::{Ipam, first_host, is_edge, overlap};
pub use subnet_pool::{Occupied, Pool, PoolsExhausted, choose_subnet, overlapping};
