//! The format as Docker writes it.

use super::entry::{Part, parse};
use super::{Shadowed, Writer, assemble};
use flate2::read::GzDecoder;
use std::fs::{self, File};
use std::io::Read;

fn lines(path: &std::path::Path) -> Vec<String> {
    let mut text = String::new();
    GzDecoder::new(File::open(path).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn row_014_lines_are_dockers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tar-split.json.gz");
    let mut writer = Writer::create(&path).unwrap();
    writer.raw(b"header").unwrap();
    writer.file(b"./etc/", 0, 0).unwrap();
    writer.file(b"./etc/group", 37, 0xad36_d371_6f7c_f752).unwrap();
    writer.file(b"a<b>&\"\xe2\x80\xa8\x01", 0, 0).unwrap();
    writer.file(b"caf\xe9", 0, 0).unwrap();
    writer.finish(&Shadowed::new()).unwrap();
    // The third line is one that dockerd 28.5 wrote.
    assert_eq!(
        lines(&path),
        [
            r#"{"type":2,"payload":"aGVhZGVy","position":0}"#,
            r#"{"type":1,"name":"./etc/","payload":null,"position":1}"#,
            r#"{"type":1,"name":"./etc/group","size":37,"payload":"rTbTcW9891I=","position":2}"#,
            r#"{"type":1,"name":"a\u003cb\u003e\u0026\"\u2028\u0001","payload":null,"position":3}"#,
            r#"{"type":1,"name_raw":"Y2Fm6Q==","payload":null,"position":4}"#,
        ]
    );
}

#[test]
fn row_014_what_dockerd_wrote_is_read() {
    let line = br#"{"type":1,"name":"./etc/passwd","size":65,"payload":"uCAdbfFwC3A=","position":7}"#;
    let expected = Part::Content {
        name: b"./etc/passwd".to_vec(),
        size: 65,
        crc: 0xb820_1d6d_f170_0b70,
    };
    assert_eq!(parse(line).unwrap(), expected);
    assert_eq!(
        parse(br#"{"type":2,"payload":"AAE=","position":7}"#).unwrap(),
        Part::Raw(vec![0, 1])
    );
    for bad in [
        &br#"{"type":3,"payload":"","position":0}"#[..],
        br#"{"type":1,"name":"f","size":3,"payload":"AAE=","position":0}"#,
        br#"{"type":2,"payload":"*","position":0}"#,
        b"{",
    ] {
        assert!(parse(bad).is_err(), "{}", String::from_utf8_lossy(bad));
    }
}

#[test]
fn row_019_changed_missing_and_foreign_files_are_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let (path, root) = (dir.path().join("split"), dir.path().join("root"));
    fs::create_dir(&root).unwrap();
    let mut crc = crate::crc64::Crc64::default();
    crc.update(b"hello");
    let mut writer = Writer::create(&path).unwrap();
    writer.file(b"f", 5, crc.finish()).unwrap();
    writer.finish(&Shadowed::new()).unwrap();
    let rebuild = || {
        let mut out = Vec::new();
        assemble(&path, &root, &mut out)
            .map(|_| out)
            .map_err(|error| error.to_string())
    };
    assert!(rebuild().unwrap_err().contains("no such file"));
    fs::write(root.join("f"), "hello").unwrap();
    assert_eq!(rebuild().unwrap(), b"hello");
    for changed in ["hellO", "hell", "hello!"] {
        fs::write(root.join("f"), changed).unwrap();
        assert!(rebuild().unwrap_err().contains("has changed"), "{changed}");
    }
    fs::remove_file(root.join("f")).unwrap();
    fs::write(dir.path().join("secret"), "hello").unwrap();
    std::os::unix::fs::symlink(dir.path().join("secret"), root.join("f")).unwrap();
    assert!(rebuild().is_err(), "a link is not followed");
}

#[test]
fn row_014_of_a_million_names_none_repeats_though_not_all_are_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("split");
    let mut writer = Writer::create(&path).unwrap();
    for number in 0..600_000 {
        writer.file(format!("d/{number}").as_bytes(), 0, 0).unwrap();
    }
    writer.raw(b"between").unwrap();
    writer.file(b"d/1", 5, 1).unwrap();
    writer.file(b"d/0", 0, 0).unwrap();
    writer.finish(&Shadowed::new()).unwrap();
    // Docker's reader wants each name once, and lines without content tell nothing.
    assert_eq!(
        lines(&path),
        [
            r#"{"type":2,"payload":"YmV0d2Vlbg==","position":0}"#,
            r#"{"type":1,"name":"d/1","size":5,"payload":"AAAAAAAAAAE=","position":1}"#,
        ]
    );
}
