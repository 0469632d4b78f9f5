//! Resources → settings of v1 files. Zero means "not given", as in runc; kernel memory is ignored, as it is since 5.4.

use crate::plan::{Plan, Refusal};
use crate::{Error, Result};
use tierce_oci::runtime::{BlockIo, Cpu, Memory, Resources};

/// The settings, in the order of writing. `has_block_file` tells which of the block controller's files this kernel has:
/// weights depend on the scheduler that is built in.
pub(super) fn plan(resources: &Resources, has_block_file: impl Fn(&str) -> bool) -> Result<Plan> {
    let mut plan = Plan::default();
    if let Some(memory) = &resources.memory {
        self::memory(memory, &mut plan)?;
    }
    if let Some(cpu) = &resources.cpu {
        self::cpu(cpu, &mut plan);
    }
    match resources.pids.map(|pids| pids.limit) {
        None | Some(0) => {}
        Some(limit) if limit > 0 => plan.add("pids", "pids.max", limit),
        Some(_) => plan.add("pids", "pids.max", "max"),
    }
    if let Some(block_io) = &resources.block_io {
        self::block_io(block_io, has_block_file, &mut plan);
    }
    for limit in &resources.hugepage_limits {
        let size = &limit.page_size;
        plan.add("hugetlb", format!("hugetlb.{size}.limit_in_bytes"), limit.limit);
        let reserved = format!("hugetlb.{size}.rsvd.limit_in_bytes");
        plan.push("hugetlb", reserved, limit.limit, Refusal::MissingIsFine);
    }
    if let Some(network) = &resources.network {
        if let Some(class) = network.class_id.filter(|class| *class != 0) {
            plan.add("net_cls", "net_cls.classid", class);
        }
        for priority in &network.priorities {
            plan.add(
                "net_prio",
                "net_prio.ifpriomap",
                format!("{} {}", priority.name, priority.priority),
            );
        }
    }
    for (device, limit) in &resources.rdma {
        plan.add("rdma", "rdma.max", crate::drivers::rdma_line(device, limit));
    }
    Ok(plan)
}

/// Each of the two limits bounds the other, so that the right order depends on the present ones: the first one waits
/// when it is refused.
fn memory(memory: &Memory, plan: &mut Plan) -> Result<()> {
    let given = |value: Option<i64>| value.filter(|value| *value != 0);
    let limit = given(memory.limit);
    // Unlimited memory with a limit on memory and swap makes no sense.
    let swap = given(memory.swap).or(if limit == Some(-1) { Some(-1) } else { None });
    if let Some(limit) = limit {
        plan.push("memory", "memory.limit_in_bytes", limit, Refusal::Waits);
    }
    if let Some(swap) = swap {
        // Without swap accounting, "as much as you like" is what holds anyhow.
        let refusal = if memory.swap.is_none_or(|swap| swap == 0) {
            Refusal::MissingIsFine
        } else {
            Refusal::Fails
        };
        plan.push("memory", "memory.memsw.limit_in_bytes", swap, refusal);
    }
    if let Some(reservation) = given(memory.reservation) {
        plan.add("memory", "memory.soft_limit_in_bytes", reservation);
    }
    if let Some(limit) = given(memory.kernel_tcp) {
        plan.add("memory", "memory.kmem.tcp.limit_in_bytes", limit);
    }
    if memory.disable_oom_killer == Some(true) {
        plan.add("memory", "memory.oom_control", 1);
    }
    match memory.swappiness {
        None => {}
        Some(swappiness) if swappiness <= 100 => plan.add("memory", "memory.swappiness", swappiness),
        Some(swappiness) => {
            return Err(Error::Invalid(format!(
                "invalid memory swappiness value: {swappiness} (valid range is 0-100)"
            )));
        }
    }
    Ok(())
}

