//! The hub judged over sockets: the real program, and a client of HTTP that hides nothing.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

mod categories;
mod endpoints;
mod strangers;
mod support;
mod whole;
