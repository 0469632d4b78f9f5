//! The meaning of rules, over and above Docker's profile.

use crate::action::{ALLOW, ENOSYS, ERRNO, KILL_PROCESS, KILL_THREAD, LOG, NOTIFY, TRACE, TRAP};
use crate::tests::interpreter::{Call, run};
use crate::{Architecture, Error, Flags, Program, compile, strict};
use proptest::prelude::*;
use tierce_oci::runtime::{Action, Arch, ArgCondition, Operator, Seccomp, SyscallRule};

const NATIVE: Architecture = Architecture::X86_64;

pub(super) fn profile(default_action: Action, architectures: Vec<Arch>, syscalls: Vec<SyscallRule>) -> Seccomp {
    Seccomp {
        default_action,
        default_errno_ret: None,
        architectures,
        flags: None,
        listener_path: std::path::PathBuf::new(),
        listener_metadata: String::new(),
        syscalls,
    }
}

pub(super) fn rule(names: &[&str], action: Action, args: &[ArgCondition]) -> SyscallRule {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    SyscallRule {
        names,
        action,
        errno_ret: None,
        args: args.to_vec(),
    }
}

pub(super) fn when(index: u32, op: Operator, value: u64, value_two: u64) -> ArgCondition {
    ArgCondition {
        index,
        value,
        value_two,
        op,
    }
}

fn answer(program: &Program, name: &str, args: &[u64]) -> u32 {
    run(&program.filter, &Call::new(NATIVE, name, args))
}

#[test]
fn every_action_has_its_return_value() {
    let actions = [
        (Action::Kill, KILL_THREAD),
        (Action::KillThread, KILL_THREAD),
        (Action::KillProcess, KILL_PROCESS),
        (Action::Trap, TRAP),
        (Action::Errno, ERRNO | 1),
        (Action::Trace, TRACE | 1),
        (Action::Log, LOG),
        (Action::Notify, NOTIFY),
    ];
    for (action, expected) in actions {
        let program = compile(
            &profile(Action::Allow, vec![], vec![rule(&["mkdir"], action, &[])]),
            NATIVE,
        )
        .unwrap();
        assert_eq!(answer(&program, "mkdir", &[]), expected);
        assert_eq!(answer(&program, "rmdir", &[]), ALLOW);
        assert_eq!(program.notifies(), action == Action::Notify);
    }
}

#[test]
fn errno_travels_with_the_action() {
    let mut rules = vec![
        rule(&["mkdir"], Action::Errno, &[]),
        rule(&["rmdir"], Action::Trace, &[]),
    ];
    rules[0].errno_ret = Some(17);
    rules[1].errno_ret = Some(7);
    let program = compile(&profile(Action::Allow, vec![], rules), NATIVE).unwrap();
    assert_eq!(answer(&program, "mkdir", &[]), ERRNO + 17);
    assert_eq!(answer(&program, "rmdir", &[]), TRACE | 7);
}

#[test]
fn notification_is_refused_where_it_would_hang() {
    let default = compile(&profile(Action::Notify, vec![], vec![]), NATIVE).unwrap_err();
    assert_eq!(default.to_string(), "SCMP_ACT_NOTIFY cannot be used as default action");
    let write = profile(Action::Allow, vec![], vec![rule(&["write"], Action::Notify, &[])]);
    assert_eq!(
        compile(&write, NATIVE).unwrap_err().to_string(),
        "SCMP_ACT_NOTIFY cannot be used for the write syscall"
    );
}

