//! A disk that loses what was not synced.
//!
//! A [`RecordedDisk`] carries a file system (ext4 unless asked otherwise) whose every write and sync is recorded in order. From the
//! [`Recording`], [`Recording::after_loss`] makes the disk as a loss of power at some moment may leave it: everything
//! before the last sync, and of the writes since then a random part, torn where they are longer than a block. A
//! [`Bench`] mounts such a disk, whose file system then recovers by its journal as at any boot.
//!
//! ```text
//!   ext4 ── loop device ── FUSE file ──> recording: W W W S W W N W S W …      S sync, N a note of the test
//!                                                       └─ a moment ─┘
//!   ext4 ── loop device ── file on tmpfs <── the recording up to a moment
//! ```
//! All mounts are in a mount namespace of the test's own ([`in_private_mounts`]), so nothing outlives the process,
//! whatever becomes of it.

mod fuse;

use crate::{Run, missing_tool};
use fuse::{Medium, Server};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tierce_sys::namespaces::{Kinds, unshare};

/// Disks write whole blocks of this size or nothing.
const BLOCK: usize = 4096;

/// What is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystem {
    /// ext4, the usual one.
    Ext4,
    /// xfs, which needs a bigger disk.
    Xfs,
    /// btrfs.
    Btrfs,
}

impl FileSystem {
    /// That of the environment variable `TIERCE_CRASH_FS`, else ext4.
    ///
    /// # Panics
    /// When it names no file system of the list.
    pub fn from_environment() -> Self {
        match std::env::var("TIERCE_CRASH_FS").as_deref() {
            Err(_) | Ok("ext4") => Self::Ext4,
            Ok("xfs") => Self::Xfs,
            Ok("btrfs") => Self::Btrfs,
            Ok(other) => panic!("TIERCE_CRASH_FS={other}: choose ext4, xfs or btrfs"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }

    /// Bytes of its disk: few, since each moment has its own.
    fn size(self) -> usize {
        match self {
            Self::Ext4 => 32 << 20,
            Self::Xfs => 320 << 20,
            Self::Btrfs => 128 << 20,
        }
    }

    /// Everything is initialized by these and nothing later, by the kernel behind the test's back.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Ext4 => &[
                "-q",
                "-F",
                "-b",
                "4096",
                "-J",
                "size=4",
                "-N",
                "4096",
                "-E",
                "nodiscard,lazy_itable_init=0,lazy_journal_init=0",
            ],
            Self::Xfs => &["-q", "-K", "-f"],
            Self::Btrfs => &["-q", "-K", "-f", "-m", "single", "-d", "single"],
        }
    }
}

/// Runs `body` on a thread with a mount namespace of its own, which threads and programs started by it share.
///
/// # Errors
/// Why that is not possible on this machine, in the words of a skip.
///
/// # Panics
/// When `body` does.
pub fn in_private_mounts<T: Send>(body: impl FnOnce() -> T + Send) -> Result<T, String> {
    if let Some(reason) = missing_tool(&[&format!("mkfs.{}", FileSystem::from_environment().name()), "mount"]) {
        return Err(reason);
    }
    if !Path::new("/dev/fuse").exists() || !Path::new("/dev/loop-control").exists() {
        return Err("skipped: this kernel has no /dev/fuse or no loop devices".to_owned());
    }
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(Kinds::MOUNT).map_err(|error| format!("skipped: no mount namespace of its own: {error}"))?;
            mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
                .map_err(|error| format!("skipped: mounts cannot be made private: {error}"))?;
            Ok(body())
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// What happened to a disk.
#[derive(Debug, Clone)]
enum Event {
    Write { offset: usize, bytes: Vec<u8> },
    Sync,
    Note(String),
}

/// The medium behind the FUSE file.
struct Recorder {
    state: Mutex<State>,
}

struct State {
    bytes: Vec<u8>,
    events: Vec<Event>,
    recording: bool,
}

impl Recorder {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, event: Event) {
        let mut state = self.state();
        if state.recording {
            state.events.push(event);
        }
    }
}

impl Medium for Recorder {
    fn length(&self) -> u64 {
        self.state().bytes.len() as u64
    }

    fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        let offset = offset as usize;
        self.state().bytes[offset..offset + length].to_vec()
    }

    fn write(&self, offset: u64, bytes: &[u8]) {
        let offset = offset as usize;
        self.state().bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
        self.record(Event::Write {
            offset,
            bytes: bytes.to_vec(),
        });
    }

    fn sync(&self) {
        self.record(Event::Sync);
    }
}

