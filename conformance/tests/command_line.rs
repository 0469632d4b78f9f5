//! Our command line beside the stock client, on the same socket: forms of lists, contexts, copies, ssh.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use tierce_testkit::{Daemon, Output, Run as _, binary};

/// What both clients print for the same words.
fn same(daemon: &Daemon, words: &[&str]) -> String {
    let (theirs, ours) = (daemon.docker(words).ok(), daemon.tierce(words).ok());
    assert_eq!(ours, theirs, "{words:?}");
    ours
}

/// The language of templates, as far as its users use it, on a container.
const FORMS: &[&str] = &[
    "{{.Names}}\\t{{.Image}}\\t{{.State}}",
    "table {{.Names}}\\t{{.Command}}",
    "table {{lower .Names}}\\t{{upper .Image}}",
    "{{json .Labels}} {{json .Command}}",
    "{{.Label \"a\"}}-{{.Label \"none\"}}",
    "{{range $i, $l := split .Labels \",\"}}{{if $i}};{{end}}{{$l}}{{end}}",
    "{{with .Names}}{{.}}{{else}}nobody{{end}}",
    "{{if and (eq .State \"created\") (not (eq .Names \"x\"))}}yes{{end}}",
    "{{if or (ne .State \"created\") (gt (len .Names) 2)}}long{{end}}",
    "{{printf \"%-10s|%q|%5.1f\" .Names .State 1.25}}",
    "{{.Names | upper | printf \"<%s>\"}}",
    "{{$x := .Names}}{{println $x}}{{print 1 2 \"a\" 3}}",
    "{{index (split .Names \"e\") 0}}",
    "{{pad .Names 2 3}}|{{truncate .Names 2}}|{{title .Names}}",
    "{{html .Command}} {{js .Command}} {{urlquery .Labels}}",
    "{{/* nothing */}}{{- .Names -}}  !",
    "{{if lt 1 2}}a{{else if le 2 1}}b{{end}}{{if ge 2 2}}c{{end}}",
    "{{join (split .Labels \",\") \" \"}}",
];

#[test]
fn row_093_formats_print_what_the_stock_client_prints() {
    let (daemon, image) = Daemon::with_busybox();
    daemon
        .tierce(&[
            "create",
            "--name",
            "web",
            "-l",
            "a=1",
            "-l",
            "b=x y",
            "--network",
            "none",
            &image,
            "echo",
            "<&>",
        ])
        .ok();
    daemon.tierce(&["volume", "create", "--label", "v=1", "data"]).ok();
    for form in FORMS {
        same(&daemon, &["ps", "-a", "--format", form]);
    }
    for words in [
        &[
            "volume",
            "ls",
            "--format",
            "table {{.Name}}\\t{{.Driver}}\\t{{.Labels}}",
        ][..],
        &[
            "volume",
            "ls",
            "--format",
            "{{slice .Name 1}} {{slice .Name 0 2}} {{slice .Name 1 1}}|",
        ],
        &["volume", "ls", "--format", "json"],
        &["volume", "ls"],
        &[
            "network",
            "ls",
            "--format",
            "{{.Name}} {{.Driver}} {{.Scope}} {{.Internal}}",
        ],
        &["network", "ls", "--format", "table {{.Name}}\\t{{.IPv6}}"],
        &["images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"],
        &[
            "image",
            "inspect",
            "--format",
            "{{.Os}}/{{.Architecture}} {{.RootFS.Type}} {{len .RootFS.Layers}}",
            &image,
        ],
        &["inspect", "--format", "{{.Name}} {{.ID}}", "web"],
        &["inspect", "--format", "{{.Name}} {{.Id}}", "web"],
        &[
            "inspect",
            "--format",
            "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}",
            "web",
        ],
        &[
            "inspect",
            "--format",
            "{{json .Config.Cmd}} {{index .Config.Cmd 1}} {{.HostConfig.CPUShares}}",
            "web",
        ],
        &[
            "inspect",
            "--format",
            "{{.State.Status}} {{.State.Running}} {{.State.ExitCode}}",
            "web",
        ],
        &["volume", "inspect", "--format", "{{.Name}} {{.Labels.v}}", "data"],
        &["volume", "inspect", "--format", "json", "data"],
        &["network", "inspect", "--format", "{{json .}}", "none"],
        &["network", "inspect", "bridge"],
        &["version", "--format", "{{.Server.APIVersion}}"],
    ] {
        same(&daemon, words);
    }
    // What is no template, or does not fit, is refused by both with the same words.
    for form in ["{{.Nope}}", "{{", "{{nope .Names}}", "{{if}}", "{{end}}", "{{.Names"] {
        let refused = |output: Output| (output.code, output.stderr);
        let theirs = refused(daemon.docker(&["ps", "-a", "--format", form]));
        let ours = refused(daemon.tierce(&["ps", "-a", "--format", form]));
        assert_eq!(ours.0, theirs.0, "{form}: {} / {}", ours.1, theirs.1);
    }
    // The user's own forms.
    let settings = tempfile::tempdir().unwrap();
    let own = r#"{"psFormat":"table {{.Names}}\t{{.State}}","volumesFormat":"{{.Name}}!"}"#;
    fs::write(settings.path().join("config.json"), own).unwrap();
    let config = settings.path().to_str().unwrap();
    for words in [
        &["--config", config, "ps", "-a"][..],
        &["--config", config, "volume", "ls"],
    ] {
        same(&daemon, words);
    }
    daemon.tierce(&["rm", "web"]).ok();
    daemon.tierce(&["volume", "rm", "data"]).ok();
}

