//! What an entry of an archive is, told by its first bytes.

use tierce_layer::Compression;

/// What to do with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is an archive, compressed or not: unpack it.
    Layer(Compression),
    /// It is something else: keep it if it is short.
    Other,
}

/// So many bytes are looked at; entries may have less.
pub(super) const LOOK: usize = 512;

/// Tells by the first [`LOOK`] bytes.
pub(super) fn sniff(head: &[u8]) -> Kind {
    match Compression::detect(head) {
        Ok(Compression::None) if is_header(head) => Kind::Layer(Compression::None),
        // Compressed in a way that cannot be read: unpacking says so, if it is a layer of an image at all.
        Err(_) => Kind::Layer(Compression::None),
        Ok(Compression::None) => Kind::Other,
        Ok(compression) => Kind::Layer(compression),
    }
}

/// Whether a block is the header of an archive's entry, or the end mark of one without any.
fn is_header(block: &[u8]) -> bool {
    if block.len() < LOOK {
        return false;
    }
    if block.iter().all(|byte| *byte == 0) {
        return true;
    }
    let stored = block[148..156].iter().filter(|byte| matches!(byte, b'0'..=b'7'));
    let stored = stored.fold(0_u64, |sum, digit| sum * 8 + u64::from(digit - b'0'));
    let sum = |signed: bool| -> i64 {
        let bytes = block.iter().enumerate();
        bytes
            .map(|(index, &byte)| match byte {
                _ if (148..156).contains(&index) => i64::from(b' '),
                byte if signed => i64::from(byte.cast_signed()),
                byte => i64::from(byte),
            })
            .sum()
    };
    let stored = i64::try_from(stored).unwrap_or(-1);
    stored == sum(false) || stored == sum(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_told_from_documents() {
        let tar = tierce_testkit::layout::tar_of(&[("{a", b"x")]);
        assert_eq!(sniff(&tar[..LOOK]), Kind::Layer(Compression::None));
        assert_eq!(sniff(&[0; LOOK]), Kind::Layer(Compression::None));
        assert_eq!(
            sniff(&zstd::encode_all(&*tar, 1).unwrap()),
            Kind::Layer(Compression::Zstd)
        );
        assert_eq!(
            sniff(&[&br#"{"a":1}"#[..], &[b' '; LOOK]].concat()[..LOOK]),
            Kind::Other
        );
        assert_eq!(sniff(b"1.0"), Kind::Other);
        assert_eq!(sniff(b""), Kind::Other);
    }
}
