//! Ranges → instructions of classic BPF (linux/filter.h, linux/bpf_common.h).

use crate::action::KILL_THREAD;
use crate::compile::{Outcome, Range, Rule, Section};
use crate::program::Instruction;
use tierce_oci::runtime::{ArgCondition, Operator};

/// `BPF_LD | BPF_W | BPF_ABS`
const LOAD: u16 = 0x20;
/// `BPF_ALU | BPF_AND | BPF_K`
const AND: u16 = 0x54;
/// `BPF_JMP | BPF_JA`
const JUMP: u16 = 0x05;
/// `BPF_JMP | BPF_JEQ | BPF_K`
const IF_EQUAL: u16 = 0x15;
/// `BPF_JMP | BPF_JGT | BPF_K`
const IF_GREATER: u16 = 0x25;
/// `BPF_JMP | BPF_JGE | BPF_K`
const IF_GREATER_OR_EQUAL: u16 = 0x35;
/// `BPF_RET | BPF_K`
const RETURN: u16 = 0x06;

/// Offsets into `struct seccomp_data` (linux/seccomp.h): number, architecture, six arguments of eight bytes. All our
/// architectures are little-endian: the low half of an argument comes first.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// Writes the whole program: a chain over the architectures, in each a binary tree over its ranges.
pub(crate) fn emit(sections: &[Section], default: u32) -> Vec<Instruction> {
    let mut emitter = Emitter {
        out: Vec::with_capacity(512),
        default,
    };
    emitter.plain(LOAD, ARCHITECTURE);
    for section in sections {
        let branch = emitter.out.len();
        emitter.branch(IF_EQUAL, section.audit, 0, 0);
        emitter.plain(LOAD, NUMBER);
        emitter.tree(&section.ranges);
        emitter.jump_when_false(branch);
    }
    emitter.plain(RETURN, KILL_THREAD);
    emitter.out
}

struct Emitter {
    out: Vec<Instruction>,
    default: u32,
}

/// Where a condition goes when it is decided early.
#[derive(Clone, Copy)]
enum Then {
    /// To what follows the condition.
    Holds,
    /// To the next rule.
    Fails,
    /// On to the next instruction.
    Next,
}

impl Emitter {
    fn plain(&mut self, code: u16, k: u32) {
        self.out.push(Instruction { code, jt: 0, jf: 0, k });
    }

    fn branch(&mut self, code: u16, k: u32, jt: u8, jf: u8) {
        self.out.push(Instruction { code, jt, jf, k });
    }

    /// Makes the branch at `at` go to the end of what is written so far when it does not hold. A branch reaches 255
    /// instructions; beyond that it gets a long jump beside it. Nothing outside jumps into what lies between, so it may
    /// be shifted.
    fn jump_when_false(&mut self, at: usize) {
        let distance = self.out.len() - at - 1;
        if let Ok(near) = u8::try_from(distance) {
            self.out[at].jf = near;
        } else {
            self.out.insert(
                at + 1,
                Instruction {
                    code: JUMP,
                    jt: 0,
                    jf: 0,
                    k: distance as u32,
                },
            );
            self.out[at].jt = 1;
        }
    }

    /// The number is in the accumulator.
    fn tree(&mut self, ranges: &[Range]) {
        match ranges {
            [] => self.plain(RETURN, self.default),
            [range] => self.leaf(range.outcome),
            _ => {
                let (low, high) = ranges.split_at(ranges.len() / 2);
                let branch = self.out.len();
                // Written the other way round (high half first), so that every branch of the tree misses forward.
                self.branch(IF_GREATER_OR_EQUAL, high[0].start, 0, 0);
                self.tree(high);
                self.jump_when_false(branch);
                self.tree(low);
            }
        }
    }

