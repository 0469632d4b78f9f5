//! Resources → properties of a unit. Source: systemd.resource-control(5), org.freedesktop.systemd1(5).
//!
//! What systemd does not know is left to the file system driver, which writes everything once more afterwards; what it
//! knows must be said to it too, or it would take it back the next time it looks at the unit.

use super::devices;
use crate::conversion::{swap_alone, weight_of_shares};
use crate::dbus::Value;
use crate::{Error, Result};
use std::collections::BTreeMap;
use tierce_oci::runtime::{Cpu, Memory, Resources};

/// First versions of systemd that know a property.
const KNOWS_QUOTA_PERIOD: u32 = 242;
const KNOWS_CPUSETS: u32 = 244;
const KNOWS_IDLE: u32 = 252;
/// The kernel's period of the CPU quota in microseconds.
const USUAL_PERIOD: u64 = 100_000;

/// A property and its value.
pub(super) type Property = (String, Value);

/// Properties under construction.
pub(super) struct Properties {
    list: Vec<Property>,
    /// Of systemd.
    version: u32,
    unified: bool,
}

impl Properties {
    /// Those that resources amount to, for a systemd of this version on v2 (`unified`) or v1. `resources` has quota and
    /// period together, and memory and swap.
    pub(super) fn of(resources: &Resources, version: u32, unified: bool) -> Result<Vec<Property>> {
        let mut properties = Self {
            list: Vec::new(),
            version,
            unified,
        };
        if !resources.devices.is_empty() {
            properties.list.extend(devices::properties(&resources.devices)?);
        }
        if let Some(memory) = &resources.memory {
            properties.memory(memory)?;
        }
        if let Some(cpu) = &resources.cpu {
            properties.cpu(cpu)?;
        }
        match resources.pids.map(|pids| pids.limit) {
            Some(limit) if limit > 0 || limit == -1 => properties.number("TasksMax", limit.cast_unsigned()),
            _ => {}
        }
        let weight = resources.block_io.as_ref().and_then(|block_io| block_io.weight);
        if let Some(weight) = weight.filter(|weight| *weight != 0 && !unified) {
            properties.number("BlockIOWeight", weight.into());
        }
        properties.unified(&resources.unified)?;
        Ok(properties.list)
    }

    /// -1, which means no limit, is the greatest number.
    fn number(&mut self, name: &str, number: u64) {
        self.list.push((name.to_owned(), Value::Uint64(number)));
    }

    fn memory(&mut self, memory: &Memory) -> Result<()> {
        let limit = memory.limit.unwrap_or(0);
        if limit != 0 {
            let name = if self.unified { "MemoryMax" } else { "MemoryLimit" };
            self.number(name, limit.cast_unsigned());
        }
        if !self.unified {
            return Ok(());
        }
        if let Some(reservation) = memory.reservation.filter(|reservation| *reservation != 0) {
            self.number("MemoryLow", reservation.cast_unsigned());
        }
        if let Some(swap) = swap_alone(memory.swap.unwrap_or(0), limit)? {
            self.number("MemorySwapMax", swap.cast_unsigned());
        }
        Ok(())
    }

    fn cpu(&mut self, cpu: &Cpu) -> Result<()> {
        let idle = self.unified && cpu.idle == Some(1) && self.version >= KNOWS_IDLE;
        let shares = cpu.shares.filter(|shares| *shares != 0);
        match (idle, shares) {
            (true, _) => self.number("CPUWeight", 0),
            (false, Some(shares)) if self.unified => self.number("CPUWeight", weight_of_shares(shares)),
            (false, Some(shares)) => self.number("CPUShares", shares),
            (false, None) => {}
        }
        self.quota(cpu.quota.unwrap_or(0), cpu.period.unwrap_or(0));
        self.set("AllowedCPUs", "cpus", &cpu.cpus)?;
        self.set("AllowedMemoryNodes", "mems", &cpu.mems)
    }

