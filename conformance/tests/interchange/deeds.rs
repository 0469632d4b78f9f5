//! What is done under one daemon and gone on with under the other, by the stock client.

use tierce_testkit::Output;

/// Runs `docker WORDS`.
type Docker<'a> = dyn Fn(&[&str]) -> Output + 'a;

/// The client of one of the daemons.
pub(crate) struct Client<'a>(pub(crate) Box<Docker<'a>>);

impl Client<'_> {
    /// Runs `docker WORDS`.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        (self.0)(words)
    }

    /// Runs it and gives what it printed.
    #[track_caller]
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        self.run(words).ok()
    }

    /// The lines that it printed.
    #[track_caller]
    pub(crate) fn lines(&self, words: &[&str]) -> Vec<String> {
        self.ok(words).lines().map(str::to_owned).collect()
    }
}

/// Fills an empty data root: images from everywhere, volumes, networks, containers in every state but running.
#[allow(clippy::too_many_lines, reason = "it is a list: one deed after the other")]
pub(crate) fn fill(docker: &Client<'_>, image: &str) {
    docker.ok(&["pull", "--quiet", image]);
    for name in ["two:a", "two:b", "three"] {
        docker.ok(&["tag", image, name]);
    }
    docker.ok(&[
        "network",
        "create",
        "--label",
        "n=<1>",
        "--subnet",
        "172.30.0.0/24",
        "unet",
    ]);
    docker.ok(&["volume", "create", "--label", "v=1", "--label", "w=a&b", "named"]);
    docker.ok(&[
        "volume",
        "create",
        "--opt",
        "type=tmpfs",
        "--opt",
        "device=tmpfs",
        "--opt",
        "o=size=1m,uid=7",
        "memory",
    ]);
    docker.ok(&["volume", "create"]);
    docker.ok(&["create", "--name", "created", image, "echo", "created"]);
    let worker =
        "trap 'exit 3' TERM; echo one >> /data/turns; echo one >> /turns; echo out; while :; do sleep 0.1; done";
    docker.ok(&[
        "run",
        "--detach",
        "--name",
        "worker",
        "--volume",
        "named:/data",
        "--volume",
        "/more",
        "--tmpfs",
        "/t:size=1m",
        "--restart",
        "unless-stopped",
        "--label",
        "a=b",
        "--env",
        "X=<&>",
        "--publish",
        "127.0.0.1:18080:80",
        "--hostname",
        "own",
        "--dns",
        "9.9.9.9",
        "--add-host",
        "foo:1.2.3.4",
        image,
        "sh",
        "-c",
        worker,
    ]);
    let ended = docker.run(&[
        "run",
        "--name",
        "ended",
        "--network",
        "unet",
        "--ip",
        "172.30.0.77",
        "--network-alias",
        "other",
        image,
        "sh",
        "-c",
        "echo out; sleep 0.3; echo err >&2; echo rw > /rw; rm /etc/link; mkdir /new; chmod 700 /etc; exit 7",
    ]);
    ended.fails(7);
    docker.ok(&[
        "run",
        "--name",
        "bounds",
        "--network",
        "none",
        "--cap-add",
        "NET_ADMIN",
        "--cap-drop",
        "MKNOD",
        "--read-only",
        "--memory",
        "64m",
        "--pids-limit",
        "50",
        "--ulimit",
        "nofile=100:200",
        "--user",
        "5:6",
        "--workdir",
        "/tmp",
        "--security-opt",
        "no-new-privileges",
        image,
        "id",
    ]);
    docker.ok(&[
        "run",
        "--tty",
        "--name",
        "terminal",
        "--privileged",
        image,
        "echo",
        "tty",
    ]);
    docker.ok(&[
        "run",
        "--name",
        "before",
        "--volumes-from",
        "worker",
        "--network",
        "host",
        image,
        "true",
    ]);
    docker.ok(&["rename", "before", "renamed"]);
    docker.ok(&[
        "commit",
        "--message",
        "why",
        "--author",
        "me",
        "--change",
        "ENV C=D",
        "ended",
        "made:1",
    ]);
    docker.ok(&["run", "--name", "child", "made:1", "cat", "/rw"]);
    docker.ok(&["stop", "--time", "5", "worker"]);
    // A name that moves on leaves an image without one.
    docker.ok(&["commit", "created", "moving"]);
    docker.ok(&["tag", "made:1", "moving"]);
}