    fn leaf(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Answer(answer) => self.plain(RETURN, answer),
            Outcome::Rules(rules) => {
                for rule in rules {
                    self.rule(rule);
                }
                self.plain(RETURN, self.default);
            }
        }
    }

    fn rule(&mut self, rule: &Rule) {
        let mut failing = Vec::new();
        if let Some(sub_call) = rule.sub_call {
            let carrier = ArgCondition {
                index: 0,
                value: sub_call,
                value_two: 0,
                op: Operator::Equal,
            };
            self.condition(&carrier, rule.wide, &mut failing);
        }
        for condition in rule
            .conditions
            .iter()
            .filter(|c| rule.sub_call.is_none() || c.index != 0)
        {
            self.condition(condition, rule.wide, &mut failing);
        }
        self.plain(RETURN, rule.answer);
        // At most seven conditions of six instructions: always within the reach of a branch.
        let end = self.out.len();
        for (at, when) in failing {
            let distance = u8::try_from(end - at - 1).unwrap_or(u8::MAX);
            if when {
                self.out[at].jt = distance;
            } else {
                self.out[at].jf = distance;
            }
        }
    }

    /// One comparison whose ways out are patched: `Fails` later by the rule, `Holds` to `holds` instructions ahead.
    fn compare(&mut self, code: u16, k: u32, then: [Then; 2], holds: u8, failing: &mut Vec<(usize, bool)>) {
        let at = self.out.len();
        let mut way = |then: Then, when: bool| match then {
            Then::Next => 0,
            Then::Holds => holds,
            Then::Fails => {
                failing.push((at, when));
                0
            }
        };
        let (jt, jf) = (way(then[0], true), way(then[1], false));
        self.branch(code, k, jt, jf);
    }

    fn condition(&mut self, condition: &ArgCondition, wide: bool, failing: &mut Vec<(usize, bool)>) {
        use Then::{Fails, Holds, Next};
        let low_at = ARGUMENTS + 8 * condition.index;
        let high_at = low_at + 4;
        let (value, mask) = match condition.op {
            Operator::MaskedEqual => (condition.value_two, condition.value),
            _ => (condition.value, u64::MAX),
        };
        let (high, low) = ((value >> 32) as u32, value as u32);
        let (high_mask, low_mask) = ((mask >> 32) as u32, mask as u32);
        if wide {
            match condition.op {
                Operator::Equal => {
                    self.plain(LOAD, high_at);
                    self.compare(IF_EQUAL, high, [Next, Fails], 0, failing);
                }
                Operator::MaskedEqual => self.masked(high_at, high_mask, high, failing),
                Operator::NotEqual => {
                    self.plain(LOAD, high_at);
                    self.compare(IF_EQUAL, high, [Next, Holds], 2, failing);
                }
                Operator::Greater | Operator::GreaterOrEqual => {
                    self.plain(LOAD, high_at);
                    self.compare(IF_GREATER, high, [Holds, Next], 3, failing);
                    self.compare(IF_EQUAL, high, [Next, Fails], 0, failing);
                }
                Operator::Less | Operator::LessOrEqual => {
                    self.plain(LOAD, high_at);
                    self.compare(IF_GREATER, high, [Fails, Next], 0, failing);
                    self.compare(IF_EQUAL, high, [Next, Holds], 2, failing);
                }
            }
        }
        if condition.op == Operator::MaskedEqual {
            return self.masked(low_at, low_mask, low, failing);
        }
        self.plain(LOAD, low_at);
        let (code, then) = match condition.op {
            Operator::Equal | Operator::MaskedEqual => (IF_EQUAL, [Next, Fails]),
            Operator::NotEqual => (IF_EQUAL, [Fails, Next]),
            Operator::Greater => (IF_GREATER, [Next, Fails]),
            Operator::GreaterOrEqual => (IF_GREATER_OR_EQUAL, [Next, Fails]),
            Operator::Less => (IF_GREATER_OR_EQUAL, [Fails, Next]),
            Operator::LessOrEqual => (IF_GREATER, [Fails, Next]),
        };
        self.compare(code, low, then, 0, failing);
    }

    /// Half of a masked comparison. An empty mask needs none, unless something is demanded that it hides.
    fn masked(&mut self, at: u32, mask: u32, value: u32, failing: &mut Vec<(usize, bool)>) {
        if mask == 0 && value == 0 {
            return;
        }
        self.plain(LOAD, at);
        if mask != u32::MAX {
            self.plain(AND, mask);
        }
        self.compare(IF_EQUAL, value, [Then::Next, Then::Fails], 0, failing);
    }
}
