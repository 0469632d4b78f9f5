//! The reader against archives of GNU tar, hand-made headers and our own writer.

use super::{BLOCK, Entry, EntryKind, Error, Reader, Sparse, Writer};
use proptest::prelude::*;

fn read(archive: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, Error> {
    let mut reader = Reader::new(archive);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let mut content = Vec::new();
        loop {
            let bytes = reader.content()?;
            if bytes.is_empty() {
                break;
            }
            content.extend_from_slice(bytes);
            let count = bytes.len();
            reader.consume(count);
        }
        entries.push((entry, content));
    }
    Ok(entries)
}

/// A header with a right checksum; `change` alters it before.
fn header(name: &str, flag: u8, size: u64, change: impl FnOnce(&mut [u8; BLOCK])) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[100..108].copy_from_slice(b"0000644\0");
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[136..148].copy_from_slice(b"00000000000\0");
    block[156] = flag;
    block[257..265].copy_from_slice(b"ustar\x0000");
    change(&mut block);
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}

fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while rest + length.to_string().len() != length {
            length += 1;
        }
        body.extend_from_slice(format!("{length} {key}={value}\n").as_bytes());
    }
    [&header("x", b'x', body.len() as u64, |_| {})[..], &padded(&body)].concat()
}

#[test]
fn gnu_long_names_and_base_256_numbers_are_read() {
    let long = "d/".repeat(150) + "f";
    let mut archive = header("././@LongLink", b'L', long.len() as u64 + 1, |block| {
        block[257..265].copy_from_slice(b"ustar  \0");
    })
    .to_vec();
    archive.extend(padded(format!("{long}\0").as_bytes()));
    archive.extend(header("cut", b'0', 3, |block| {
        block[257..265].copy_from_slice(b"ustar  \0");
        block[108..116].copy_from_slice(&[0x80, 0, 0, 0, 0xFF, 0, 0, 1]);
        block[116..124].copy_from_slice(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE]);
        block[136..148].copy_from_slice(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE]);
    }));
    archive.extend(padded(b"abc"));
    archive.extend([0; 2 * BLOCK]);
    let entries = read(&archive).unwrap();
    assert_eq!(entries[0].0.name, long.as_bytes());
    assert_eq!(entries[0].0.uid, 0xFF00_0001);
    assert_eq!(entries[0].0.gid, 0xFFFF_FFFE);
    assert_eq!(entries[0].0.mtime, (-2, 0));
    assert_eq!(entries[0].1, b"abc");
}

#[test]
fn pax_records_override_and_are_checked() {
    let mut archive = pax(&[
        ("path", "the/real/näme"),
        ("uid", "3000000000"),
        ("mtime", "-1.25"),
        ("size", "5"),
        ("SCHILY.xattr.user.a", "=v="),
    ]);
    archive.extend(header("short", b'0', 0, |_| {}));
    archive.extend(padded(b"12345"));
    let (entry, content) = read(&archive).unwrap().remove(0);
    assert_eq!(entry.name, "the/real/näme".as_bytes());
    assert_eq!(
        (entry.uid, entry.mtime, entry.size),
        (3_000_000_000, (-2, 750_000_000), 5)
    );
    assert_eq!(entry.xattrs, [(b"user.a".to_vec(), b"=v=".to_vec())]);
    assert_eq!(content, b"12345");
    for bad in [
        "9 a=b\n",
        "x a=b\n",
        "6 a=b",
        "6 ab=\n6 a",
        "99 a=b\n",
        "5 =b\n",
        "12 path=a\0b\n",
    ] {
        let mut archive = header("x", b'x', bad.len() as u64, |_| {}).to_vec();
        archive.extend(padded(bad.as_bytes()));
        archive.extend(header("f", b'0', 0, |_| {}));
        assert!(matches!(read(&archive), Err(Error::Invalid { .. })), "{bad:?}");
    }
}

#[test]
fn sparse_files_in_all_four_forms() {
    let expected = Sparse {
        pieces: vec![(512, 512), (2048, 512)],
        size: 4096,
    };
    let content = [[b'a'; 512], [b'b'; 512]].concat();
    let old = header("f", b'S', 1024, |block| {
        block[257..265].copy_from_slice(b"ustar  \0");
        for (index, number) in [512, 512, 2048, 512].iter().enumerate() {
            block[386 + 12 * index..398 + 12 * index].copy_from_slice(format!("{number:011o}\0").as_bytes());
        }
        block[483..495].copy_from_slice(format!("{:011o}\0", 4096).as_bytes());
    });
    let pax_0_0 = pax(&[
        ("GNU.sparse.size", "4096"),
        ("GNU.sparse.numblocks", "2"),
        ("GNU.sparse.offset", "512"),
        ("GNU.sparse.numbytes", "512"),
        ("GNU.sparse.offset", "2048"),
        ("GNU.sparse.numbytes", "512"),
    ]);
    let pax_0_1 = pax(&[
        ("GNU.sparse.size", "4096"),
        ("GNU.sparse.numblocks", "2"),
        ("GNU.sparse.name", "f"),
        ("GNU.sparse.map", "512,512,2048,512"),
    ]);
    let pax_1_0 = pax(&[
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.name", "f"),
        ("GNU.sparse.realsize", "4096"),
    ]);
    let plain = header("f", b'0', 1024, |_| {});
    let in_map = header("GNUSparseFile.0/f", b'0', 1536, |_| {});
    let archives = [
        [&old[..], &content].concat(),
        [&pax_0_0, &plain[..], &content].concat(),
        [&pax_0_1, &plain[..], &content].concat(),
        [&pax_1_0, &in_map[..], &padded(b"2\n512\n512\n2048\n512\n"), &content].concat(),
    ];
    for (form, archive) in archives.iter().enumerate() {
        let (entry, found) = read(archive).unwrap().remove(0);
        assert_eq!(entry.sparse.as_ref(), Some(&expected), "form {form}");
        assert_eq!(
            (entry.name.as_slice(), entry.size, found == content),
            (&b"f"[..], 1024, true),
            "form {form}"
        );
    }
    for map in [
        "512,512,100,512",
        "0,2000",
        "0,9999",
        "0",
        "4000,1024",
        "0,512,,512,512",
    ] {
        let blocks = (map.split(',').count() / 2).to_string();
        let archive = [
            &pax(&[
                ("GNU.sparse.size", "4096"),
                ("GNU.sparse.numblocks", &blocks),
                ("GNU.sparse.map", map),
            ]),
            &plain[..],
            &content,
        ]
        .concat();
        assert!(read(&archive).is_err(), "{map}");
    }
}

