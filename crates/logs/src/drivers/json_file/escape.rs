//! JSON string escaping as Docker does it (moby `jsonlogbytes.go`), fast for plain text.
//!
//! Escaped are control characters, `"`, `\`, `<`, `>`, `&`, U+2028 and U+2029; each byte that is not UTF-8 becomes
//! `\ufffd`.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Whether `byte` may be copied as it is.
const fn is_plain(byte: u8) -> bool {
    byte >= 0x20 && byte < 0x80 && !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&')
}

/// `is_plain` of every byte.
static PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = is_plain(byte as u8);
        byte += 1;
    }
    table
};

/// How many bytes at the start of `text` may be copied as they are. Looks at 32 bytes at a time in a form that the
/// compiler turns into vector instructions; this is the inner loop of logging.
fn plain_prefix(text: &[u8]) -> usize {
    let mut length = 0;
    let (blocks, _) = text.as_chunks::<32>();
    for block in blocks {
        let special = block.iter().fold(false, |special, &byte| special | !is_plain(byte));
        if special {
            break;
        }
        length += 32;
    }
    length
        + text[length..]
            .iter()
            .take_while(|&&byte| PLAIN[usize::from(byte)])
            .count()
}

/// Appends `text`, escaped, to `out`.
pub(super) fn escape_into(mut text: &[u8], out: &mut Vec<u8>) {
    loop {
        let plain = plain_prefix(text);
        out.extend_from_slice(&text[..plain]);
        text = &text[plain..];
        let Some(&byte) = text.first() else { return };
        if byte < 0x80 {
            escape_ascii(byte, out);
            text = &text[1..];
        } else {
            let run = text.iter().take_while(|&&byte| byte >= 0x80).count();
            escape_multibyte(&text[..run], out);
            text = &text[run..];
        }
    }
}

fn escape_ascii(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        _ => {
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&digits);
        }
    }
}

/// A run of bytes that are all above 0x7f: every character in it has at least two bytes.
fn escape_multibyte(run: &[u8], out: &mut Vec<u8>) {
    for chunk in run.utf8_chunks() {
        let mut rest = chunk.valid().as_bytes();
        // U+2028 and U+2029 are E2 80 A8 and E2 80 A9; no other character contains these bytes.
        while let Some(at) = rest
            .windows(3)
            .position(|window| matches!(window, [0xe2, 0x80, 0xa8 | 0xa9]))
        {
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(if rest[at + 2] == 0xa8 { b"\\u2028" } else { b"\\u2029" });
            rest = &rest[at + 3..];
        }
        out.extend_from_slice(rest);
        for _ in chunk.invalid() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(text: &[u8]) -> String {
        let mut out = Vec::new();
        escape_into(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn unescaped(text: &str) -> String {
        serde_json::from_str(&format!("\"{text}\"")).unwrap()
    }

    #[test]
    fn special_characters_are_written_as_docker_writes_them() {
        assert_eq!(escaped(b"a\"b\\c\td\r\n"), r#"a\"b\\c\u0009d\r\n"#);
        assert_eq!(
            escaped(b"<a href='x'>&\x7f\x00\x1b"),
            "\\u003ca href='x'\\u003e\\u0026\x7f\\u0000\\u001b"
        );
        assert_eq!(escaped("é\u{2028}ü\u{2029}€😀".as_bytes()), "é\\u2028ü\\u2029€😀");
        // Go replaces each offending byte, not each sequence.
        assert_eq!(
            escaped(b"a\xff\xe2\x82b\xf0\x9f\x98"),
            r"a\ufffd\ufffd\ufffdb\ufffd\ufffd\ufffd"
        );
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in "\\PC*") {
            prop_assert_eq!(unescaped(&escaped(text.as_bytes())), text);
        }

        #[test]
        fn any_bytes_make_valid_json(text in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut clean = String::new();
            for chunk in text.utf8_chunks() {
                clean.push_str(chunk.valid());
                clean.push_str(&"\u{fffd}".repeat(chunk.invalid().len()));
            }
            prop_assert_eq!(unescaped(&escaped(&text)), clean);
        }
    }
}
