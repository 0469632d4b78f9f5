//! Loss of power at any moment of pull, load, commit and rmi, alone and two at once.
//!
//! Each test records what its steps write to a disk ([`tierce_testkit::power`]), then looks at the disk as a loss of power
//! at random moments leaves it, with a random part of what was not synced. After the restart, what was told to be done
//! and had settled is done, every image listed is complete and verified, nothing orphaned stays, the size told is the size on disk, and
//! the step that was interrupted works when it is tried again.
//!
//! `TIERCE_CRASH_POINTS` (200, all tests together) and `TIERCE_CRASH_SEED` say how many moments, and which;
//! `TIERCE_CRASH_FS` (`ext4`, `xfs`, `btrfs`) on which file system.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

mod inspection;
mod stage;

use stage::{Stage, Step};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tierce_layer::Boot;
use tierce_testkit::power::{Bench, FileSystem, Lost, Random, RecordedDisk, Recording, in_private_mounts};

/// Tests in this file.
const TESTS: usize = 5;

fn number_from(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.map_or(default, |text| text.parse().unwrap())
}

/// What a step is in the notes of a recording.
fn begun(step: &Step) -> String {
    format!("begin {step:?}")
}

fn ended(step: &Step) -> String {
    format!("end {step:?}")
}

fn settled(step: &Step) -> String {
    format!("settled {step:?}")
}

fn recorded() -> Boot {
    Boot::named("recorded")
}

/// Steps of `groups`, one group after the other, the steps of a group at once. With `restless`, somebody else syncs the
/// file system now and then, as the kernel does by itself: then also what no step waits for is on disk in between.
fn record(groups: &[&[Step]], restless: bool, seed: u64) -> (Recording, Stage) {
    let disk = RecordedDisk::new(FileSystem::from_environment());
    let stage = Stage::new();
    let store = stage.open(disk.path(), recorded());
    stage.prepare(&store);
    store.layers.settle().unwrap();
    let root = std::fs::File::open(disk.path()).unwrap();
    rustix::fs::syncfs(&root).unwrap();
    disk.note("ready");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        if restless {
            let mut random = Random::new(seed);
            let (root, done) = (&root, &done);
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_micros(random.below(3000)));
                    rustix::fs::syncfs(root).unwrap();
                }
            });
        }
        for (index, group) in groups.iter().enumerate() {
            // The next step comes sometimes before and sometimes after this one has settled.
            let settle = index % 2 == 0;
            std::thread::scope(|scope| {
                for step in *group {
                    let (stage, store, disk) = (&stage, &store, &disk);
                    scope.spawn(move || {
                        disk.note(begun(step));
                        stage
                            .take(step, store)
                            .unwrap_or_else(|error| panic!("{step:?}: {error}"));
                        disk.note(ended(step));
                        if settle {
                            store.layers.settle().unwrap();
                            disk.note(settled(step));
                        }
                    });
                }
            });
        }
        done.store(true, Ordering::SeqCst);
    });
    drop((root, store));
    (disk.end(), stage)
}

/// What is wrong after a loss, if anything is.
fn problems(stage: &Stage, bench: &Bench, lost: &Lost, groups: &[&[Step]]) -> Vec<String> {
    let mounted = bench.mount(lost);
    let mut problems = Vec::new();
    {
        let store = stage.open(mounted.path(), Boot::named("after"));
        problems.extend(inspection::wrong_names(stage, &store, &lost.notes, groups));
        problems.extend(inspection::incomplete(&store));
        problems.extend(inspection::orphans(&store, mounted.path()));
        for step in inspection::interrupted(&lost.notes, groups) {
            if let Err(error) = stage.take_again(&step, &store) {
                problems.push(format!("again {step:?}: {error}"));
            }
        }
        store.layers.settle().unwrap();
        problems.extend(
            inspection::incomplete(&store)
                .into_iter()
                .map(|what| format!("in the end {what}")),
        );
        problems.extend(
            inspection::orphans(&store, mounted.path())
                .into_iter()
                .map(|what| format!("in the end {what}")),
        );
    }
    problems
}

fn lose_power(name: &str, groups: &[&[Step]], restless: bool) {
    let points = number_from("TIERCE_CRASH_POINTS", 200) as usize / TESTS;
    let seed = number_from("TIERCE_CRASH_SEED", 20_131_120);
    let ran = in_private_mounts(|| {
        let (recording, stage) = record(groups, restless, seed);
        let first = recording.moment_of("ready").unwrap();
        let bench = Bench::new();
        let mut random = Random::new(seed);
        let moments = random.choice(points, recording.moments() - first);
        let mut bad = Vec::new();
        for moment in moments {
            let moment = first + moment;
            let lost = recording.after_loss(moment, &mut random);
            let found = problems(&stage, &bench, &lost, groups);
            if !found.is_empty() {
                bad.push(format!(
                    "moment {moment} of {}, (writes unsynced, blocks lost) {:?}, after {:?}:\n    {}",
                    recording.moments(),
                    lost.unsynced,
                    lost.notes.last(),
                    found.join("\n    ")
                ));
            }
        }
        println!(
            "{name}: {points} moments of {}, {} syncs, seed {seed}",
            recording.moments(),
            recording.syncs()
        );
        assert!(
            bad.is_empty(),
            "{name}, seed {seed}: {} bad moments\n{}",
            bad.len(),
            bad.join("\n")
        );
    });
    if let Err(reason) = ran {
        println!("{reason}");
    }
}

#[test]
fn pull_and_rmi_survive_a_loss_of_power() {
    let steps: &[&[Step]] = &[
        &[Step::Pull("one")],
        &[Step::Pull("two")],
        &[Step::Remove("one")],
        &[Step::Pull("one")],
        &[Step::Remove("two")],
    ];
    lose_power("pull and rmi", steps, false);
}

#[test]
fn pull_and_rmi_survive_while_others_sync() {
    let steps: &[&[Step]] = &[
        &[Step::Pull("one")],
        &[Step::Pull("big")],
        &[Step::Remove("one")],
        &[Step::Remove("big")],
    ];
    lose_power("pull and rmi, restless", steps, true);
}

#[test]
fn load_and_commit_survive_a_loss_of_power() {
    let steps: &[&[Step]] = &[
        &[Step::Load("loaded")],
        &[Step::Commit("made")],
        &[Step::Remove("made")],
        &[Step::Remove("loaded")],
        &[Step::Commit("made")],
    ];
    lose_power("load and commit", steps, false);
}

#[test]
fn load_and_commit_survive_while_others_sync() {
    let steps: &[&[Step]] = &[
        &[Step::Load("loaded")],
        &[Step::Commit("made")],
        &[Step::Remove("loaded")],
        &[Step::Remove("made")],
    ];
    lose_power("load and commit, restless", steps, true);
}

#[test]
fn two_at_once_survive_a_loss_of_power() {
    let steps: &[&[Step]] = &[
        &[Step::Pull("one"), Step::Pull("two")],
        &[Step::Remove("one"), Step::Load("loaded")],
        &[Step::Commit("made"), Step::Remove("two")],
        &[Step::Pull("two"), Step::Remove("made")],
    ];
    lose_power("two at once", steps, true);
}
