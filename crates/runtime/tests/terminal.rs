//! What a container is given besides files: its terminal, sockets of a supervisor, and the way back to that.

mod bed;

use bed::{Bed, Said, bed, eventually};
use rustix::pty::OpenptFlags;
use rustix::termios::{LocalModes, OutputModes, Winsize};
use serde_json::json;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::{Child, Command, Stdio};

/// A terminal with a program on it.
struct Session {
    master: File,
    slave: OwnedFd,
    child: Child,
    said: String,
}

impl Session {
    /// Starts a command of the program whose three streams are a new terminal, which is also its controlling one.
    fn start(mut command: Command) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags).expect("a terminal");
        rustix::pty::unlockpt(&master).expect("unlock");
        let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).expect("its other side");
        let stream = || Stdio::from(slave.try_clone().expect("clone"));
        let child = command
            .stdin(stream())
            .stdout(stream())
            .stderr(stream())
            .spawn()
            .expect("spawn");
        Self {
            master: master.into(),
            slave,
            child,
            said: String::new(),
        }
    }

    fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        rustix::termios::tcsetwinsize(&self.slave, size).expect("resize");
    }

    /// Types a line.
    fn types(&mut self, line: &str) {
        self.master.write_all(format!("{line}\n").as_bytes()).expect("write");
    }

    /// Reads until this was said.
    fn hears(&mut self, words: &str) {
        while !self.said.contains(words) {
            let mut buffer = [0; 1024];
            let length = self.master.read(&mut buffer).expect("read");
            self.said.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    }

    fn is_raw(&self) -> bool {
        let modes = rustix::termios::tcgetattr(&self.slave).expect("modes");
        !modes.local_modes.contains(LocalModes::ICANON)
    }
}

fn with_terminal(script: &str) -> Option<Bed> {
    let mut bed = bed()?;
    bed.config["process"]["terminal"] = json!(true);
    bed.script(script).write();
    std::os::unix::fs::symlink("busybox", bed.rootfs().join("bin/stty")).expect("link");
    Some(bed)
}

fn run(bed: &Bed) -> Command {
    let mut command = bed.command();
    command.args(["run", &bed.id]);
    command
}

#[test]
fn a_foreground_terminal_is_raw_follows_sizes_and_is_put_back() {
    let script = "echo ready; while :; do read line; [ \"$line\" = end ] && echo \"got $line\" && exit 3; done";
    let Some(bed) = with_terminal(script) else { return };
    let mut session = Session::start(run(&bed));
    session.hears("ready");
    assert!(session.is_raw());
    session.resize(11, 77);
    let pid = rustix::process::Pid::from_child(&session.child);
    rustix::process::kill_process(pid, rustix::process::Signal::WINCH).expect("signal");
    eventually("the new size", || {
        let said = bed.exec(&["sh", "-c", "stty size < /dev/console"]);
        said.out.trim() == "11 77"
    });
    session.types("end");
    session.hears("got end");
    assert_eq!(session.child.wait().expect("an end").code(), Some(3));
    assert!(!session.is_raw(), "its modes are put back");
    // The container's own line feeds are left alone: only ours adds carriage returns.
    assert!(
        session.said.contains("got end\r\n") && !session.said.contains("\r\r"),
        "{:?}",
        session.said
    );
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn signals_reach_the_program_of_a_terminal() {
    let Some(bed) = with_terminal("trap 'echo terminated; exit 9' TERM; echo ready; while :; do read line; done")
    else {
        return;
    };
    let mut session = Session::start(run(&bed));
    session.hears("ready");
    let pid = rustix::process::Pid::from_child(&session.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("signal");
    // The interrupted read ends by a line.
    session.types("");
    session.hears("terminated");
    assert_eq!(session.child.wait().expect("an end").code(), Some(9));
}

#[test]
fn much_flows_both_ways_at_once_and_the_last_byte_arrives() {
    let Some(bed) = with_terminal("stty raw -echo; echo ready; head -c 300000 | cat; echo; echo done") else {
        return;
    };
    bed.write();
    let mut command = run(&bed);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("spawn");
    let mut output = child.stdout.take().expect("its output");
    let mut head = [0; 6];
    output.read_exact(&mut head).expect("ready");
    assert_eq!(&head, b"ready\n");
    let mut input = child.stdin.take().expect("its input");
    // Neither side waits for the other: nothing is read here before all is written.
    let writer = std::thread::spawn(move || input.write_all(&vec![b'x'; 300_000]).map(|()| input));
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("read");
    let _input = writer.join().expect("a thread").expect("written");
    assert_eq!(child.wait().expect("an end").code(), Some(0));
    let (lines, end) = rest.split_at(300_000.min(rest.len()));
    assert!(lines.bytes().all(|byte| byte == b'x'), "{} bytes", rest.len());
    assert_eq!(end, "\ndone\n");
}

#[test]
fn a_terminal_without_anybody_to_read_it_does_not_block_its_program() {
    let Some(bed) = with_terminal("head -c 200000 /dev/zero | cat; exit 5") else {
        return;
    };
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let status = run(&bed)
        .stdin(Stdio::null())
        .stdout(OwnedFd::from(writer))
        .stderr(Stdio::null())
        .status()
        .expect("run");
    assert_eq!(status.code(), Some(5));
}

#[test]
fn a_further_process_has_a_terminal_of_its_own_and_its_user_owns_it() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["sleep", "100"]).start();
    let script = "tty; stat -c %u:%g $(tty); for i in 0 1 2; do readlink /proc/self/fd/$i; done";
    let said = bed
        .command()
        .args(["exec", "--tty", "--user", "1000:100", &bed.id, "sh", "-c", script])
        .stdin(Stdio::null())
        .output();
    let said = Said::from(said.expect("execute"));
    assert_eq!(
        said.out, "/dev/pts/0\n1000:5\n/dev/pts/0\n/dev/pts/0\n/dev/pts/0\n",
        "{said:?}"
    );
}

