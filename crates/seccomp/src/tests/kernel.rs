//! The kernel itself as the judge: filters are loaded into threads of the test, which end with them.

use crate::tests::docker::{DEFAULT_CAPABILITIES, KERNEL};
use crate::{Architecture, Program, compile, docker};
use rustix::io::Errno;
use std::time::{Duration, Instant};

/// Runs `probe` in a thread under the filter; `None` when this process may not load one.
fn confined<T: Send>(program: &Program, probe: impl FnOnce(Duration) -> T + Send) -> Option<T> {
    let filter: Vec<tierce_sys::seccomp::Instruction> = program
        .filter
        .iter()
        .map(|i| tierce_sys::seccomp::Instruction {
            code: i.code,
            jt: i.jt,
            jf: i.jf,
            k: i.k,
        })
        .collect();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let start = Instant::now();
            match tierce_sys::seccomp::load(&filter, program.flags.0) {
                Ok(_) => Some(probe(start.elapsed())),
                Err(error) => {
                    println!("skipped: the kernel loads no filter here: {error}");
                    None
                }
            }
        });
        thread.join().unwrap()
    })
}

#[test]
fn row_136_kernel_takes_the_default_profile_and_obeys_it() {
    let Some(native) = Architecture::native() else {
        println!("skipped: no tables for this architecture");
        return;
    };
    // A call that does nothing when it is let through: the directory does not exist.
    let probe = |_: Duration| rustix::process::chroot("/does/not/exist").unwrap_err();
    for (caps, expected) in [
        (&DEFAULT_CAPABILITIES[..], Errno::NOENT),
        (&["CAP_SYS_ADMIN"], Errno::PERM),
    ] {
        let program = compile(&docker::default_profile(caps, native, KERNEL), native).unwrap();
        let Some(error) = confined(&program, probe) else { return };
        assert_eq!(error, expected);
    }
}

/// Not an assertion but a number to quote: `cargo test --release -- --ignored --nocapture timing`.
#[test]
#[ignore = "a measurement"]
fn timing_of_compile_and_load() {
    let Some(native) = Architecture::native() else { return };
    let time = |label: &str, f: &mut dyn FnMut()| {
        let mut samples: Vec<Duration> = (0..200)
            .map(|_| {
                let start = Instant::now();
                f();
                start.elapsed()
            })
            .collect();
        samples.sort();
        println!("{label}: median {:?}", samples[100]);
    };
    let profile = docker::default_profile(&DEFAULT_CAPABILITIES, native, KERNEL);
    time("resolve", &mut || {
        drop(docker::default_profile(&DEFAULT_CAPABILITIES, native, KERNEL));
    });
    time("compile", &mut || drop(compile(&profile, native).unwrap()));
    let program = compile(&profile, native).unwrap();
    let bytes = program.to_bytes();
    time("from bytes", &mut || drop(Program::from_bytes(&bytes).unwrap()));
    let mut loads: Vec<Duration> = (0..50).filter_map(|_| confined(&program, |took| took)).collect();
    loads.sort();
    println!("load: median {:?}", loads.get(loads.len() / 2));
}
