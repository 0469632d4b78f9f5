//! libseccomp as the oracle: the filters are run side by side, call by call.
//!
//! runc's own additions (void rules, `ENOSYS` for newer calls) are applied to the oracle's answer as runc does.

use crate::action::{ENOSYS, forces_enosys, return_value};
use crate::architecture::X32_BIT;
use crate::multiplex::multiplexed;
use crate::tests::docker::{DEFAULT_CAPABILITIES, KERNEL};
use crate::tests::interpreter::{Call, run};
use crate::tests::semantics::{profile, rule, when};
use crate::{Architecture, Instruction, Program, compile, docker};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tierce_oci::runtime::{Action, Arch, Operator, Seccomp};

/// The exporter, built once; `None` where there is no compiler or no library.
fn exporter() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<(tempfile::TempDir, PathBuf)>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let directory = tempfile::tempdir().ok()?;
        let (source, binary) = (directory.path().join("exporter.c"), directory.path().join("exporter"));
        std::fs::write(&source, include_str!("libseccomp.c")).ok()?;
        let status = Command::new("gcc")
            .arg("-O2")
            .arg("-o")
            .args([&binary, &source])
            .arg("-lseccomp")
            .status()
            .ok()?;
        status.success().then_some((directory, binary))
    });
    built.as_ref().map(|(_, binary)| binary.as_path())
}

struct Exported {
    filter: Vec<Instruction>,
    unknown: Vec<String>,
    took: Duration,
}

fn arch_name(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "x86_64",
        Arch::X86 => "x86",
        Arch::X32 => "x32",
        Arch::Aarch64 => "aarch64",
        Arch::Arm => "arm",
        other => panic!("{other:?}"),
    }
}

fn export(exporter: &Path, profile: &Seccomp, native: Architecture) -> Exported {
    let exported = try_export(exporter, profile, native);
    exported.unwrap_or_else(|report| panic!("{report}"))
}

/// What the library makes of a profile, or its complaint. Like runc, it gets conditions of which two look at the same
/// argument as rules of their own.
fn try_export(exporter: &Path, profile: &Seccomp, native: Architecture) -> Result<Exported, String> {
    let default = return_value(profile.default_action, profile.default_errno_ret);
    let mut text = format!("default {default:x}\narch {}\n", arch_name(native.oci()));
    for &arch in profile.architectures.iter().filter(|&&arch| arch != native.oci()) {
        text.extend(["arch ", arch_name(arch), "\n"]);
    }
    for rule in &profile.syscalls {
        let answer = return_value(rule.action, rule.errno_ret);
        for name in rule.names.iter().filter(|_| answer != default) {
            let condition = |c: &tierce_oci::runtime::ArgCondition| {
                // enum scmp_compare
                let op = match c.op {
                    Operator::NotEqual => 1,
                    Operator::Less => 2,
                    Operator::LessOrEqual => 3,
                    Operator::Equal => 4,
                    Operator::GreaterOrEqual => 5,
                    Operator::Greater => 6,
                    Operator::MaskedEqual => 7,
                };
                format!(" {} {op} {:x} {:x}", c.index, c.value, c.value_two)
            };
            let same_twice = rule
                .args
                .iter()
                .enumerate()
                .any(|(at, a)| rule.args[..at].iter().any(|b| a.index == b.index));
            let width = if same_twice { 1 } else { rule.args.len().max(1) };
            let mut alternatives: Vec<&[_]> = rule.args.chunks(width).collect();
            if alternatives.is_empty() {
                alternatives.push(&[]);
            }
            for conditions in alternatives {
                let conditions: String = conditions.iter().map(condition).collect();
                let _ = writeln!(text, "rule {answer:x} {name}{conditions}");
            }
        }
    }
    let mut child = Command::new(exporter)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let report = String::from_utf8(output.stderr).unwrap();
    if !output.status.success() {
        return Err(report);
    }
    let words = |key| report.lines().filter_map(move |line| line.strip_prefix(key));
    let instructions = output.stdout.chunks_exact(8).map(|b| Instruction {
        code: u16::from_le_bytes([b[0], b[1]]),
        jt: b[2],
        jf: b[3],
        k: u32::from_le_bytes([b[4], b[5], b[6], b[7]]),
    });
    Ok(Exported {
        filter: instructions.collect(),
        unknown: words("unknown ").map(str::to_owned).collect(),
        took: Duration::from_nanos(words("nanoseconds ").next().unwrap().parse().unwrap()),
    })
}

