//! `update`: other limits for a container that exists.

use super::{Globals, state};
use crate::argv::{Arguments, Piece};
use crate::error::{Doing, Error};
use crate::state::Home;
use std::io::Read;
use std::path::Path;
use tierce_oci::runtime::{BlockIo, Cpu, Memory, Pids, Resources};

/// Sets limits; what `resources` leaves out stays as it is.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Cgroup`] for a limit that the kernel refuses.
pub fn update(root: &Path, id: &str, resources: &Resources) -> Result<(), Error> {
    let record = Home::of(root, id)?.load()?;
    Ok(state::group(&record).set(resources)?)
}

/// Reads a size with a unit (`512m`); -1 is no limit.
fn size(text: &str) -> Result<i64, Error> {
    let wrong = || Error::Usage(format!("invalid size: {text:?}"));
    let lower = text.to_ascii_lowercase();
    let lower = lower
        .strip_suffix("ib")
        .or_else(|| lower.strip_suffix('b'))
        .unwrap_or(&lower);
    let (digits, shift) = match lower.char_indices().next_back() {
        Some((at, 'k')) => (&lower[..at], 10),
        Some((at, 'm')) => (&lower[..at], 20),
        Some((at, 'g')) => (&lower[..at], 30),
        Some((at, 't')) => (&lower[..at], 40),
        _ => (lower, 0),
    };
    let number: i64 = digits.trim().parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(wrong)
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
            resources.block_io.get_or_insert_with(BlockIo::default).weight = Some(arguments.number()?);
        }
        "cpu-period" => cpu(resources).period = Some(arguments.number()?),
        "cpu-quota" => cpu(resources).quota = Some(arguments.number()?),
        "cpu-burst" => cpu(resources).burst = Some(arguments.number()?),
        "cpu-rt-period" => cpu(resources).realtime_period = Some(arguments.number()?),
        "cpu-rt-runtime" => cpu(resources).realtime_runtime = Some(arguments.number()?),
        "cpu-share" => cpu(resources).shares = Some(arguments.number()?),
        "cpu-idle" => cpu(resources).idle = Some(arguments.number()?),
        "cpuset-cpus" => cpu(resources).cpus = arguments.value()?,
        "cpuset-mems" => cpu(resources).mems = arguments.value()?,
        "memory" => memory(resources).limit = Some(size(&arguments.value()?)?),
        "memory-reservation" => memory(resources).reservation = Some(size(&arguments.value()?)?),
        "memory-swap" => memory(resources).swap = Some(size(&arguments.value()?)?),
        "kernel-memory" | "kernel-memory-tcp" => drop(arguments.value()?),
        "pids-limit" => {
            resources.pids = Some(Pids {
                limit: arguments.number()?,
            });
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The command line.
pub(crate) fn command(globals: &Globals, arguments: &mut Arguments) -> Result<u8, Error> {
    let (mut resources, mut words) = (Resources::default(), Vec::new());
    while let Some(piece) = arguments.next()? {
        match piece {
            Piece::Word(word) => words.push(word),
            Piece::Flag(flag) if flag == "resources" || flag == "r" => resources = document(&arguments.path()?)?,
            Piece::Flag(flag) => {
                if !limit(&flag, &mut resources, arguments)? {
                    return arguments.unknown();
                }
            }
        }
    }
    let (id, _) = super::container_id("update", words, 0)?;
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
    serde_json::from_slice(&bytes).map_err(|error| Error::Invalid(format!("parse resources: {error}")))
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_units() {
        assert_eq!(
            (size("512m").ok(), size("-1").ok(), size("2GiB").ok()),
            (Some(512 << 20), Some(-1), Some(2 << 30))
        );
        assert!(size("x").is_err() && size("").is_err() && size("99999999999t").is_err());
    }
}
