//! The container's file system: what is mounted where ([`plan`], values), and the hand that does it ([`mount`]).
//!
//! Everything below the root is hostile: its directories, links and files were written by an image or by a neighbour
//! that runs already. So no path inside is ever handed to the kernel as a string; [`beneath`] opens it with
//! `openat2(RESOLVE_IN_ROOT)` and what follows works on the descriptor.

pub mod beneath;
pub mod bind;
pub mod cgroup;
pub mod copy_up;
pub mod device;
mod error;
pub mod full_view;
pub mod in_place;
pub mod instance;
pub mod mask;
pub mod mount;
pub mod options;
pub mod plan;
pub mod proc;
pub mod propagation;

pub use error::Error;

#[cfg(test)]
mod tests;