/// The greatest number that a profile's names lead to on one architecture. Where runc leaves out the carriers of 32-bit
/// x86 (and so answers ENOSYS to a `socketcall` that the filter behind would allow), they count here.
fn newest(profile: &Seccomp, architecture: Architecture) -> u32 {
    let names = profile.syscalls.iter().flat_map(|rule| &rule.names);
    let carrier = |name: &String| multiplexed(architecture, name).map(|(carrier, _)| carrier);
    names
        .filter_map(|name| architecture.syscall(name).max(carrier(name)))
        .max()
        .unwrap_or(0)
}

struct Comparison<'a> {
    profile: &'a Seccomp,
    architectures: Vec<Architecture>,
    newest: Vec<u32>,
    ours: Program,
    theirs: Vec<Instruction>,
}

impl<'a> Comparison<'a> {
    fn new(profile: &'a Seccomp, native: Architecture, theirs: Vec<Instruction>) -> Self {
        let mut architectures = vec![native];
        architectures.extend(
            profile
                .architectures
                .iter()
                .filter_map(|&arch| Architecture::from_oci(arch)),
        );
        let newest = architectures
            .iter()
            .map(|&architecture| newest(profile, architecture))
            .collect();
        Self {
            profile,
            architectures,
            newest,
            ours: compile(profile, native).unwrap(),
            theirs,
        }
    }

    /// The oracle's answer, with runc's `ENOSYS` in front of it.
    fn expected(&self, call: &Call) -> u32 {
        if forces_enosys(self.profile) {
            let concerns = |architecture: Architecture| match architecture {
                Architecture::X86_64 => call.number & X32_BIT == 0,
                Architecture::X32 => call.number & X32_BIT != 0,
                _ => true,
            };
            for (architecture, newest) in self.architectures.iter().zip(&self.newest) {
                let hit = architecture.audit() == call.audit && concerns(*architecture);
                if hit && *newest != 0 && call.number > *newest {
                    return ENOSYS;
                }
            }
        }
        run(&self.theirs, call)
    }

    fn check(&self, call: &Call) -> Result<(), TestCaseError> {
        let (ours, theirs) = (run(&self.ours.filter, call), self.expected(call));
        prop_assert!(
            ours == theirs,
            "ours {ours:#x}, libseccomp {theirs:#x}: {call:x?} of {:?}",
            self.profile.syscalls
        );
        Ok(())
    }
}

const ARCHITECTURES: [Architecture; 4] = [
    Architecture::X86_64,
    Architecture::X86,
    Architecture::Aarch64,
    Architecture::Arm,
];

fn numbers() -> impl Iterator<Item = u32> {
    (0..600)
        .chain(X32_BIT - 2..X32_BIT + 600)
        .chain(983_040..983_050)
        .chain([u32::MAX])
}

/// Every number of every architecture, with every argument value that Docker's profile looks at.
#[test]
fn row_136_default_profile_equals_libseccomps_call_by_call() {
    let Some(exporter) = exporter() else {
        println!("skipped: no gcc with libseccomp-dev here");
        return;
    };
    let single_bits = (0..40).map(|bit| 1_u64 << bit);
    let values: Vec<u64> = [
        0,
        2,
        8,
        40,
        0x2_0000,
        0x2_0008,
        0xffff_ffff,
        0x1_0000_0028,
        0x1_0000_0000,
        u64::MAX,
    ]
    .into_iter()
    .chain(single_bits)
    .collect();
    let mut all: Vec<&str> = DEFAULT_CAPABILITIES.to_vec();
    all.extend([
        "CAP_SYS_ADMIN",
        "CAP_SYS_PTRACE",
        "CAP_SYS_TIME",
        "CAP_BPF",
        "CAP_SYS_MODULE",
        "CAP_SYS_NICE",
    ]);
    for native in [Architecture::X86_64, Architecture::Aarch64] {
        for caps in [&DEFAULT_CAPABILITIES[..], &["CAP_SYS_ADMIN"], &all, &[]] {
            let mut profile = docker::default_profile(caps, native, KERNEL);
            let exported = export(exporter, &profile, native);
            for rule in &mut profile.syscalls {
                rule.names.retain(|name| !exported.unknown.contains(name));
            }
            let start = Instant::now();
            let comparison = Comparison::new(&profile, native, exported.filter);
            let (mine, theirs) = (start.elapsed(), exported.took);
            println!(
                "{native:?}, {} capabilities: {} instructions in {mine:?}, libseccomp {} in {theirs:?}",
                caps.len(),
                comparison.ours.filter.len(),
                comparison.theirs.len()
            );
            for architecture in ARCHITECTURES {
                // The library's table lacks map_shadow_stack on x32; the kernel's headers have it.
                for number in numbers().filter(|&number| number != X32_BIT + 453) {
                    comparison.check(&Call::numbered(architecture, number, &[])).unwrap();
                }
                let conditional = ["socket", "personality", "clone", "clone3", "socketcall", "ipc"];
                for number in conditional.iter().filter_map(|name| architecture.syscall(name)) {
                    for &value in &values {
                        comparison
                            .check(&Call::numbered(architecture, number, &[value]))
                            .unwrap();
                        comparison
                            .check(&Call::numbered(architecture, number, &[0, value]))
                            .unwrap();
                    }
                }
            }
        }
    }
}