/// Period and burst bound each other with the quota: they wait when they are refused.
fn cpu(cpu: &Cpu, plan: &mut Plan) {
    if let Some(shares) = cpu.shares.filter(|shares| *shares != 0) {
        plan.add("cpu", "cpu.shares", shares);
    }
    if let Some(idle) = cpu.idle {
        plan.add("cpu", "cpu.idle", idle);
    }
    if let Some(period) = cpu.period.filter(|period| *period != 0) {
        plan.push("cpu", "cpu.cfs_period_us", period, Refusal::Waits);
    }
    if let Some(burst) = cpu.burst {
        plan.push("cpu", "cpu.cfs_burst_us", burst, Refusal::Waits);
    }
    if let Some(quota) = cpu.quota.filter(|quota| *quota != 0) {
        plan.push("cpu", "cpu.cfs_quota_us", quota, Refusal::Waits);
    }
    if let Some(period) = cpu.realtime_period.filter(|period| *period != 0) {
        plan.push("cpu", "cpu.rt_period_us", period, Refusal::Waits);
    }
    if let Some(runtime) = cpu.realtime_runtime.filter(|runtime| *runtime != 0) {
        plan.push("cpu", "cpu.rt_runtime_us", runtime, Refusal::Waits);
    }
    if !cpu.cpus.is_empty() {
        plan.add("cpuset", "cpuset.cpus", &cpu.cpus);
    }
    if !cpu.mems.is_empty() {
        plan.add("cpuset", "cpuset.mems", &cpu.mems);
    }
}

fn block_io(block_io: &BlockIo, has: impl Fn(&str) -> bool, plan: &mut Plan) {
    const CONTROLLER: &str = "blkio";
    // The plain names are CFQ's (gone in 5.0); BFQ has its own.
    let name = |plain: &'static str, bfq: &'static str| if !has(plain) && has(bfq) { bfq } else { plain };
    if let Some(weight) = block_io.weight.filter(|weight| *weight != 0) {
        plan.add(CONTROLLER, name("blkio.weight", "blkio.bfq.weight"), weight);
    }
    if let Some(weight) = block_io.leaf_weight.filter(|weight| *weight != 0) {
        plan.add(CONTROLLER, "blkio.leaf_weight", weight);
    }
    for device in &block_io.weight_device {
        let line = |weight: u16| format!("{}:{} {weight}", device.major, device.minor);
        if let Some(weight) = device.weight.filter(|weight| *weight != 0) {
            plan.add(
                CONTROLLER,
                name("blkio.weight_device", "blkio.bfq.weight_device"),
                line(weight),
            );
        }
        if let Some(weight) = device.leaf_weight.filter(|weight| *weight != 0) {
            plan.add(CONTROLLER, "blkio.leaf_weight_device", line(weight));
        }
    }
    let throttles = [
        ("blkio.throttle.read_bps_device", &block_io.throttle_read_bps_device),
        ("blkio.throttle.write_bps_device", &block_io.throttle_write_bps_device),
        ("blkio.throttle.read_iops_device", &block_io.throttle_read_iops_device),
        ("blkio.throttle.write_iops_device", &block_io.throttle_write_iops_device),
    ];
    for (file, devices) in throttles {
        for device in devices {
            plan.add(
                CONTROLLER,
                file,
                format!("{}:{} {}", device.major, device.minor, device.rate),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::documented;

    fn files(json: &str, has: impl Fn(&str) -> bool) -> Vec<String> {
        let plan = plan(&serde_json::from_str(json).unwrap(), has).unwrap();
        plan.0.iter().map(|setting| setting.file.to_string()).collect()
    }

    #[test]
    fn row_134_packets_carry_the_class_and_the_priorities_of_their_group() {
        let json =
            r#"{"network":{"classID":1048577,"priorities":[{"name":"eth0","priority":5},{"name":"lo","priority":1}]}}"#;
        let plan = plan(&serde_json::from_str(json).unwrap(), |_| true).unwrap();
        let lines: Vec<String> = plan
            .0
            .iter()
            .map(|setting| format!("{}/{}={}", setting.controller, setting.file, setting.value))
            .collect();
        assert_eq!(
            lines,
            [
                "net_cls/net_cls.classid=1048577",
                "net_prio/net_prio.ifpriomap=eth0 5",
                "net_prio/net_prio.ifpriomap=lo 1",
            ]
        );
    }

    #[test]
    fn row_135_the_files_of_v1_are_those_of_the_documented_vocabulary() {
        let written = [
            files(crate::tests::EVERYTHING, |_| true),
            files(crate::tests::EVERYTHING, |file| file.contains("bfq")),
        ]
        .concat();
        for file in documented(1) {
            let found = match file.strip_suffix('*') {
                Some(start) => written.iter().any(|name| name.starts_with(start)),
                None => written.contains(&file),
            };
            assert!(found, "{file} is documented and not among {written:?}");
        }
    }
}