#[test]
fn flags_are_those_of_the_profile() {
    let none = compile(&profile(Action::Allow, vec![], vec![]), NATIVE).unwrap();
    assert_eq!(none.flags, Flags::SPEC_ALLOW);
    let of = |flags: &[&str], action| {
        let mut profile = profile(Action::Allow, vec![], vec![rule(&["mkdir"], action, &[])]);
        profile.flags = Some(flags.iter().map(|&flag| flag.to_owned()).collect());
        compile(&profile, NATIVE).map(|program| program.flags)
    };
    let compile_flags = |flags| of(flags, Action::Errno);
    assert_eq!(compile_flags(&[]).unwrap(), Flags::default());
    // Without notifications the kernel refuses the flag.
    let killable = ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"];
    assert_eq!(compile_flags(&killable).unwrap(), Flags::default());
    let both = Flags(Flags::NEW_LISTENER.0 | Flags::WAIT_KILLABLE_RECV.0);
    assert_eq!(of(&killable, Action::Notify).unwrap(), both);
    assert_eq!(
        compile_flags(&["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG"]).unwrap(),
        Flags::LOG
    );
    assert!(matches!(compile_flags(&["X"]), Err(Error::Flag(_))));
}

#[test]
fn unconditional_beats_conditional_and_the_first_one_wins() {
    let rules = vec![
        rule(&["mkdir"], Action::Trap, &[when(0, Operator::Equal, 1, 0)]),
        rule(&["mkdir"], Action::Log, &[]),
        rule(&["mkdir"], Action::Errno, &[]),
        rule(
            &["rmdir"],
            Action::Log,
            &[when(0, Operator::Equal, 1, 0), when(1, Operator::Equal, 2, 0)],
        ),
        rule(
            &["link"],
            Action::Log,
            &[when(0, Operator::Equal, 1, 0), when(0, Operator::Equal, 2, 0)],
        ),
    ];
    let program = compile(&profile(Action::Allow, vec![], rules), NATIVE).unwrap();
    assert_eq!(answer(&program, "mkdir", &[1]), LOG);
    assert_eq!(
        (answer(&program, "rmdir", &[1, 2]), answer(&program, "rmdir", &[1, 3])),
        (LOG, ALLOW)
    );
    // Two conditions on one argument are alternatives.
    assert_eq!(
        (answer(&program, "link", &[2]), answer(&program, "link", &[3])),
        (LOG, ALLOW)
    );
}

#[test]
fn foreign_architectures_are_killed_and_x32_only_on_request() {
    let allow_all = |arches| compile(&profile(Action::Allow, arches, vec![]), NATIVE).unwrap();
    let program = allow_all(vec![]);
    assert_eq!(
        run(&program.filter, &Call::numbered(Architecture::X86, 3, &[])),
        KILL_THREAD
    );
    assert_eq!(
        run(&program.filter, &Call::numbered(Architecture::X32, 0x4000_0000, &[])),
        KILL_THREAD
    );
    let program = allow_all(vec![Arch::X86, Arch::X32, Arch::Riscv64]);
    assert_eq!(run(&program.filter, &Call::numbered(Architecture::X86, 3, &[])), ALLOW);
    assert_eq!(
        run(&program.filter, &Call::numbered(Architecture::X32, 0x4000_0000, &[])),
        ALLOW
    );
}

#[test]
fn bad_rules_are_refused() {
    let compile_rule = |rule| compile(&profile(Action::Allow, vec![], vec![rule]), NATIVE).unwrap_err();
    assert!(matches!(compile_rule(rule(&[""], Action::Log, &[])), Error::EmptyName));
    let six = rule(&["mkdir"], Action::Log, &[when(6, Operator::Equal, 0, 0)]);
    assert!(matches!(compile_rule(six), Error::ArgumentIndex { index: 6, .. }));
    for errno in [4095, 70_000] {
        let mut number = rule(&["mkdir"], Action::Errno, &[]);
        number.errno_ret = Some(errno);
        assert!(matches!(compile_rule(number), Error::ErrorNumber(_)));
    }
    let condition = |value| rule(&["mkdir"], Action::Log, &[when(0, Operator::Equal, value, 0)]);
    let many = profile(Action::Allow, vec![], (0..1000).map(condition).collect());
    assert!(matches!(compile(&many, NATIVE), Err(Error::TooLong(_))));
}

