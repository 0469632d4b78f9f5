//! What a container is, seen from inside and outside: namespaces, limits, privileges, file system.

mod bed;

use bed::{Bed, bed, eventually};
use serde_json::json;

fn namespace_differs(kind: &str) {
    let Some(mut bed) = bed() else { return };
    let said = bed.script(&format!("readlink /proc/self/ns/{kind}")).run();
    let host = std::fs::read_link(format!("/proc/self/ns/{kind}")).expect("a link");
    assert_eq!(said.code, 0, "{said:?}");
    assert_ne!(said.out.trim(), host.display().to_string());
}

#[test]
fn row_107_a_plain_bundle_runs_and_its_exit_code_comes_back() {
    let Some(mut bed) = bed() else { return };
    let said = bed.script("echo out; echo err >&2; exit 42").run();
    assert_eq!(
        (said.code, said.out.as_str(), said.err.as_str()),
        (42, "out\n", "err\n")
    );
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn row_107_a_signal_is_128_and_its_number() {
    let Some(mut bed) = bed() else { return };
    // The first process of a pid namespace takes only signals that it handles; SIGKILL from outside always works.
    bed.args(&["sleep", "60"]).start();
    assert_eq!(bed.verb(&["kill"]).code, 0);
    assert_eq!(bed.state("status"), "running");
    let said = bed.command().args(["kill", &bed.id, "KILL"]).status().expect("kill");
    assert!(said.success());
    eventually("the end", || bed.state("status") == "stopped");
    assert_eq!(bed.verb(&["delete"]).code, 0);
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn row_106_between_create_and_start_the_process_waits() {
    let Some(mut bed) = bed() else { return };
    bed.script("echo ran > /dev/shm/flag; sleep 60").create();
    assert_eq!(bed.state("status"), "created");
    let pid = bed.state("pid").as_i64().expect("a pid");
    let flag = format!("/proc/{pid}/root/dev/shm/flag");
    assert!(std::path::Path::new(&format!("/proc/{pid}/root/proc/self")).exists() || pid > 0);
    assert!(!std::path::Path::new(&flag).exists());
    assert_eq!(bed.verb(&["start"]).code, 0);
    eventually("the flag", || std::path::Path::new(&flag).exists());
    assert_eq!(bed.state("status"), "running");
    let again = bed.verb(&["start"]);
    assert!(
        again.code != 0 && again.err.contains("cannot start an already running container"),
        "{again:?}"
    );
    let delete = bed.verb(&["delete"]);
    assert!(
        delete.code != 0 && delete.err.contains("that is not stopped"),
        "{delete:?}"
    );
    assert_eq!(bed.verb(&["delete", "--force"]).code, 0);
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn row_106_a_created_container_can_be_deleted() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["true"]).create();
    assert_eq!(bed.verb(&["delete"]).code, 0);
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn row_113_own_host_and_domain_name() {
    let Some(mut bed) = bed() else { return };
    bed.config["hostname"] = json!("inner");
    bed.config["domainname"] = json!("example.org");
    let said = bed.script("hostname; cat /proc/sys/kernel/domainname").run();
    assert_eq!(said.out, "inner\nexample.org\n", "{said:?}");
}

#[test]
fn row_114_own_ipc() {
    namespace_differs("ipc");
}

#[test]
fn row_115_own_processes_only() {
    let Some(mut bed) = bed() else { return };
    let said = bed.script("echo $$; ls -d /proc/[0-9]* | wc -l").run();
    assert_eq!(said.out.lines().next(), Some("1"), "{said:?}");
    assert!(
        said.out
            .lines()
            .nth(1)
            .and_then(|count| count.trim().parse::<u32>().ok())
            .is_some_and(|count| count <= 4)
    );
}

#[test]
fn row_116_only_loopback_and_it_is_up() {
    let Some(mut bed) = bed() else { return };
    let said = bed
        .script("ls /sys/class/net; cat /sys/class/net/lo/operstate; ping -c1 -W1 127.0.0.1 >/dev/null 2>&1; echo")
        .run();
    assert!(said.out.starts_with("lo\n"), "{said:?}");
}

#[test]
fn row_117_the_old_root_is_gone() {
    let Some(mut bed) = bed() else { return };
    let said = bed.script("cat /proc/self/mountinfo").run();
    let host = std::fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    assert!(said.out.lines().count() < 40, "{said:?}");
    assert!(said.out.lines().all(|line| !host.contains(line)), "{said:?}");
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn row_118_root_inside_is_nobody_outside() {
    let Some(mut bed) = bed() else { return };
    let mapping = json!([{"containerID": 0, "hostID": 200_000, "size": 65536}]);
    bed.config["linux"]["uidMappings"] = mapping.clone();
    bed.config["linux"]["gidMappings"] = mapping;
    bed.config["linux"]["namespaces"]
        .as_array_mut()
        .expect("a list")
        .push(json!({"type": "user"}));
    std::os::unix::fs::chown(bed.rootfs(), Some(200_000), Some(200_000)).expect("chown");
    let said = bed
        .script("id -u; cat /proc/self/uid_map; echo x > /dev/null && stat -c %t:%T /dev/null")
        .run();
    let lines: Vec<_> = said
        .out
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(lines, ["0", "0 200000 65536", "1:3"], "{said:?}");
    bed.args(&["sleep", "60"]).start();
    let pid = bed.state("pid");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    assert!(status.contains("Uid:\t200000\t200000"), "{status}");
    let said = bed.exec(&["id", "-u"]);
    assert_eq!((said.code, said.out.as_str()), (0, "0\n"), "{said:?}");
}

#[test]
fn row_120_joined_pid_namespaces_see_each_other() {
    let (Some(mut first), Some(mut second), Some(mut third)) = (bed(), bed(), bed()) else {
        return;
    };
    first.args(&["sleep", "6543"]).start();
    let pid = first.state("pid");
    let join = |bed: &mut Bed| {
        for namespace in bed.config["linux"]["namespaces"].as_array_mut().expect("a list") {
            if namespace["type"] == "pid" {
                namespace["path"] = json!(format!("/proc/{pid}/ns/pid"));
            }
        }
    };
    join(&mut second);
    let script = "cat /proc/[0-9]*/cmdline | grep -c 6543";
    let said = second.script(script).run();
    assert!(said.out.trim() >= "1", "{said:?}");
    // The shell's own command line has the number, too.
    let said = third
        .script("cat /proc/[0-9]*/cmdline | grep -c [s]leep.6543; true")
        .run();
    assert_eq!(said.out.trim(), "0", "{said:?}");
}

#[test]
fn row_118_a_new_user_namespace_with_a_joined_network() {
    let (Some(mut first), Some(mut second)) = (bed(), bed()) else {
        return;
    };
    first.args(&["sleep", "60"]).start();
    let pid = first.state("pid");
    let mapping = json!([{"containerID": 0, "hostID": 200_000, "size": 65536}]);
    second.config["linux"]["uidMappings"] = mapping.clone();
    second.config["linux"]["gidMappings"] = mapping;
    let namespaces = second.config["linux"]["namespaces"].as_array_mut().expect("a list");
    namespaces.push(json!({"type": "user"}));
    for namespace in namespaces {
        if namespace["type"] == "network" {
            namespace["path"] = json!(format!("/proc/{pid}/ns/net"));
        }
    }
    // A sysfs shows a network namespace, which must belong to the user namespace; this one does not.
    second.config["mounts"].as_array_mut().expect("a list").retain(|mount| {
        !mount["destination"]
            .as_str()
            .is_some_and(|path| path.starts_with("/sys"))
    });
    std::os::unix::fs::chown(second.rootfs(), Some(200_000), Some(200_000)).expect("chown");
    let said = second.script("readlink /proc/self/ns/net; id -u; echo $$").run();
    let joined = std::fs::read_link(format!("/proc/{pid}/ns/net")).expect("a link");
    assert_eq!(said.out, format!("{}\n0\n1\n", joined.display()), "{said:?}");
}

#[test]
fn row_118_a_joined_user_namespace() {
    let (Some(mut first), Some(mut second)) = (bed(), bed()) else {
        return;
    };
    let mapping = json!([{"containerID": 0, "hostID": 200_000, "size": 65536}]);
    first.config["linux"]["uidMappings"] = mapping.clone();
    first.config["linux"]["gidMappings"] = mapping;
    first.config["linux"]["namespaces"]
        .as_array_mut()
        .expect("a list")
        .push(json!({"type": "user"}));
    std::os::unix::fs::chown(first.rootfs(), Some(200_000), Some(200_000)).expect("chown");
    std::os::unix::fs::chown(second.rootfs(), Some(200_000), Some(200_000)).expect("chown");
    first.args(&["sleep", "60"]).start();
    let path = format!("/proc/{}/ns/user", first.state("pid"));
    second.config["linux"]["namespaces"]
        .as_array_mut()
        .expect("a list")
        .push(json!({"type": "user", "path": path}));
    let said = second.script("readlink /proc/self/ns/user; id -u; echo $$").run();
    let joined = std::fs::read_link(&path).expect("a link");
    assert_eq!(said.out, format!("{}\n0\n1\n", joined.display()), "{said:?}");
}

#[test]
fn row_117_without_pivot_root() {
    let Some(mut bed) = bed() else { return };
    bed.script("ls /; ls -d /proc/self").write();
    let said = bed.verb(&["run", "--no-pivot"]);
    assert!(
        said.code == 0 && said.out.starts_with("bin\ndev\nproc\nsys\n"),
        "{said:?}"
    );
}

#[test]
fn time_namespaces_have_their_offsets() {
    let Some(mut bed) = bed() else { return };
    bed.config["linux"]["namespaces"]
        .as_array_mut()
        .expect("a list")
        .push(json!({"type": "time"}));
    bed.config["linux"]["timeOffsets"] = json!({"boottime": {"secs": 1_000_000_000}});
    let said = bed.script("cat /proc/uptime").run();
    let seconds: f64 = said
        .out
        .split(' ')
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0.0);
    assert!(seconds > 1e9, "{said:?}");
}

#[test]
fn row_131_devices_that_are_not_allowed_do_not_open() {
    let Some(mut bed) = bed() else { return };
    bed.capabilities(&["CAP_MKNOD"]);
    bed.config["root"]["readonly"] = json!(false);
    let said = bed.script("mknod /dev/shm/mem c 1 1; mknod /dev/shm/null c 1 3; mount | grep -c x >/dev/null; mknod /mem c 1 1; head -c1 /mem; mknod /null c 1 3; echo hi > /null && echo fine").run();
    assert!(
        said.err.contains("Operation not permitted") && said.out.contains("fine"),
        "{said:?}"
    );
}

#[test]
fn row_132_pause_and_resume() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["sleep", "60"]).start();
    assert_eq!(bed.verb(&["pause"]).code, 0);
    assert_eq!(bed.state("status"), "paused");
    let said = bed.exec(&["true"]);
    assert!(said.code != 0 && said.err.contains("paused"), "{said:?}");
    assert_eq!(bed.verb(&["resume"]).code, 0);
    assert_eq!(bed.state("status"), "running");
    assert_eq!(bed.verb(&["pause"]).code, 0);
    assert_eq!(bed.verb(&["delete", "--force"]).code, 0);
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn row_136_the_filter_applies_to_the_first_process_and_to_further_ones() {
    let Some(mut bed) = bed() else { return };
    bed.config["root"]["readonly"] = json!(false);
    bed.config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]
    });
    for no_new_privileges in [true, false] {
        bed.config["process"]["noNewPrivileges"] = json!(no_new_privileges);
        let said = bed.script("mkdir /x; grep Seccomp: /proc/self/status").run();
        assert!(
            said.err.contains("Not supported") || said.err.contains("not supported"),
            "{said:?}"
        );
        assert!(said.out.contains('2'), "{said:?}");
    }
    bed.args(&["sleep", "60"]).start();
    let said = bed.exec(&["mkdir", "/x"]);
    assert!(
        said.code == 1 && said.err.to_lowercase().contains("not supported"),
        "{said:?}"
    );
}

