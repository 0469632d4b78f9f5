//! Why a container could not be started: what the error says, and what its program turns out to be.

use crate::program::{Examined, Kind};
use crate::{Evidence, Finding, State};

/// The exit code of a container whose program could not be executed.
const NOT_EXECUTED: i32 = 255;

pub(crate) fn find(evidence: &Evidence) -> Vec<Finding> {
    if matches!(evidence.state, State::Running | State::Paused) {
        return Vec::new();
    }
    if evidence.error.is_empty() {
        let never = evidence.state == State::Created;
        let finding = || Finding::new("nobody has started it yet").advice(format!("docker start {}", evidence.name));
        return never
            .then(finding)
            .or_else(|| not_executed(evidence))
            .into_iter()
            .collect();
    }
    let finding = port(evidence)
        .or_else(|| mount(evidence))
        .or_else(|| program(evidence))
        .or_else(|| user(evidence))
        .unwrap_or_else(|| Finding::new("the start failed"));
    vec![finding.evidence(format!("error: {}", evidence.error))]
}

fn port(evidence: &Evidence) -> Option<Finding> {
    let error = &evidence.error;
    let taken = error.contains("port is already allocated") || error.contains("address already in use");
    if !taken {
        return None;
    }
    let holder = error
        .split_once("(held by ")
        .and_then(|(_, after)| after.split_once(')'));
    let what = match holder {
        Some((holder, _)) => format!("a port that it publishes is taken by {holder}"),
        None => "a port that it publishes is taken by somebody else".to_owned(),
    };
    let finding = Finding::new(what).advice("stop whoever has the port, or publish another one (-p OTHER:PORT)");
    Some(match holder {
        Some(_) => finding,
        None => finding.advice("`docker ps` shows ports of containers, `ss -ltnup` those of processes"),
    })
}

fn mount(evidence: &Evidence) -> Option<Finding> {
    let (source, place) = evidence.missing_mounts.first()?;
    let what = format!("{source}, which is to be mounted at {place}, is not there");
    let mut finding = Finding::new(what).advice(format!("make it (mkdir -p {source}), or correct the mount"));
    for (source, place) in &evidence.missing_mounts[1..] {
        finding = finding.evidence(format!("{source} for {place} is missing too"));
    }
    Some(finding)
}

fn user(evidence: &Evidence) -> Option<Finding> {
    let (_, after) = evidence.error.split_once("unable to find user ")?;
    let name = after.split(':').next().unwrap_or_default();
    let what = format!("its user {name} is not in the image's /etc/passwd");
    Some(Finding::new(what).advice("give a number (--user 1000:1000), or add the user to the image"))
}

fn program(evidence: &Evidence) -> Option<Finding> {
    let (error, program) = (&evidence.error, &evidence.program);
    let name = &program.name;
    if error.contains("executable file not found in $PATH") {
        let finding = Finding::new(format!("its program {name} is in no directory of its PATH"));
        return Some(
            finding
                .evidence(format!("PATH is {}", program.search_path))
                .advice("correct the command, give the whole path, or take an image that has the program"),
        );
    }
    if !error.contains("exec") {
        return None;
    }
    let examined = program.examined.as_ref()?;
    by_file(evidence, examined)
}

/// The program's file was found, and the kernel could not execute it: that is known only after the start, as an end.
fn not_executed(evidence: &Evidence) -> Option<Finding> {
    if evidence.exit_code != NOT_EXECUTED {
        return None;
    }
    let said = evidence.log.iter().rev().find(|line| line.starts_with("exec "));
    let finding = by_file(evidence, evidence.program.examined.as_ref()?)?;
    Some(match said {
        Some(line) => finding.evidence(format!("error: {line}")),
        None => finding,
    })
}

/// What is wrong with the file itself.
fn by_file(evidence: &Evidence, examined: &Examined) -> Option<Finding> {
    let path = &examined.path;
    let host = &evidence.program.host_architecture;
    let finding = match &examined.kind {
        Kind::Missing => Finding::new(format!("its program {path} is not in the container"))
            .advice("correct the command or the entry point (--entrypoint), or look whether a mount hides it"),
        Kind::Directory => {
            Finding::new(format!("{path} is a directory, not a program")).advice("name a program, not a directory")
        }
        Kind::Empty => Finding::new(format!("its program {path} is an empty file"))
            .advice("make the image again: the file was not copied whole"),
        _ if !examined.executable => Finding::new(format!("its program {path} may not be executed"))
            .evidence("no execute bit is set")
            .advice(format!(
                "chmod +x {path} where the image is made (RUN chmod +x, or COPY --chmod=755)"
            )),
        Kind::Elf { architecture, .. } if architecture != host => {
            let what = format!("its program {path} is for {architecture}, and this host is {host}");
            let image = &evidence.program.image_architecture;
            Finding::new(what)
                .evidence(format!("the image says that it is for {image}"))
                .advice(format!("pull the image for this host (--platform linux/{host})"))
                .advice("or install emulation (Debian's qemu-user-static and binfmt-support)")
        }
        Kind::Script {
            interpreter,
            carriage_return: true,
        } => Finding::new(format!("the first line of {path} ends with a carriage return"))
            .evidence(format!(
                "so the kernel looks for an interpreter that is called {:?}",
                format!("{interpreter}\r")
            ))
            .advice("give the file Unix line ends (dos2unix, or git's core.autocrlf=input)"),
        Kind::Elf { .. } | Kind::Script { .. } if examined.interpreter_found == Some(false) => {
            interpreter_missing(path, &examined.kind)
        }
        Kind::Other => Finding::new(format!("{path} is neither a program nor a script with an interpreter"))
            .advice("begin a script with a line such as #!/bin/sh, or name the interpreter in the command"),
        Kind::Elf { .. } | Kind::Script { .. } => return None,
    };
    Some(finding)
}

fn interpreter_missing(path: &str, kind: &Kind) -> Finding {
    let interpreter = kind.interpreter().unwrap_or_default();
    let finding = Finding::new(format!("{path} is there, but not {interpreter}, which it needs to run"));
    if matches!(kind, Kind::Script { .. }) {
        return finding.advice("take an image that has this interpreter, or change the first line of the script");
    }
    let finding = finding.evidence(format!("{interpreter} is the loader that the program names"));
    if interpreter.contains("ld-musl") {
        finding.advice("the program was made for musl (Alpine): take such an image, or link the program statically")
    } else {
        finding.advice(
            "the program was made for another C library (glibc, as in Debian): take such an image, or link it \
             statically",
        )
    }
}
