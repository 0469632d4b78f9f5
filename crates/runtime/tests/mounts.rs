//! Mounts of a container: what options mean, where they lead, whose ids they show.

mod bed;

use bed::{Bed, bed};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mount of the host that is taken away at the end.
struct HostMount(PathBuf);

impl HostMount {
    /// A tmpfs with these options of the mount itself.
    fn tmpfs(path: &Path, options: &str) -> Self {
        std::fs::create_dir_all(path).expect("mkdir");
        let path_text = path.display().to_string();
        let mount = |words: &[&str]| {
            let status = Command::new("mount")
                .args(words)
                .arg(&path_text)
                .status()
                .expect("mount");
            assert!(status.success(), "{words:?}");
        };
        mount(&["-t", "tmpfs", "-o", "rw,suid,dev,exec,diratime,strictatime", "tmpfs"]);
        let made = Self(path.to_owned());
        mount(&["--make-private"]);
        if !options.is_empty() {
            mount(&["--bind", "-o", &format!("remount,{options}")]);
        }
        made
    }
}

impl Drop for HostMount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn add(bed: &mut Bed, mount: Value) {
    bed.config["mounts"].as_array_mut().expect("a list").push(mount);
}

fn own_user_namespace(bed: &mut Bed) {
    let mapping = json!([{"containerID": 0, "hostID": 300_000, "size": 65536}]);
    bed.config["linux"]["uidMappings"] = mapping.clone();
    bed.config["linux"]["gidMappings"] = mapping;
    bed.config["linux"]["namespaces"]
        .as_array_mut()
        .expect("a list")
        .push(json!({"type": "user"}));
    std::os::unix::fs::chown(bed.rootfs(), Some(300_000), Some(300_000)).expect("chown");
}

/// The options of the mount at `/mnt`, as the container sees them; or the error.
fn seen(bed: &mut Bed, source: &Path, options: &[&str]) -> Result<Vec<String>, String> {
    let mounts = bed.config["mounts"].clone();
    add(
        bed,
        json!({"destination": "/mnt", "type": "bind", "source": source, "options": options}),
    );
    let said = bed.script("grep ' /mnt ' /proc/self/mountinfo").run();
    bed.config["mounts"] = mounts;
    if said.code != 0 {
        return Err(said.err);
    }
    let words = said.out.split(' ').nth(5).expect("options");
    Ok(words.split(',').map(str::to_owned).collect())
}

fn has(options: &Result<Vec<String>, String>, wanted: &[&str], unwanted: &[&str]) {
    let options = options.as_ref().expect("a mount");
    assert!(
        wanted.iter().all(|word| options.iter().any(|option| option == word)),
        "{wanted:?} in {options:?}"
    );
    assert!(
        unwanted.iter().all(|word| options.iter().all(|option| option != word)),
        "not {unwanted:?} in {options:?}"
    );
}

#[test]
fn row_117_a_bind_mount_without_options_keeps_those_of_its_source() {
    let Some(mut bed) = bed() else { return };
    let host = HostMount::tmpfs(&bed.path().join("host"), "ro,noexec,nosymfollow,nodiratime");
    let options = seen(&mut bed, &host.0, &["bind"]);
    has(&options, &["ro", "noexec", "nosymfollow", "nodiratime"], &["rw"]);
    own_user_namespace(&mut bed);
    let options = seen(&mut bed, &host.0, &["bind", "rprivate"]);
    has(&options, &["ro", "noexec", "nosymfollow", "nodiratime"], &["rw"]);
}

#[test]
fn row_117_a_bind_mount_with_options_has_those_and_no_others() {
    let Some(mut bed) = bed() else { return };
    let host = HostMount::tmpfs(&bed.path().join("host"), "ro,noexec,nosymfollow,noatime,nodiratime");
    let options = seen(&mut bed, &host.0, &["bind", "nosuid"]);
    has(
        &options,
        &["rw", "nosuid", "noatime", "nodiratime"],
        &["ro", "noexec", "nosymfollow"],
    );
    let options = seen(&mut bed, &host.0, &["bind", "nosuid", "suid", "relatime"]);
    has(
        &options,
        &["rw", "relatime"],
        &["ro", "nosuid", "noatime", "nodiratime"],
    );
    let options = seen(&mut bed, &host.0, &["bind", "nodiratime", "strictatime"]);
    has(&options, &["nodiratime"], &["noatime", "relatime"]);
}

