use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::drivers::{Source, read};
use crate::{Driver, Entry, Files, MAX_PIECE, Next, Query, Stream};

fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000 + second)
}

struct Log {
    directory: TempDir,
    files: Files,
}

impl Log {
    fn new(max_size: Option<u64>, max_files: u32, compress: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("container.log");
        let files = Files {
            path,
            max_size,
            max_files,
            compress,
        };
        Self { directory, files }
    }

    fn writer(&self) -> Writer {
        Writer::open(&self.files).unwrap()
    }

    fn entries(&self, query: &Query) -> Vec<Entry> {
        let mut reader = read(&Source::Local(self.files.path.clone()), query).unwrap();
        let mut entries = Vec::new();
        while let Next::Entry(entry) = reader.next(None).unwrap() {
            entries.push(entry);
        }
        entries
    }

    fn lines(&self, query: &Query) -> Vec<String> {
        let entries = self.entries(query).into_iter();
        entries.map(|entry| String::from_utf8(entry.line).unwrap()).collect()
    }
}

fn numbered(writer: &mut Writer, numbers: std::ops::Range<u64>) {
    for number in numbers {
        writer.write(Stream::Stdout, format!("line {number}\n").as_bytes(), at(number));
    }
}

fn expected(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|number| format!("line {number}\n")).collect()
}

/// What dockerd writes for a line, by its own encoder: tag order, no field for `false`, lengths on both sides.
#[test]
fn records_are_dockers_to_the_byte() {
    let log = Log::new(None, 1, false);
    log.writer()
        .write(Stream::Stdout, b"hi\n", UNIX_EPOCH + Duration::from_nanos(300));
    let message = b"\x0a\x06stdout\x10\xac\x02\x1a\x02hi";
    let length = (message.len() as u32).to_be_bytes();
    assert_eq!(
        fs::read(&log.files.path).unwrap(),
        [&length[..], message, &length].concat()
    );
}

#[test]
fn long_lines_are_pieces_that_only_the_last_ends() {
    let log = Log::new(None, 1, false);
    let mut writer = log.writer();
    writer.write(Stream::Stderr, &vec![b'x'; MAX_PIECE + 5], at(1));
    writer.write(Stream::Stderr, b"end\nno newline", at(2));
    writer.finish(Stream::Stderr, at(3));
    let entries = log.entries(&Query::default());
    let ends: Vec<(usize, bool)> = entries
        .iter()
        .map(|entry| (entry.line.len(), entry.line.ends_with(b"\n")))
        .collect();
    assert_eq!(ends, [(MAX_PIECE, false), (9, true), (10, false)]);
    assert!(entries.iter().all(|entry| entry.stream == Stream::Stderr));
}

#[test]
fn the_tail_and_the_time_are_found_through_rotation_and_compression() {
    let log = Log::new(Some(4_000), 5, true);
    let mut writer = log.writer();
    for number in 0..900 {
        numbered(&mut writer, number..number + 1);
        if let Some(compression) = writer.take_compression() {
            compression.run().unwrap();
        }
    }
    let names = fs::read_dir(log.directory.path()).unwrap().count();
    assert_eq!(names, 5);
    let all = log.lines(&Query::default());
    let kept = all.len() as u64;
    assert!(kept < 900);
    assert_eq!(all, expected(900 - kept..900));
    for count in [0, 1, 7, 150, 10_000] {
        let query = Query {
            tail: Some(count as usize),
            ..Query::default()
        };
        assert_eq!(log.lines(&query), expected(900 - kept.min(count)..900), "{count}");
    }
    for since in [899, 850, 500, 0] {
        let query = Query {
            since: Some(at(since)),
            ..Query::default()
        };
        assert_eq!(log.lines(&query), expected(since.max(900 - kept)..900), "{since}");
    }
}

#[test]
fn what_a_crash_cut_short_is_cut_off_and_passed_over() {
    let log = Log::new(None, 1, false);
    numbered(&mut log.writer(), 0..3);
    let whole = fs::read(&log.files.path).unwrap();
    for cut in 1..20 {
        fs::write(&log.files.path, &whole[..whole.len() - cut]).unwrap();
        assert_eq!(log.lines(&Query::default()), expected(0..2), "{cut}");
        let last = Query {
            tail: Some(1),
            ..Query::default()
        };
        assert_eq!(log.lines(&last), expected(1..2), "{cut}");
        numbered(&mut log.writer(), 9..10);
        assert_eq!(log.lines(&Query::default()).last().unwrap(), "line 9\n", "{cut}");
    }
}

#[test]
fn a_full_disk_drops_entries_and_says_so_later() {
    let log = Log::new(None, 1, false);
    let mut writer = log.writer();
    writer.write(Stream::Stdout, b"before\n", at(0));
    writer.refuse_writes(true);
    writer.write(Stream::Stdout, b"lost\n", at(1));
    writer.refuse_writes(false);
    writer.write(Stream::Stdout, b"after\n", at(3));
    let lines = log.lines(&Query::default());
    assert_eq!((lines[0].as_str(), lines[2].as_str()), ("before\n", "after\n"));
    assert!(
        lines[1].contains("bytes of log entries were dropped here"),
        "{}",
        lines[1]
    );
}

#[test]
fn a_follower_goes_on_through_rotation() {
    let log = Log::new(Some(1_500), 3, false);
    let mut writer = log.writer();
    let query = Query {
        follow: true,
        ..Query::default()
    };
    let mut reader = read(&Source::Local(log.files.path.clone()), &query).unwrap();
    let mut seen = Vec::new();
    for number in 0..200 {
        numbered(&mut writer, number..number + 1);
        while let Next::Entry(entry) = reader.next(Some(Duration::ZERO)).unwrap() {
            seen.push(String::from_utf8(entry.line).unwrap());
        }
    }
    assert_eq!(seen, expected(0..200));
}

proptest! {
    /// Whatever is in the file, reading ends without harm, from every side.
    #[test]
    fn damaged_files_are_read_as_far_as_they_go(bytes in proptest::collection::vec(any::<u8>(), 0..300),
                                                keep in 0usize..3, tail in proptest::option::of(0usize..4)) {
        let log = Log::new(None, 1, false);
        numbered(&mut log.writer(), 0..keep as u64);
        let mut all = fs::read(&log.files.path).unwrap();
        all.extend(&bytes);
        fs::write(&log.files.path, &all).unwrap();
        let query = Query { tail, ..Query::default() };
        prop_assert!(log.entries(&query).len() <= keep + bytes.len());
        let since = Query { since: Some(at(0)), ..Query::default() };
        let _ = log.entries(&since);
        log.writer().write(Stream::Stdout, b"x\n", at(1));
        prop_assert!(log.lines(&Query::default()).last().is_some_and(|line| line == "x\n"));
    }
}