/// A mounted file system whose disk is recorded. Use it within [`in_private_mounts`].
pub struct RecordedDisk {
    kind: FileSystem,
    recorder: Arc<Recorder>,
    base: Vec<u8>,
    mounted: Option<Mounted>,
    server: Option<Server>,
    _directory: tempfile::TempDir,
}

impl RecordedDisk {
    /// Makes a disk with an empty file system and mounts it with default options.
    ///
    /// # Panics
    /// When a step fails.
    pub fn new(kind: FileSystem) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("disk");
        File::create(&file)
            .and_then(|file| file.set_len(kind.size() as u64))
            .expect("make a file for the disk");
        let mut make = Command::new(format!("mkfs.{}", kind.name()));
        make.args(kind.arguments()).arg(&file).run().ok();
        let base = fs::read(&file).expect("read the new file system");
        let recorder = Arc::new(Recorder {
            state: Mutex::new(State {
                bytes: base.clone(),
                events: Vec::new(),
                recording: true,
            }),
        });
        let server = Server::start(recorder.clone(), &file).expect("serve the disk over FUSE");
        let mounted = Mounted::new(kind, &file, &directory.path().join("root"));
        Self {
            kind,
            recorder,
            base,
            mounted: Some(mounted),
            server: Some(server),
            _directory: directory,
        }
    }

    /// Where the file system is mounted.
    ///
    /// # Panics
    /// Never: it is mounted until it is dropped.
    pub fn path(&self) -> &Path {
        self.mounted.as_ref().expect("it is mounted").path()
    }

    /// Writes down that something has happened now.
    pub fn note(&self, what: impl Into<String>) {
        self.recorder.record(Event::Note(what.into()));
    }

    /// Ends the recording and takes the disk away.
    pub fn end(mut self) -> Recording {
        self.recorder.state().recording = false;
        drop(self.mounted.take());
        drop(self.server.take());
        let events = std::mem::take(&mut self.recorder.state().events);
        Recording {
            kind: self.kind,
            base: std::mem::take(&mut self.base),
            events,
        }
    }
}

impl Drop for RecordedDisk {
    fn drop(&mut self) {
        // The file system before the disk below it.
        drop(self.mounted.take());
        drop(self.server.take());
    }
}

/// All that happened to a disk, from its making on.
pub struct Recording {
    kind: FileSystem,
    base: Vec<u8>,
    events: Vec<Event>,
}

/// How a disk looks after a loss of power.
pub struct Lost {
    kind: FileSystem,
    bytes: Vec<u8>,
    /// What the test had noted before that moment, oldest first.
    pub notes: Vec<String>,
    /// Writes that had come since the last sync, and how many blocks of them are lost.
    pub unsynced: (usize, usize),
}

impl Recording {
    /// How many moments there are: before each event, and after the last.
    pub fn moments(&self) -> usize {
        self.events.len() + 1
    }

    /// The first moment at which this was noted.
    pub fn moment_of(&self, note: &str) -> Option<usize> {
        let noted = |event: &Event| matches!(event, Event::Note(text) if text == note);
        self.events.iter().position(noted)
    }

    /// How many syncs there are.
    pub fn syncs(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::Sync)).count()
    }

    /// The disk when power is lost at `moment`. Of what was not synced by then, each write is lost, there, or there in
    /// part; `random` decides, and also how much is lost at all.
    ///
    /// # Panics
    /// When there is no such moment.
    pub fn after_loss(&self, moment: usize, random: &mut Random) -> Lost {
        let past = &self.events[..moment];
        let synced = past.iter().rposition(|event| matches!(event, Event::Sync)).unwrap_or(0);
        let mut lost = Lost {
            kind: self.kind,
            bytes: self.base.clone(),
            notes: Vec::new(),
            unsynced: (0, 0),
        };
        // Sometimes all of it is there, sometimes nothing, mostly something between.
        let chance = random.below(5) * 64;
        for (index, event) in past.iter().enumerate() {
            match event {
                Event::Sync => {}
                Event::Note(text) => lost.notes.push(text.clone()),
                Event::Write { offset, bytes } if index < synced => {
                    lost.bytes[*offset..offset + bytes.len()].copy_from_slice(bytes);
                }
                Event::Write { offset, bytes } => {
                    lost.unsynced.0 += 1;
                    for (number, block) in bytes.chunks(BLOCK).enumerate() {
                        let at = offset + number * BLOCK;
                        if random.below(256) < chance {
                            lost.bytes[at..at + block.len()].copy_from_slice(block);
                        } else {
                            lost.unsynced.1 += 1;
                        }
                    }
                }
            }
        }
        lost
    }
}

