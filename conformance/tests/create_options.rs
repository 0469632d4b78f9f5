//! What a container can be created with beyond the everyday: rows 119, 131, 160 to 163.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tierce_testkit::{Daemon, ImageBuilder};

/// Creates and starts a container from a document, waits for its end; gives its output.
fn run(daemon: &Daemon, query: &str, document: &Value) -> String {
    let (status, body) = daemon.request(
        "POST",
        &format!("/containers/create{query}"),
        Some(&document.to_string()),
    );
    assert_eq!(status, 201, "{body}");
    let created: Value = serde_json::from_str(&body).unwrap();
    let id = created["Id"].as_str().unwrap();
    let (status, body) = daemon.request("POST", &format!("/containers/{id}/start"), None);
    assert_eq!(status, 204, "{body}");
    daemon.docker(&["wait", id]).ok();
    let output = daemon.docker(&["logs", id]);
    format!("{}{}", output.stdout, output.stderr)
}

#[test]
fn row_119_a_directory_of_the_host_runs_as_a_container() {
    let daemon = Daemon::start();
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("root");
    for directory in ["bin", "etc", "proc", "dev", "sys"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|path| Path::new(path).exists());
    let Some(busybox) = busybox else {
        println!("skipped: there is no busybox");
        return;
    };
    fs::copy(busybox, root.join("bin/busybox")).unwrap();
    let query = format!("?name=plain&rootfs={}", root.display());
    let script = "/bin/busybox echo made > /made; /bin/busybox hostname";
    let document = json!({"Cmd": ["/bin/busybox", "sh", "-c", script], "Hostname": "plain"});
    assert_eq!(run(&daemon, &query, &document), "plain\n");
    // The directory itself is the root, and stays when the container goes.
    assert_eq!(fs::read_to_string(root.join("made")).unwrap(), "made\n");
    assert_eq!(
        daemon.docker(&["ps", "-a", "--format", "{{.Image}}"]).ok(),
        root.display().to_string()
    );
    daemon
        .docker(&["cp", "plain:/made", &place.path().join("copy").display().to_string()])
        .ok();
    daemon.docker(&["rm", "plain"]).ok();
    assert!(root.join("made").exists() && place.path().join("copy").exists());
    for (query, document, text) in [
        (
            "?rootfs=/nonexistent",
            json!({"Cmd": ["x"]}),
            "no such file or directory",
        ),
        (
            "?rootfs=/",
            json!({"Cmd": ["x"]}),
            "the host's own root cannot be a container's",
        ),
        (
            "?rootfs=/etc",
            json!({"Cmd": ["x"], "Image": "y"}),
            "cannot both be given",
        ),
    ] {
        let (status, body) = daemon.request(
            "POST",
            &format!("/containers/create{query}"),
            Some(&document.to_string()),
        );
        assert!(status == 400 && body.contains(text), "{status} {body}");
    }
}

#[test]
fn row_131_devices_are_given_by_their_vendors_names() {
    let place = tempfile::tempdir().unwrap();
    let document = r#"{"cdiVersion":"0.6.0","kind":"vendor.com/gpu","devices":[{"name":"0","containerEdits":{
        "env":["CARD=zero"],"deviceNodes":[{"path":"/dev/card","hostPath":"/dev/null"}]}}]}"#;
    fs::write(place.path().join("vendor.json"), document).unwrap();
    let mut daemon = Daemon::start_with(&["--cdi-spec-dir", &place.path().display().to_string()]);
    let image = daemon.add_image(&ImageBuilder::busybox(), "busybox");
    let script = "ls /dev/card; env";
    let found = daemon.docker(&[
        "run",
        "--rm",
        "--device",
        "vendor.com/gpu=0",
        &image,
        "sh",
        "-c",
        script,
    ]);
    let all = daemon.docker(&["run", "--rm", "--gpus", "all", &image, "env"]);
    let found = found.ok();
    assert!(found.contains("/dev/card") && found.contains("CARD=zero"), "{found}");
    assert!(all.ok().contains("CARD=zero"));
    let missing = daemon.docker(&["run", "--rm", "--device", "vendor1.com/device=foo", &image, "true"]);
    let text = "CDI device injection failed: unresolvable CDI devices vendor1.com/device=foo";
    assert!(missing.stderr.contains(text), "{}", missing.stderr);
    assert_eq!(missing.code, 125);
    let listed = daemon.docker(&["info", "--format", "{{json .DiscoveredDevices}}"]);
    assert_eq!(listed.ok(), r#"[{"Source":"cdi","ID":"vendor.com/gpu=0"}]"#);
    assert!(daemon.tierce(&["info"]).ok().contains("cdi: vendor.com/gpu=0"));
}

