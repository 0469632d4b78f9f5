//! What an exit code means, and who ended the container.

use crate::signals::{meaning, of_exit_code};
use crate::{Evidence, Finding, State};

/// SIGKILL.
const KILL: i32 = 9;
/// Lines of the log that are shown.
const SHOWN: usize = 5;

pub(crate) fn find(evidence: &Evidence) -> Vec<Finding> {
    let ended = matches!(evidence.state, State::Exited | State::Restarting | State::Dead);
    if !ended || !evidence.error.is_empty() || !crate::start::find(evidence).is_empty() {
        return Vec::new();
    }
    let finding = match (evidence.exit_code, of_exit_code(evidence.exit_code)) {
        (0, _) => success(evidence),
        (code, Some(signal)) => by_signal(evidence, code, signal),
        (code, None) => by_code(evidence, code),
    };
    vec![finding]
}

fn success(evidence: &Evidence) -> Finding {
    let finding = Finding::new("its program ended by itself, and says that it succeeded");
    finding.advice(format!(
        "if it should go on running, it must not put itself into the background: a container lives as long as its first \
         program ({})",
        evidence.program.name
    ))
}

fn by_signal(evidence: &Evidence, code: i32, signal: i32) -> Finding {
    let (name, usual) = meaning(signal);
    let sent = |number: i32| evidence.sent.iter().rev().find(|sent| sent.signal == number);
    let asked = evidence.sent.iter().find(|sent| sent.signal != KILL);
    if signal == KILL && evidence.memory.oom_killed {
        return Finding::new(format!("exit code {code} is SIGKILL, by which the memory killer ends"));
    }
    match (sent(signal), asked) {
        (Some(kill), Some(asked)) if signal == KILL => Finding::new(format!(
            "it did not end within {} seconds after it was asked to stop, and was killed",
            evidence.stop_timeout
        ))
        .evidence(format!(
            "{} was sent at {}, SIGKILL at {}",
            meaning(asked.signal).0,
            asked.at,
            kill.at
        ))
        .advice("have the program end on SIGTERM; as first process of a container it must handle the signal itself")
        .advice("a shell as first program does not pass signals on: use exec in the script, or --init")
        .advice("give it more time (--stop-timeout), or name the signal that it knows (--stop-signal)"),
        (Some(sent), _) => Finding::new(format!("it was ended by {name}, which the daemon was asked to send"))
            .evidence(format!("sent at {}", sent.at))
            .advice("`docker events --filter event=kill` shows who asks for that from now on"),
        (None, _) => unknown_sender(evidence, code, signal).evidence(format!("{name} usually means: {usual}")),
    }
}

fn unknown_sender(evidence: &Evidence, code: i32, signal: i32) -> Finding {
    let (name, _) = meaning(signal);
    let finding = Finding::new(format!(
        "exit code {code} is {name} (128 + {signal}); the daemon did not send it, so the program itself, another process \
         of the container, or somebody on the host did"
    ));
    match signal {
        4 => finding.advice("the program was made for a newer processor than this one: take one for its base level"),
        6 | 7 | 8 | 11 => log_of(evidence, finding)
            .advice("look at its log, and have it write a core file (--ulimit core=-1) for a debugger"),
        KILL => finding.advice("look for who kills on the host: systemd-oomd, a script, `kill -9`"),
        _ => finding,
    }
}

fn by_code(evidence: &Evidence, code: i32) -> Finding {
    let finding = match code {
        125 => Finding::new("exit code 125: by convention a container engine inside of it failed"),
        126 => Finding::new("exit code 126: a shell in it found a program that cannot be executed")
            .advice("look for missing execute bits, and for programs of another architecture"),
        127 => Finding::new("exit code 127: a shell in it did not find a program")
            .advice("look at the log for the name; install the program, or correct PATH or the name"),
        255 => Finding::new(
            "exit code 255: the program said so, or the host went down while it ran and its real end is not known",
        ),
        _ => Finding::new(format!(
            "its program ended by itself and says by exit code {code} that it failed"
        ))
        .advice("the meaning of the number is the program's own"),
    };
    let finding = match evidence.ran {
        Some(ran) if ran.as_secs() < 1 => finding.evidence("it ran for less than a second"),
        _ => finding,
    };
    log_of(evidence, finding)
}

fn log_of(evidence: &Evidence, finding: Finding) -> Finding {
    let first = evidence.log.len().saturating_sub(SHOWN);
    let lines = evidence.log[first..].iter();
    lines.fold(finding, |finding, line| finding.evidence(format!("log: {line}")))
}