#[test]
fn the_size_that_the_document_names_is_there_from_the_start() {
    let Some(mut bed) = with_terminal("stty size > /size; read line") else {
        return;
    };
    bed.config["root"]["readonly"] = json!(false);
    bed.config["process"]["consoleSize"] = json!({"height": 10, "width": 110});
    bed.write();
    let path = bed.path().join("console");
    let listener = UnixListener::bind(&path).expect("bind");
    let mut command = bed.command();
    command
        .args(["run", "--detach", "--console-socket"])
        .arg(&path)
        .arg(&bed.id);
    assert!(command.stdin(Stdio::null()).status().expect("run").success());
    let (stream, _) = listener.accept().expect("a connection");
    let mut buffer = [0; 4096];
    let (length, mut files) = tierce_sys::passing::receive(stream.as_fd(), &mut buffer).expect("receive");
    assert!(
        length > 0 && files.len() == 1,
        "{length} bytes, {} descriptors",
        files.len()
    );
    let master = files.pop().expect("a terminal");
    let modes = rustix::termios::tcgetattr(&master).expect("modes");
    assert!(
        modes.output_modes.contains(OutputModes::ONLCR),
        "its receiver decides about line feeds"
    );
    eventually("the size", || {
        std::fs::read_to_string(bed.rootfs().join("size")).is_ok_and(|text| text == "10 110\n")
    });
}

#[test]
fn console_sockets_that_are_none_are_refused_before_anything_is_made() {
    let Some(mut bed) = with_terminal("true") else { return };
    let (file, dead) = (bed.path().join("file"), bed.path().join("dead"));
    std::fs::write(&file, "").expect("write");
    drop(UnixListener::bind(&dead).expect("bind"));
    let long = format!("/tmp/{}", "x".repeat(200));
    let missing = bed.path().join("missing").display().to_string();
    let (file, dead) = (file.display().to_string(), dead.display().to_string());
    for (path, cause) in [
        (file.as_str(), "connection refused"),
        (&dead, "connection refused"),
        (&missing, "no such file or directory"),
        (&long, "file name too long"),
    ] {
        let said = bed.verb(&["create", "--console-socket", path]);
        let text = format!("connect to console socket {path}: {cause}");
        assert!(said.code == 1 && said.err.contains(&text), "{said:?}");
        assert_eq!(bed.traces(), Vec::<String>::new());
    }
    let said = bed.verb(&["create"]);
    assert!(
        said.code == 1 && said.err.contains("will detach without setting console socket"),
        "{said:?}"
    );
    bed.config["process"]["terminal"] = json!(false);
    bed.write();
    let said = bed.verb(&["create", "--console-socket", &dead]);
    assert!(
        said.code == 1 && said.err.contains("cannot use console socket if"),
        "{said:?}"
    );
    assert_eq!(bed.traces(), Vec::<String>::new());
}

/// Runs the container from a shell that opens further descriptors first; `exec` keeps the shell's pid.
fn run_by_shell(bed: &Bed, before: &str, flags: &str) -> Said {
    bed.write();
    let script = format!("{before}; exec \"$0\" --root \"$1\" run {flags} --bundle \"$2\" \"$3\"");
    let output = Command::new("sh")
        .args(["-c", &script, bed::program()])
        .arg(bed.path().join("state"))
        .arg(bed.path().join("bundle"))
        .arg(&bed.id)
        .env_remove("NOTIFY_SOCKET")
        .stdin(Stdio::null())
        .output();
    Said::from(output.expect("execute"))
}