#[test]
fn row_160_an_image_is_mounted_and_kept() {
    let (daemon, image) = Daemon::with_busybox();
    let mount = format!("type=image,source={image},target=/image");
    let listed = daemon.docker(&[
        "run",
        "--name",
        "c1",
        "--mount",
        &mount,
        &image,
        "ls",
        "/image/bin/busybox",
    ]);
    assert_eq!(listed.ok(), "/image/bin/busybox");
    let refused = daemon.docker(&["run", "--rm", "--mount", &mount, &image, "touch", "/image/x"]);
    assert!(refused.stderr.contains("Read-only file system"), "{}", refused.stderr);
    assert_eq!(
        daemon.inspect("c1", "{{(index .Mounts 0).Type}} {{(index .Mounts 0).RW}}"),
        "image false"
    );
    // A part of it, whichever of its layers that is in.
    daemon
        .docker(&[
            "run",
            "--name",
            "layer",
            &image,
            "sh",
            "-c",
            "mkdir -p /data/sub; echo one > /data/sub/f",
        ])
        .ok();
    daemon.docker(&["commit", "layer", "two:1"]).ok();
    let script = "echo two > /data/sub/g; rm /bin/vi; ln -s sub /data/link";
    daemon
        .docker(&["run", "--name", "above", "two:1", "sh", "-c", script])
        .ok();
    daemon.docker(&["commit", "above", "three:1"]).ok();
    let part = |subpath: &str, script: &str| {
        let mount = format!("type=image,source=three:1,target=/image,image-subpath={subpath}");
        daemon.docker(&["run", "--rm", "--mount", &mount, &image, "sh", "-c", script])
    };
    assert_eq!(part("data/sub", "cat /image/f /image/g").ok(), "one\ntwo");
    assert_eq!(part("data/link", "ls /image").ok(), "f\ng");
    assert_eq!(part("data/sub/g", "cat /image").ok(), "two");
    assert_eq!(part("bin", "ls /image/vi 2>/dev/null || echo gone").ok(), "gone");
    let refused = part("data", "touch /image/x");
    assert!(refused.stderr.contains("Read-only file system"), "{}", refused.stderr);
    let missing = part("none", "true");
    assert!(
        missing
            .stderr
            .contains("Error response from daemon: cannot access path ")
            && missing.stderr.contains("/none: no such file or directory"),
        "{}",
        missing.stderr
    );
    assert_eq!(missing.code, 127);
    let places = daemon.exec_root().join("subpaths");
    assert_eq!(fs::read_dir(places).unwrap().count(), 0);
    // Another name of another image, which only the mount holds.
    daemon.docker(&["commit", "c1", "other:1"]).ok();
    let mount = "type=image,source=other:1,target=/image";
    daemon
        .docker(&["create", "--name", "holder", "--mount", mount, &image, "true"])
        .ok();
    let refused = daemon.docker(&["rmi", "other:1"]);
    assert!(
        refused.code != 0 || daemon.docker(&["start", "holder"]).code == 0,
        "{}",
        refused.stdout
    );
    daemon.docker(&["rm", "holder"]).ok();
}

