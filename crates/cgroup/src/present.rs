//! What holds now, where a new setting does not say enough by itself.
//!
//! On v2 quota and period are one file, and swap is counted without memory; systemd takes quotas of a second. There a
//! setting that names only one of two has to be completed by the present value of the other.

use crate::{Error, Paths, Result, file};
use std::borrow::Cow;
use std::path::Path;
use tierce_oci::runtime::{Cpu, Memory, Resources};

/// The resources, with quota and period together, and on v2 memory and swap.
pub(crate) fn complete<'r>(paths: &Paths, resources: &'r Resources) -> Cow<'r, Resources> {
    let mut resources = Cow::Borrowed(resources);
    if let Some(cpu) = resources.cpu.as_ref().and_then(|cpu| complete_cpu(paths, cpu)) {
        resources.to_mut().cpu = Some(cpu);
    }
    if let Some(directory) = paths.unified()
        && let Some(memory) = resources.memory.and_then(|memory| complete_memory(directory, memory))
    {
        resources.to_mut().memory = Some(memory);
    }
    resources
}

/// `None` where nothing is to be added.
fn complete_cpu(paths: &Paths, cpu: &Cpu) -> Option<Cpu> {
    let (quota, period) = (cpu.quota.unwrap_or(0), cpu.period.unwrap_or(0));
    if (quota == 0) == (period == 0) {
        return None;
    }
    let (present_quota, present_period) = quota_and_period(paths)?;
    let mut cpu = cpu.clone();
    if quota == 0 {
        cpu.quota = Some(present_quota);
    } else {
        cpu.period = Some(present_period);
    }
    Some(cpu)
}

/// In microseconds; a quota of -1 is none.
fn quota_and_period(paths: &Paths) -> Option<(i64, u64)> {
    if let Some(directory) = paths.unified() {
        let text = file::read(directory, "cpu.max").ok()?;
        let (quota, period) = text.trim().split_once(' ')?;
        return Some((quota.parse().unwrap_or(-1), period.parse().ok()?));
    }
    let directory = paths.controller("cpu")?;
    let quota = file::read(directory, "cpu.cfs_quota_us").ok()?.trim().parse().ok()?;
    let period = file::read(directory, "cpu.cfs_period_us").ok()?.trim().parse().ok()?;
    Some((quota, period))
}

/// Memory and swap together are one limit in the specification: a new limit of memory alone leaves their sum.
fn complete_memory(directory: &Path, memory: Memory) -> Option<Memory> {
    let (limit, swap) = (memory.limit.unwrap_or(0), memory.swap.unwrap_or(0));
    let present = |name| -> Option<i64> { file::read(directory, name).ok()?.trim().parse().ok() };
    if limit == 0 && swap > 0 {
        let limit = Some(present("memory.max")?);
        return Some(Memory { limit, ..memory });
    }
    if limit > 0 && swap == 0 {
        let swap = present("memory.max")?.checked_add(present("memory.swap.max")?);
        return Some(Memory { swap, ..memory });
    }
    None
}

/// Refuses limits below what is used now, where the specification asks for that. A group whose use cannot be read is
/// one that uses nothing yet.
pub(crate) fn check_memory(paths: &Paths, resources: &Resources) -> Result<()> {
    let (Some(directory), Some(memory)) = (paths.unified(), resources.memory) else {
        return Ok(());
    };
    if memory.check_before_update != Some(true) {
        return Ok(());
    }
    let usage = file::read(directory, "memory.current").ok();
    let Some(usage) = usage.and_then(|text| text.trim().parse::<i64>().ok()) else {
        return Ok(());
    };
    for (what, limit) in [("memory+swap", memory.swap), ("memory", memory.limit)] {
        if let Some(limit) = limit.filter(|limit| (1..=usage).contains(limit)) {
            return Err(Error::Invalid(format!(
                "rejecting {what} limit {limit} <= usage {usage}"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(files: &[(&str, &str)]) -> (tempfile::TempDir, Paths) {
        let directory = tempfile::tempdir().unwrap();
        for (name, value) in files {
            std::fs::write(directory.path().join(name), value).unwrap();
        }
        let paths = [("", directory.path().to_owned())].into_iter().collect();
        (directory, paths)
    }

    fn completed(paths: &Paths, json: &str) -> String {
        serde_json::to_string(complete(paths, &serde_json::from_str(json).unwrap()).as_ref()).unwrap()
    }

    #[test]
    fn row_125_one_of_quota_and_period_keeps_the_other() {
        let (_directory, paths) = group(&[("cpu.max", "50000 80000\n")]);
        assert_eq!(
            completed(&paths, r#"{"cpu":{"quota":7}}"#),
            r#"{"cpu":{"quota":7,"period":80000}}"#
        );
        assert_eq!(
            completed(&paths, r#"{"cpu":{"period":7}}"#),
            r#"{"cpu":{"quota":50000,"period":7}}"#
        );
        let both = r#"{"cpu":{"quota":1,"period":2}}"#;
        assert_eq!(completed(&paths, both), both);
        let (_directory, paths) = group(&[("cpu.max", "max 100000\n")]);
        assert_eq!(
            completed(&paths, r#"{"cpu":{"period":7}}"#),
            r#"{"cpu":{"quota":-1,"period":7}}"#
        );
    }

    #[test]
    fn row_129_memory_and_swap_keep_their_sum() {
        let (_directory, paths) = group(&[("memory.max", "100\n"), ("memory.swap.max", "50\n")]);
        assert_eq!(
            completed(&paths, r#"{"memory":{"swap":300}}"#),
            r#"{"memory":{"limit":100,"swap":300}}"#
        );
        assert_eq!(
            completed(&paths, r#"{"memory":{"limit":120}}"#),
            r#"{"memory":{"limit":120,"swap":150}}"#
        );
        assert_eq!(
            completed(&paths, r#"{"memory":{"limit":-1}}"#),
            r#"{"memory":{"limit":-1}}"#
        );
        let (_directory, paths) = group(&[("memory.max", "100\n"), ("memory.swap.max", "max\n")]);
        assert_eq!(
            completed(&paths, r#"{"memory":{"limit":120}}"#),
            r#"{"memory":{"limit":120}}"#
        );
    }

    #[test]
    fn row_129_a_limit_below_the_use_is_refused_where_asked() {
        let (_directory, paths) = group(&[("memory.current", "5000\n")]);
        let refused = |json: &str| {
            check_memory(&paths, &serde_json::from_str(json).unwrap())
                .err()
                .map(|error| error.to_string())
        };
        let limit = r#"{"memory":{"limit":1024,"checkBeforeUpdate":true}}"#;
        assert_eq!(refused(limit).unwrap(), "rejecting memory limit 1024 <= usage 5000");
        let both = r#"{"memory":{"limit":1024,"swap":2048,"checkBeforeUpdate":true}}"#;
        assert_eq!(refused(both).unwrap(), "rejecting memory+swap limit 2048 <= usage 5000");
        assert_eq!(refused(r#"{"memory":{"limit":1024}}"#), None);
        assert_eq!(refused(r#"{"memory":{"limit":-1,"checkBeforeUpdate":true}}"#), None);
    }
}
