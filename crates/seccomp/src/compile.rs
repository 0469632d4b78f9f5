//! Profile → ranges of system call numbers with one answer each → program.
//!
//! Per audit architecture the numbers 0 to 2³² are cut into ranges; a range holds one answer, or the conditional rules
//! of a single number. The emitter makes a binary tree of them, so that a call costs about log₂(ranges) comparisons
//! (seven for Docker's profile), and none at all once the kernel has cached that a number is always allowed.

use crate::Error;
use crate::action::{ENOSYS, KILL_THREAD, NOTIFY, check_errno, check_notify, forces_enosys, return_value};
use crate::architecture::{Architecture, X32_BIT, numbers};
use crate::emit::emit;
use crate::multiplex::multiplexed;
use crate::program::{Flags, MAX_INSTRUCTIONS, Program};
use tierce_oci::runtime::{ArgCondition, Seccomp, SyscallRule};

/// One rule of one number: when all conditions hold, this is the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule<'a> {
    number: u32,
    /// What the filter answers.
    pub(crate) answer: u32,
    /// All must hold.
    pub(crate) conditions: &'a [ArgCondition],
    /// What the first argument must be, in place of any condition on it (see [`crate::multiplex`]).
    pub(crate) sub_call: Option<u64>,
    /// Whether arguments are compared in all 64 bits.
    pub(crate) wide: bool,
}

/// What holds for a range of numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome<'r, 'a> {
    /// Always this.
    Answer(u32),
    /// The first rule that holds, else the default.
    Rules(&'r [Rule<'a>]),
}

/// Numbers from `start` to the next range.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range<'r, 'a> {
    /// First number.
    pub(crate) start: u32,
    /// What holds for them.
    pub(crate) outcome: Outcome<'r, 'a>,
}

/// All that concerns one audit architecture.
#[derive(Debug)]
pub(crate) struct Section<'r, 'a> {
    /// `AUDIT_ARCH_*`
    pub(crate) audit: u32,
    /// Ascending, the first one starting at 0.
    pub(crate) ranges: Vec<Range<'r, 'a>>,
}

/// Compiles a profile for a machine whose own architecture is `native`.
///
/// The native architecture is always filtered, others when the profile names them; calls of any other architecture
/// kill the calling thread. Architectures that this crate has no tables for are passed over: such a machine never
/// reports `native` as one of ours, and ours never report them.
///
/// # Errors
/// [`Error`] when the profile is contradictory or too long.
pub fn compile(profile: &Seccomp, native: Architecture) -> Result<Program, Error> {
    check(profile)?;
    let mut architectures = vec![native];
    for architecture in profile
        .architectures
        .iter()
        .filter_map(|&arch| Architecture::from_oci(arch))
    {
        if !architectures.contains(&architecture) {
            architectures.push(architecture);
        }
    }
    let default = return_value(profile.default_action, profile.default_errno_ret);
    let resolved: Vec<Resolved> = architectures
        .iter()
        .map(|&a| Resolved::of(profile, a, default))
        .collect();
    let mut sections: Vec<Section> = Vec::with_capacity(resolved.len());
    for part in resolved.iter().filter(|part| part.architecture != Architecture::X32) {
        let x32 = (part.architecture == Architecture::X86_64)
            .then(|| resolved.iter().find(|other| other.architecture == Architecture::X32))
            .flatten();
        sections.push(section(part, x32, profile, default));
    }
    let filter = emit(&sections, default);
    if filter.len() > MAX_INSTRUCTIONS {
        return Err(Error::TooLong(filter.len()));
    }
    let notifies = resolved
        .iter()
        .any(|part| part.rules.iter().any(|rule| rule.answer == NOTIFY));
    let flags = flags(profile.flags.as_deref(), notifies)?;
    Ok(Program { filter, flags })
}

fn check(profile: &Seccomp) -> Result<(), Error> {
    check_notify(profile.default_action, None)?;
    check_errno(profile.default_action, profile.default_errno_ret)?;
    for rule in &profile.syscalls {
        check_errno(rule.action, rule.errno_ret)?;
        for name in &rule.names {
            if name.is_empty() {
                return Err(Error::EmptyName);
            }
            check_notify(rule.action, Some(name))?;
            if let Some(condition) = rule.args.iter().find(|condition| condition.index > 5) {
                return Err(Error::ArgumentIndex {
                    syscall: name.clone(),
                    index: condition.index,
                });
            }
        }
    }
    Ok(())
}

/// Flags of seccomp(2). Where the profile has no list of them, speculation is left alone, as in runc: Docker's containers
/// would otherwise pay for a mitigation that their processes may switch off anyhow. `TSYNC` needs nothing: the filter is
/// installed by a process with one thread. The kernel takes `WAIT_KILLABLE_RECV` only with notifications, without which
/// it means nothing.
fn flags(names: Option<&[String]>, notifies: bool) -> Result<Flags, Error> {
    let mut flags = if notifies {
        Flags::NEW_LISTENER
    } else {
        Flags::default()
    };
    let Some(names) = names else {
        flags.insert(Flags::SPEC_ALLOW);
        return Ok(flags);
    };
    for name in names {
        match name.as_str() {
            "SECCOMP_FILTER_FLAG_TSYNC" => {}
            "SECCOMP_FILTER_FLAG_LOG" => flags.insert(Flags::LOG),
            "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => flags.insert(Flags::SPEC_ALLOW),
            "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" if !notifies => {}
            "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" => flags.insert(Flags::WAIT_KILLABLE_RECV),
            _ => return Err(Error::Flag(name.clone())),
        }
    }
    Ok(flags)
}

