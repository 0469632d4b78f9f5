//! Lack of memory.

use crate::kernel_log::KernelNews;
use crate::{Evidence, Finding, bytes};

pub(crate) fn find(evidence: &Evidence) -> Vec<Finding> {
    let killed: Vec<&KernelNews> = evidence
        .kernel
        .iter()
        .filter(|news| matches!(news, KernelNews::OutOfMemory { .. }))
        .collect();
    if !evidence.memory.oom_killed && killed.is_empty() {
        return Vec::new();
    }
    let whole_host = killed
        .iter()
        .any(|news| matches!(news, KernelNews::OutOfMemory { whole_host: true, .. }));
    let memory = &evidence.memory;
    let mut finding = Finding::new(match memory.limit {
        Some(limit) if !whole_host => format!(
            "a process of it was killed for lack of memory: its limit is {}",
            bytes(limit)
        ),
        _ => "a process of it was killed because the whole host was short of memory".to_owned(),
    });
    if let Some(peak) = memory.peak {
        finding = finding.evidence(format!("the most it used was {}", bytes(peak)));
    }
    for news in killed {
        if let KernelNews::OutOfMemory { process, pid, line, .. } = news {
            finding = finding.evidence(format!(
                "the kernel killed {process}, process {pid} of the host: {line}"
            ));
        }
    }
    finding = match memory.limit {
        Some(limit) if !whole_host => finding
            .advice(format!(
                "give it more: docker update --memory {0} --memory-swap {0} {1}",
                limit.saturating_mul(2),
                evidence.name
            ))
            .advice("or have the program use less (heap sizes, number of workers)"),
        _ => finding.advice("give containers limits (--memory), so that one cannot take the memory of all"),
    };
    vec![finding]
}