    fn quota(&mut self, quota: i64, period: u64) {
        if quota == 0 && period == 0 {
            return;
        }
        if period != 0 && self.version >= KNOWS_QUOTA_PERIOD {
            self.number("CPUQuotaPeriodUSec", period);
        }
        self.number("CPUQuotaPerSecUSec", per_second(quota, period));
    }

    fn set(&mut self, name: &str, member: &str, list: &str) -> Result<()> {
        if list.is_empty() || self.version < KNOWS_CPUSETS {
            return Ok(());
        }
        let bits =
            bits(list).map_err(|why| Error::Invalid(format!("invalid resources.cpu.{member} {list:?}: {why}")))?;
        let bits = bits.into_iter().map(Value::Byte).collect();
        self.list.push((name.to_owned(), Value::Array("y".to_owned(), bits)));
        Ok(())
    }

    fn unified(&mut self, files: &BTreeMap<String, String>) -> Result<()> {
        let idle = files.get("cpu.idle").is_some_and(|value| value.trim() == "1") && self.version >= KNOWS_IDLE;
        for (file, value) in files {
            let value = value.trim();
            let wrong = || Error::Invalid(format!("unified resource {file:?} value invalid: {value:?}"));
            let number = || match value {
                "max" => Ok(u64::MAX),
                digits => digits.parse().map_err(|_| wrong()),
            };
            match file.as_str() {
                "cpu.idle" if idle => self.number("CPUWeight", 0),
                "cpu.weight" if !idle => self.number("CPUWeight", number()?),
                "cpu.max" => {
                    let (quota, period) = value.split_once(char::is_whitespace).unwrap_or((value, "100000"));
                    let quota = if quota == "max" {
                        -1
                    } else {
                        quota.parse().map_err(|_| wrong())?
                    };
                    self.quota(quota, period.trim().parse().map_err(|_| wrong())?);
                }
                "cpuset.cpus" => self.set("AllowedCPUs", "cpus", value)?,
                "cpuset.mems" => self.set("AllowedMemoryNodes", "mems", value)?,
                "memory.high" => self.number("MemoryHigh", number()?),
                "memory.low" => self.number("MemoryLow", number()?),
                "memory.min" => self.number("MemoryMin", number()?),
                "memory.max" => self.number("MemoryMax", number()?),
                "memory.swap.max" => self.number("MemorySwapMax", number()?),
                "pids.max" => self.number("TasksMax", number()?),
                // systemd has no word for it; the file system driver writes it.
                _ => {}
            }
        }
        Ok(())
    }
}

/// A quota as systemd has it: microseconds a second, in whole per cents of a processor. It is rounded up, so that groups
/// inside can still have what they were promised.
fn per_second(quota: i64, period: u64) -> u64 {
    let period = if period == 0 { USUAL_PERIOD } else { period };
    match u64::try_from(quota) {
        Ok(quota) if quota > 0 => {
            let second = (u128::from(quota) * 1_000_000 / u128::from(period)).next_multiple_of(10_000);
            u64::try_from(second).unwrap_or(u64::MAX)
        }
        _ => u64::MAX,
    }
}

/// The quota that systemd will write for this one, which is to be written by ourselves then; `None`: this one.
pub(super) fn rounded(quota: i64, period: u64) -> Option<i64> {
    let second = Some(per_second(quota, period)).filter(|second| *second != u64::MAX)?;
    let period = if period == 0 { USUAL_PERIOD } else { period };
    i64::try_from(u128::from(second) * u128::from(period) / 1_000_000).ok()
}

