//! Control groups of containers by both drivers, on whatever version this machine has: limits, updates, events, devices,
//! delegation, refusals. The tests of the systemd driver need a machine that systemd runs.

mod bed;

use bed::{Bed, Said, bed, eventually};
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A bed whose containers' groups are made by one of the drivers.
struct Grouped {
    bed: Bed,
    systemd: bool,
}

fn is_v2() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// A bed a driver that this machine has.
fn beds() -> Vec<Grouped> {
    let mut beds = Vec::new();
    for systemd in [false, true] {
        if systemd && !Path::new("/run/systemd/system").exists() {
            println!("skipped: the systemd driver needs a machine that systemd runs");
            continue;
        }
        let Some(mut bed) = bed() else { return beds };
        bed.config["linux"]["cgroupsPath"] = if systemd {
            json!(format!("system.slice:tierce:{}", bed.id))
        } else {
            json!(format!("/{}", bed.id))
        };
        bed.args(&["sleep", "1000"]);
        beds.push(Grouped { bed, systemd });
    }
    beds
}

impl Grouped {
    fn command(&self) -> Command {
        let mut command = self.bed.command();
        if self.systemd {
            command.arg("--systemd-cgroup");
        }
        command
    }

    fn say(&self, words: &[&str]) -> Said {
        self.command().args(words).output().expect("execute").into()
    }

    fn must(&self, words: &[&str]) -> Said {
        let said = self.say(words);
        assert_eq!(said.code, 0, "{words:?}: {said:?}");
        said
    }

    fn start(&self) -> i64 {
        self.bed.write();
        // The container's streams are its own, or the output would never end.
        let status = self
            .command()
            .args(["run", "--detach", &self.bed.id])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .status()
            .expect("run");
        assert!(status.success());
        self.bed.state("pid").as_i64().expect("a pid")
    }

    /// Fails to start; the words of the failure.
    fn refused(&self) -> String {
        self.bed.write();
        let said = self.say(&["run", "--detach", &self.bed.id]);
        assert_eq!(said.code, 1, "{said:?}");
        said.err
    }

    fn update(&self, words: &[&str]) -> Said {
        self.say(&[&["update"], words, &[self.bed.id.as_str()]].concat())
    }

    /// Updates by a document on standard input.
    fn update_by(&self, document: &Value) -> Said {
        let mut child = self
            .command()
            .args(["update", "--resources", "-", &self.bed.id])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("spawn");
        let mut input = child.stdin.take().expect("input");
        input.write_all(document.to_string().as_bytes()).expect("write");
        drop(input);
        child.wait_with_output().expect("update").into()
    }

    fn exec(&self, script: &str) -> Said {
        self.say(&["exec", &self.bed.id, "sh", "-c", script])
    }

    fn unit(&self) -> String {
        format!("tierce-{}.scope", self.bed.id)
    }

    /// What systemd says of a property; as wanted where another driver is at work.
    fn check_property(&self, name: &str, wanted: &str) {
        if self.systemd {
            let mut show = Command::new("systemctl");
            show.args(["show", "--property", name, "--value", &self.unit()]);
            let output = show.output().expect("systemctl");
            assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), wanted, "{name}");
        }
    }

    fn delete(&self) {
        self.must(&["delete", "--force", &self.bed.id]);
        assert_eq!(self.bed.traces(), Vec::<String>::new());
        self.check_property("LoadState", "not-found");
    }
}

/// The group of a process in a controller's hierarchy.
fn group(pid: i64, controller: &str) -> PathBuf {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("cgroup");
    let line = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let found = if is_v2() {
            controllers.is_empty()
        } else {
            controllers.split(',').any(|one| one == controller)
        };
        found.then(|| PathBuf::from(format!("/sys/fs/cgroup/{controllers}{path}")))
    };
    text.lines().find_map(line).expect("a group")
}

/// A setting: its file on v1 or v2.
fn setting(pid: i64, v1: &str, v2: &str) -> String {
    let name = if is_v2() { v2 } else { v1 };
    let path = group(pid, v1.split('.').next().unwrap_or_default()).join(name);
    std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .trim()
        .to_owned()
}

