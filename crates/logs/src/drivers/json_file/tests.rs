use std::fs;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::drivers::{Source, read};
use crate::{Driver, Entry, MAX_PIECE, Next, Query, Stream, records};

fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000 + second)
}

struct Log {
    directory: TempDir,
    options: Options,
}

impl Log {
    fn new(max_size: Option<u64>, max_files: u32, compress: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c-json.log");
        Self {
            directory,
            options: Options {
                files: Files {
                    path,
                    max_size,
                    max_files,
                    compress,
                },
                ..Options::default()
            },
        }
    }

    fn writer(&self) -> Writer {
        Writer::open(&self.options).unwrap()
    }

    fn raw(&self) -> String {
        fs::read_to_string(&self.options.files.path).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn read(&self, query: &Query) -> Vec<Entry> {
        let mut reader = read(&Source::JsonFile(self.options.files.path.clone()), query).unwrap();
        let mut entries = Vec::new();
        while let Next::Entry(entry) = reader.next(None).unwrap() {
            entries.push(entry);
        }
        entries
    }

    fn lines(&self, query: &Query) -> Vec<String> {
        self.read(query)
            .into_iter()
            .map(|entry| String::from_utf8(entry.line).unwrap())
            .collect()
    }
}

#[test]
fn row_076_lines_are_written_exactly_as_docker_writes_them() {
    let mut log = Log::new(None, 1, false);
    let mut writer = log.writer();
    writer.write(Stream::Stdout, b"hello <b>\nsec", at(0));
    writer.write(Stream::Stderr, b"oops\r\n", at(1) + Duration::from_millis(250));
    writer.write(Stream::Stdout, b"ond\nrest", at(2));
    writer.finish(Stream::Stdout, at(3));
    writer.finish(Stream::Stderr, at(3));
    let expected = concat!(
        r#"{"log":"hello \u003cb\u003e\n","stream":"stdout","time":"2023-11-14T22:13:20Z"}"#,
        "\n",
        r#"{"log":"oops\r\n","stream":"stderr","time":"2023-11-14T22:13:21.25Z"}"#,
        "\n",
        r#"{"log":"second\n","stream":"stdout","time":"2023-11-14T22:13:22Z"}"#,
        "\n",
        r#"{"log":"rest","stream":"stdout","time":"2023-11-14T22:13:23Z"}"#,
        "\n",
    );
    assert_eq!(log.raw(), expected);
    let streams: Vec<_> = log
        .read(&Query::default())
        .into_iter()
        .map(|entry| entry.stream)
        .collect();
    assert_eq!(
        streams,
        [Stream::Stdout, Stream::Stderr, Stream::Stdout, Stream::Stdout]
    );

    fs::remove_file(&log.options.files.path).unwrap();
    log.options.attributes.insert("tag".into(), "a\"b".into());
    log.writer().write(Stream::Stdout, b"\n", at(0));
    let line = r#"{"log":"\n","stream":"stdout","attrs":{"tag":"a\"b"},"time":"2023-11-14T22:13:20Z"}"#;
    assert_eq!(log.raw().trim_end(), line);
    assert_eq!(log.read(&Query::default())[0].attributes["tag"], "a\"b");
}

#[test]
fn long_lines_are_cut_at_16_kib_as_docker_cuts_them() {
    let log = Log::new(None, 1, false);
    let mut writer = log.writer();
    let mut text = vec![b'x'; 40_000];
    text.push(b'\n');
    for piece in text.chunks(7001) {
        writer.write(Stream::Stdout, piece, at(0));
    }
    let mut exact = vec![b'y'; MAX_PIECE];
    exact.push(b'\n');
    writer.write(Stream::Stdout, &exact, at(1));
    let lengths: Vec<_> = log
        .read(&Query::default())
        .iter()
        .map(|entry| entry.line.len())
        .collect();
    assert_eq!(lengths, [MAX_PIECE, MAX_PIECE, 40_001 - 2 * MAX_PIECE, MAX_PIECE, 1]);
}

proptest! {
    #[test]
    fn whatever_is_written_comes_back(
        text in "([a-z<&\"é\u{2028}]{0,20}\n?){0,30}",
        cuts in prop::collection::vec(1_usize..50, 1..20),
    ) {
        let log = Log::new(None, 1, false);
        let mut writer = log.writer();
        let mut rest = text.as_bytes();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, later) = rest.split_at(rest.len().min(*cut));
            writer.write(Stream::Stdout, piece, at(0));
            rest = later;
        }
        writer.finish(Stream::Stdout, at(0));
        prop_assert_eq!(log.lines(&Query::default()).concat(), text);
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

#[test]
fn ask_006_rotation_keeps_the_newest_files_and_compresses_the_others() {
    for compress in [false, true] {
        let log = Log::new(Some(1000), 3, compress);
        let mut writer = log.writer();
        for number in 0..100 {
            numbered(&mut writer, number..number + 1);
            if let Some(compression) = writer.take_compression() {
                compression.run().unwrap();
            }
        }
        let suffix = if compress { ".gz" } else { "" };
        let names = [
            "c-json.log".into(),
            format!("c-json.log.1{suffix}"),
            format!("c-json.log.2{suffix}"),
        ];
        assert_eq!(log.names(), names);
        let lines = log.lines(&Query::default());
        assert!(lines.len() > 20 && lines.len() < 50, "{}", lines.len());
        assert_eq!(lines, expected(100 - lines.len() as u64..100));
        for tail in [0, 1, 5, 14, 20, 25] {
            let query = Query {
                tail: Some(tail),
                ..Query::default()
            };
            assert_eq!(log.lines(&query), expected(100 - tail as u64..100), "tail {tail}");
        }
        assert_eq!(
            log.lines(&Query {
                tail: Some(1000),
                ..Query::default()
            }),
            lines
        );
        let query = Query {
            since: Some(at(85)),
            until: Some(at(90)),
            ..Query::default()
        };
        assert_eq!(log.lines(&query), expected(85..91));
    }
}

#[test]
fn one_file_begins_anew_and_a_compression_that_comes_too_late_harms_nothing() {
    let log = Log::new(Some(500), 1, false);
    numbered(&mut log.writer(), 0..50);
    assert_eq!(log.names(), ["c-json.log"]);
    assert!(log.raw().len() < 700);

    let log = Log::new(Some(500), 3, true);
    let mut writer = log.writer();
    let late = loop {
        writer.write(Stream::Stdout, b"text\n", at(0));
        if let Some(compression) = writer.take_compression() {
            break compression;
        }
    };
    numbered(&mut writer, 0..12);
    let before = log.lines(&Query::default());
    late.run().unwrap();
    assert_eq!(log.lines(&Query::default()), before);
}

#[test]
fn ask_007_since_is_found_by_search_in_a_big_file() {
    let log = Log::new(None, 1, false);
    let mut writer = log.writer();
    numbered(&mut writer, 0..30_000);
    assert!(log.raw().len() > 2_000_000);
    let since = |second| Query {
        since: Some(at(second)),
        ..Query::default()
    };
    assert_eq!(log.lines(&since(29_990)), expected(29_990..30_000));
    assert_eq!(log.lines(&since(12_345)), expected(12_345..30_000));
    assert_eq!(log.lines(&since(0)).len(), 30_000);
    assert!(log.lines(&since(30_000)).is_empty());
}

#[test]
fn ask_007_a_follower_sees_every_line_once_through_rotation() {
    for (max_files, compress) in [(4, false), (4, true), (1, false)] {
        let log = Log::new(Some(2000), max_files, compress);
        let mut writer = log.writer();
        numbered(&mut writer, 0..1);
        let mut reader = read(
            &Source::JsonFile(log.options.files.path.clone()),
            &Query {
                follow: true,
                ..Query::default()
            },
        )
        .unwrap();
        let stopper = reader.stopper().unwrap();
        let following = thread::spawn(move || {
            let mut lines = Vec::new();
            while let Next::Entry(entry) = reader.next(None).unwrap() {
                lines.push(String::from_utf8(entry.line).unwrap());
            }
            lines
        });
        for number in 1..300 {
            numbered(&mut writer, number..number + 1);
            if let Some(compression) = writer.take_compression() {
                compression.run().unwrap();
            }
            // Slow enough that the follower is never more than the kept files behind.
            thread::sleep(Duration::from_micros(500));
            if number % 20 == 0 {
                thread::sleep(Duration::from_millis(20));
            }
        }
        stopper.stop();
        let lines = following.join().unwrap();
        assert_eq!(lines, expected(0..300), "{max_files} files, compress {compress}");
    }
}

#[test]
fn ask_007_a_follower_that_falls_behind_keeps_the_files_that_are_rotated_away() {
    let log = Log::new(Some(20_000), 2, false);
    let mut writer = log.writer();
    let query = Query {
        follow: true,
        ..Query::default()
    };
    let mut reader = read(&Source::JsonFile(log.options.files.path.clone()), &query).unwrap();
    let mut seen = Vec::new();
    let mut take = |reader: &mut crate::Reader, most: usize| {
        for _ in 0..most {
            match reader.next(Some(Duration::ZERO)).unwrap() {
                Next::Entry(entry) => seen.push(String::from_utf8(entry.line).unwrap()),
                _ => return,
            }
        }
    };
    // Less than a file at a time, of which it reads but a part.
    for round in 0..30 {
        numbered(&mut writer, round * 100..(round + 1) * 100);
        take(&mut reader, 64);
    }
    take(&mut reader, usize::MAX);
    assert_eq!(log.names().len(), 2);
    assert_eq!(seen, expected(0..3_000));
}

#[test]
fn a_follower_waits_ends_at_until_and_starts_before_the_log_does() {
    let log = Log::new(None, 1, false);
    let mut reader = read(
        &Source::JsonFile(log.options.files.path.clone()),
        &Query {
            follow: true,
            ..Query::default()
        },
    )
    .unwrap();
    assert_eq!(reader.next(Some(Duration::from_millis(5))).unwrap(), Next::Idle);
    log.writer().write(Stream::Stderr, b"first\n", at(0));
    assert!(
        matches!(reader.next(Some(Duration::from_secs(5))).unwrap(), Next::Entry(entry) if entry.line == b"first\n")
    );

    let until = Some(SystemTime::now() + Duration::from_millis(30));
    let mut reader = read(
        &Source::JsonFile(log.options.files.path.clone()),
        &Query {
            follow: true,
            until,
            tail: Some(0),
            since: None,
        },
    )
    .unwrap();
    assert_eq!(reader.next(None).unwrap(), Next::End);
}

#[test]
fn torn_and_foreign_lines_are_passed_over() {
    let log = Log::new(None, 1, false);
    fs::write(&log.options.files.path, "garbage\n{\"log\":\"torn").unwrap();
    log.writer().write(Stream::Stdout, b"good\n", at(0));
    let mut huge = vec![b'x'; records::MAX_RECORD * 2];
    huge.push(b'\n');
    let mut bytes = fs::read(&log.options.files.path).unwrap();
    bytes.extend_from_slice(&huge);
    fs::write(&log.options.files.path, bytes).unwrap();
    log.writer().write(Stream::Stdout, b"more\n", at(1));
    assert_eq!(log.lines(&Query::default()), ["good\n", "more\n"]);
}

#[test]
fn a_full_disk_drops_entries_and_says_so_later() {
    let log = Log::new(None, 1, false);
    let mut writer = log.writer();
    writer.write(Stream::Stdout, b"before\n", at(0));
    writer.refuse_writes(true);
    writer.write(Stream::Stdout, b"lost\n", at(1));
    writer.write(Stream::Stdout, b"lost too\n", at(2));
    writer.refuse_writes(false);
    writer.write(Stream::Stdout, b"after\n", at(3));
    let lines = log.lines(&Query::default());
    assert_eq!(lines.len(), 3);
    assert!(
        lines[1].contains("bytes of log entries were dropped here"),
        "{}",
        lines[1]
    );
    assert_eq!((lines[0].as_str(), lines[2].as_str()), ("before\n", "after\n"));
}

/// Not a benchmark, but a log that takes seconds for this would be ten times slower than it must be.
#[test]
#[ignore = "measures; run with --release -- --ignored --nocapture"]
fn throughput() {
    let log = Log::new(None, 1, false);
    let mut writer = log.writer();
    let line = [b"x".repeat(99).as_slice(), b"\n"].concat();
    let block = line.repeat(655);
    let start = std::time::Instant::now();
    for _ in 0..16_000 {
        writer.write(Stream::Stdout, &block, SystemTime::now());
    }
    let seconds = start.elapsed().as_secs_f64();
    eprintln!(
        "{:.0} MB/s of container output",
        block.len() as f64 * 16_000.0 / 1e6 / seconds
    );
}
