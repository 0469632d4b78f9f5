//! `update`: other limits for a container that exists.

use super::{Globals, state};
use crate::argv::{Arguments, Piece};
use crate::error::{Doing, Error};
use crate::log;
use crate::state::Home;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;
use tierce_cgroup::Driver;
use tierce_oci::runtime::{BlockIo, Cpu, Memory, Pids, Resources};

/// Sets limits; what `resources` leaves out stays as it is.
///
/// # Errors
/// [`Error::NotFound`], [`Error::NotRunning`]; [`Error::Cgroup`] for a limit that the kernel refuses, after which those
/// before it are in force.
pub fn update(root: &Path, id: &str, resources: &Resources) -> Result<(), Error> {
    let record = Home::of(root, id)?.load()?;
    if !record.is_alive() {
        return Err(Error::NotRunning);
    }
    warn(record.cgroup_driver, resources);
    Ok(state::group(&record).set(resources)?)
}

/// Tells what will be passed over.
fn warn(driver: Driver, resources: &Resources) {
    let memory = resources.memory.unwrap_or_default();
    if memory.kernel.is_some() || memory.kernel_tcp.is_some() {
        log::warn("Kernel memory settings are ignored and will be removed");
    }
    // systemd has one property for both.
    let cpu = resources.cpu.as_ref();
    let has_shares = cpu.and_then(|cpu| cpu.shares).is_some_and(|shares| shares != 0);
    if driver == Driver::Systemd && cpu.and_then(|cpu| cpu.idle) == Some(1) && has_shares {
        log::warn("unable to apply both CPUWeight and CpuIdle to systemd, ignoring CPUWeight");
    }
    let file = |name| resources.unified.get(name).map(|value| value.trim());
    if driver == Driver::Systemd && file("cpu.idle") == Some("1") && file("cpu.weight").is_some() {
        log::warn("unable to apply both cpu.weight and cpu.idle to systemd, ignoring cpu.weight");
    }
}

/// Reads a size as Docker writes it (`512m`, `1.5g`, `64 KiB`); -1 is no limit.
fn size(text: &str) -> Option<i64> {
    if text == "-1" {
        return Some(-1);
    }
    let lower = text.to_ascii_lowercase();
    let at = lower.rfind(|c: char| c.is_ascii_digit())? + 1;
    let (digits, unit) = lower.split_at(at);
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let shift = match unit {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        "p" | "pb" | "pib" => 50,
        _ => return None,
    };
    if let Ok(whole) = digits.parse::<u64>() {
        return i64::try_from(whole).ok()?.checked_mul(1 << shift);
    }
    // Scientific notation and names of numbers are none of Docker's.
    let is_decimal = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let bytes = digits.parse::<f64>().ok().filter(|_| is_decimal)? * (1_i64 << shift) as f64;
    (bytes < i64::MAX as f64).then_some(bytes as i64)
}

/// The number that a flag is given; an empty one is as good as no flag.
fn number<T: FromStr>(flag: &str, arguments: &mut Arguments) -> Result<Option<T>, Error> {
    let value = arguments.value()?;
    if value.is_empty() {
        return Ok(None);
    }
    let wrong = |_| Error::Invalid(format!("invalid value for {flag}: {value:?} is no number in its range"));
    value.parse().map(Some).map_err(wrong)
}

/// The size that a flag is given; an empty one is as good as no flag.
fn bytes(flag: &str, arguments: &mut Arguments) -> Result<Option<i64>, Error> {
    let value = arguments.value()?;
    match size(&value) {
        _ if value.is_empty() => Ok(None),
        None => Err(Error::Invalid(format!(
            "invalid value for {flag}: invalid size: '{value}'"
        ))),
        size => Ok(size),
    }
}

/// Sorts one flag into the limits; false for one that is none.
fn limit(flag: &str, resources: &mut Resources, arguments: &mut Arguments) -> Result<bool, Error> {
    fn cpu(resources: &mut Resources) -> &mut Cpu {
        resources.cpu.get_or_insert_default()
    }
    fn memory(resources: &mut Resources) -> &mut Memory {
        resources.memory.get_or_insert_default()
    }
    match flag {
        "blkio-weight" => {
            resources.block_io.get_or_insert_with(BlockIo::default).weight = number(flag, arguments)?;
        }
        "cpu-period" => cpu(resources).period = number(flag, arguments)?,
        "cpu-quota" => cpu(resources).quota = number(flag, arguments)?,
        "cpu-burst" => cpu(resources).burst = number(flag, arguments)?,
        "cpu-rt-period" => cpu(resources).realtime_period = number(flag, arguments)?,
        "cpu-rt-runtime" => cpu(resources).realtime_runtime = number(flag, arguments)?,
        "cpu-share" => cpu(resources).shares = number(flag, arguments)?,
        "cpu-idle" => cpu(resources).idle = number(flag, arguments)?,
        "cpuset-cpus" => cpu(resources).cpus = arguments.value()?,
        "cpuset-mems" => cpu(resources).mems = arguments.value()?,
        "memory" => memory(resources).limit = bytes(flag, arguments)?,
        "memory-reservation" => memory(resources).reservation = bytes(flag, arguments)?,
        "memory-swap" => memory(resources).swap = bytes(flag, arguments)?,
        "kernel-memory" => memory(resources).kernel = bytes(flag, arguments)?,
        "kernel-memory-tcp" => memory(resources).kernel_tcp = bytes(flag, arguments)?,
        "pids-limit" => resources.pids = number(flag, arguments)?.map(|limit| Pids { limit }),
        _ => return Ok(false),
    }
    Ok(true)
}

/// The command line.
pub(crate) fn command(globals: &Globals, arguments: &mut Arguments) -> Result<u8, Error> {
    let (mut given, mut resources, mut words) = (None, Resources::default(), Vec::new());
    while let Some(piece) = arguments.next()? {
        match piece {
            Piece::Word(word) => words.push(word),
            Piece::Flag(flag) if flag == "resources" || flag == "r" => given = Some(arguments.path()?),
            Piece::Flag(flag) if flag == "l3-cache-schema" || flag == "mem-bw-schema" => {
                if !arguments.value()?.is_empty() {
                    return Err(Error::Unsupported(format!("--{flag}: Intel RDT is not enabled")));
                }
            }
            Piece::Flag(flag) => {
                if !limit(&flag, &mut resources, arguments)? {
                    return arguments.unknown();
                }
            }
        }
    }
    let (id, _) = super::container_id("update", words, 0)?;
    // As under runc, a document takes the place of all flags.
    if let Some(path) = given.filter(|path| !path.as_os_str().is_empty()) {
        resources = document(&path)?;
    }
    // Devices are given when a container is made; what others added to them since shall stay.
    resources.devices.clear();
    update(&globals.root, &id, &resources)?;
    Ok(0)
}

/// Reads limits from a file, or from standard input for `-`.
fn document(path: &Path) -> Result<Resources, Error> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin()
            .read_to_end(&mut bytes)
            .doing(|| "read standard input".into())?;
    } else {
        bytes = std::fs::read(path).doing(|| format!("read {}", path.display()))?;
    }
    Ok(tierce_oci::json::parse("resources", &bytes)?)
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_units() {
        let good = [
            ("512m", 512 << 20),
            ("-1", -1),
            ("2GiB", 2 << 30),
            ("1.5g", 3 << 29),
            ("64 KB", 64 << 10),
            ("33554432", 33_554_432),
        ];
        for (text, bytes) in good {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "x", "99999999999t", "-5", "1e3x", "1..2m", "5  m", "m"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_size_panics(text in ".{0,12}") {
            let _ = size(&text);
        }
    }
}