/// Random rules with conditions, also for the calls that 32-bit x86 multiplexes.
#[test]
fn random_conditions_equal_libseccomps() {
    let Some(exporter) = exporter() else {
        println!("skipped: no gcc with libseccomp-dev here");
        return;
    };
    let half = prop_oneof![
        Just(0_u64),
        Just(1),
        Just(2),
        Just(3),
        Just(0x8000_0000),
        Just(0xffff_ffff)
    ]
    .boxed();
    let value = (half.clone(), half).prop_map(|(high, low)| high << 32 | low).boxed();
    let operator = prop_oneof![
        Just(Operator::NotEqual),
        Just(Operator::Less),
        Just(Operator::LessOrEqual),
        Just(Operator::Equal),
        Just(Operator::GreaterOrEqual),
        Just(Operator::Greater),
        Just(Operator::MaskedEqual),
    ];
    let condition = (0_u32..3, operator, value.clone(), value.clone());
    let rules = prop::collection::vec((0_usize..8, prop::collection::vec(condition, 0..4)), 1..6);
    let default = prop_oneof![Just(Action::Errno), Just(Action::Allow), Just(Action::KillProcess)];
    let arches = prop::sample::subsequence(vec![Arch::X86, Arch::X32, Arch::Arm, Arch::Aarch64], 0..4);
    let names = ["read", "mkdir", "socket", "bind", "semop", "shmget", "accept", "statx"];
    let strategy = (
        rules,
        default,
        arches,
        prop::collection::vec([value.clone(), value.clone(), value], 40),
    );
    let mut runner = TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(150)
    });
    let outcome = runner.run(&strategy, |(mut rules, default, arches, args)| {
        // One rule a call: of several with 64-bit comparisons the library itself makes wrong trees (it allows
        // 0x3_8000_0000 by "less than 0x3_0000_0000" or "at least 1 << 63").
        rules.sort_by_key(|(name, _)| *name);
        rules.dedup_by_key(|(name, _)| *name);
        let rules = rules.iter().map(|(name, conditions)| {
            let mut conditions: Vec<_> = conditions
                .iter()
                // What a mask hides is not demanded: libseccomp's answer to that differs between versions.
                .map(|&(index, op, value, two)| {
                    when(
                        index,
                        op,
                        value,
                        if op == Operator::MaskedEqual { two & value } else { 0 },
                    )
                })
                .collect();
            conditions.sort_by_key(|c| c.index);
            conditions.dedup_by_key(|c| c.index);
            rule(
                &[names[*name]],
                if default == Action::Allow {
                    Action::Errno
                } else {
                    Action::Allow
                },
                &conditions,
            )
        });
        let profile = profile(default, arches, rules.collect());
        let exported = export(exporter, &profile, Architecture::X86_64);
        let comparison = Comparison::new(&profile, Architecture::X86_64, exported.filter);
        for architecture in ARCHITECTURES {
            for number in names
                .iter()
                .chain(&["socketcall", "ipc"])
                .filter_map(|name| architecture.syscall(name))
            {
                for args in &args {
                    comparison.check(&Call::numbered(architecture, number, args))?;
                }
                for sub_call in 0..25 {
                    comparison.check(&Call::numbered(
                        architecture,
                        number,
                        &[sub_call, args[0][1], args[0][2]],
                    ))?;
                }
            }
            for number in [0, 600, X32_BIT, X32_BIT + 600, u32::MAX] {
                comparison.check(&Call::numbered(architecture, number, &args[0]))?;
            }
        }
        Ok(())
    });
    outcome.unwrap();
}