#[test]
fn row_085_contexts_are_shared_with_the_stock_client() {
    let daemon = Daemon::start();
    let settings = tempfile::tempdir().unwrap();
    let host = format!("host=unix://{}", daemon.socket().display());
    let run = |program: &Path, words: &[&str]| {
        let mut command = Command::new(program);
        command
            .env("DOCKER_CONFIG", settings.path())
            .env_remove("DOCKER_HOST")
            .args(words);
        command.run()
    };
    let (docker, tierce) = (Path::new("docker"), &*binary("tierce"));
    run(
        tierce,
        &[
            "context",
            "create",
            "ours",
            "--description",
            "made here",
            "--docker",
            &host,
        ],
    )
    .ok();
    run(docker, &["context", "create", "theirs", "--docker", &host]).ok();
    for words in [
        &["context", "ls", "-q"][..],
        &["context", "inspect", "ours"],
        &["context", "inspect", "theirs", "--format", "{{.Endpoints.docker.Host}}"],
        &["context", "ls", "--format", "{{.Name}} {{.Description}}"],
        &["-c", "ours", "version", "--format", "{{.Server.APIVersion}}"],
        &["-c", "theirs", "volume", "ls", "-q"],
    ] {
        // What the default one stands for is not the same daemon.
        let lines = |output: Output| -> Vec<String> {
            let text = output.ok();
            text.lines()
                .filter(|line| !line.contains("default"))
                .map(str::to_owned)
                .collect()
        };
        assert_eq!(lines(run(tierce, words)), lines(run(docker, words)), "{words:?}");
    }
    assert_eq!(run(tierce, &["context", "use", "theirs"]).ok(), "theirs");
    assert_eq!(run(docker, &["context", "show"]).ok(), "theirs");
    assert_eq!(run(tierce, &["volume", "ls", "-q"]).ok(), "");
    // Through an archive, from one to the other.
    let archive = settings.path().join("exported");
    let archive = archive.to_str().unwrap();
    run(docker, &["context", "export", "ours", archive]).ok();
    run(tierce, &["context", "import", "again", archive]).ok();
    let again = run(docker, &["context", "inspect", "again"]).ok();
    assert!(again.contains("made here") && again.contains(&host[5..]), "{again}");
    for words in [
        &["context", "create", "ours", "--docker", &host][..],
        &["context", "create", "default", "--docker", &host],
        &["context", "create", "-x"],
        &["context", "rm", "default"],
        &["context", "rm", "theirs"],
        &["context", "rm", "nobody"],
        &["context", "use", "nobody"],
        &["-c", "nobody", "ps"],
        &["context", "create", "n1", "--docker", "frob=1"],
    ] {
        let (theirs, ours) = (run(docker, words), run(tierce, words));
        assert_eq!(ours.code, theirs.code, "{words:?}: {} / {}", ours.stderr, theirs.stderr);
    }
    run(tierce, &["context", "rm", "-f", "theirs", "ours", "again"]).ok();
    assert_eq!(run(docker, &["context", "show"]).ok(), "default");
}

