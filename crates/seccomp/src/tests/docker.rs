//! Docker's profiles.

use crate::action::{ALLOW, ENOSYS, ERRNO};
use crate::tests::interpreter::{Call, run};
use crate::{Architecture, Error, KernelVersion, compile, docker};
use serde::Deserialize;
use std::collections::BTreeMap;
use tierce_oci::runtime::{Arch, Seccomp};

pub(super) const KERNEL: KernelVersion = KernelVersion::new(6, 18);
/// What dockerd gives a container that asks for nothing.
pub(super) const DEFAULT_CAPABILITIES: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

#[derive(Deserialize)]
struct Golden {
    capabilities: Vec<String>,
    seccomp: Seccomp,
}

/// The golden file holds what dockerd 28.5.2 wrote into `config.json` for `run`, `run --cap-add SYS_ADMIN` and
/// `run --cap-add ALL` on x86_64.
#[test]
fn row_136_default_profile_is_dockerds() {
    let golden: BTreeMap<String, Golden> = serde_json::from_str(include_str!("dockerd-28.5.2.json")).unwrap();
    assert_eq!(golden.len(), 3);
    for (name, Golden { capabilities, seccomp }) in golden {
        let ours = docker::default_profile(&capabilities, Architecture::X86_64, KERNEL);
        assert_eq!(ours, seccomp, "{name}");
    }
}

#[test]
fn row_136_default_profile_blocks_keyctl_and_mount() {
    for native in [Architecture::X86_64, Architecture::Aarch64] {
        let plain = compile(&docker::default_profile(&DEFAULT_CAPABILITIES, native, KERNEL), native).unwrap();
        let answer = |name, args: &[u64]| run(&plain.filter, &Call::new(native, name, args));
        assert_eq!(answer("read", &[]), ALLOW);
        for refused in [
            "keyctl",
            "mount",
            "bpf",
            "unshare",
            "setns",
            "reboot",
            "open_by_handle_at",
            "add_key",
        ] {
            assert_eq!(answer(refused, &[]), ERRNO | 1, "{refused}");
        }
        assert_eq!(answer("clone3", &[]), ENOSYS);
        assert_eq!(answer("clone", &[0x0011]), ALLOW);
        assert_eq!(answer("clone", &[0x1000_0000]), ERRNO | 1, "CLONE_NEWUSER");
        assert_eq!(answer("socket", &[40]), ERRNO | 1, "AF_VSOCK");
        assert_eq!(answer("socket", &[2]), ALLOW);
        assert_eq!(answer("personality", &[0xffff_ffff]), ALLOW);
        assert_eq!(answer("personality", &[0x0040_0000]), ERRNO | 1, "ADDR_NO_RANDOMIZE");
        assert_eq!(answer("chroot", &[]), ALLOW);

        let admin = docker::default_profile(&["CAP_SYS_ADMIN"], native, KERNEL);
        let admin = compile(&admin, native).unwrap();
        let answer = |name, args: &[u64]| run(&admin.filter, &Call::new(native, name, args));
        for allowed in ["mount", "clone3", "unshare", "bpf"] {
            assert_eq!(answer(allowed, &[]), ALLOW, "{allowed}");
        }
        assert_eq!(answer("keyctl", &[]), ERRNO | 1);
        assert_eq!(answer("chroot", &[]), ERRNO | 1);
    }
}

#[test]
fn calls_newer_than_the_profile_get_enosys() {
    let native = Architecture::X86_64;
    let program = compile(&docker::default_profile(&DEFAULT_CAPABILITIES, native, KERNEL), native).unwrap();
    for number in [600, 10_000, 0x3fff_ffff, 0x4000_0000 + 600, u32::MAX] {
        assert_eq!(
            run(&program.filter, &Call::numbered(native, number, &[])),
            ENOSYS,
            "{number:#x}"
        );
    }
}

#[test]
fn ptrace_depends_on_the_kernel() {
    let allowed = |kernel| {
        let profile = docker::default_profile(&DEFAULT_CAPABILITIES, Architecture::X86_64, kernel);
        profile
            .syscalls
            .iter()
            .any(|rule| rule.names.iter().any(|name| name == "ptrace"))
    };
    assert!(allowed(KernelVersion::new(4, 8)));
    assert!(!allowed(KernelVersion::new(4, 7)));
}

#[test]
fn row_136_custom_profile_is_resolved_as_docker_does() {
    let json = r#"{
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 5,
        "archMap": [
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
            {"architecture": "SCMP_ARCH_RISCV64", "subArchitectures": null}
        ],
        "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": null, "comment": "c", "includes": {}, "excludes": {}},
            {"name": "write", "action": "SCMP_ACT_ALLOW"},
            {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["bpf"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_KILL"]}},
            {"names": ["ioperm"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}},
            {"names": ["iopl"], "action": "SCMP_ACT_ALLOW", "excludes": {"arches": ["amd64"]}},
            {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "7.0"}},
            {"names": ["kcmp"], "action": "SCMP_ACT_ALLOW", "excludes": {"minKernel": "4.8"}}
        ]}"#;
    let profile = docker::load(json, &["CAP_KILL"], Architecture::X86_64, KERNEL)
        .unwrap()
        .unwrap();
    let names: Vec<&str> = profile
        .syscalls
        .iter()
        .flat_map(|rule| &rule.names)
        .map(String::as_str)
        .collect();
    assert_eq!(names, ["read", "write"]);
    assert_eq!(profile.architectures, [Arch::X86_64, Arch::X86]);
    assert_eq!(profile.default_errno_ret, Some(5));
}

#[test]
fn bad_custom_profiles_are_refused_with_dockers_words() {
    let load = |json| docker::load(json, &["CAP_KILL"], Architecture::X86_64, KERNEL);
    let text = |json| load(json).unwrap_err().to_string();
    assert!(load("{}").unwrap().is_none());
    assert!(text("{").starts_with("Decoding seccomp profile failed: "));
    assert_eq!(
        text(
            r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"archMap":[{"architecture":"SCMP_ARCH_X86"}]}"#
        ),
        "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'"
    );
    assert_eq!(
        text(r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","names":["b"],"action":"SCMP_ACT_ERRNO"}]}"#),
        "both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'"
    );
    let bad_kernel = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","action":"SCMP_ACT_ERRNO","includes":{"minKernel":"x"}}]}"#;
    assert!(matches!(load(bad_kernel), Err(Error::KernelVersion(_))));
    assert!(matches!(
        load(r#"{"defaultAction":"SCMP_ACT_NONE"}"#),
        Err(Error::Json(_))
    ));
}