#[test]
fn row_140_capabilities_are_exactly_those_of_the_document() {
    let Some(mut bed) = bed() else { return };
    bed.capabilities(&["CAP_CHOWN", "CAP_KILL"]);
    let said = bed.script("grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status").run();
    let sets: Vec<_> = said.out.split_whitespace().skip(1).step_by(2).collect();
    assert_eq!(
        sets,
        [
            "0000000000000000",
            "0000000000000021",
            "0000000000000021",
            "0000000000000021",
            "0000000000000000"
        ],
        "{said:?}"
    );
}

#[test]
fn row_140_ambient_capabilities_survive_a_change_of_user() {
    let Some(mut bed) = bed() else { return };
    let names = json!(["CAP_KILL"]);
    bed.config["process"]["capabilities"] =
        json!({"bounding": names, "effective": names, "permitted": names, "inheritable": names, "ambient": names});
    bed.config["process"]["user"] = json!({"uid": 33, "gid": 34, "additionalGids": [35], "umask": 0o077});
    let said = bed
        .script("id -u; id -g; id -G; umask; grep CapEff /proc/self/status")
        .run();
    assert_eq!(said.out, "33\n34\n34 35\n0077\nCapEff:\t0000000000000020\n", "{said:?}");
}

#[test]
fn hidden_and_read_only_paths() {
    let Some(mut bed) = bed() else { return };
    bed.config["linux"]["maskedPaths"] = json!(["/proc/meminfo", "/sys/kernel", "/proc/not-there"]);
    let said = bed
        .script("cat /proc/meminfo | wc -c; ls /sys/kernel | wc -l; echo x > /proc/sys/kernel/hostname; touch /x; touch /sys/kernel/x; echo fine")
        .run();
    let lines: Vec<_> = said.out.lines().collect();
    assert_eq!(lines, ["0", "0", "fine"], "{said:?}");
    assert_eq!(said.err.matches("Read-only file system").count(), 3, "{said:?}");
}