#[test]
fn row_085_a_daemon_is_reached_through_ssh() {
    let daemon = Daemon::start();
    let place = tempfile::tempdir().unwrap();
    // What stands for the other machine knows our program alone.
    let remote = place.path().join("remote");
    fs::create_dir(&remote).unwrap();
    symlink(binary("tierce"), remote.join("tierce")).unwrap();
    let ssh = place.path().join("ssh");
    fs::write(
        &ssh,
        format!(
            "#!/bin/sh\necho \"$@\" >> {log}\nfor word; do last=$word; done\nPATH={remote}; export PATH\nexec /bin/sh -c \"$last\"\n",
            log = place.path().join("log").display(),
            remote = remote.display()
        ),
    )
    .unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", place.path().display(), std::env::var("PATH").unwrap());
    let host = format!("ssh://me@far:2222{}", daemon.socket().display());
    for program in [binary("tierce"), "docker".into()] {
        let mut command = Command::new(program);
        command
            .env("PATH", &path)
            .args(["-H", &host, "version", "--format", "{{.Server.APIVersion}}"]);
        // The stock client asks for `docker` over there, which this machine has not.
        let output = command.run();
        if output.code == 0 {
            assert_eq!(output.ok(), "1.51");
        } else {
            assert!(output.stderr.contains("docker"), "{}", output.stderr);
        }
    }
    let log = fs::read_to_string(place.path().join("log")).unwrap();
    assert!(log.contains("-l me -p 2222 -- far"), "{log}");
    let mut ours = Command::new(binary("tierce"));
    ours.env("PATH", &path)
        .args(["-H", &host, "volume", "create", "through"]);
    assert_eq!(ours.run().ok(), "through");
    daemon.tierce(&["volume", "rm", "through"]).ok();
}

/// Everything below a directory: kind, content, where links lead.
fn tree(directory: &Path) -> String {
    let shown = Command::new("sh")
        .current_dir(directory)
        .args([
            "-c",
            "find . | sort | while read -r f; do echo \"$f $(readlink \"$f\") $(test -f \"$f\" && cat \"$f\")\"; done",
        ])
        .run();
    shown.ok()
}

#[test]
fn row_086_files_come_out_as_with_the_stock_client() {
    let (daemon, image) = Daemon::with_busybox();
    let make =
        "mkdir -p /d/sub; echo one > /d/f; echo two > /d/sub/g; ln -s d /ld; ln -s d/f /lf; ln -s /gone /dangling";
    daemon
        .tierce(&["run", "--name", "c1", "--network", "none", &image, "sh", "-c", make])
        .ok();
    let place = tempfile::tempdir().unwrap();
    let fresh = |name: &str| {
        let directory = place.path().join(name);
        // It is made anew for every copy.
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(directory.join("dir")).unwrap();
        fs::write(directory.join("file"), "x").unwrap();
        symlink("dir", directory.join("ldir")).unwrap();
        symlink("new", directory.join("lnew")).unwrap();
        directory
    };
    for from in ["/d/f", "/d", "/d/.", "/lf", "/ld", "/ld/", "/dangling", "/nope"] {
        for to in ["dir", "dir/", "file", "new", "new/", "ldir", "lnew", "no/x", "."] {
            // The flag makes a difference for links alone.
            let links = matches!(from, "/lf" | "/ld" | "/dangling");
            for flags in [&[][..], &["-L"]].into_iter().take(1 + usize::from(links)) {
                let copy = |command: &mut Command, directory: &Path| {
                    command
                        .current_dir(directory)
                        .arg("cp")
                        .args(flags)
                        .args([&format!("c1:{from}"), to]);
                    let output = command.run();
                    (output.code, tree(directory))
                };
                let theirs = copy(&mut daemon.docker_command(), &fresh("w"));
                let ours = copy(&mut daemon.tierce_command(), &fresh("w"));
                assert_eq!(ours, theirs, "{flags:?} {from} {to}");
            }
        }
    }
    daemon.tierce(&["rm", "c1"]).ok();
}