/// A profile with numbers in place of names.
struct Resolved<'a> {
    architecture: Architecture,
    /// Ascending by number; of one number in the profile's order.
    rules: Vec<Rule<'a>>,
    /// Greatest number that the profile names, whatever it says of it.
    newest: Option<u32>,
}

impl<'a> Resolved<'a> {
    fn of(profile: &'a Seccomp, architecture: Architecture, default: u32) -> Self {
        let mut resolved = Self {
            architecture,
            rules: Vec::with_capacity(512),
            newest: None,
        };
        for rule in &profile.syscalls {
            let answer = return_value(rule.action, rule.errno_ret);
            for name in &rule.names {
                let number = numbers(name).and_then(|row| architecture.number(row));
                let carrier = multiplexed(architecture, name);
                resolved.newest = resolved.newest.max(number).max(carrier.map(|(carrier, _)| carrier));
                if answer == default {
                    continue;
                }
                if let Some(number) = number {
                    resolved.push(rule, number, answer, None);
                }
                if let Some((carrier, sub_call)) = carrier {
                    resolved.push(rule, carrier, answer, Some(sub_call));
                }
            }
        }
        resolved.rules.sort_by_key(|rule| rule.number);
        resolved
    }

    /// Conditions on different arguments must all hold. Two on the same argument make every condition of the rule a
    /// rule of its own: profiles from before 2018 were written so, and runc still reads them so.
    fn push(&mut self, rule: &'a SyscallRule, number: u32, answer: u32, sub_call: Option<u64>) {
        let wide = self.architecture.is_64_bit();
        let args = rule.args.as_slice();
        let same_twice = args
            .iter()
            .enumerate()
            .any(|(at, a)| args[..at].iter().any(|b| a.index == b.index));
        if same_twice {
            let alternatives = args.iter().map(std::slice::from_ref);
            self.rules.extend(alternatives.map(|conditions| Rule {
                number,
                answer,
                conditions,
                sub_call,
                wide,
            }));
        } else {
            self.rules.push(Rule {
                number,
                answer,
                conditions: args,
                sub_call,
                wide,
            });
        }
    }
}

fn section<'r, 'a>(
    part: &'r Resolved<'a>,
    x32: Option<&'r Resolved<'a>>,
    profile: &Seccomp,
    default: u32,
) -> Section<'r, 'a> {
    let force_enosys = forces_enosys(profile);
    let mut ranges = Vec::with_capacity(128);
    cut(&mut ranges, 0, part, default, force_enosys);
    match x32 {
        Some(x32) => cut(&mut ranges, X32_BIT, x32, default, force_enosys),
        None if part.architecture == Architecture::X86_64 => {
            push(&mut ranges, X32_BIT, Outcome::Answer(KILL_THREAD));
            // -1 is no x32 call: a tracer put it there to have the call skipped.
            push(&mut ranges, u32::MAX, Outcome::Answer(default));
        }
        None => {}
    }
    Section {
        audit: part.architecture.audit(),
        ranges,
    }
}

/// Cuts the numbers from `base` on into ranges.
fn cut<'r, 'a>(ranges: &mut Vec<Range<'r, 'a>>, base: u32, part: &'r Resolved<'a>, default: u32, force_enosys: bool) {
    let mut next = base;
    for rules in part.rules.chunk_by(|a, b| a.number == b.number) {
        let number = rules[0].number;
        if number > next {
            push(ranges, next, Outcome::Answer(default));
        }
        let unconditional = rules
            .iter()
            .find(|rule| rule.conditions.is_empty() && rule.sub_call.is_none());
        push(
            ranges,
            number,
            unconditional.map_or(Outcome::Rules(rules), |rule| Outcome::Answer(rule.answer)),
        );
        next = number + 1;
    }
    // Zero counts as none, as in runc: a profile that names nothing but `read` forces no ENOSYS.
    match part.newest {
        Some(newest) if force_enosys && newest > 0 => {
            if newest >= next {
                push(ranges, next, Outcome::Answer(default));
            }
            push(ranges, newest + 1, Outcome::Answer(ENOSYS));
        }
        _ => push(ranges, next, Outcome::Answer(default)),
    }
}

/// Appends a range, or lengthens the last one when it answers the same.
fn push<'r, 'a>(ranges: &mut Vec<Range<'r, 'a>>, start: u32, outcome: Outcome<'r, 'a>) {
    if let (
        Some(Range {
            outcome: Outcome::Answer(last),
            ..
        }),
        Outcome::Answer(answer),
    ) = (ranges.last(), outcome)
        && *last == answer
    {
        return;
    }
    ranges.push(Range { start, outcome });
}
