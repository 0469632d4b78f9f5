//! The images that are moved: real files of a debootstrap tree, cut into layers.
//!
//! They are made once and kept in the scratch folder (about 1 GB), since they take minutes to make:
//!
//! ```text
//! images/tree/           the tree
//! images/<name>/         an OCI layout, image name `bench`
//! ```

use super::measure::run_for;
use anyhow::{Context as _, Result};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tierce_testkit::layout::{Compression, ImageLayout, Layer};

/// An image of the benchmark.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moved {
    /// What the table calls it.
    pub(super) name: &'static str,
    layers: usize,
    /// Uncompressed, of all layers together.
    bytes: u64,
    compression: Compression,
}

/// The images: few big layers in both compressions, many small ones.
pub(super) const IMAGES: [Moved; 3] = [
    Moved {
        name: "gzip",
        layers: 5,
        bytes: 500 << 20,
        compression: Compression::Gzip,
    },
    Moved {
        name: "zstd",
        layers: 5,
        bytes: 500 << 20,
        compression: Compression::Zstd,
    },
    Moved {
        name: "many",
        layers: 40,
        bytes: 40 << 20,
        compression: Compression::Gzip,
    },
];

/// Packages that bring a minimal Debian to 500 MB.
const PACKAGES: &str = "gcc,g++,git,python3,vim,perl";
const PATIENCE: Duration = Duration::from_mins(10);

/// Makes the images that are not there yet.
///
/// # Errors
/// When debootstrap is missing or cannot reach the packages.
pub(super) fn make(scratch: &Path) -> Result<()> {
    for image in &IMAGES {
        if layout_of(scratch, image).exists() {
            continue;
        }
        println!("making the image {} (once)", image.name);
        let tree = make_tree(scratch)?;
        let mut layers = Vec::new();
        for names in cut(&tree, image)? {
            layers.push(Layer::from_tar(archive(&tree, &names)?, image.compression));
        }
        let mut layout = ImageLayout::new();
        let descriptor = layout.image(&layers, &ImageLayout::config(&layers, ("linux", "amd64")));
        layout.name("bench", descriptor);
        // A layout that has its name is complete.
        let half = folder(scratch).join("half");
        let _ = fs::remove_dir_all(&half);
        run_for(Command::new("cp").arg("-r").arg(layout.path()).arg(&half), PATIENCE)?;
        fs::rename(&half, layout_of(scratch, image))?;
    }
    Ok(())
}

/// Where the layout of an image is.
pub(super) fn layout_of(scratch: &Path, image: &Moved) -> PathBuf {
    folder(scratch).join(image.name)
}

fn folder(scratch: &Path) -> PathBuf {
    scratch.join("images")
}

fn make_tree(scratch: &Path) -> Result<PathBuf> {
    let tree = folder(scratch).join("tree");
    if tree.exists() {
        return Ok(tree);
    }
    fs::create_dir_all(folder(scratch))?;
    let half = folder(scratch).join("half-tree");
    let _ = fs::remove_dir_all(&half);
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let suite = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .unwrap_or("stable");
    let mut command = Command::new("debootstrap");
    command
        .args(["--variant=minbase", &format!("--include={PACKAGES}"), suite])
        .arg(&half);
    run_for(&mut command, PATIENCE).context("make a tree: is debootstrap installed?")?;
    fs::rename(&half, &tree)?;
    Ok(tree)
}

/// Cuts the tree into layers of about the same size, in the order of names; each directory is in the first that needs it.
fn cut(tree: &Path, image: &Moved) -> Result<Vec<Vec<PathBuf>>> {
    let mut names = Vec::new();
    walk(tree, Path::new(""), &mut names)?;
    let share = image.bytes / image.layers as u64;
    let mut layers = vec![Vec::new()];
    let (mut bytes, mut entries) = (0, 0);
    for (name, size) in names {
        // Small layers of small files: what costs is the number of files as well.
        if bytes + size > share && entries > 0 {
            if layers.len() == image.layers {
                break;
            }
            layers.push(Vec::new());
            (bytes, entries) = (0, 0);
        }
        bytes += size;
        entries += 1;
        if let Some(layer) = layers.last_mut() {
            layer.push(name);
        }
    }
    Ok(layers)
}

fn walk(tree: &Path, below: &Path, names: &mut Vec<(PathBuf, u64)>) -> Result<()> {
    let mut entries: Vec<_> = fs::read_dir(tree.join(below))?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (name, metadata) = (below.join(entry.file_name()), entry.metadata()?);
        let size = if metadata.is_file() { metadata.len() } else { 0 };
        names.push((name.clone(), size));
        if metadata.is_dir() {
            walk(tree, &name, names)?;
        }
    }
    Ok(())
}

fn archive(tree: &Path, names: &[PathBuf]) -> Result<Vec<u8>> {
    let directory = tempfile::tempdir()?;
    let (list, file) = (directory.path().join("list"), directory.path().join("tar"));
    let names: Vec<&[u8]> = names.iter().map(|name| name.as_os_str().as_bytes()).collect();
    fs::write(&list, names.join(&0))?;
    let mut command = Command::new("tar");
    command
        .args(["--create", "--numeric-owner", "--no-recursion", "--file"])
        .arg(&file)
        .arg("--directory")
        .arg(tree)
        .args(["--null", "--verbatim-files-from", "--files-from"])
        .arg(&list);
    run_for(&mut command, PATIENCE)?;
    Ok(fs::read(&file)?)
}