#[test]
fn sockets_of_a_supervisor_come_first_and_then_those_to_be_preserved() {
    let Some(mut bed) = bed() else { return };
    let look = "echo fds $LISTEN_FDS pid $LISTEN_PID; for i in 3 4 5 6; do [ -e /proc/self/fd/$i ] && readlink /proc/self/fd/$i; done; true";
    bed.script(look);
    let files = ["one", "two", "three", "four"].map(|name| {
        let path = bed.path().join(name);
        std::fs::write(&path, "").expect("write");
        path.display().to_string()
    });
    let open = format!("exec 3< {} 4< {} 5< {} 6< {}", files[0], files[1], files[2], files[3]);
    let mine = "export LISTEN_FDS=2 LISTEN_PID=$$";
    let inside = |count: usize| files[..count].join("\n") + "\n";
    let said = run_by_shell(&bed, &format!("{open}; {mine}"), "");
    assert_eq!(said.out, format!("fds 2 pid 1\n{}", inside(2)), "{said:?}");
    let said = run_by_shell(&bed, &format!("{open}; {mine}"), "--preserve-fds 1");
    assert_eq!(said.out, format!("fds 2 pid 1\n{}", inside(3)), "{said:?}");
    // Sockets that were handed to another process are not ours to give.
    let said = run_by_shell(&bed, &format!("{open}; export LISTEN_FDS=2 LISTEN_PID=1"), "");
    assert_eq!(said.out, "fds pid\n", "{said:?}");
    let said = run_by_shell(&bed, &format!("exec 3< {}", files[0]), "--preserve-fds 2");
    assert!(
        said.code == 1 && said.err.contains("unable to stat preserved-fd 1 (of 2)"),
        "{said:?}"
    );
}

/// A supervisor's socket.
fn supervisor(bed: &Bed) -> (UnixDatagram, String) {
    let path = bed.path().join("supervisor");
    let socket = UnixDatagram::bind(&path).expect("bind");
    socket
        .set_read_timeout(Some(std::time::Duration::from_secs(10)))
        .expect("a limit");
    (socket, path.display().to_string())
}

/// The next message, and whether a descriptor came with it (and is closed now).
fn hear(socket: &UnixDatagram) -> (String, usize) {
    let mut buffer = [0; 512];
    let (length, files) = tierce_sys::passing::receive(socket.as_fd(), &mut buffer).expect("a message");
    (String::from_utf8_lossy(&buffer[..length]).into_owned(), files.len())
}

/// A container that says this to its socket, with the test's own hands: its program waits meanwhile.
fn say(bed: &Bed, message: &str) {
    let path = bed.path().join("state").join(&bed.id).join("notify/notify.sock");
    eventually("the socket", || path.exists());
    let socket = UnixDatagram::unbound().expect("a socket");
    socket.send_to(message.as_bytes(), &path).expect("sent");
}

#[test]
fn a_detached_run_waits_until_the_container_is_ready_and_passes_only_that_on() {
    let Some(mut bed) = bed() else { return };
    bed.script("[ -S $NOTIFY_SOCKET ] && ! touch /run/notify/x 2> /dev/null && sleep 100")
        .write();
    let (socket, host) = supervisor(&bed);
    let mut command = bed.command();
    command.args(["run", "--detach", &bed.id]).env("NOTIFY_SOCKET", &host);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("spawn");
    say(&bed, "STATUS=not yet\nSTOPPING=1");
    assert!(child.try_wait().expect("a child").is_none());
    say(&bed, "STATUS=soon\nREADY=1\nMAINPID=1");
    assert_eq!(hear(&socket), ("READY=1\n".to_owned(), 0));
    assert_eq!(hear(&socket), (format!("MAINPID={}\n", bed.state("pid")), 0));
    assert_eq!(hear(&socket), ("BARRIER=1".to_owned(), 1));
    assert_eq!(child.wait().expect("an end").code(), Some(0));
    assert_eq!(bed.state("status"), "running");
    assert_eq!(bed.verb(&["delete", "--force"]).code, 0);
    assert_eq!(bed.traces(), Vec::<String>::new());
}

/// A verb under a supervisor, with streams that keep nobody waiting.
fn supervised(bed: &Bed, host: &str, verb: &str) -> Child {
    let mut command = bed.command();
    command.args([verb, &bed.id]).env("NOTIFY_SOCKET", host);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("spawn")
}

#[test]
fn start_waits_until_the_container_is_ready_or_gone() {
    let Some(mut bed) = bed() else { return };
    let (socket, host) = supervisor(&bed);
    let succeeds = |mut child: Child| child.wait().expect("an end").success();
    bed.args(&["true"]).write();
    for verb in ["create", "start", "delete"] {
        assert!(
            succeeds(supervised(&bed, &host, verb)),
            "{verb} of a container that says nothing"
        );
    }
    bed.args(&["sleep", "100"]).write();
    assert!(succeeds(supervised(&bed, &host, "create")));
    let start = supervised(&bed, &host, "start");
    say(&bed, "READY=1");
    assert_eq!(hear(&socket).0, "READY=1\n");
    assert_eq!(hear(&socket).0, format!("MAINPID={}\n", bed.state("pid")));
    assert_eq!(hear(&socket).1, 1);
    assert!(succeeds(start));
}

#[test]
fn a_run_in_the_foreground_is_itself_the_process_to_watch() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["sleep", "100"]).write();
    let (socket, host) = supervisor(&bed);
    let mut child = supervised(&bed, &host, "run");
    say(&bed, "READY=1");
    assert_eq!(hear(&socket).0, "READY=1\n");
    assert_eq!(hear(&socket).0, format!("MAINPID={}\n", child.id()));
    let status = bed.command().args(["kill", &bed.id, "KILL"]).status();
    assert!(status.expect("kill").success());
    assert_eq!(child.wait().expect("an end").code(), Some(137));
    assert_eq!(bed.traces(), Vec::<String>::new());
}