#[test]
fn damaged_headers_and_truncation_are_errors() {
    let good = [&header("f", b'0', 3, |_| {})[..], &padded(b"abc"), &[0; 1024]].concat();
    assert_eq!(read(&good).unwrap().len(), 1);
    // An archive that ends behind a file, with or without padding, has ended, as for Go.
    for length in [515, 700, 1024] {
        assert_eq!(read(&good[..length]).unwrap().len(), 1, "{length}");
    }
    for length in 1..515 {
        let result = read(&good[..length]);
        assert!(matches!(result, Err(Error::Truncated { .. })), "{length}: {result:?}");
    }
    let mut damaged = good.clone();
    damaged[0] ^= 1;
    assert!(read(&damaged).unwrap_err().to_string().contains("checksum"));
    let lone_zero_block = [&[0; BLOCK][..], &good].concat();
    assert!(read(&lone_zero_block).is_err());
    let huge = header("f", b'0', 0, |block| block[124..136].fill(0xFF));
    assert!(read(&huge).is_err());
    let long_extension = header("x", b'x', 2 << 20, |_| {});
    assert!(read(&long_extension).unwrap_err().to_string().contains("1 MiB"));
}

#[test]
fn old_headers_are_read_as_go_reads_them() {
    let v7 = header("dir/", 0, 0, |block| block[257..265].fill(0));
    assert_eq!(read(&v7).unwrap()[0].0.kind, EntryKind::Directory);
    let broken_go = header("name", b'0', 0, |block| {
        block[257..265].copy_from_slice(b"ustar  \0");
        block[345..351].copy_from_slice(b"prefix");
    });
    assert_eq!(read(&broken_go).unwrap()[0].0.name, b"prefix/name");
    let link_with_size = header("l", b'1', 700, |block| block[157..158].copy_from_slice(b"f"));
    assert_eq!(read(&link_with_size).unwrap()[0].0.size, 0);
}

fn entries() -> impl Strategy<Value = Vec<(Entry, Vec<u8>)>> {
    let name = proptest::collection::vec(1_u8..=255, 1..300);
    let xattr = (
        proptest::collection::vec(97_u8..=122, 1..20),
        proptest::collection::vec(any::<u8>(), 0..40),
    );
    let fields = (
        name.clone(),
        0_u8..7,
        name,
        0_u32..0o10000,
        (any::<u32>(), any::<u32>()),
        (any::<i32>(), 0_u32..1_000_000_000),
        proptest::collection::vec(any::<u8>(), 0..1500),
        proptest::option::of(xattr),
    );
    let entry = fields.prop_map(|(name, kind, link, mode, owner, mtime, content, xattr)| {
        let kinds = [
            EntryKind::File,
            EntryKind::HardLink,
            EntryKind::Symlink,
            EntryKind::CharDevice,
            EntryKind::BlockDevice,
            EntryKind::Directory,
            EntryKind::Fifo,
        ];
        let mut entry = Entry::new(name, kinds[usize::from(kind)]);
        entry.mode = mode;
        (entry.uid, entry.gid) = (u64::from(owner.0), u64::from(owner.1));
        entry.mtime = (i64::from(mtime.0), mtime.1);
        entry.xattrs = xattr.into_iter().collect();
        match entry.kind {
            EntryKind::File => entry.size = content.len() as u64,
            EntryKind::HardLink | EntryKind::Symlink => entry.link = link,
            EntryKind::CharDevice | EntryKind::BlockDevice => entry.device = (7, 12),
            _ => {}
        }
        let content = if entry.kind == EntryKind::File {
            content
        } else {
            Vec::new()
        };
        (entry, content)
    });
    proptest::collection::vec(entry, 0..8)
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(entries in entries()) {
        let mut writer = Writer::new(Vec::new());
        for (entry, content) in &entries {
            writer.begin(entry).unwrap();
            writer.write_content(content).unwrap();
        }
        let archive = writer.finish().unwrap();
        prop_assert_eq!(read(&archive).unwrap(), entries);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
        let _ = read(&bytes);
    }

    #[test]
    fn no_damage_makes_the_reader_panic(entries in entries(), at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut writer = Writer::new(Vec::new());
        for (entry, content) in &entries {
            writer.begin(entry).unwrap();
            writer.write_content(content).unwrap();
        }
        let mut archive = writer.finish().unwrap();
        let index = at.index(archive.len());
        archive[index] = value;
        let _ = read(&archive);
    }
}