#[test]
fn row_163_names_and_ports_of_linked_containers_are_told() {
    let (daemon, image) = Daemon::with_busybox();
    let database = [
        "run", "-d", "--name", "db", "--expose", "5432", "-e", "USER=me", &image, "sleep", "1000",
    ];
    daemon.docker(&database).ok();
    let script = "cat /etc/hosts; env; ping -c 1 -W 5 data > /dev/null && echo reached";
    let seen = daemon
        .docker(&["run", "--name", "web", "--link", "db:data", &image, "sh", "-c", script])
        .ok();
    let address = daemon.inspect("db", "{{.NetworkSettings.Networks.bridge.IPAddress}}");
    for expected in [
        format!("{address}\tdata"),
        format!("DATA_PORT_5432_TCP=tcp://{address}:5432"),
        "DATA_NAME=/web/data".to_owned(),
        "DATA_ENV_USER=me".to_owned(),
        "reached".to_owned(),
    ] {
        assert!(seen.contains(&expected), "{expected}: {seen}");
    }
    // Either side is renamed, and the link stays.
    for (old, new, name, link) in [
        ("db", "base", "/web/data", "/base:/web/data"),
        ("web", "site", "/site/data", "/base:/site/data"),
        ("base", "db", "/site/data", "/db:/site/data"),
        ("site", "web", "/web/data", "/db:/web/data"),
    ] {
        daemon.docker(&["rename", old, new]).ok();
        let parent = &link[link.find(":/").unwrap() + 2..link.rfind('/').unwrap()];
        assert_eq!(daemon.inspect(parent, "{{.HostConfig.Links}}"), format!("[{link}]"));
        assert_eq!(
            daemon.inspect(&name[1..], "{{.Config.Env}}"),
            daemon.inspect(&link[1..link.find(':').unwrap()], "{{.Config.Env}}")
        );
        let (_, listed) = daemon.request("GET", "/containers/json", None);
        assert!(listed.contains(&format!(r#","{name}"]"#)), "{listed}");
    }
    let (status, body) = daemon.request("DELETE", "/containers/web/data?link=1", None);
    assert_eq!(status, 204, "{body}");
    let (status, _) = daemon.request("DELETE", "/containers/web/data?link=1", None);
    assert_eq!(status, 404);
    // One that runs loses the names with its link.
    let guest = [
        "run", "-d", "--name", "guest", "--link", "db:data", &image, "sleep", "1000",
    ];
    daemon.docker(&guest).ok();
    let hosts = || daemon.docker(&["exec", "guest", "cat", "/etc/hosts"]).ok();
    assert!(hosts().contains("\tdata\n"), "{}", hosts());
    // The name leads to the container, also when that comes back with another address.
    daemon.docker(&["stop", "-t", "0", "db"]).ok();
    daemon
        .docker(&["run", "-d", "--name", "other", &image, "sleep", "1000"])
        .ok();
    daemon.docker(&["start", "db"]).ok();
    let moved = daemon.inspect("db", "{{.NetworkSettings.Networks.bridge.IPAddress}}");
    assert_ne!(moved, address);
    let wanted = format!("{moved}\tdata\n");
    assert!(hosts().contains(&wanted) && !hosts().contains(&address), "{}", hosts());
    daemon.docker(&["rm", "--link", "guest/data"]).ok();
    assert!(
        !hosts().contains("\tdata\n") && !hosts().contains("\tdb\n"),
        "{}",
        hosts()
    );
    daemon.docker(&["stop", "-t", "0", "db"]).ok();
    let refused = daemon.docker(&["run", "--name", "late", "--link", "db:data", &image, "true"]);
    let text = "Cannot link to a non running container: /db AS /late/data";
    assert!(refused.stderr.contains(text), "{}", refused.stderr);
}

/// A link may lead to a container whose network's owner is named by that same link.
#[test]
fn row_163_names_that_lead_to_each_other_lead_nowhere() {
    let (daemon, image) = Daemon::with_busybox();
    let create = |name: &str, host_config: serde_json::Value| {
        let document = json!({"Image": image, "Cmd": ["true"], "HostConfig": host_config});
        let (status, body) = daemon.request(
            "POST",
            &format!("/containers/create?name={name}"),
            Some(&document.to_string()),
        );
        assert_eq!(status, 201, "{body}");
    };
    create("ring", json!({"NetworkMode": "container:web/data"}));
    create("db", json!({}));
    create("web", json!({"Links": ["db:data"]}));
    daemon.docker(&["rm", "db"]).ok();
    daemon.docker(&["rename", "ring", "db"]).ok();
    let (status, listed) = daemon.request("GET", "/containers/json?all=1", None);
    assert!(status == 200 && !listed.contains("\"/web/data\""), "{listed}");
    assert_eq!(daemon.request("GET", "/containers/web/data/json", None).0, 404);
    assert!(daemon.docker(&["start", "web"]).code != 0);
}

#[test]
fn row_161_directories_of_volumes_and_paths_that_must_be_there() {
    let (daemon, image) = Daemon::with_busybox();
    daemon
        .docker(&[
            "run",
            "--rm",
            "-v",
            "vol:/v",
            &image,
            "sh",
            "-c",
            "mkdir -p /v/a/b; echo in > /v/a/b/f",
        ])
        .ok();
    let mount = |options: &str| format!("type=volume,source=vol,target=/x,{options}");
    let read = daemon.docker(&[
        "run",
        "--rm",
        "--mount",
        &mount("volume-subpath=a/b"),
        &image,
        "cat",
        "/x/f",
    ]);
    assert_eq!(read.ok(), "in");
    // A link in the volume leads inside the volume only.
    let links = "ln -s a /v/link; ln -s / /v/root; ln -s root/a /v/out; mkdir /v/empty";
    daemon
        .docker(&["run", "--rm", "-v", "vol:/v", &image, "sh", "-c", links])
        .ok();
    let read = daemon.docker(&[
        "run",
        "--rm",
        "--mount",
        &mount("volume-subpath=link/b"),
        &image,
        "cat",
        "/x/f",
    ]);
    assert_eq!(read.ok(), "in");
    for (subpath, text) in [
        ("/a", "subpath must be a relative path within the volume"),
        ("../a", "subpath must be a relative path within the volume"),
        ("none", "no such file or directory"),
        ("root", "path concatenation escapes the base directory"),
        ("out/b", "path concatenation escapes the base directory"),
    ] {
        let refused = daemon.docker(&[
            "run",
            "--rm",
            "--mount",
            &mount(&format!("volume-subpath={subpath}")),
            &image,
            "true",
        ]);
        assert!(refused.stderr.to_lowercase().contains(text), "{}", refused.stderr);
    }
    // Row 162 holds for a directory of a volume, too.
    let mount = "type=volume,source=vol,target=/bin,volume-subpath=empty";
    daemon
        .docker(&["run", "--rm", "--mount", mount, &image, "ls", "/bin/busybox"])
        .ok();
    let place = tempfile::tempdir().unwrap();
    let missing = place.path().join("none").display().to_string();
    let bind = format!("type=bind,source={missing},target=/x");
    let refused = daemon.docker(&["run", "--rm", "--mount", &bind, &image, "true"]);
    let text = format!("invalid mount config for type \"bind\": bind source path does not exist: {missing}");
    assert!(refused.stderr.contains(&text), "{}", refused.stderr);
    let document = json!({"Image": image, "Cmd": ["true"], "HostConfig": {"Mounts": [
        {"Type": "bind", "Source": missing, "Target": "/x", "BindOptions": {"CreateMountpoint": true}}]}});
    run(&daemon, "", &document);
    assert!(Path::new(&missing).is_dir());
}

#[test]
fn row_072_what_a_request_refers_to_must_be_there() {
    let (daemon, image) = Daemon::with_busybox();
    for (flags, text) in [
        (["--pid", "container:nope"], "No such container: nope"),
        (["--ipc", "container:nope"], "No such container: nope"),
        (
            ["--network", "container:nope"],
            "joining network namespace of container: No such container: nope",
        ),
        (["--volumes-from", "nope"], "No such container: nope"),
        (
            ["--link", "nope:x"],
            "could not get container for nope: No such container: nope",
        ),
        (
            ["--ip", "172.17.0.9"],
            "user specified IP address is supported on user defined networks only",
        ),
        (
            ["--isolation", "hyperv"],
            "invalid isolation (hyperv): linux only supports 'default'",
        ),
        (
            ["--device-read-bps", "/dev/nope:1mb"],
            "stat /dev/nope: no such file or directory",
        ),
    ] {
        let refused = daemon.docker(&["run", "--rm", flags[0], flags[1], &image, "true"]);
        assert!(refused.stderr.contains(text), "{flags:?}: {}", refused.stderr);
        assert!(!refused.stderr.contains("Unable to find image"), "{}", refused.stderr);
        assert_ne!(refused.code, 0);
    }
    assert_eq!(daemon.docker(&["ps", "-aq"]).ok(), "");
}

#[test]
fn row_161_a_volume_whose_directories_are_swapped_never_shows_the_host() {
    let (daemon, image) = Daemon::with_busybox();
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("f"), "the host's").unwrap();
    let host = place.path().display();
    let script = format!(
        "mkdir -p /v/dir; echo mine > /v/dir/f
         while :; do mv /v/dir /v/aside; ln -s {host} /v/dir; rm /v/dir; mv /v/aside /v/dir; done"
    );
    daemon
        .docker(&[
            "run", "-d", "--name", "hostile", "-v", "vol:/v", &image, "sh", "-c", &script,
        ])
        .ok();
    let mount = "type=volume,source=vol,target=/x,volume-subpath=dir";
    for _ in 0..40 {
        let seen = daemon.docker(&[
            "run",
            "--rm",
            "--network",
            "none",
            "--mount",
            mount,
            &image,
            "cat",
            "/x/f",
        ]);
        assert!(!seen.stdout.contains("the host's"), "{}", seen.stdout);
    }
}

#[test]
fn labels_of_selinux_mean_nothing_where_there_is_none() {
    if Path::new("/sys/fs/selinux/enforce").exists() {
        println!("skipped: SELinux is there");
        return;
    }
    let mut daemon = Daemon::start_with(&["--selinux-enabled"]);
    assert!(
        daemon
            .log()
            .contains("Docker could not enable SELinux on the host system")
    );
    let image = daemon.add_image(&tierce_testkit::ImageBuilder::busybox(), "busybox");
    let place = tempfile::tempdir().unwrap();
    let bind = format!("{}:/x:Z", place.path().display());
    let options = [
        "--security-opt",
        "label=type:other_t",
        "--security-opt",
        "label=level:s0:c1,c2",
        "-v",
        &bind,
    ];
    let run = [&["run", "-d", "--name", "c1"], &options[..], &[&image, "sleep", "100"]].concat();
    daemon.docker(&run).ok();
    assert_eq!(daemon.inspect("c1", "[{{.ProcessLabel}}] [{{.MountLabel}}]"), "[] []");
    assert_eq!(
        daemon.inspect("c1", "{{.HostConfig.SecurityOpt}}"),
        "[label=type:other_t label=level:s0:c1,c2]"
    );
    assert_eq!(daemon.docker(&["exec", "c1", "touch", "/x/f"]).ok(), "");
    let info = daemon.docker(&["info", "--format", "{{.SecurityOptions}}"]).ok();
    assert!(!info.contains("selinux"), "{info}");
}
