//! Device rules: what a list of rules amounts to, and its two forms, lines for v1 and a program for v2.

mod program;
mod rules;

pub(crate) use program::emit;
pub(crate) use rules::{Access, Devices, Kind, State};
