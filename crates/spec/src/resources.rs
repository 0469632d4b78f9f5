//! `linux.resources` without the device rules: limits of memory, processors, tasks and block devices.
//! Source: moby `daemon/daemon_unix.go` (`toContainerResources`), `daemon/oci_linux.go`.

use crate::devices;
use crate::error::{Error, Result};
use rustix::fs::{major, minor};
use std::os::unix::fs::MetadataExt;
use tierce_oci::container::{ResourceConfig, ThrottleConfig};
use tierce_oci::runtime::{BlockIo, Cpu, Memory, Pids, Resources, ThrottleDevice, WeightDevice};

/// Microseconds of the period in which `--cpus` is counted.
const PERIOD: i64 = 100_000;

/// The limits that a host configuration asks for. Also what an update sends to a running container.
pub fn resources(config: &ResourceConfig) -> Result<Resources> {
    Ok(Resources {
        memory: Some(memory(config)),
        cpu: cpu(config),
        pids: config.pids_limit.map(|limit| Pids {
            limit: if limit <= 0 { -1 } else { limit },
        }),
        block_io: Some(block_io(config)?),
        ..Resources::default()
    })
}

fn positive(value: i64) -> Option<i64> {
    (value > 0).then_some(value)
}

fn memory(config: &ResourceConfig) -> Memory {
    Memory {
        limit: positive(config.memory),
        reservation: positive(config.memory_reservation),
        swap: (config.memory_swap != 0).then_some(config.memory_swap),
        swappiness: config.memory_swappiness.and_then(|value| u64::try_from(value).ok()),
        kernel_tcp: positive(config.kernel_memory_tcp),
        disable_oom_killer: Some(config.oom_kill_disable.unwrap_or(false)),
        ..Memory::default()
    }
}

fn cpu(config: &ResourceConfig) -> Option<Cpu> {
    let mut cpu = Cpu {
        shares: u64::try_from(config.cpu_shares).ok().filter(|shares| *shares > 0),
        cpus: config.cpuset_cpus.clone(),
        mems: config.cpuset_mems.clone(),
        realtime_period: u64::try_from(config.cpu_realtime_period)
            .ok()
            .filter(|period| *period > 0),
        realtime_runtime: positive(config.cpu_realtime_runtime),
        ..Cpu::default()
    };
    if config.nano_cpus > 0 {
        cpu.period = Some(PERIOD as u64);
        cpu.quota = Some(config.nano_cpus / (1_000_000_000 / PERIOD));
    } else {
        cpu.period = u64::try_from(config.cpu_period).ok().filter(|period| *period > 0);
        cpu.quota = (config.cpu_quota != 0).then_some(config.cpu_quota);
    }
    (cpu != Cpu::default()).then_some(cpu)
}

fn block_io(config: &ResourceConfig) -> Result<BlockIo> {
    let weights = config.blkio_weight_device.as_deref().unwrap_or_default();
    let weight_device = weights
        .iter()
        .map(|entry| {
            let (major, minor) = numbers(&entry.path)?;
            Ok(WeightDevice {
                major,
                minor,
                weight: Some(entry.weight),
                leaf_weight: None,
            })
        })
        .collect::<Result<_>>()?;
    Ok(BlockIo {
        weight: (config.blkio_weight > 0).then_some(config.blkio_weight),
        leaf_weight: None,
        weight_device,
        throttle_read_bps_device: throttles(config.blkio_device_read_bps.as_deref())?,
        throttle_write_bps_device: throttles(config.blkio_device_write_bps.as_deref())?,
        throttle_read_iops_device: throttles(config.blkio_device_read_iops.as_deref())?,
        throttle_write_iops_device: throttles(config.blkio_device_write_iops.as_deref())?,
    })
}

fn throttles(entries: Option<&[ThrottleConfig]>) -> Result<Vec<ThrottleDevice>> {
    entries
        .unwrap_or_default()
        .iter()
        .map(|entry| {
            let (major, minor) = numbers(&entry.path)?;
            Ok(ThrottleDevice {
                major,
                minor,
                rate: entry.rate,
            })
        })
        .collect()
}

/// The numbers of a block device of the host. The only look at the host in this file: a device has no other name.
fn numbers(path: &str) -> Result<(i64, i64)> {
    let metadata =
        std::fs::metadata(path).map_err(|error| Error::Invalid(format!("stat {path}: {}", devices::words(&error))))?;
    Ok((i64::from(major(metadata.rdev())), i64::from(minor(metadata.rdev()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_125_cpus_become_a_quota() {
        let config = ResourceConfig {
            nano_cpus: 1_500_000_000,
            ..ResourceConfig::default()
        };
        let cpu = resources(&config).unwrap().cpu.unwrap();
        assert_eq!((cpu.quota, cpu.period), (Some(150_000), Some(100_000)));
        let config = ResourceConfig {
            cpu_quota: 50_000,
            cpu_period: 200_000,
            ..ResourceConfig::default()
        };
        let cpu = resources(&config).unwrap().cpu.unwrap();
        assert_eq!((cpu.quota, cpu.period), (Some(50_000), Some(200_000)));
    }

    #[test]
    fn row_126_cpu_settings_arrive_and_none_means_no_section() {
        let config = ResourceConfig {
            cpu_shares: 512,
            cpu_realtime_period: 1000,
            cpu_realtime_runtime: 950,
            cpuset_cpus: "0-1".into(),
            ..ResourceConfig::default()
        };
        let cpu = resources(&config).unwrap().cpu.unwrap();
        assert_eq!(
            (cpu.shares, cpu.realtime_period, cpu.realtime_runtime),
            (Some(512), Some(1000), Some(950))
        );
        assert_eq!(cpu.cpus, "0-1");
        assert_eq!(resources(&ResourceConfig::default()).unwrap().cpu, None);
    }

    #[test]
    fn unlimited_tasks_and_unknown_devices() {
        let config = ResourceConfig {
            pids_limit: Some(0),
            ..ResourceConfig::default()
        };
        assert_eq!(resources(&config).unwrap().pids, Some(Pids { limit: -1 }));
        let throttle = ThrottleConfig {
            path: "/dev/no-such".into(),
            rate: 1,
        };
        let config = ResourceConfig {
            blkio_device_read_bps: Some(vec![throttle]),
            ..ResourceConfig::default()
        };
        assert!(resources(&config).is_err());
    }
}