#[test]
fn row_121_limits_are_set_updated_and_given_back() {
    for mut one in beds() {
        one.bed.config["linux"]["resources"] = json!({
            "memory": {"limit": 33_554_432, "reservation": 25_165_824}, "pids": {"limit": 20},
            "cpu": {"shares": 100, "quota": 500_000, "period": 1_000_000},
        });
        let pid = one.start();
        let memory = || setting(pid, "memory.limit_in_bytes", "memory.max");
        assert_eq!(
            (memory(), setting(pid, "pids.max", "pids.max")),
            ("33554432".into(), "20".into())
        );
        let limit = if is_v2() { "MemoryMax" } else { "MemoryLimit" };
        one.check_property(limit, "33554432");
        one.check_property("TasksMax", "20");
        one.check_property("CPUQuotaPerSecUSec", "500ms");
        let said = one.update(&["--memory", "50M", "--pids-limit", "10", "--cpu-share", "200"]);
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(
            (memory(), setting(pid, "pids.max", "pids.max")),
            ("52428800".into(), "10".into())
        );
        one.check_property(limit, "52428800");
        one.check_property("TasksMax", "10");
        let said = one.update_by(&json!({"memory": {"limit": 67_108_864}, "cpu": {"cpus": "0"}}));
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(
            (memory(), setting(pid, "cpuset.cpus", "cpuset.cpus")),
            ("67108864".into(), "0".into())
        );
        assert_eq!(one.update(&["--memory", "-1", "--pids-limit", "-1"]).code, 0);
        assert_eq!(setting(pid, "pids.max", "pids.max"), "max");
        one.check_property("TasksMax", "infinity");
        one.delete();
    }
}

#[test]
fn row_125_quota_and_period_are_updated_one_by_one() {
    for mut one in beds() {
        one.bed.config["linux"]["resources"] = json!({"cpu": {"quota": 500_000, "period": 1_000_000}});
        let pid = one.start();
        let both = || {
            if is_v2() {
                return setting(pid, "cpu", "cpu.max");
            }
            let quota = setting(pid, "cpu.cfs_quota_us", "").replace("-1", "max");
            format!("{quota} {}", setting(pid, "cpu.cfs_period_us", ""))
        };
        let steps: [(&[&str], &str); 5] = [
            (&["--cpu-period", "400000"], "500000 400000"),
            (&["--cpu-quota", "620000"], "620000 400000"),
            (&["--cpu-quota", "-1"], "max 400000"),
            (&["--cpu-quota", "5000", "--cpu-period", "10000"], "5000 10000"),
            (&["--cpu-quota", "-1", "--cpu-period", "100000"], "max 100000"),
        ];
        assert_eq!(both(), "500000 1000000");
        for (words, wanted) in steps {
            let said = one.update(words);
            assert_eq!((said.code, both().as_str()), (0, wanted), "{words:?}: {said:?}");
        }
        one.check_property("CPUQuotaPerSecUSec", "infinity");
        one.delete();
    }
}

#[test]
fn row_121_an_update_that_cannot_be_is_refused_in_words() {
    for one in beds() {
        let pid = one.start();
        let before = setting(pid, "pids.max", "pids.max");
        for (words, wanted) in [
            (["--memory", "much"], "invalid value for memory"),
            (["--cpu-period", "x"], "invalid value for cpu-period"),
            (["--cpu-idle", "7"], "cpu.idle"),
            (["--cpuset-cpus", "7000"], "cpuset.cpus"),
        ] {
            let said = one.update(&words);
            assert!(said.code == 1 && said.err.contains(wanted), "{words:?}: {said:?}");
        }
        assert_eq!(one.update_by(&json!({"cpu": {"shares": "x"}})).code, 1);
        assert_eq!(setting(pid, "pids.max", "pids.max"), before);
        one.must(&["kill", &one.bed.id, "KILL"]);
        eventually("end", || one.bed.state("status") == "stopped");
        let said = one.update(&["--pids-limit", "7"]);
        assert!(said.code == 1 && said.err.contains("container not running"), "{said:?}");
        one.delete();
    }
}