/// A place where disks are mounted, one after the other. Use it within [`in_private_mounts`].
pub struct Bench {
    directory: tempfile::TempDir,
}

impl Bench {
    /// Makes one.
    ///
    /// # Panics
    /// When a step fails.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        mount("bench", directory.path(), "tmpfs", MountFlags::empty(), None).expect("mount a tmpfs");
        Self { directory }
    }

    /// Mounts the file system of a disk as a machine does that boots after the loss.
    ///
    /// # Panics
    /// When a step fails.
    pub fn mount(&self, disk: &Lost) -> Mounted {
        let path = self.directory.path().join("disk");
        let file = File::create(&path).expect("make a file for the disk");
        file.set_len(disk.bytes.len() as u64).expect("give it its size");
        for (number, block) in disk.bytes.chunks(BLOCK).enumerate() {
            if block != [0; BLOCK] {
                file.write_all_at(block, (number * BLOCK) as u64)
                    .expect("write the disk");
            }
        }
        Mounted::new(disk.kind, &path, &self.directory.path().join("root"))
    }
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // It goes with the namespace otherwise.
        let _ = unmount(self.directory.path(), UnmountFlags::DETACH);
    }
}

/// A mounted file system on a loop device, which goes with the mount.
pub struct Mounted {
    path: PathBuf,
}

impl Mounted {
    fn new(kind: FileSystem, file: &Path, path: &Path) -> Self {
        if !path.exists() {
            fs::create_dir(path).expect("make a mount point");
        }
        let mut mount = Command::new("mount");
        mount
            .args(["-t", kind.name(), "-o", "loop,noatime"])
            .arg(file)
            .arg(path)
            .run()
            .ok();
        Self { path: path.to_owned() }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Threads that outlive what started them have files open for a moment.
        for _ in 0..500 {
            match unmount(&self.path, UnmountFlags::empty()) {
                Err(Errno::BUSY) => std::thread::sleep(Duration::from_millis(10)),
                _ => return,
            }
        }
        // A test that panics has more; its namespace goes with the process.
        eprintln!("{} is in use still", self.path.display());
        let _ = unmount(&self.path, UnmountFlags::DETACH);
    }
}

/// Random numbers that are the same for the same seed (`SplitMix64`).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit
    }

    /// `count` different numbers below `limit`, sorted; all of them when there are no more.
    pub fn choice(&mut self, count: usize, limit: usize) -> Vec<usize> {
        let mut chosen = BTreeSet::new();
        while chosen.len() < count.min(limit) {
            chosen.insert(self.below(limit as u64) as usize);
        }
        chosen.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is synced is there after any loss; what is not may be.
    #[test]
    fn a_synced_file_survives_and_an_unsynced_one_may_not() {
        let ran = in_private_mounts(|| {
            let disk = RecordedDisk::new(FileSystem::from_environment());
            fs::write(disk.path().join("synced"), [7; 10_000]).unwrap();
            File::open(disk.path().join("synced")).unwrap().sync_all().unwrap();
            File::open(disk.path()).unwrap().sync_all().unwrap();
            disk.note("synced");
            fs::write(disk.path().join("unsynced"), [8; 10_000]).unwrap();
            disk.note("written");
            rustix::fs::syncfs(File::open(disk.path()).unwrap()).unwrap();
            disk.note("end");
            let recording = disk.end();
            assert!(recording.syncs() > 1, "no sync reached the disk");
            let bench = Bench::new();
            let mut random = Random::new(1);
            let mut look = |moment: usize| {
                let lost = recording.after_loss(moment, &mut random);
                let mounted = bench.mount(&lost);
                let read = |name: &str| fs::read(mounted.path().join(name)).ok();
                (read("synced"), read("unsynced"))
            };
            let moment = |note: &str| recording.moment_of(note).unwrap();
            assert_eq!(look(0), (None, None));
            for _ in 0..10 {
                assert_eq!(look(moment("synced")), (Some(vec![7; 10_000]), None));
                assert_eq!(look(moment("written")).0, Some(vec![7; 10_000]));
                assert_eq!(look(moment("end")), (Some(vec![7; 10_000]), Some(vec![8; 10_000])));
            }
        });
        if let Err(reason) = ran {
            println!("{reason}");
        }
    }
}
