//! One data root under two daemons: what dockerd wrote, `tierced` serves, and the other way round.
//!
//! The real dockerd is the one that `TIERCE_DOCKERD` names or that is installed. Where there is none, the tree that one
//! has left behind (`fixtures/`) is opened all the same.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

mod deeds;
mod facts;
mod recorded;
mod trees;

use deeds::Client;
use std::path::{Path, PathBuf};
use tierce_testkit::{Daemon, Dockerd, Entry, ImageBuilder, daemon_on};

/// A data root with the two daemons that take turns on it. Both see the same host and the same registry.
struct Place {
    dockerd: Dockerd,
    tierced: Daemon,
    image: String,
    directory: tempfile::TempDir,
}

/// Whose turn it is.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Turn {
    Dockerd,
    Tierced,
}

impl Turn {
    fn other(self) -> Self {
        match self {
            Self::Dockerd => Self::Tierced,
            Self::Tierced => Self::Dockerd,
        }
    }
}

impl Place {
    /// An empty data root; `None` with the reason printed where there is no dockerd.
    fn new() -> Option<Self> {
        // Not /tmp: a dockerd in a mount namespace of its own has another one.
        let directory = tempfile::Builder::new()
            .prefix("ic")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .unwrap();
        let root = directory.path().join("data");
        let mut tierced = daemon_on(&root);
        let dockerd = match Dockerd::on(tierced.host(), directory.path(), &root) {
            Ok(dockerd) => dockerd,
            Err(reason) => {
                println!("{reason}");
                return None;
            }
        };
        let image = tierced.registry().push(&image(), "base");
        Some(Self {
            dockerd,
            tierced,
            image,
            directory,
        })
    }

    fn start(&mut self, turn: Turn) {
        match turn {
            Turn::Dockerd => self.dockerd.launch(),
            Turn::Tierced => self.tierced.launch(),
        }
    }

    fn stop(&mut self, turn: Turn) {
        match turn {
            Turn::Dockerd => self.dockerd.stop(),
            Turn::Tierced => self.tierced.stop(),
        }
    }

    fn client(&self, turn: Turn) -> Client<'_> {
        match turn {
            Turn::Dockerd => Client(Box::new(|words| self.dockerd.docker(words))),
            Turn::Tierced => Client(Box::new(|words| self.tierced.docker(words))),
        }
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("data")
    }
}

/// Three layers, one of them shared with nothing; directories with modes and owners; a volume.
fn image() -> ImageBuilder {
    ImageBuilder::busybox()
        .layer(&[
            Entry::File("data/seed", b"seed\n".to_vec(), 0o640),
            Entry::File("etc/hosts", b"of the image\n".to_vec(), 0o600),
            Entry::Link("etc/link", "passwd"),
        ])
        .layer(&[
            Entry::File("opt/tool", b"#!/bin/sh\necho tool\n".to_vec(), 0o4755),
            Entry::Directory("var/empty"),
        ])
        .config("Volumes", serde_json::json!({ "/data": {} }))
        .config("Labels", serde_json::json!({ "of": "the <image> & more" }))
        .config("ExposedPorts", serde_json::json!({ "80/tcp": {} }))
}

/// What one daemon did, the other tells alike, and goes on with; at the end nothing is left.
fn hand_over(first: Turn) {
    let Some(mut place) = Place::new() else { return };
    let second = first.other();
    place.start(first);
    deeds::fill(&place.client(first), &place.image);
    let before = facts::of(&place.client(first));
    place.stop(first);
    place.start(second);
    let after = facts::of(&place.client(second));
    assert_eq!(facts::differences(&before, &after), Vec::<String>::new());
    let client = place.client(second);
    deeds::go_on(&client, &place.image, 2);
    deeds::clear(&client);
    drop(client);
    place.stop(second);
    assert_nothing_is_left(&place.root());
}

/// Images, layers, containers and their volumes are gone from the disk.
fn assert_nothing_is_left(root: &Path) {
    let names = |path: &str| -> Vec<String> {
        let entries = std::fs::read_dir(root.join(path)).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect()
    };
    for empty in [
        "containers",
        "overlay2/l",
        "image/overlay2/imagedb/content/sha256",
        "image/overlay2/imagedb/metadata/sha256",
        "image/overlay2/layerdb/sha256",
        "image/overlay2/layerdb/mounts",
    ] {
        assert_eq!(names(empty), Vec::<String>::new(), "{empty}");
    }
    assert_eq!(names("overlay2"), ["l"]);
    let volumes: Vec<_> = names("volumes");
    assert!(
        volumes
            .iter()
            .all(|name| name == "metadata.db" || name == "backingFsBlockDev"),
        "{volumes:?}"
    );
}

#[test]
fn row_001_row_074_row_161_a_data_root_of_dockerd_opens_under_tierced() {
    hand_over(Turn::Dockerd);
}

#[test]
fn row_001_row_074_row_161_a_data_root_of_tierced_opens_under_dockerd() {
    hand_over(Turn::Tierced);
}

#[test]
fn row_073_a_data_root_goes_to_and_fro() {
    let Some(mut place) = Place::new() else { return };
    place.start(Turn::Dockerd);
    deeds::fill(&place.client(Turn::Dockerd), &place.image);
    place.stop(Turn::Dockerd);
    let mut turn = Turn::Dockerd;
    for round in 2..8 {
        turn = turn.other();
        place.start(turn);
        deeds::go_on(&place.client(turn), &place.image, round);
        place.stop(turn);
    }
    // dockerd is the last, and takes all away that both have made.
    place.start(Turn::Dockerd);
    deeds::clear(&place.client(Turn::Dockerd));
    place.stop(Turn::Dockerd);
    assert_nothing_is_left(&place.root());
}

#[test]
fn row_004_row_008_row_013_row_015_row_016_the_same_deeds_leave_the_same_bytes() {
    let (Some(mut theirs), Some(mut ours)) = (Place::new(), Place::new()) else {
        return;
    };
    theirs.start(Turn::Dockerd);
    let version = theirs.dockerd.version();
    if !version.starts_with("28.") {
        println!("skipped: dockerd {version} writes other bytes than 28");
        return;
    }
    deeds::fill(&theirs.client(Turn::Dockerd), &theirs.image);
    theirs.stop(Turn::Dockerd);
    ours.start(Turn::Tierced);
    deeds::fill(&ours.client(Turn::Tierced), &ours.image);
    ours.stop(Turn::Tierced);
    let differences = trees::differences(&theirs.root(), &ours.root());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