#[test]
fn row_137_strict_profile_kills_at_any_fifth_call() {
    for native in [NATIVE, Architecture::Aarch64] {
        let program = compile(&strict(vec![], &[]), native).unwrap();
        for (name, row) in crate::table::SYSCALLS {
            let Some(number) = native.number(row) else { continue };
            let allowed = ["read", "write", "exit", "rt_sigreturn", "sigreturn"].contains(name);
            let expected = if allowed { ALLOW } else { KILL_PROCESS };
            assert_eq!(
                run(&program.filter, &Call::numbered(native, number, &[])),
                expected,
                "{name}"
            );
        }
        assert_eq!(run(&program.filter, &Call::numbered(native, 999_999, &[])), ENOSYS);
    }
    let with_start = compile(&strict(vec![], &["execve"]), NATIVE).unwrap();
    assert_eq!(answer(&with_start, "execve", &[]), ALLOW);
}

#[test]
fn cached_form_round_trips_and_rejects_damage() {
    let program = compile(&strict(vec![], &[]), NATIVE).unwrap();
    let bytes = program.to_bytes();
    assert_eq!(Program::from_bytes(&bytes).unwrap(), program);
    assert!(Program::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    assert!(Program::from_bytes(&bytes[1..]).is_err());
    assert!(Program::from_bytes(&[]).is_err());
}

fn operator() -> impl Strategy<Value = Operator> {
    prop_oneof![
        Just(Operator::NotEqual),
        Just(Operator::Less),
        Just(Operator::LessOrEqual),
        Just(Operator::Equal),
        Just(Operator::GreaterOrEqual),
        Just(Operator::Greater),
        Just(Operator::MaskedEqual),
    ]
}

/// Values around which comparisons of halves go wrong.
fn value() -> impl Strategy<Value = u64> {
    let half = prop_oneof![
        Just(0_u64),
        Just(1),
        Just(2),
        Just(0x7fff_ffff),
        Just(0x8000_0000),
        Just(0xffff_ffff)
    ];
    (half.clone(), half).prop_map(|(high, low)| high << 32 | low)
}

fn holds(condition: &ArgCondition, argument: u64, wide: bool) -> bool {
    let cut = |value: u64| if wide { value } else { value & 0xffff_ffff };
    let (argument, value) = (cut(argument), cut(condition.value));
    match condition.op {
        Operator::NotEqual => argument != value,
        Operator::Less => argument < value,
        Operator::LessOrEqual => argument <= value,
        Operator::Equal => argument == value,
        Operator::GreaterOrEqual => argument >= value,
        Operator::Greater => argument > value,
        Operator::MaskedEqual => argument & value == cut(condition.value_two),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The filter of any list of conditional rules is what reading the list from the top says.
    #[test]
    fn conditions_are_compared_in_full_width(
        rules in prop::collection::vec(prop::collection::vec((0_u32..3, operator(), value(), value()), 1..4), 1..4),
        args in [value(), value(), value()],
    ) {
        let actions = [Action::Log, Action::Trap, Action::Allow];
        let rules: Vec<SyscallRule> = rules.iter().zip(actions).map(|(conditions, action)| {
            let mut args: Vec<ArgCondition> =
                conditions.iter().map(|&(index, op, value, two)| when(index, op, value, two)).collect();
            args.sort_by_key(|c| c.index);
            args.dedup_by_key(|c| c.index);
            rule(&["mkdir"], action, &args)
        }).collect();
        let profile = profile(Action::Errno, vec![Arch::X86], rules.clone());
        let program = compile(&profile, NATIVE).unwrap();
        for (architecture, wide) in [(NATIVE, true), (Architecture::X86, false)] {
            let expected = rules
                .iter()
                .find(|rule| rule.args.iter().all(|c| holds(c, args[c.index as usize], wide)))
                .map_or(ERRNO | 1, |rule| crate::action::return_value(rule.action, None));
            prop_assert_eq!(run(&program.filter, &Call::new(architecture, "mkdir", &args)), expected);
        }
    }

    #[test]
    fn from_bytes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = Program::from_bytes(&bytes);
    }
}