#[test]
fn row_121_files_of_v2_are_set_by_name() {
    for mut one in beds() {
        one.bed.config["linux"]["resources"] = json!({"unified": {
            "memory.low": "524288", "memory.high": "20971520", "pids.max": "99", "cpu.max": "10000 100000",
        }});
        if !is_v2() {
            let text = one.refused();
            assert!(
                text.contains("invalid configuration: cannot use unified on cgroup v1"),
                "{text}"
            );
            assert_eq!(one.bed.traces(), Vec::<String>::new());
            continue;
        }
        let pid = one.start();
        let file = |name| setting(pid, "", name);
        assert_eq!(
            (file("memory.low"), file("memory.high")),
            ("524288".into(), "20971520".into())
        );
        assert_eq!(
            (file("pids.max"), file("cpu.max")),
            ("99".into(), "10000 100000".into())
        );
        one.check_property("MemoryHigh", "20971520");
        one.check_property("TasksMax", "99");
        let said = one.update_by(&json!({"unified": {"cpu.max": "max 100000", "pids.max": "7"}}));
        assert_eq!(
            (said.code, file("pids.max"), file("cpu.max")),
            (0, "7".into(), "max 100000".into())
        );
        one.check_property("TasksMax", "7");
        one.delete();
    }
}

#[test]
fn row_123_a_scope_lies_in_its_slice_with_the_properties_of_annotations() {
    for mut one in beds().into_iter().filter(|one| one.systemd) {
        let slice = format!("tierce-test{}.slice", std::process::id());
        one.bed.config["linux"]["cgroupsPath"] = json!(format!("{slice}:tierce:{}", one.bed.id));
        one.bed.config["annotations"] = json!({"org.systemd.property.TimeoutStopSec": "7"});
        let pid = one.start();
        let path = group(pid, "name=systemd");
        let wanted = format!("/tierce.slice/{slice}/{}", one.unit());
        assert!(path.to_string_lossy().ends_with(&wanted), "{}", path.display());
        one.check_property("TimeoutStopUSec", "7s");
        one.check_property("Delegate", "yes");
        one.check_property("Slice", &slice);
        let said = one.exec("cat /proc/self/cgroup");
        assert_eq!(said.code, 0, "{said:?}");
        one.delete();
        let _ = Command::new("systemctl").args(["stop", &slice]).output();
    }
}

#[test]
fn a_unit_of_somebody_else_is_left_alone() {
    for mut one in beds().into_iter().filter(|one| one.systemd) {
        one.start();
        // The same name in another slice, where its group does not exist.
        let Some(mut other) = bed() else { return };
        other.config["linux"]["cgroupsPath"] = json!(format!("machine.slice:tierce:{}", one.bed.id));
        std::mem::swap(&mut other, &mut one.bed);
        let text = one.refused();
        assert!(
            text.contains("unable to start unit") && text.contains("already"),
            "{text}"
        );
        std::mem::swap(&mut other, &mut one.bed);
        assert_eq!(one.bed.state("status"), "running");
        one.delete();
    }
}