/// A list of ranges (`0-3,7`) as a bit mask, the lowest byte first.
fn bits(list: &str) -> std::result::Result<Vec<u8>, &'static str> {
    /// More processors than any kernel has (`NR_CPUS`).
    const MOST: usize = 8192;
    let mut bits = Vec::new();
    for range in list.split(',').map(str::trim).filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| "it is no list of numbers");
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err("a range ends before it begins");
        }
        if last >= MOST {
            return Err("a number is too large");
        }
        if bits.len() <= last / 8 {
            bits.resize(last / 8 + 1, 0);
        }
        for bit in first..=last {
            bits[bit / 8] |= 1 << (bit % 8);
        }
    }
    if bits.is_empty() { Err("it is empty") } else { Ok(bits) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(json: &str, unified: bool) -> Vec<String> {
        let resources = serde_json::from_str(json).unwrap();
        let properties = Properties::of(&resources, 257, unified).unwrap();
        let line = |(name, value): Property| match value {
            Value::Uint64(u64::MAX) => format!("{name}=infinity"),
            Value::Uint64(number) => format!("{name}={number}"),
            other => format!("{name}={other:?}"),
        };
        properties.into_iter().map(line).collect()
    }

    #[test]
    fn row_126_resources_become_properties() {
        let json = r#"{"cpu":{"shares":1024,"quota":4000,"period":10000},"memory":{"limit":1000,"swap":3000,"reservation":500},
            "pids":{"limit":-1},"blockIO":{"weight":500}}"#;
        let (v2, v1) = (lines(json, true), lines(json, false));
        let both = [
            "CPUQuotaPeriodUSec=10000",
            "CPUQuotaPerSecUSec=400000",
            "TasksMax=infinity",
        ];
        let only_v2 = ["MemoryMax=1000", "MemoryLow=500", "MemorySwapMax=2000", "CPUWeight=100"];
        let only_v1 = ["MemoryLimit=1000", "CPUShares=1024", "BlockIOWeight=500"];
        assert!(both.iter().all(|one| v1.iter().any(|other| other == one)), "{v1:?}");
        assert_eq!(v2, [&only_v2[..], &both[..]].concat());
        assert!(only_v1.iter().all(|one| v1.iter().any(|other| other == one)), "{v1:?}");
        assert_eq!(v1.len(), both.len() + only_v1.len());
    }

    #[test]
    fn row_125_a_quota_is_rounded_up_and_taken_away() {
        assert_eq!(
            lines(r#"{"cpu":{"quota":333,"period":100000}}"#, true),
            ["CPUQuotaPeriodUSec=100000", "CPUQuotaPerSecUSec=10000"]
        );
        assert_eq!(
            lines(
                r#"{"unified":{"cpu.max":"max 900000","pids.max":"7","memory.max":"max","io.max":"8:0 rbps=1"}}"#,
                true
            ),
            [
                "CPUQuotaPeriodUSec=900000",
                "CPUQuotaPerSecUSec=infinity",
                "MemoryMax=infinity",
                "TasksMax=7"
            ]
        );
    }

    #[test]
    fn row_125_both_sides_have_the_same_quota() {
        assert_eq!(rounded(500_000, 900_000), Some(504_000));
        assert_eq!(rounded(50_000, 0), Some(50_000));
        assert_eq!([rounded(-1, 900_000), rounded(0, 900_000)], [None; 2]);
    }

    #[test]
    fn an_idle_group_has_no_weight_beside_it() {
        assert_eq!(lines(r#"{"cpu":{"idle":1,"shares":200}}"#, true), ["CPUWeight=0"]);
        assert_eq!(
            lines(r#"{"unified":{"cpu.idle":"1","cpu.weight":"8"}}"#, true),
            ["CPUWeight=0"]
        );
        assert_eq!(
            lines(r#"{"unified":{"cpu.idle":"0","cpu.weight":"8"}}"#, true),
            ["CPUWeight=8"]
        );
    }

    #[test]
    fn row_128_ranges_become_bits() {
        assert_eq!(bits("0"), Ok(vec![1]));
        assert_eq!(bits("5-8"), Ok(vec![0b1110_0000, 1]));
        assert_eq!(bits("0-1, 9,"), Ok(vec![3, 2]));
        for list in ["", ",", "x", "3-1", "1-2-3", "-1", "0-99999999"] {
            assert!(bits(list).is_err(), "{list}");
        }
    }
}
