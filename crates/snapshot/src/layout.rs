//! Where a snapshot's files lie.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Who shows the union of stacked directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Union {
    /// The kernel's overlay.
    Kernel,
    /// The program fuse-overlayfs. In its directories, whiteouts may also be files `.wh.<name>`, and an opaque directory
    /// may have a file `.wh..wh..opq`.
    Fuse,
}

/// Where the files of one snapshot lie on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// Only the changes to the layers below, with overlay whiteouts.
    Overlay {
        /// The snapshot's own files.
        upper: PathBuf,
        /// `diff` directories of the layers below, topmost first.
        lowers: Vec<PathBuf>,
        /// Scratch space of the kernel.
        work: PathBuf,
        /// Where the union is mounted.
        merged: PathBuf,
        /// Who shows the union.
        union: Union,
    },
    /// The whole tree, parents included.
    Tree {
        /// Its root.
        root: PathBuf,
    },
}

impl Layout {
    /// The directory with the snapshot's own files.
    pub fn upper(&self) -> &Path {
        match self {
            Self::Overlay { upper, .. } => upper,
            Self::Tree { root } => root,
        }
    }

    /// `GraphDriver.Data` of `docker inspect`; empty for trees (Docker shows `null`).
    ///
    /// A bottom layer has only `MergedDir`, `UpperDir` and `WorkDir`, as with Docker.
    pub fn graph_data(&self) -> BTreeMap<String, String> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        match self {
            Self::Tree { .. } => BTreeMap::new(),
            Self::Overlay {
                upper,
                lowers,
                work,
                merged,
                ..
            } => {
                let mut data = BTreeMap::from([
                    ("MergedDir".to_owned(), text(merged)),
                    ("UpperDir".to_owned(), text(upper)),
                    ("WorkDir".to_owned(), text(work)),
                ]);
                if !lowers.is_empty() {
                    let lowers: Vec<_> = lowers.iter().map(|lower| text(lower)).collect();
                    data.insert("LowerDir".to_owned(), lowers.join(":"));
                }
                data
            }
        }
    }
}