#[test]
fn kernel_parameters_of_the_containers_namespaces() {
    let Some(mut bed) = bed() else { return };
    bed.config["linux"]["sysctl"] = json!({"net.ipv4.ip_unprivileged_port_start": "7", "kernel.msgmax": "4242"});
    let said = bed
        .script("cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax")
        .run();
    assert_eq!(said.out, "7\n4242\n", "{said:?}");
    bed.config["linux"]["sysctl"] = json!({"vm.swappiness": "1"});
    let said = bed.run();
    assert!(
        said.err
            .contains("\"vm.swappiness\" is not in a separate kernel namespace"),
        "{said:?}"
    );
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn mounts_of_all_kinds() {
    let Some(mut bed) = bed() else { return };
    std::fs::create_dir_all(bed.path().join("data/inner")).expect("mkdir");
    std::fs::write(bed.path().join("data/file"), "hello").expect("write");
    std::fs::create_dir_all(bed.rootfs().join("seeded/sub")).expect("mkdir");
    std::fs::write(bed.rootfs().join("seeded/sub/file"), "seed").expect("write");
    let source = bed.path().join("data").display().to_string();
    let list = bed.config["mounts"].as_array_mut().expect("a list");
    list.push(json!({"destination": "/data", "type": "bind", "source": source, "options": ["rbind", "ro", "nosuid"]}));
    list.push(json!({"destination": "/one/file", "source": format!("{source}/file"), "options": ["bind"]}));
    list.push(json!({"destination": "/seeded", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "noexec", "size=1m"]}));
    let said = bed
        .script("cat /one/file /seeded/sub/file; echo; touch /data/x; touch /seeded/y && echo wrote; grep -E ' /(data|seeded) ' /proc/self/mountinfo")
        .run();
    assert!(said.out.starts_with("helloseed\nwrote\n"), "{said:?}");
    assert!(said.err.contains("/data/x: Read-only file system"), "{said:?}");
    assert!(
        said.out.contains("ro,nosuid") && said.out.contains("rw,noexec"),
        "{said:?}"
    );
    assert!(!bed.rootfs().join("seeded/y").exists());
}