/// Uses what is there. `round`: which turn this is, counted from the one that filled the root.
pub(crate) fn go_on(docker: &Client<'_>, image: &str, round: usize) {
    // Containers start again with their files, their logs go on, and volumes hold what was written.
    docker.ok(&["start", "worker"]);
    let turns = |path: &str| docker.lines(&["exec", "worker", "cat", path]).len();
    tierce_testkit::wait_until(
        "the container has begun its turn",
        std::time::Duration::from_mins(1),
        || turns("/turns") == round,
    );
    assert_eq!(turns("/data/turns"), round);
    assert_eq!(docker.ok(&["exec", "worker", "cat", "/data/seed"]), "seed");
    assert_eq!(docker.ok(&["exec", "worker", "hostname"]), "own");
    docker.ok(&["stop", "--time", "5", "worker"]);
    assert_eq!(docker.lines(&["logs", "worker"]), vec!["out"; round]);
    docker.run(&["start", "--attach", "ended"]).fails(7);
    let log = docker.run(&["logs", "ended"]);
    assert_eq!(log.stdout, "out\n".repeat(round));
    let address = "{{(index .NetworkSettings.Networks \"unet\").IPAMConfig.IPv4Address}}";
    assert_eq!(docker.ok(&["inspect", "--format", address, "ended"]), "172.30.0.77");
    assert_eq!(docker.ok(&["start", "--attach", "child"]), "rw");
    docker.ok(&["start", "--attach", "bounds"]);
    docker.ok(&["start", "--attach", "terminal"]);
    // New ones are made of what is there, on networks and volumes that are there.
    let mounted = "type=volume,src=memory,dst=/m";
    let script = "cat /n/seed; stat -c %u /m; stat -c %a /etc";
    let of_image = [
        "run",
        "--rm",
        "--network",
        "unet",
        "--mount",
        mounted,
        "--volume",
        "named:/n",
        image,
        "sh",
        "-c",
        script,
    ];
    assert_eq!(docker.lines(&of_image), ["seed", "7", "755"]);
    assert_eq!(docker.ok(&["run", "--rm", "made:1", "stat", "-c", "%a", "/etc"]), "700");
    // A push finds every layer of the image in the registry and gives its digest again.
    docker.ok(&["push", "--quiet", image]);
    docker.ok(&["tag", "made:1", "127.0.0.1:5000/made"]);
    docker.ok(&["push", "--quiet", "127.0.0.1:5000/made"]);
    let name = format!("round:{round}");
    docker.ok(&["commit", "worker", &name]);
    docker.ok(&["run", "--name", &format!("of-{round}"), &name, "cat", "/turns"]);
    let label = docker.ok(&["volume", "inspect", "--format", "{{index .Labels \"w\"}}", "named"]);
    assert_eq!(label, "a&b");
    docker.ok(&["volume", "create", "--label", "r=1", &format!("volume-{round}")]);
}

/// Takes everything away.
pub(crate) fn clear(docker: &Client<'_>) {
    let all = docker.lines(&["ps", "--all", "--quiet", "--no-trunc"]);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    docker.ok(&[&["rm", "--force", "--volumes"], all.as_slice()].concat());
    docker.ok(&["network", "rm", "unet"]);
    docker.ok(&["image", "prune", "--all", "--force"]);
    assert_eq!(docker.lines(&["images", "--all", "--quiet"]), Vec::<String>::new());
    for volume in docker.lines(&["volume", "ls", "--quiet"]) {
        docker.ok(&["volume", "rm", &volume]);
    }
}
