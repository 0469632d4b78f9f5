//! The device filter of a v2 group, an eBPF program of type `BPF_PROG_TYPE_CGROUP_DEVICE`.
//!
//! It sees `struct bpf_cgroup_dev_ctx` (linux/bpf.h): kind in the low half and access in the high half of one word,
//! then major and minor number. It answers 1 (allowed) or 0. Instructions: kernel's `bpf/standardization/instruction-set.rst`.

use super::{Access, Kind, State};

/// `BPF_DEVCG_DEV_BLOCK`, `BPF_DEVCG_DEV_CHAR`
const BLOCK: i32 = 1;
const CHAR: i32 = 2;

/// Registers by what they hold.
const ANSWER: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// `BPF_LDX | BPF_MEM | BPF_W`
const LOAD: u8 = 0x61;
/// `BPF_ALU | BPF_AND | BPF_K`
const AND: u8 = 0x54;
/// `BPF_ALU | BPF_RSH | BPF_K`
const SHIFT_RIGHT: u8 = 0x74;
/// `BPF_ALU | BPF_MOV | BPF_X` and `BPF_K`
const COPY: u8 = 0xbc;
const SET: u8 = 0xb4;
/// `BPF_JMP32 | BPF_JNE | BPF_K`, `BPF_JMP32 | BPF_JNE | BPF_X`, `BPF_JMP32 | BPF_JEQ | BPF_K`
const IF_NOT: u8 = 0x56;
const IF_NOT_REGISTER: u8 = 0x5e;
const IF_IS: u8 = 0x16;
/// `BPF_JMP | BPF_EXIT`
const EXIT: u8 = 0x95;

/// The program as 64-bit instructions in the machine's byte order (little-endian on all our architectures).
pub(crate) fn emit(state: &State) -> Vec<u64> {
    let mut program = vec![
        instruction(LOAD, KIND, CONTEXT, 0, 0),
        instruction(COPY, ACCESS, KIND, 0, 0),
        instruction(AND, KIND, 0, 0, 0xffff),
        instruction(SHIFT_RIGHT, ACCESS, 0, 0, 16),
        instruction(LOAD, MAJOR, CONTEXT, 4, 0),
        instruction(LOAD, MINOR, CONTEXT, 8, 0),
    ];
    for (devices, access) in &state.exceptions {
        let kind = if devices.kind == Kind::Block { BLOCK } else { CHAR };
        let mut block = vec![instruction(IF_NOT, KIND, 0, 0, kind)];
        if state.default_allow {
            // Refused when any access asked for is among those refused. The context is read already.
            block.push(instruction(COPY, CONTEXT, ACCESS, 0, 0));
            block.push(instruction(AND, CONTEXT, 0, 0, i32::from(access.0)));
            block.push(instruction(IF_IS, CONTEXT, 0, 0, 0));
        } else if *access != Access::ALL {
            // Allowed when all accesses asked for are among those allowed.
            block.push(instruction(COPY, CONTEXT, ACCESS, 0, 0));
            block.push(instruction(AND, CONTEXT, 0, 0, i32::from(access.0)));
            block.push(instruction(IF_NOT_REGISTER, CONTEXT, ACCESS, 0, 0));
        }
        for (register, number) in [(MAJOR, devices.major), (MINOR, devices.minor)] {
            if let Some(number) = number {
                block.push(instruction(IF_NOT, register, 0, 0, number.cast_signed()));
            }
        }
        block.push(instruction(SET, ANSWER, 0, 0, i32::from(!state.default_allow)));
        block.push(instruction(EXIT, 0, 0, 0, 0));
        // Every branch of the block goes past its end.
        let length = block.len();
        for (at, word) in block.iter_mut().enumerate() {
            if matches!(*word as u8, IF_NOT | IF_NOT_REGISTER | IF_IS) {
                *word |= ((length - at - 1) as u64) << 16;
            }
        }
        program.append(&mut block);
    }
    program.push(instruction(SET, ANSWER, 0, 0, i32::from(state.default_allow)));
    program.push(instruction(EXIT, 0, 0, 0, 0));
    program
}

fn instruction(code: u8, target: u8, source: u8, offset: u16, immediate: i32) -> u64 {
    u64::from(code)
        | u64::from(source << 4 | target) << 8
        | u64::from(offset) << 16
        | u64::from(immediate.cast_unsigned()) << 32
}
