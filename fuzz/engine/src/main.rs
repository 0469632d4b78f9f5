//! One program for all targets: `FUZZ_TARGET` names the one that is run.
#![no_main]

use std::sync::OnceLock;

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

fn wanted() -> fn(&[u8]) {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    match fuzz::TARGETS.iter().find(|(target, _)| *target == name) {
        Some((_, target)) => *target,
        None => {
            let names: Vec<_> = fuzz::TARGETS.iter().map(|(name, _)| name).collect();
            panic!("FUZZ_TARGET={name:?} is none of {names:?}")
        }
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| TARGET.get_or_init(wanted)(bytes));
