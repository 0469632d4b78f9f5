//! The library's door as a shim uses it: in its own single-threaded process. A test harness has threads, so this file
//! brings its own `main`.

mod bed;

use serde_json::json;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use tierce_runtime::{Console, CreateOptions, ExecOptions, Stdio};

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("descriptors").count()
}

fn wait(pidfd: &OwnedFd) -> Option<i32> {
    let options = rustix::process::WaitIdOptions::EXITED;
    let status = rustix::process::waitid(rustix::process::WaitId::PidFd(pidfd.as_fd()), options).expect("a child");
    status.and_then(|status| status.exit_status())
}

fn options(bed: &bed::Bed) -> CreateOptions {
    CreateOptions {
        id: bed.id.clone(),
        bundle: bed.path().join("bundle"),
        root: bed.path().join("state"),
        ..CreateOptions::default()
    }
}

fn a_container_is_a_child_of_the_caller(bed: &mut bed::Bed) {
    bed.script("echo hello; exit 9").write();
    let (mut read, write) = std::io::pipe().expect("a pipe");
    let mut options = options(bed);
    options.stdio = Stdio {
        stdout: Some(write.into()),
        ..Stdio::default()
    };
    let created = tierce_runtime::create(&options).expect("created");
    drop(options);
    let state = tierce_runtime::state(&bed.path().join("state"), &bed.id).expect("a state");
    assert_eq!(
        (state.status.to_string().as_str(), state.pid),
        ("created", Some(created.pid))
    );
    tierce_runtime::start(&bed.path().join("state"), &bed.id).expect("started");
    assert_eq!(wait(&created.pidfd), Some(9));
    let mut text = String::new();
    read.read_to_string(&mut text).expect("output");
    assert_eq!(text, "hello\n");
    tierce_runtime::delete(&bed.path().join("state"), &bed.id, false).expect("deleted");
    assert_eq!(bed.traces(), Vec::<String>::new());
}

fn errors_come_back_and_leave_nothing(bed: &mut bed::Bed) {
    bed.args(&["missing"]).write();
    let error = tierce_runtime::create(&options(bed))
        .map(|_| ())
        .map_err(|error| error.to_string());
    assert!(error.is_err_and(|text| text.contains("executable file not found in $PATH")));
    assert_eq!(bed.traces(), Vec::<String>::new());
    let nobody = rustix::process::wait(rustix::process::WaitOptions::NOHANG);
    assert_eq!(nobody.map(|_| ()), Err(rustix::io::Errno::CHILD));
}

fn terminals_and_further_processes(bed: &mut bed::Bed) {
    bed.config["process"]["terminal"] = json!(true);
    bed.script("tty; sleep 60").write();
    let created = tierce_runtime::create(&options(bed)).expect("created");
    let root = bed.path().join("state");
    tierce_runtime::start(&root, &bed.id).expect("started");
    let mut master = std::fs::File::from(created.terminal.expect("a terminal"));
    let mut buffer = [0; 64];
    let length = master.read(&mut buffer).expect("output");
    assert_eq!(&buffer[..length], b"/dev/pts/0\r\n");
    let mut process: tierce_oci::runtime::Process =
        serde_json::from_value(bed.config["process"].clone()).expect("a process");
    process.args = vec!["sh".into(), "-c".into(), "exit 5".into()];
    process.terminal = false;
    let null = || Some(OwnedFd::from(std::fs::File::open("/dev/null").expect("open")));
    let further = ExecOptions {
        id: bed.id.clone(),
        root: root.clone(),
        process,
        console: Console::Return,
        stdio: Stdio {
            stdin: null(),
            stdout: null(),
            stderr: null(),
        },
        ..ExecOptions::default()
    };
    let executed = tierce_runtime::exec(&further).expect("executed");
    assert_eq!(wait(&executed.pidfd), Some(5));
    // The caller's own children are in its own pid namespace again.
    assert!(std::process::Command::new("true").status().expect("a child").success());
    assert_eq!(
        tierce_runtime::pids(&root, &bed.id).expect("pids").first(),
        Some(&created.pid)
    );
    tierce_runtime::kill(&root, &bed.id, 9, false).expect("killed");
    assert_eq!(wait(&created.pidfd), None);
    tierce_runtime::delete(&root, &bed.id, false).expect("deleted");
}

fn main() {
    type Test = fn(&mut bed::Bed);
    let tests: [(&str, Test); 3] = [
        (
            "a_container_is_a_child_of_the_caller",
            a_container_is_a_child_of_the_caller,
        ),
        ("errors_come_back_and_leave_nothing", errors_come_back_and_leave_nothing),
        ("terminals_and_further_processes", terminals_and_further_processes),
    ];
    for (name, test) in tests {
        let Some(mut bed) = bed::bed() else { return };
        let before = descriptors();
        test(&mut bed);
        assert_eq!(descriptors(), before, "{name} leaves descriptors");
        println!("test {name} ... ok");
    }
}
