//! Runs a filter as the kernel would.

use crate::{Architecture, Instruction};

/// What the kernel shows a filter: `struct seccomp_data`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) audit: u32,
    pub(super) number: u32,
    pub(super) args: [u64; 6],
}

impl Call {
    pub(super) fn new(architecture: Architecture, name: &str, args: &[u64]) -> Self {
        let number = architecture.syscall(name).expect("a known call");
        Self::numbered(architecture, number, args)
    }

    pub(super) fn numbered(architecture: Architecture, number: u32, args: &[u64]) -> Self {
        let mut all = [0; 6];
        all[..args.len()].copy_from_slice(args);
        Self {
            audit: architecture.audit(),
            number,
            args: all,
        }
    }

    fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.number,
            4 => self.audit,
            16..64 if offset.is_multiple_of(4) => {
                let argument = self.args[(offset as usize - 16) / 8];
                if offset.is_multiple_of(8) {
                    argument as u32
                } else {
                    (argument >> 32) as u32
                }
            }
            _ => panic!("load from offset {offset}"),
        }
    }
}

/// The answer of the filter; panics where the kernel's checker would refuse the program.
pub(super) fn run(filter: &[Instruction], call: &Call) -> u32 {
    let (mut at, mut accumulator, mut steps) = (0, 0_u32, 0);
    loop {
        let Instruction { code, jt, jf, k } = filter[at];
        at += 1;
        steps += 1;
        assert!(steps <= 4096);
        let mut branch = |holds: bool| at += usize::from(if holds { jt } else { jf });
        match code {
            0x20 => accumulator = call.word(k),
            0x54 => accumulator &= k,
            0x05 => at += k as usize,
            0x15 => branch(accumulator == k),
            0x25 => branch(accumulator > k),
            0x35 => branch(accumulator >= k),
            0x45 => branch(accumulator & k != 0),
            0x06 => return k,
            0x00 => accumulator = k,
            _ => panic!("instruction {code:#x}"),
        }
    }
}
