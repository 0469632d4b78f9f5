//! Device rules: against the kernel's own list, and the v2 program against the rules' meaning.

use crate::Error;
use crate::devices::{State, emit};
use proptest::prelude::*;
use tierce_oci::runtime::DeviceCgroup;

/// `linux.resources.devices` of a default container of dockerd 28.5.2.
pub(super) const DOCKER: &str = r#"{"devices":[
    {"allow":false,"access":"rwm"},
    {"allow":true,"type":"c","major":1,"minor":5,"access":"rwm"},
    {"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"},
    {"allow":true,"type":"c","major":1,"minor":9,"access":"rwm"},
    {"allow":true,"type":"c","major":1,"minor":8,"access":"rwm"},
    {"allow":true,"type":"c","major":5,"minor":0,"access":"rwm"},
    {"allow":true,"type":"c","major":5,"minor":1,"access":"rwm"},
    {"allow":false,"type":"c","major":10,"minor":229,"access":"rwm"}]}"#;

/// What runc 1.3 makes of them.
pub(super) const DOCKER_LIST: &str = "b *:* m\nc *:* m\nc 1:3 rwm\nc 1:5 rwm\nc 1:7 rwm\nc 1:8 rwm\nc 1:9 rwm\n\
    c 5:0 rwm\nc 5:1 rwm\nc 5:2 rwm\nc 10:200 rwm\nc 136:* rwm";

fn rule(allow: bool, kind: &str, major: Option<i64>, minor: Option<i64>, access: &str) -> DeviceCgroup {
    DeviceCgroup {
        allow,
        kind: kind.to_owned(),
        major,
        minor,
        access: access.to_owned(),
    }
}

#[test]
fn dockers_rules_amount_to_what_runc_makes_of_them() {
    let state = State::of(&super::resources(DOCKER).devices).unwrap();
    assert_eq!(state, State::from_list(DOCKER_LIST).unwrap());
    let fresh = State::from_list("a *:* rwm\n").unwrap();
    let writes = state.transition(&fresh);
    assert_eq!(writes[0], ("devices.deny", "a".to_owned()));
    assert_eq!(writes.len(), 13);
    assert!(state.transition(&state).is_empty());
}

#[test]
fn changes_touch_only_what_differs() {
    let rules = |rules: &[DeviceCgroup]| State::of(rules).unwrap();
    let deny = rule(false, "a", None, None, "rwm");
    let before = rules(&[deny.clone(), rule(true, "b", Some(8), Some(0), "rw")]);
    let after = rules(&[
        deny.clone(),
        rule(true, "b", Some(8), Some(0), "r"),
        rule(true, "c", Some(7), None, "w"),
    ]);
    assert_eq!(
        after.transition(&before),
        [
            ("devices.deny", "b 8:0 w".to_owned()),
            ("devices.allow", "c 7:* w".to_owned())
        ]
    );
    let all = rules(&[rule(true, "a", None, None, "rwm")]);
    assert!(all.allows_all());
    assert!(all.transition(&State::from_list("a *:* rwm").unwrap()).is_empty());
}

#[test]
fn bad_rules_are_refused() {
    let error = |rules: &[DeviceCgroup]| State::of(rules).unwrap_err();
    let hole = error(&[
        rule(true, "c", Some(10), None, "rw"),
        rule(false, "c", Some(10), Some(229), "w"),
    ]);
    assert_eq!(
        hole.to_string(),
        "requested [c 10:229 w] rule not supported by devices cgroup \
         (cannot punch hole in existing wildcard rule [c 10:* rw])"
    );
    assert!(matches!(error(&[rule(true, "x", None, None, "r")]), Error::Invalid(_)));
    // Letters that mean nothing mean nothing, as under runc.
    let odd = State::of(&[rule(true, "c", Some(1), Some(11), "rxa")]).unwrap();
    assert_eq!(odd, State::of(&[rule(true, "c", Some(1), Some(11), "r")]).unwrap());
    assert!(matches!(
        error(&[rule(true, "c", Some(-2), None, "r")]),
        Error::Invalid(_)
    ));
}

