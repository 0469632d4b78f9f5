//! Every target on every seed: the beginnings of the search, and all that it ever found.

use std::path::Path;

#[test]
fn every_target_takes_its_seeds() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for (name, target) in fuzz::TARGETS {
        let directory = seeds.join(name);
        let mut count = 0;
        for entry in std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
            let path = entry.expect("an entry").path();
            let bytes = std::fs::read(&path).expect("read");
            println!("{}", path.display());
            target(&bytes);
            // Damaged in the simplest ways.
            for at in (0..bytes.len()).step_by(bytes.len() / 64 + 1) {
                target(&bytes[..at]);
                let mut flipped = bytes.clone();
                flipped[at] ^= 0x41;
                target(&flipped);
            }
            count += 1;
        }
        assert!(count > 0, "{name} has no seed");
    }
}

#[test]
fn every_directory_of_seeds_has_its_target() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for entry in std::fs::read_dir(seeds).expect("seeds") {
        let name = entry.expect("an entry").file_name();
        assert!(
            fuzz::TARGETS.iter().any(|(target, _)| name == *target),
            "{}",
            name.display()
        );
    }
}