#[test]
fn row_118_attributes_of_the_hosts_mounts_are_locked_in_a_user_namespace() {
    let Some(mut bed) = bed() else { return };
    let host = HostMount::tmpfs(&bed.path().join("host"), "ro,nodev,noexec,noatime");
    own_user_namespace(&mut bed);
    let options = seen(&mut bed, &host.0, &["bind", "nosuid"]);
    has(&options, &["ro", "nodev", "noexec", "noatime", "nosuid"], &["rw"]);
    for (options, words) in [
        (
            ["bind", "rw"],
            "cannot clear locked flags MS_RDONLY: operation not permitted",
        ),
        (
            ["bind", "exec"],
            "cannot clear locked flags MS_NOEXEC: operation not permitted",
        ),
        (
            ["bind", "relatime"],
            "cannot change locked atime flags: operation not permitted",
        ),
    ] {
        let error = seen(&mut bed, &host.0, &options).expect_err("a refusal");
        assert!(
            error.contains("error mounting") && error.contains("/mnt") && error.contains(words),
            "{options:?}: {error}"
        );
    }
    // What was inherited cannot be undone from inside either.
    bed.capabilities(&["CAP_SYS_ADMIN"]);
    add(
        &mut bed,
        json!({"destination": "/mnt", "type": "bind", "source": host.0, "options": ["rbind"]}),
    );
    let said = bed.script("mount -o remount,bind,rw /mnt && echo broken").run();
    assert_eq!(said.out, "", "{said:?}");
}

#[test]
fn recursive_options_reach_the_mounts_below_and_plain_ones_do_not() {
    let Some(mut bed) = bed() else { return };
    let host = HostMount::tmpfs(&bed.path().join("host"), "");
    let below = HostMount::tmpfs(&host.0.join("below"), "noatime");
    let all = |bed: &mut Bed, options: &[&str]| {
        let mounts = bed.config["mounts"].clone();
        add(
            bed,
            json!({"destination": "/mnt", "source": host.0, "options": options}),
        );
        let said = bed.script("grep ' /mnt' /proc/self/mountinfo").run();
        bed.config["mounts"] = mounts;
        assert_eq!(said.code, 0, "{said:?}");
        let options = |line: &str| line.split(' ').nth(5).unwrap_or_default().to_owned();
        let mut lines = said.out.lines();
        (
            options(lines.next().unwrap_or_default()),
            options(lines.next().unwrap_or_default()),
        )
    };
    let (top, inner) = all(&mut bed, &["rbind", "ro"]);
    assert!(top.starts_with("ro") && inner.starts_with("rw"), "{top} {inner}");
    for (word, shown) in [
        ("rro", "ro"),
        ("rnosuid", "nosuid"),
        ("rnodev", "nodev"),
        ("rnoexec", "noexec"),
    ] {
        let (top, inner) = all(&mut bed, &["rbind", word]);
        let has = |options: &str| options.split(',').any(|option| option == shown);
        assert!(has(&top) && has(&inner), "{word}: {top} {inner}");
    }
    for (word, shown) in [
        ("rrelatime", "relatime"),
        ("ratime", "relatime"),
        ("rnorelatime", "relatime"),
        ("rnoatime", "noatime"),
    ] {
        let (top, inner) = all(&mut bed, &["rbind", word]);
        assert!(top.contains(shown) && inner.contains(shown), "{word}: {top} {inner}");
    }
    let (top, inner) = all(&mut bed, &["rbind", "rstrictatime", "rnodiratime"]);
    assert!(
        !top.contains("relatime") && !inner.contains("noatime") && inner.contains("nodiratime"),
        "{top} {inner}"
    );
    drop(below);
}