/// Runs the few instructions that the emitter uses.
fn run(program: &[u64], kind: u32, access: u32, major: u32, minor: u32) -> bool {
    let context = [access << 16 | kind, major, minor];
    let mut registers = [0_u32; 11];
    let mut at = 0;
    loop {
        let word = program[at];
        at += 1;
        let (target, source) = (((word >> 8) & 15) as usize, ((word >> 12) & 15) as usize);
        let (offset, immediate) = ((word >> 16) as u16, (word >> 32) as u32);
        let jump = match word as u8 {
            0x61 => {
                registers[target] = context[usize::from(offset) / 4];
                false
            }
            0x54 => {
                registers[target] &= immediate;
                false
            }
            0x74 => {
                registers[target] >>= immediate;
                false
            }
            0xbc => {
                registers[target] = registers[source];
                false
            }
            0xb4 => {
                registers[target] = immediate;
                false
            }
            0x56 => registers[target] != immediate,
            0x5e => registers[target] != registers[source],
            0x16 => registers[target] == immediate,
            0x95 => return registers[0] == 1,
            code => panic!("instruction {code:#x}"),
        };
        if jump {
            at += usize::from(offset);
        }
    }
}

fn rules() -> impl Strategy<Value = Vec<DeviceCgroup>> {
    let number = || prop_oneof![Just(None), (0_i64..3).prop_map(Some)];
    let kind = prop_oneof![Just("b"), Just("c"), Just("c"), Just("a")];
    let access = prop_oneof![Just("r"), Just("rw"), Just("m"), Just("rwm"), Just("w")];
    let one = (any::<bool>(), kind, number(), number(), access)
        .prop_map(|(allow, kind, major, minor, access)| rule(allow, kind, major, minor, access));
    prop::collection::vec(one, 0..8)
}

proptest! {
    /// The program answers as the v1 controller would: an exception must cover all that is asked for, or, where the
    /// default allows, any of it.
    #[test]
    fn program_means_what_the_rules_mean(rules in rules()) {
        let Ok(state) = State::of(&rules) else { return Ok(()) };
        let program = emit(&state);
        for (kind, major, minor, access) in (1_u32..3)
            .flat_map(|kind| (0_u32..4).map(move |major| (kind, major)))
            .flat_map(|(kind, major)| (0_u32..4).map(move |minor| (kind, major, minor)))
            .flat_map(|(kind, major, minor)| (1_u32..8).map(move |access| (kind, major, minor, access)))
        {
            let excepted = state.exceptions.iter().any(|(devices, held)| {
                let number = |mine: Option<u32>, asked| mine.is_none_or(|mine| mine == asked);
                let held = u32::from(held.0);
                (devices.kind as u32 + 1 == kind)
                    && number(devices.major, major)
                    && number(devices.minor, minor)
                    && if state.default_allow { access & held != 0 } else { access & held == access }
            });
            prop_assert_eq!(run(&program, kind, access, major, minor), excepted != state.default_allow);
        }
    }

    /// Writing a transition leads to the state, from any other that shows its exceptions.
    #[test]
    fn transitions_lead_to_the_state(from in rules(), to in rules()) {
        let (Ok(from), Ok(to)) = (State::of(&from), State::of(&to)) else { return Ok(()) };
        let mut kernel = from.clone();
        for (file, line) in to.transition(&from) {
            let allow = file == "devices.allow";
            if line == "a" {
                kernel.default_allow = allow;
                kernel.exceptions.clear();
                continue;
            }
            let (devices, access) = State::from_list(&line).unwrap().exceptions.pop_first().unwrap();
            let held = kernel.exceptions.remove(&devices).map_or(0, |held| held.0);
            let held = if allow == kernel.default_allow { held & !access.0 } else { held | access.0 };
            if held != 0 {
                kernel.exceptions.insert(devices, crate::devices::Access(held));
            }
        }
        prop_assert_eq!(kernel, to);
    }
}
