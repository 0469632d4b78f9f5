//! Who moves images: engines with Docker's command line, containerd's `ctr`, and `skopeo` over podman's kind of store.

use super::contestant::{Engine, Named, leave_out};
use super::measure::{processes_named, run_for};
use super::stage::Stage;
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// No image may take longer.
pub(super) const PATIENCE: Duration = Duration::from_mins(5);

/// A program that pulls, pushes, saves and loads.
pub(super) enum Mover<'a> {
    /// An engine; ours is one.
    Engine(&'a Engine, Vec<u32>),
    /// containerd's client, with the processes of containerd.
    Ctr(Vec<u32>),
    /// skopeo, with a store of its own in this folder.
    Skopeo(PathBuf),
}

impl Named for Mover<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Engine(engine, _) => engine.name,
            Self::Ctr(_) => "ctr",
            Self::Skopeo(_) => "skopeo",
        }
    }
}

impl<'a> Mover<'a> {
    /// Ours first, then those that are there.
    pub(super) fn all(stage: &'a Stage) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        for engine in &stage.engines {
            let daemons = match engine.daemons {
                [] if engine.name == "tierce" => stage.daemon_process().into_iter().collect(),
                [] => Vec::new(),
                names => processes_named(names)?,
            };
            all.push(Self::Engine(engine, daemons));
        }
        let mut others = vec![
            Self::Ctr(processes_named(&["containerd"])?),
            Self::Skopeo(stage.folder("skopeo")),
        ];
        others.retain(|mover| {
            let probe = match mover {
                Self::Skopeo(_) => Command::new("skopeo").arg("--version").output(),
                _ => Command::new("ctr").arg("version").output(),
            };
            let refused = match probe {
                Ok(output) if output.status.success() => return true,
                Ok(output) => anyhow::anyhow!("{}", String::from_utf8_lossy(&output.stderr).trim().to_owned()),
                Err(error) => error.into(),
            };
            leave_out(mover.name(), &refused);
            false
        });
        all.append(&mut others);
        Ok(all)
    }

    /// The processes that work for it besides the command itself.
    pub(super) fn daemons(&self) -> &[u32] {
        match self {
            Self::Engine(_, daemons) | Self::Ctr(daemons) => daemons,
            Self::Skopeo(_) => &[],
        }
    }

    /// Gets the image from the registry, with all its layers unpacked.
    pub(super) fn pull(&self, image: &str) -> Result<()> {
        match self {
            Self::Engine(engine, _) => engine.pull(image),
            Self::Ctr(_) => ctr(&["images", "pull", "--plain-http", image]),
            Self::Skopeo(_) => copy(&format!("docker://{image}"), &self.stored(image)),
        }
    }

    /// Sends the image to the registry that its new name says.
    pub(super) fn push(&self, image: &str, new: &str) -> Result<()> {
        match self {
            Self::Engine(engine, _) => {
                let words = [&["push", "--quiet"], engine.registry_words, &[new]].concat();
                run_for(&mut engine.command(&words), PATIENCE).map(drop)
            }
            Self::Ctr(_) => ctr(&["images", "push", "--plain-http", new]),
            Self::Skopeo(_) => copy(&self.stored(image), &format!("docker://{new}")),
        }
    }

    /// Gives the image another name, which [`Self::push`] takes.
    pub(super) fn tag(&self, image: &str, new: &str) -> Result<()> {
        match self {
            Self::Engine(engine, _) => engine.run(&["tag", image, new]).map(drop),
            Self::Ctr(_) => ctr(&["images", "tag", image, new]),
            Self::Skopeo(_) => Ok(()),
        }
    }

    /// Writes the image into an archive.
    pub(super) fn save(&self, image: &str, archive: &Path) -> Result<()> {
        let path = archive.to_string_lossy();
        match self {
            Self::Engine(engine, _) => run_for(&mut engine.command(&["save", "-o", &path, image]), PATIENCE).map(drop),
            Self::Ctr(_) => ctr(&["images", "export", &path, image]),
            Self::Skopeo(_) => copy(&self.stored(image), &format!("docker-archive:{path}:{image}")),
        }
    }

    /// Reads the image from an archive of Docker's form, with all its layers unpacked.
    pub(super) fn load(&self, image: &str, archive: &Path) -> Result<()> {
        let path = archive.to_string_lossy();
        match self {
            Self::Engine(engine, _) => run_for(&mut engine.command(&["load", "-q", "-i", &path]), PATIENCE).map(drop),
            Self::Ctr(_) => ctr(&["images", "import", &path]),
            Self::Skopeo(_) => copy(&format!("docker-archive:{path}"), &self.stored(image)),
        }
    }

    /// Removes the image with its layers; one that is not there is no error.
    pub(super) fn remove(&self, image: &str) {
        // Whether it was there is not known, and what stays would show in the next figure.
        let _ = match self {
            Self::Engine(engine, _) => engine.run(&["rmi", "-f", image]).map(drop),
            Self::Ctr(_) => ctr(&["images", "rm", "--sync", image]),
            Self::Skopeo(_) => {
                run_for(Command::new("skopeo").arg("delete").arg(self.stored(image)), PATIENCE).map(drop)
            }
        };
    }

    /// Takes away what it leaves mounted: skopeo binds its store onto itself.
    pub(super) fn close(&self) {
        if let Self::Skopeo(folder) = self {
            // Nothing is mounted where nothing was copied.
            let _ = run_for(Command::new("umount").arg(folder.join("store/overlay")), PATIENCE);
        }
    }

    fn stored(&self, image: &str) -> String {
        let Self::Skopeo(folder) = self else {
            return String::new();
        };
        let folder = folder.display();
        format!("containers-storage:[overlay@{folder}/store+{folder}/run]{image}")
    }
}

fn copy(from: &str, to: &str) -> Result<()> {
    let mut command = Command::new("skopeo");
    command.args(["--insecure-policy", "copy", "--quiet"]).args([
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        from,
        to,
    ]);
    run_for(&mut command, PATIENCE).map(drop)
}

fn ctr(words: &[&str]) -> Result<()> {
    let mut command = Command::new("ctr");
    command.args(["--namespace", "tierce-bench"]).args(words);
    run_for(&mut command, PATIENCE).map(drop)
}