#[test]
fn row_127_statistics_have_runcs_members() {
    for mut one in beds() {
        one.bed.config["linux"]["resources"] = json!({"pids": {"limit": 42}, "memory": {"limit": 33_554_432}});
        one.start();
        let said = one.must(&["events", "--stats", &one.bed.id]);
        let wanted = format!(r#"{{"type":"stats","id":"{}","data":{{"cpu":{{"usage":{{"#, one.bed.id);
        assert!(said.out.starts_with(&wanted), "{said:?}");
        let event: Value = serde_json::from_str(&said.out).expect("JSON");
        let data = &event["data"];
        assert_eq!(
            (&data["pids"]["limit"], &data["pids"]["current"]),
            (&json!(42), &json!(1))
        );
        assert_eq!(data["memory"]["usage"]["limit"], json!(33_554_432));
        assert!(data["cpu"]["usage"]["total"].as_u64() > Some(0), "{said:?}");
        assert!(
            data["memory"]["raw"].as_object().is_some_and(|raw| !raw.is_empty()),
            "{said:?}"
        );
        let has_pressure = group(one.bed.state("pid").as_i64().expect("a pid"), "cpu")
            .join("cpu.pressure")
            .exists();
        assert_eq!(
            data["cpu"]["psi"]["some"]["avg10"].is_number(),
            has_pressure && is_v2(),
            "{said:?}"
        );
        one.delete();
        let said = one.say(&["events", "--stats", &one.bed.id]);
        assert!(said.err.contains("container does not exist"), "{said:?}");
    }
}

#[test]
fn row_129_events_tell_of_an_oom_kill_and_end_with_the_container() {
    for mut one in beds() {
        one.bed.config["linux"]["resources"] = json!({"memory": {"limit": 33_554_432, "swap": 33_554_432}});
        one.start();
        let mut events = one
            .command()
            .args(["events", "--interval", "20ms", &one.bed.id])
            .stdout(Stdio::piped())
            .spawn()
            .expect("spawn");
        let mut lines = std::io::BufReader::new(events.stdout.take().expect("output")).lines();
        let mut next = || lines.next().map(|line| line.expect("a line"));
        // The first statistics show that the watch is set.
        assert!(next().is_some_and(|line| line.starts_with(r#"{"type":"stats""#)));
        let hog = one.exec("head -c 100000000 /dev/zero | tail -c 99000000 > /dev/null");
        let oom = format!(r#"{{"type":"oom","id":"{}"}}"#, one.bed.id);
        while next().expect("a line before the end") != oom {}
        assert_ne!(hog.code, -1);
        one.delete();
        while next().is_some() {}
        assert!(events.wait().expect("events").success());
    }
}

#[test]
fn row_131_devices_stay_refused_over_updates() {
    for mut one in beds() {
        one.bed.config["linux"]["devices"] = json!([{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11}]);
        one.bed.config["linux"]["resources"] = json!({"devices": [{"allow": false, "access": "rwm"}]});
        one.bed
            .capabilities(&["CAP_SYSLOG", "CAP_KILL"])
            .script("while true; do head -c 1 /dev/kmsg; done 2> /dev/null");
        one.start();
        for _ in 0..3 {
            let said = one.exec("head -c 1 /dev/kmsg");
            assert!(said.err.contains("Operation not permitted"), "{said:?}");
            assert_eq!(one.exec("head -c 1 /dev/null").code, 0);
            assert_eq!(one.update(&["--pids-limit", "42"]).code, 0);
            if one.systemd {
                let reloaded = Command::new("systemctl")
                    .arg("daemon-reload")
                    .status()
                    .expect("systemctl");
                assert!(reloaded.success());
            }
        }
        one.check_property("NeedDaemonReload", "no");
        one.delete();
    }
}

#[test]
fn row_132_a_paused_container_stays_so_over_an_update() {
    for one in beds() {
        let pid = one.start();
        one.must(&["pause", &one.bed.id]);
        assert_eq!(one.bed.state("status"), "paused");
        assert_eq!(one.update(&["--pids-limit", "30"]).code, 0);
        assert_eq!(setting(pid, "pids.max", "pids.max"), "30");
        assert_eq!(one.bed.state("status"), "paused");
        let said = one.exec("true");
        assert!(
            said.code == 255 && said.err.contains("cannot exec in a paused container"),
            "{said:?}"
        );
        one.must(&["resume", &one.bed.id]);
        assert_eq!(one.bed.state("status"), "running");
        assert_eq!(one.exec("true").code, 0);
        one.must(&["pause", &one.bed.id]);
        // A frozen one can be deleted, too.
        one.delete();
    }
}

#[test]
fn an_occupied_group_is_refused_and_not_harmed() {
    for mut one in beds() {
        one.start();
        let Some(mut second) = bed() else { return };
        second.config["linux"]["cgroupsPath"] = one.bed.config["linux"]["cgroupsPath"].clone();
        std::mem::swap(&mut second, &mut one.bed);
        let text = one.refused();
        assert!(text.contains("container's cgroup is not empty"), "{text}");
        std::mem::swap(&mut second, &mut one.bed);
        assert_eq!(one.bed.state("status"), "running");
        assert_eq!(one.exec("true").code, 0);
        one.delete();
    }
}

#[test]
fn row_122_a_limit_that_is_refused_leaves_nothing() {
    for mut one in beds() {
        one.bed.config["linux"]["resources"] = json!({"cpu": {"period": 100}});
        let text = one.refused();
        assert!(text.contains("invalid argument"), "{text}");
        assert_eq!(one.bed.traces(), Vec::<String>::new());
        one.check_property("LoadState", "not-found");
        one.bed.config["linux"]["resources"] = json!({});
        one.bed.config["process"]["args"] = json!(["/no/such/program"]);
        let text = one.refused();
        assert!(text.contains("no such file or directory"), "{text}");
        assert_eq!(one.bed.traces(), Vec::<String>::new());
        one.check_property("LoadState", "not-found");
    }
}

/// Source: runtime-spec `config-linux.md#cgroup-ownership`.
#[test]
fn row_118_a_writable_group_belongs_to_the_containers_user() {
    if !is_v2() {
        println!("skipped: only v2 groups are given to users");
        return;
    }
    for mut one in beds() {
        let namespaces = one.bed.config["linux"]["namespaces"]
            .as_array_mut()
            .expect("namespaces");
        namespaces.push(json!({"type": "user"}));
        let mapping = json!([{"containerID": 0, "hostID": 100_000, "size": 65_536}]);
        one.bed.config["linux"]["uidMappings"] = mapping.clone();
        one.bed.config["linux"]["gidMappings"] = mapping;
        // So that the places of mounts can be made.
        std::os::unix::fs::chown(one.bed.rootfs(), Some(100_000), Some(100_000)).expect("chown");
        let owner = |one: &Grouped| {
            let pid = one.start();
            let directory = group(pid, "");
            let owner = |path: &Path| rustix::fs::stat(path).expect("stat").st_uid;
            let owners = (
                owner(&directory),
                owner(&directory.join("cgroup.procs")),
                owner(&directory.join("memory.max")),
            );
            let inside = one
                .exec("mkdir /sys/fs/cgroup/inner && echo 0 > /sys/fs/cgroup/inner/cgroup.procs")
                .code;
            one.delete();
            (owners, inside)
        };
        assert_eq!(owner(&one).0, (0, 0, 0), "read-only");
        for mount in one.bed.config["mounts"].as_array_mut().expect("mounts") {
            if mount["type"] == "cgroup" {
                mount["options"] = json!(["nosuid", "noexec", "nodev", "relatime"]);
            }
        }
        assert_eq!(owner(&one), ((100_000, 100_000, 0), 0));
    }
}

/// A container that moves its init into a group of its own and enables controllers has no place for others at its top.
#[test]
fn row_124_a_further_process_follows_the_first_where_the_group_delegates() {
    if !is_v2() {
        println!("skipped: v1 groups take processes at every level");
        return;
    }
    for mut one in beds() {
        for mount in one.bed.config["mounts"].as_array_mut().expect("mounts") {
            if mount["type"] == "cgroup" {
                mount["options"] = json!([]);
            }
        }
        one.start();
        assert_eq!(one.exec("cat /proc/self/cgroup").out.trim(), "0::/");
        let made = one.exec(
            "cd /sys/fs/cgroup && mkdir foo && echo 1 > foo/cgroup.procs && echo $$ > foo/cgroup.procs && \
             echo +memory > cgroup.subtree_control",
        );
        assert_eq!(made.code, 0, "{made:?}");
        assert_eq!(one.exec("cat /proc/self/cgroup").out.trim(), "0::/foo");
        one.delete();
    }
}

/// On a machine with v1 controllers and a v2 hierarchy beside them.
#[test]
fn row_123_on_a_hybrid_machine_all_processes_are_in_the_v2_group_too() {
    if is_v2() || !Path::new("/sys/fs/cgroup/unified/cgroup.procs").exists() {
        println!("skipped: this is no hybrid machine");
        return;
    }
    for one in beds().into_iter().filter(|one| !one.systemd) {
        let pid = one.start();
        let wanted = format!("0::/{}", one.bed.id);
        let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("cgroup");
        assert!(text.lines().any(|line| line == wanted), "{text}");
        assert_eq!(one.exec("sleep 1000 > /dev/null 2>&1 &").code, 0);
        let group = Path::new("/sys/fs/cgroup/unified").join(&one.bed.id);
        let procs = std::fs::read_to_string(group.join("cgroup.procs")).expect("cgroup.procs");
        assert_eq!(procs.lines().count(), 2, "{procs}");
        one.delete();
        assert!(!group.exists());
    }
}