#[test]
fn row_086_files_go_in_as_with_the_stock_client() {
    let (daemon, image) = Daemon::with_busybox();
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::create_dir_all(at("dir/sub")).unwrap();
    fs::write(at("file"), "x").unwrap();
    fs::write(at("dir/a"), "y").unwrap();
    fs::write(at("dir/sub/b"), "z").unwrap();
    symlink("dir", at("ldir")).unwrap();
    symlink("gone", at("lgone")).unwrap();
    let names = |clients: fn(&Daemon) -> Command, from: &str, to: &str| {
        daemon
            .tierce(&["create", "--name", "c1", "--network", "none", &image, "true"])
            .ok();
        let mut copy = clients(&daemon);
        let code = copy
            .current_dir(place.path())
            .args(["cp", from, &format!("c1:{to}")])
            .run()
            .code;
        let archive = at("exported.tar");
        let file = archive.to_str().unwrap();
        daemon.tierce(&["export", "-o", file, "c1"]).ok();
        let listed = Command::new("tar").args(["-tvf", file]).run().ok();
        fs::remove_file(&archive).unwrap();
        daemon.tierce(&["rm", "c1"]).ok();
        // Without the times of what the creation made.
        let lines: Vec<String> = listed
            .lines()
            .map(|line| {
                line.split_whitespace()
                    .enumerate()
                    .filter(|(at, _)| !matches!(at, 3 | 4))
                    .map(|(_, word)| word)
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        (code, lines)
    };
    for from in ["file", "dir", "dir/", "dir/.", "ldir", "ldir/", "lgone", "nope"] {
        for to in ["/etc", "/etc/hosts", "/new", "/new/", "/no/x", "/"] {
            let theirs = names(Daemon::docker_command, from, to);
            let ours = names(Daemon::tierce_command, from, to);
            assert_eq!(ours, theirs, "{from} {to}");
        }
    }
    // Archives on the standard streams.
    daemon
        .tierce(&["create", "--name", "c1", "--network", "none", &image, "true"])
        .ok();
    let archive = Command::new("tar")
        .args(["-C", place.path().to_str().unwrap(), "-cf", "-", "dir"])
        .output()
        .unwrap();
    let put = daemon
        .tierce_command()
        .args(["cp", "-", "c1:/etc"])
        .run_with(&archive.stdout);
    put.ok();
    let got = daemon
        .tierce_command()
        .args(["cp", "c1:/etc/dir/sub/b", "-"])
        .output()
        .unwrap();
    assert_eq!(got.stdout[..5], *b"b\0\0\0\0");
    daemon.tierce(&["cp", "-", "c1:/etc/hosts"]).fails(1);
    daemon.tierce(&["rm", "c1"]).ok();
}

#[test]
fn row_127_stats_and_update_are_as_with_the_stock_client() {
    let (daemon, image) = Daemon::with_busybox();
    daemon
        .tierce(&[
            "run",
            "-d",
            "--name",
            "web",
            "--network",
            "none",
            "-m",
            "64m",
            &image,
            "sleep",
            "100",
        ])
        .ok();
    let head = |output: Output| output.ok().lines().next().unwrap().to_owned();
    let words = ["stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}} {{.MemUsage}}"];
    let told = daemon.tierce(&words).ok();
    assert!(told.starts_with("web 1 ") && told.ends_with("/ 64MiB"), "{told}");
    assert_eq!(
        head(daemon.tierce(&["stats", "--no-stream"])),
        head(daemon.docker(&["stats", "--no-stream"]))
    );
    daemon.tierce(&["stats", "--no-stream", "nobody"]).fails(1);
    assert_eq!(
        daemon
            .tierce(&[
                "update",
                "-m",
                "32m",
                "--memory-swap",
                "-1",
                "--restart",
                "always",
                "web"
            ])
            .ok(),
        "web"
    );
    let told = same(
        &daemon,
        &[
            "inspect",
            "-f",
            "{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.NanoCpus}}",
            "web",
        ],
    );
    assert_eq!(told, "33554432 always 0");
    let told = daemon.tierce(&["update", "web"]).fails(1);
    assert!(told.contains("you must provide one or more flags"), "{told}");
    daemon.tierce(&["rm", "-f", "web"]).ok();
}

#[test]
fn what_a_run_replaces_is_gone_first() {
    let (daemon, image) = Daemon::with_busybox();
    let run = |words: &[&str]| {
        let fixed = ["run", "-d", "--name", "one", "--network", "none", "--stop-timeout", "0"];
        daemon.tierce(&[&fixed[..], words, &[&image, "sleep", "100"]].concat())
    };
    let first = run(&["--replace"]).ok();
    run(&[]).fails(125);
    let second = run(&["--replace"]).ok();
    assert_ne!(first, second);
    assert_eq!(daemon.docker(&["ps", "-aq", "--no-trunc"]).ok(), second);
    daemon.tierce(&["run", "--replace", &image, "true"]).fails(125);
    daemon.tierce(&["rm", "-f", "one"]).ok();
}

#[test]
fn row_119_a_directory_is_the_root_of_a_container() {
    let (daemon, image) = Daemon::with_busybox();
    let place = tempfile::tempdir().unwrap();
    daemon
        .tierce(&["create", "--name", "c1", "--network", "none", &image, "true"])
        .ok();
    daemon.tierce(&["cp", "c1:/bin", place.path().to_str().unwrap()]).ok();
    daemon.tierce(&["rm", "c1"]).ok();
    let root = place.path().to_str().unwrap();
    let told = daemon
        .tierce(&[
            "run",
            "--rm",
            "--network",
            "none",
            "--rootfs",
            root,
            "/bin/sh",
            "-c",
            "echo in here",
        ])
        .ok();
    assert_eq!(told, "in here");
    daemon
        .tierce(&["run", "--rm", "--rootfs", "/not/there", "true"])
        .fails(127);
}

#[test]
fn a_container_may_be_given_the_socket_and_the_credentials() {
    let (daemon, image) = Daemon::with_busybox();
    let settings = tempfile::tempdir().unwrap();
    fs::write(
        settings.path().join("config.json"),
        r#"{"auths":{"r.example":{"auth":"YTpi"}},"psFormat":"x"}"#,
    )
    .unwrap();
    let told = daemon
        .tierce(&[
            "--config",
            settings.path().to_str().unwrap(),
            "run",
            "--rm",
            "--network",
            "none",
            "--use-api-socket",
            &image,
            "sh",
            "-c",
            "test -S /var/run/docker.sock && cat $DOCKER_CONFIG/config.json",
        ])
        .ok();
    assert_eq!(told, r#"{"auths":{"r.example":{"auth":"YTpi"}}}"#);
}

#[test]
fn proxies_of_the_configuration_reach_containers() {
    let (daemon, image) = Daemon::with_busybox();
    let settings = tempfile::tempdir().unwrap();
    let own = r#"{"proxies":{"default":{"httpProxy":"http://p:1","noProxy":"x"}}}"#;
    fs::write(settings.path().join("config.json"), own).unwrap();
    let config = settings.path().to_str().unwrap();
    let told = |client: fn(&Daemon, &[&str]) -> Output| {
        let words = [
            "--config",
            config,
            "run",
            "--rm",
            "--network",
            "none",
            "-e",
            "no_proxy=mine",
            &image,
            "env",
        ];
        let mut lines: Vec<String> = client(&daemon, &words)
            .ok()
            .lines()
            .filter(|line| line.to_lowercase().contains("proxy"))
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines
    };
    let ours = told(Daemon::tierce);
    assert_eq!(
        ours,
        [
            "HTTP_PROXY=http://p:1",
            "NO_PROXY=x",
            "http_proxy=http://p:1",
            "no_proxy=mine"
        ]
    );
    assert_eq!(ours, told(Daemon::docker));
    // Aliases of our own: Docker refuses a configuration that has others than `builder`.
    fs::write(
        settings.path().join("config.json"),
        r#"{"aliases":{"l":"container ls -aq"}}"#,
    )
    .unwrap();
    assert_eq!(daemon.tierce(&["--config", config, "l"]).ok(), "");
}
