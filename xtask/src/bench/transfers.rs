//! The rows of moving images: `pull`, `push`, `save`, `load`, each over all images and all contestants in turn.
//!
//! What one act leaves to the disk is written back before the next begins, and no image is there before it is pulled or
//! loaded, nor in the registry before it is pushed.

use super::images::{IMAGES, Moved, layout_of};
use super::measure::{Peak, busy, run_for, with_cpu};
use super::mover::{Mover, PATIENCE};
use super::rows::{in_turn, measure, milliseconds};
use super::stage::{Stage, copy_layout};
use super::table::{Measure, Series, Unit};
use anyhow::Result;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use tierce_testkit::loopback::{DockerRegistry, RegistryOptions};

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Pull,
    Push,
    Save,
    Load,
}

impl Way {
    fn word(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Save => "save",
            Self::Load => "load",
        }
    }
}

/// Measures one way for every image.
pub(super) fn transfer(stage: &Stage, scratch: &Path, way: Way, rounds: usize) -> Result<Vec<Measure>> {
    let movers = Mover::all(stage)?;
    let measures = every_image(stage, scratch, way, rounds, &movers);
    movers.iter().for_each(Mover::close);
    measures
}

fn every_image(stage: &Stage, scratch: &Path, way: Way, rounds: usize, movers: &[Mover<'_>]) -> Result<Vec<Measure>> {
    let mut measures = Vec::new();
    for image in &IMAGES {
        let registry = registry()?;
        let name = format!("{}/tierce-bench/{}:1", registry.authority(), image.name);
        copy_layout(&layout_of(scratch, image), "bench", &name)?;
        let place = Place {
            stage,
            scratch,
            way,
            name,
        };
        let measured = place.measure(image, movers, rounds);
        for mover in movers {
            mover.remove(&place.name);
        }
        measures.extend(measured?);
    }
    Ok(measures)
}

fn registry() -> Result<DockerRegistry> {
    DockerRegistry::start(&RegistryOptions::default()).map_err(anyhow::Error::msg)
}

/// Where one image is moved.
struct Place<'a> {
    stage: &'a Stage,
    scratch: &'a Path,
    way: Way,
    /// Name of the image at the registry.
    name: String,
}

/// Figures of one act: wall and processor time, milliseconds; bytes by which the daemons grew at most.
type Figures = [f64; 3];

impl Place<'_> {
    fn measure(&self, image: &Moved, movers: &[Mover<'_>], rounds: usize) -> Result<Vec<Measure>> {
        let archive = self.stage.folder("archive");
        if self.way == Way::Load {
            let source = format!("oci:{}:bench", layout_of(self.scratch, image).display());
            let destination = format!("docker-archive:{}:{}", archive.display(), self.name);
            let mut command = Command::new("skopeo");
            command.args(["--insecure-policy", "copy", "--quiet", &source, &destination]);
            run_for(&mut command, PATIENCE)?;
        } else if self.way != Way::Pull {
            for mover in movers {
                mover.pull(&self.name)?;
            }
        }
        let act = |_, mover: &Mover<'_>| self.act(mover, &archive).map(Vec::from);
        let series = in_turn(self.stage, 1, rounds, movers, act);
        let _ = fs::remove_file(&archive);
        let series = series?;
        let every_third = |first: usize| -> Vec<Series> {
            let third = series.iter().map(|series| Series {
                name: series.name.clone(),
                values: series.values.iter().copied().skip(first).step_by(3).collect(),
            });
            third.collect()
        };
        let label = format!("{} {}", self.way.word(), image.name);
        let mut memory = every_third(2);
        // Who has no daemon has no figure here.
        memory.retain(|series| series.values.iter().all(|value| *value > 0.0));
        Ok(vec![
            measure(&label, Unit::Milliseconds, every_third(0)),
            measure(&format!("{label} cpu"), Unit::Milliseconds, every_third(1)),
            measure(&format!("{label} memory"), Unit::Bytes, memory),
        ])
    }

    /// Prepares, lets the disk come to rest, acts.
    fn act(&self, mover: &Mover<'_>, archive: &Path) -> Result<Figures> {
        let name = self.name.as_str();
        match self.way {
            Way::Pull => {
                mover.remove(name);
                timed(mover, || mover.pull(name))
            }
            Way::Load => {
                mover.remove(name);
                timed(mover, || mover.load(name, archive))
            }
            Way::Save => {
                let figures = timed(mover, || mover.save(name, archive));
                let _ = fs::remove_file(archive);
                figures
            }
            Way::Push => {
                let empty = registry()?;
                let (_, path) = name.split_once('/').unwrap_or_default();
                let new = format!("{}/{path}", empty.authority());
                mover.tag(name, &new)?;
                let figures = timed(mover, || mover.push(name, &new));
                mover.remove(&new);
                figures
            }
        }
    }
}

fn timed(mover: &Mover<'_>, act: impl FnOnce() -> Result<()>) -> Result<Figures> {
    rustix::fs::sync();
    let peak = Peak::begin(mover.daemons())?;
    let before = busy(mover.daemons());
    let start = Instant::now();
    let ((), of_command) = with_cpu(act)?;
    let wall = start.elapsed();
    let of_daemons = busy(mover.daemons()).saturating_sub(before);
    Ok([
        milliseconds(wall),
        milliseconds(of_command + of_daemons),
        peak.growth()? as f64,
    ])
}