#[test]
fn file_systems_get_the_words_they_know_and_refuse_others_by_name() {
    let Some(mut bed) = bed() else { return };
    add(
        &mut bed,
        json!({"destination": "/t", "type": "tmpfs", "source": "tmpfs",
            "options": ["sync", "dirsync", "lazytime", "silent", "iversion", "noexec", "exec", "size=64k", "nr_inodes=9"]}),
    );
    let said = bed.script("grep ' /t ' /proc/self/mountinfo").run();
    for word in ["sync", "dirsync", "lazytime", "size=64k", "nr_inodes=9"] {
        assert!(said.out.contains(word), "{word}: {said:?}");
    }
    assert!(!said.out.contains("noexec"), "{said:?}");
    add(
        &mut bed,
        json!({"destination": "/u", "type": "tmpfs", "source": "tmpfs", "options": ["nonsense=1"]}),
    );
    let said = bed.run();
    assert!(
        said.code == 1 && said.err.contains("nonsense") && said.err.contains("/u"),
        "{said:?}"
    );
    let mounts = bed.config["mounts"].as_array_mut().expect("a list");
    mounts.pop();
    mounts.push(json!({"destination": "/v", "source": "/", "options": ["bind", "size=1m"]}));
    // Only a new file system could take it.
    let said = bed.script("test -d /v/proc").run();
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn a_tmpfs_takes_the_mode_of_what_it_covers_unless_it_is_told_one() {
    let Some(mut bed) = bed() else { return };
    let covered = bed.rootfs().join("covered");
    std::fs::create_dir(&covered).expect("mkdir");
    std::fs::set_permissions(&covered, std::os::unix::fs::PermissionsExt::from_mode(0o710)).expect("chmod");
    for (destination, options) in [
        ("/covered", json!([])),
        ("/told", json!(["mode=1500"])),
        ("/new/deep", json!([])),
    ] {
        add(
            &mut bed,
            json!({"destination": destination, "type": "tmpfs", "source": "tmpfs", "options": options}),
        );
    }
    let said = bed.script("stat -c %a /covered /told /new/deep").run();
    assert_eq!(said.out, "710\n1500\n1777\n", "{said:?}");
}

#[test]
fn a_read_only_tmpfs_takes_mounts_and_devices_before_it_is_closed() {
    let Some(mut bed) = bed() else { return };
    for mount in bed.config["mounts"].as_array_mut().expect("a list") {
        if mount["destination"] == "/dev" {
            mount["options"].as_array_mut().expect("a list").push(json!("ro"));
        }
    }
    add(
        &mut bed,
        json!({"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["ro"]}),
    );
    add(
        &mut bed,
        json!({"destination": "/t/inner", "type": "tmpfs", "source": "tmpfs"}),
    );
    let said = bed
        .script("touch /dev/x; touch /t/x; touch /t/inner/x && echo > /dev/null && echo fine")
        .run();
    assert_eq!(said.out, "fine\n", "{said:?}");
    assert_eq!(said.err.matches("Read-only file system").count(), 2, "{said:?}");
}

#[test]
fn overlays_with_many_layers_fit() {
    let Some(mut bed) = bed() else { return };
    let mut layers = Vec::new();
    for number in 0..40 {
        let layer = bed.path().join(format!("layers/a-name-that-takes-some-room-{number}"));
        std::fs::create_dir_all(&layer).expect("mkdir");
        std::fs::write(layer.join(format!("file-{number}")), "").expect("write");
        layers.push(layer.display().to_string());
    }
    add(
        &mut bed,
        json!({"destination": "/o", "type": "overlay", "source": "overlay",
            "options": [format!("lowerdir={}", layers.join(":")), "nosuid"]}),
    );
    let said = bed
        .script("ls /o | wc -l; grep -c ' /o .*nosuid' /proc/self/mountinfo")
        .run();
    assert_eq!(said.out, "40\n1\n", "{said:?}");
}

#[test]
fn a_mount_can_be_changed_after_it_was_made() {
    let Some(mut bed) = bed() else { return };
    add(
        &mut bed,
        json!({"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m"]}),
    );
    add(
        &mut bed,
        json!({"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["remount", "size=2m", "noexec"]}),
    );
    add(
        &mut bed,
        json!({"destination": "/t", "source": "/", "options": ["bind", "remount", "nodev"]}),
    );
    let said = bed.script("grep ' /t ' /proc/self/mountinfo").run();
    assert_eq!(said.out.lines().count(), 1, "{said:?}");
    assert!(
        said.out.contains("size=2048k") && said.out.contains("nodev") && !said.out.contains("noexec"),
        "{said:?}"
    );
}

#[test]
fn the_root_itself_is_not_covered_even_behind_a_link() {
    let Some(mut bed) = bed() else { return };
    std::os::unix::fs::symlink("/", bed.rootfs().join("top")).expect("link");
    add(
        &mut bed,
        json!({"destination": "/top", "type": "tmpfs", "source": "tmpfs"}),
    );
    let said = bed.script("true").run();
    assert!(said.code == 1 && said.err.contains("on the top of rootfs"), "{said:?}");
}

#[test]
fn row_118_sources_behind_closed_directories_are_opened_for_the_container() {
    let Some(mut bed) = bed() else { return };
    let closed = bed.path().join("closed");
    std::fs::create_dir_all(closed.join("inner")).expect("mkdir");
    std::fs::write(closed.join("inner/file"), "reached").expect("write");
    std::fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("chmod");
    own_user_namespace(&mut bed);
    add(
        &mut bed,
        json!({"destination": "/a", "source": closed.join("inner"), "options": ["bind", "ro"]}),
    );
    // A source on a mount of the container itself, behind the same door.
    let inside = bed.rootfs().join("a/file").display().to_string();
    add(
        &mut bed,
        json!({"destination": "/b", "source": inside, "options": ["rbind"]}),
    );
    let said = bed.script("cat /a/file /b; touch /a/x").run();
    assert_eq!(said.out, "reachedreached", "{said:?}");
    assert!(said.err.contains("Read-only file system"), "{said:?}");
    add(
        &mut bed,
        json!({"destination": "/c", "source": closed.join("missing"), "options": ["bind"]}),
    );
    let said = bed.run();
    assert!(
        said.code == 1 && said.err.contains("/c") && said.err.contains("no such file or directory"),
        "{said:?}"
    );
    assert_eq!(bed.traces(), Vec::<String>::new());
}

fn owned(path: &Path, uid: u32, gid: u32) {
    std::fs::write(path, "").expect("write");
    std::os::unix::fs::chown(path, Some(uid), Some(gid)).expect("chown");
}

#[test]
fn ids_of_a_mount_are_translated_by_its_own_mappings() {
    let Some(mut bed) = bed() else { return };
    let data = bed.path().join("data");
    std::fs::create_dir(&data).expect("mkdir");
    let inner = HostMount::tmpfs(&data.join("inner"), "");
    owned(&data.join("file"), 100, 200);
    owned(&inner.0.join("file"), 101, 201);
    for (destination, option) in [("/plain", "idmap"), ("/deep", "ridmap"), ("/unmapped", "rbind")] {
        add(
            &mut bed,
            json!({"destination": destination, "source": data, "options": ["rbind", option],
                "uidMappings": [{"containerID": 100, "hostID": 5100, "size": 10}],
                "gidMappings": [{"containerID": 200, "hostID": 6200, "size": 10}]}),
        );
    }
    let said = bed
        .script("stat -c %u:%g /plain/file /plain/inner/file /deep/file /deep/inner/file /unmapped/file")
        .run();
    if said.err.contains("MOUNT_ATTR_IDMAP") {
        println!("skipped: the file system of {} has no idmapped mounts", data.display());
        return;
    }
    assert_eq!(
        said.out, "5100:6200\n101:201\n5100:6200\n5101:6201\n5100:6200\n",
        "{said:?}"
    );
}

#[test]
fn row_118_ids_of_a_mount_are_translated_by_the_containers_mappings() {
    let (Some(mut bed), Some(mut second)) = (bed(), bed()) else {
        return;
    };
    let data = bed.path().join("data");
    std::fs::create_dir(&data).expect("mkdir");
    owned(&data.join("file"), 7, 8);
    own_user_namespace(&mut bed);
    add(
        &mut bed,
        json!({"destination": "/m", "source": data, "options": ["bind", "idmap"]}),
    );
    let said = bed
        .script("stat -c %u:%g /m/file; touch /m/new; stat -c %u:%g /m/new")
        .run();
    if said.err.contains("MOUNT_ATTR_IDMAP") {
        println!("skipped: the file system of {} has no idmapped mounts", data.display());
        return;
    }
    assert_eq!(said.out, "7:8\n0:0\n", "{said:?}");
    let made = std::fs::metadata(data.join("new")).expect("a file");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&made), 0);
    // The same with a user namespace that is joined, whose mappings nobody tells.
    bed.args(&["sleep", "60"]).start();
    let path = format!("/proc/{}/ns/user", bed.state("pid"));
    second.config["linux"]["namespaces"]
        .as_array_mut()
        .expect("a list")
        .push(json!({"type": "user", "path": path}));
    std::os::unix::fs::chown(second.rootfs(), Some(300_000), Some(300_000)).expect("chown");
    add(
        &mut second,
        json!({"destination": "/m", "source": data, "options": ["bind", "idmap"]}),
    );
    let said = second.script("stat -c %u:%g /m/file").run();
    assert_eq!(said.out, "7:8\n", "{said:?}");
}

#[test]
fn ids_are_translated_for_bind_mounts_with_mappings_only() {
    let Some(mut bed) = bed() else { return };
    for (mount, words) in [
        (
            json!({"destination": "/m", "type": "tmpfs", "options": ["idmap"]}),
            "only supported for bind-mounts",
        ),
        (
            json!({"destination": "/m", "source": "/", "options": ["bind", "idmap"]}),
            "must have both uid and gid mappings",
        ),
    ] {
        let mounts = bed.config["mounts"].clone();
        add(&mut bed, mount);
        let said = bed.script("true").run();
        assert!(said.code == 1 && said.err.contains(words), "{said:?}");
        bed.config["mounts"] = mounts;
    }
}

#[test]
fn destinations_may_be_given_as_the_host_sees_them() {
    let Some(mut bed) = bed() else { return };
    let place = bed.rootfs().canonicalize().expect("a path").join("inner/place");
    add(
        &mut bed,
        json!({"destination": place, "type": "tmpfs", "source": "tmpfs"}),
    );
    let said = bed.script("grep -c ' /inner/place ' /proc/self/mountinfo").run();
    assert_eq!(said.out, "1\n", "{said:?}");
}

fn without_mount_namespace(bed: &mut Bed) {
    bed.config["linux"]["namespaces"]
        .as_array_mut()
        .expect("a list")
        .retain(|namespace| namespace["type"] != "mount");
    bed.config["linux"]["maskedPaths"] = json!([]);
    bed.config["linux"]["readonlyPaths"] = json!([]);
}

#[test]
fn row_117_in_the_hosts_mount_namespace_mounts_stay_below_the_root() {
    let Some(mut bed) = bed() else { return };
    without_mount_namespace(&mut bed);
    let host = |bed: &Bed| {
        let here = bed.path().display().to_string();
        let table = std::fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
        table.lines().filter(|line| line.contains(&here)).count()
    };
    let said = bed
        .script("readlink /proc/self/ns/mnt; ls -d /dev/null; touch /x")
        .run();
    let own = std::fs::read_link("/proc/self/ns/mnt").expect("a link");
    let mounts = host(&bed);
    let status = Command::new("umount").args(["-R", "-l"]).arg(bed.rootfs()).status();
    assert!(status.expect("umount").success());
    assert_eq!(said.out, format!("{}\n/dev/null\n", own.display()), "{said:?}");
    assert!(
        said.err.contains("Read-only file system") && mounts > 5,
        "{mounts} {said:?}"
    );
    // A create that fails takes its mounts back.
    add(
        &mut bed,
        json!({"destination": "/v", "source": "/nowhere", "options": ["bind"]}),
    );
    let said = bed.run();
    assert!(said.code == 1 && said.err.contains("/nowhere"), "{said:?}");
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn row_117_without_pivot_root_the_hosts_procfs_is_out_of_reach() {
    let Some(mut bed) = bed() else { return };
    bed.capabilities(&["CAP_SETFCAP"]);
    bed.script("busybox unshare -mrpf sh -c 'echo inside; mount -t proc none /proc && echo mounted'")
        .write();
    let said = bed.verb(&["run", "--no-pivot"]);
    if !said.out.contains("inside") {
        println!("skipped: no unshare in busybox, or no user namespaces: {}", said.err);
        return;
    }
    // The container's procfs has hidden parts, so the kernel lets it make no other, unless it sees a whole one.
    assert_eq!(said.out, "inside\n", "{said:?}");
    bed.config["linux"]["rootfsPropagation"] = json!("rprivate");
    bed.write();
    let said = bed.verb(&["run", "--no-pivot"]);
    assert!(said.err.contains("not safe without pivot_root"), "{said:?}");
}
