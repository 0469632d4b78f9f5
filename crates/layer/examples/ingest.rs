//! Unpacks layer files into a data root, all at once, and says how long it took: a measure, and a way to look at what
//! the store writes.
//!
//! `cargo run --release -p tierce-layer --example ingest -- DATA_ROOT LAYER...`

use std::error::Error;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::Instant;
use tierce_layer::{Limits, Store};
use tierce_oci::Hasher;
use tierce_snapshot::drivers;

struct Hash(Hasher);

impl io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let root = arguments.next().ok_or("usage: ingest DATA_ROOT LAYER...")?;
    let files: Vec<PathBuf> = arguments.collect();
    let chosen = drivers::open(&root, None, &[])?;
    println!("driver {chosen:?}");
    let store = Store::open(
        &root.join("image").join(chosen.driver.name()).join("layerdb"),
        chosen.driver,
    )?;
    let begin = Instant::now();
    let ingests = std::thread::scope(|scope| {
        let store = &store;
        let unpack = |file: &PathBuf| {
            let file = File::open(file);
            move || {
                let mut ingest = store.ingest()?;
                ingest.apply(file.map_err(tierce_layer::Error::Read)?, &Limits::default())?;
                Ok::<_, tierce_layer::Error>(ingest)
            }
        };
        let threads: Vec<_> = files.iter().map(|file| scope.spawn(unpack(file))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a thread panicked"))
            .collect::<Result<Vec<_>, _>>()
    })?;
    println!("unpacked in {:?}", begin.elapsed());
    let mut parent = None;
    for ingest in ingests {
        let layer = store.register(ingest?, parent.as_ref())?;
        println!("{} size {}", layer.chain_id, layer.size);
        parent = Some(layer.chain_id);
    }
    println!("registered after {:?}", begin.elapsed());
    let begin = Instant::now();
    for layer in store.layers() {
        let mut hash = Hash(Hasher::default());
        let length = store.tar_stream(&layer.chain_id, &mut hash)?;
        let verdict = if hash.0.finish() == layer.diff_id.0 {
            "bit for bit"
        } else {
            "WRONG"
        };
        println!("rebuilt {length} bytes of {}: {verdict}", layer.diff_id);
    }
    println!("rebuilt all in {:?}", begin.elapsed());
    let begin = Instant::now();
    for number in 0..100 {
        store.create_rw(
            &format!("measure-{number}"),
            parent.as_ref(),
            None,
            &mut tierce_layer::docker_init_layer,
        )?;
    }
    println!("100 container layers in {:?}", begin.elapsed());
    for number in 0..100 {
        store.remove_rw(&format!("measure-{number}"))?;
    }
    Ok(())
}
