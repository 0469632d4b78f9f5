//! System calls that a filter forbids.

use crate::kernel_log::KernelNews;
use crate::{Evidence, Finding};

/// 128 + SIGSYS.
const KILLED_BY_FILTER: i32 = 159;

pub(crate) fn find(evidence: &Evidence) -> Vec<Finding> {
    let denied: Vec<(&str, &str)> = evidence
        .kernel
        .iter()
        .filter_map(|news| match news {
            KernelNews::Seccomp { call, line, .. } => Some((call.as_str(), line.as_str())),
            KernelNews::OutOfMemory { .. } => None,
        })
        .collect();
    if denied.is_empty() && evidence.exit_code != KILLED_BY_FILTER {
        return Vec::new();
    }
    let what = match denied.last() {
        Some((call, _)) => format!("its seccomp filter forbids the system call number {call}, which its program makes"),
        None => "it was ended by its seccomp filter for a system call".to_owned(),
    };
    let mut finding = Finding::new(what);
    for (_, line) in &denied {
        finding = finding.evidence(format!("the kernel: {line}"));
    }
    vec![
        finding
            .advice("ausyscall NUMBER tells the call's name")
            .advice("allow it in a profile of your own (--security-opt seccomp=FILE)")
            .advice("to be sure that this is it, try once with --security-opt seccomp=unconfined"),
    ]
}
