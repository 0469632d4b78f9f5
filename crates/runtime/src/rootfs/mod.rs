//! The container's file system: what is mounted where ([`plan`], values), and the hand that does it ([`mount`]).
//!
//! Everything below the root is hostile: its directories, links and files were written by an image or by a neighbour
//! that runs already. So no path inside is ever handed to the kernel as a string; [`beneath`] opens it with
//! `openat2(RESOLVE_IN_ROOT)` and what follows works on the descriptor.

pub(crate) mod beneath;
pub(crate) mod bind;
pub(crate) mod cgroup;
pub(crate) mod copy_up;
pub(crate) mod device;
pub(crate) mod full_view;
pub(crate) mod in_place;
pub(crate) mod instance;
pub(crate) mod mask;
pub(crate) mod mount;
pub(crate) mod options;
pub(crate) mod plan;
pub(crate) mod proc;
pub(crate) mod propagation;

#[cfg(test)]
mod tests;