/// Calls of every kind: old and new, multiplexed on 32-bit x86, and one that nobody knows.
const NAMES: [&str; 9] = [
    "read",
    "mkdir",
    "socket",
    "bind",
    "semop",
    "accept",
    "statx",
    "openat2",
    "no_such_call",
];

/// Random profiles of many rules: every action and error number as rule and as default, names that nobody knows, names
/// in several rules, conditional and not, several conditions on one argument, every set of architectures.
///
/// Rules of one call share their action, for which of two different ones the library answers depends on the shape of
/// its tree; here it is the first (`semantics.rs`). And where one call has several rules, they ask whether one argument
/// equals something: of others the library makes wrong trees (with "argument 2 is 5" and "argument 0 is 0 and argument 2
/// is not 5" it lets `(0, 0, 0)` through).
#[test]
fn random_profiles_equal_libseccomps() {
    let Some(exporter) = exporter() else {
        println!("skipped: no gcc with libseccomp-dev here");
        return;
    };
    let action = prop::sample::select(vec![
        Action::Kill,
        Action::KillProcess,
        Action::KillThread,
        Action::Trap,
        Action::Errno,
        Action::Trace,
        Action::Allow,
        Action::Log,
    ]);
    let errno = prop::option::of(prop::sample::select(vec![0_u32, 1, 38, 4094]));
    let value = prop::sample::select(vec![0_u64, 1, 2, 0x8000_0000, 0xffff_ffff]);
    let operator = prop::sample::select(vec![Operator::Equal, Operator::NotEqual, Operator::MaskedEqual]);
    let condition = (0_u32..3, operator, value.clone(), value.clone());
    let rule_of = (0..NAMES.len(), prop::collection::vec(condition, 0..3));
    let strategy = (
        prop::collection::vec(rule_of, 0..10),
        [(); NAMES.len()].map(|()| (action.clone(), errno.clone())),
        (action, errno),
        prop::sample::subsequence(vec![Arch::X86, Arch::X32, Arch::Arm, Arch::Aarch64], 0..5),
        prop::collection::vec([value.clone(), value.clone(), value], 20),
    );
    let mut runner = TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(400)
    });
    let outcome = runner.run(&strategy, |(rules, actions, (default, default_errno), arches, args)| {
        let mut rules = rules;
        // The first half of the names may have many rules, the others one each.
        let many = |name: usize| name < NAMES.len() / 2;
        for (name, conditions) in rules.iter_mut().filter(|(name, _)| many(*name)) {
            conditions.truncate(1);
            for condition in conditions {
                (condition.0, condition.1) = (u32::from(*name == 0), Operator::Equal);
            }
        }
        rules.sort_by_key(|(name, _)| *name);
        rules.dedup_by(|(later, _), (name, _)| later == name && !many(*name));
        let rules = rules.iter().map(|(name, conditions)| {
            let conditions: Vec<_> = conditions
                .iter()
                .map(|&(index, op, value, two)| match op {
                    Operator::MaskedEqual => when(index, op, value, two & value),
                    _ => when(index, op, value, 0),
                })
                .collect();
            let (action, errno) = actions[*name];
            let mut rule = rule(&[NAMES[*name]], action, &conditions);
            rule.errno_ret = errno;
            rule
        });
        let mut profile = profile(default, arches, rules.collect());
        profile.default_errno_ret = default_errno;
        let exported = match try_export(exporter, &profile, Architecture::X86_64) {
            Ok(exported) => exported,
            // The same rule twice.
            Err(report) if report.contains("File exists") => return Ok(()),
            Err(report) => return Err(TestCaseError::fail(report)),
        };
        let comparison = Comparison::new(&profile, Architecture::X86_64, exported.filter);
        for architecture in ARCHITECTURES {
            let named = NAMES.iter().chain(&["socketcall", "ipc", "exit", "restart_syscall"]);
            for number in named.filter_map(|name| architecture.syscall(name)) {
                for args in &args {
                    comparison.check(&Call::numbered(architecture, number, args))?;
                }
            }
            for number in numbers().step_by(7).chain([0, X32_BIT, u32::MAX]) {
                comparison.check(&Call::numbered(architecture, number, &args[0]))?;
            }
        }
        Ok(())
    });
    outcome.unwrap();
}