#[test]
fn the_working_directory_is_made_and_home_is_found() {
    let Some(mut bed) = bed() else { return };
    std::fs::create_dir(bed.rootfs().join("etc")).expect("mkdir");
    std::fs::write(bed.rootfs().join("etc/passwd"), "web:x:33:33::/var/www:/bin/sh\n").expect("write");
    bed.config["process"]["cwd"] = json!("/not/yet/there");
    bed.config["process"]["user"] = json!({"uid": 33, "gid": 33});
    let said = bed.script("pwd; echo $HOME").run();
    assert_eq!(said.out, "/not/yet/there\n/var/www\n", "{said:?}");
}

#[test]
fn limits_are_set_and_a_refused_one_is_named() {
    let Some(mut bed) = bed() else { return };
    bed.config["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "hard": 99, "soft": 98}]);
    bed.config["process"]["user"] = json!({"uid": 5, "gid": 6});
    let said = bed.script("ulimit -n; ulimit -Hn").run();
    assert_eq!(said.out, "98\n99\n", "{said:?}");
    bed.config["process"]["rlimits"] = json!([{"type": "RLIMIT_CORE", "hard": 1, "soft": 2}]);
    let said = bed.run();
    assert!(said.code == 1 && said.err.contains("RLIMIT_CORE"), "{said:?}");
}

#[test]
fn control_groups_show_the_container_as_their_root() {
    let Some(mut bed) = bed() else { return };
    let said = bed.script("cat /proc/self/cgroup; ls /sys/fs/cgroup").run();
    assert_eq!(said.code, 0, "{said:?}");
    let own: Vec<_> = said
        .out
        .lines()
        .filter(|line| line.contains(":memory:") || line.contains(":pids:"))
        .collect();
    assert!(own.iter().all(|line| line.ends_with(":/")), "{said:?}");
}

#[test]
fn row_119_any_directory_is_a_root() {
    let Some(mut bed) = bed() else { return };
    // Not in the bundle, with nothing but a shell in it: what chroot(1) would take.
    let newroot = bed.path().join("newroot");
    std::fs::create_dir_all(newroot.join("bin")).expect("mkdir");
    bed::copy_program(&bed.rootfs().join("bin/busybox"), &newroot.join("bin/sh"));
    bed.config["root"]["path"] = json!(newroot);
    let said = bed.script("echo /*; exit 3").run();
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.out.contains("/bin") && !said.out.contains("/home"), "{said:?}");
    assert_eq!(bed.traces(), Vec::<String>::new());
}
