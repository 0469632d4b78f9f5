//! Whole archives: layers that are unpacked, and files that are loaded.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tierce_image::{Config, Images, Message, Parallel, Progress, Reach};
use tierce_layer::apply::{Target, apply};
use tierce_layer::{Limits, Store, tar_split};
use tierce_snapshot::{drivers, tree};

/// A directory in memory, if there is one, that is gone with this value.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("tierce-fuzz-{}-{count}", std::process::id()));
        fs::create_dir(&path).expect("a directory");
        Self(path)
    }

    fn names(&self) -> Vec<std::ffi::OsString> {
        tree::names(&self.0).expect("a list")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The image store may still be settling what was loaded.
        let _ = tree::remove(&self.0);
    }
}

/// A layer, as it is and with right checksums: it is unpacked or refused, changes nothing but its directory, and if it is
/// unpacked, its archive is rebuilt bit for bit.
pub(crate) fn layer(bytes: &[u8]) {
    unpack(bytes);
    unpack(&tierce_layer::fuzzing::with_checksums(bytes));
}

/// A container's archive, as it is and with right checksums: it is unpacked or refused, and changes nothing but its
/// directory.
pub(crate) fn copy(bytes: &[u8]) {
    for archive in [bytes, &tierce_layer::fuzzing::with_checksums(bytes)] {
        let place = Place::new();
        fs::create_dir(place.0.join("into")).expect("a directory");
        fs::write(place.0.join("precious"), "untouched").expect("a file");
        // What says that it is large fills the disk here as it does for the user; a short archive can say so of a sparse
        // file alone, which takes no room.
        let _ = tierce_copy::unpack(archive, &place.0.join("into"), None);
        assert_eq!(place.names(), ["into", "precious"]);
        assert_eq!(fs::read(place.0.join("precious")).expect("there"), b"untouched");
    }
}

fn unpack(archive: &[u8]) {
    let place = Place::new();
    let path = |name: &str| place.0.join(name);
    fs::create_dir(path("layer")).expect("a directory");
    fs::write(path("precious"), "untouched").expect("a file");
    let target = Target {
        directory: &path("layer"),
        tar_split: &path("split"),
        aside: &path("aside"),
        user_xattr: false,
    };
    let limits = Limits {
        bytes: 4 << 20,
        entries: 1000,
    };
    let accepted = apply(archive, &target, &limits).is_ok();
    assert_eq!(place.names(), ["aside", "layer", "precious", "split"]);
    assert_eq!(fs::read(path("precious")).expect("there"), b"untouched");
    if accepted {
        let (mut plain, mut again) = (Vec::new(), Vec::new());
        let (_, mut unpacked) = tierce_layer::decompress(archive).expect("known");
        unpacked.read_to_end(&mut plain).expect("read before");
        tar_split::assemble(&path("split"), &path("layer"), &mut again).expect("rebuilt");
        assert!(plain == again, "bit for bit");
    }
}

struct Deaf;

impl Progress for Deaf {
    fn report(&self, _: Message) {}
}

/// An archive of images: it is loaded or refused, and a refused one leaves no layer half made.
pub(crate) fn load(bytes: &[u8]) {
    let place = Place::new();
    let driver = drivers::open(&place.0, Some("vfs"), &[])
        .expect("vfs works anywhere")
        .driver;
    let database = place.0.join("image/vfs/layerdb");
    let layers = Arc::new(Store::open(&database, driver).expect("a store"));
    let registry = tierce_registry::Config {
        certificate_directories: Vec::new(),
        ..tierce_registry::Config::default()
    };
    let client = tierce_registry::Client::new(registry).expect("a client");
    let reach = Reach::new(client, Parallel::default());
    let images = Images::open(Config::new(&place.0, "vfs"), layers, reach, Arc::default()).expect("images");
    let progress: Arc<dyn Progress> = Arc::new(Deaf);
    let _ = images.load(bytes, None, &progress);
    let _ = images.load(tierce_layer::fuzzing::with_checksums(bytes).as_slice(), None, &progress);
    let left = tree::names(&database.join("tmp")).expect("a list");
    let half_made = left.iter().find(|name| name.to_string_lossy().starts_with("ingest-"));
    assert!(half_made.is_none(), "{half_made:?}");
}
