//! What is wrong with a JSON text, in the words of Go's decoder, which clients of dockerd know.
//! Source: `encoding/json/scanner.go` of Go 1.24, which Docker Engine 28.5 is made with.

/// The first byte that cannot stand where it does, or `None` for a text that is well formed or ends too early.
pub(crate) fn complaint(text: &[u8]) -> Option<String> {
    let mut scanner = Scanner { text, at: 0 };
    match scanner.value(0) {
        Ok(()) | Err(Stop::End) => None,
        Err(Stop::Wrong(byte, context)) => Some(format!("invalid character {} {context}", quoted(byte))),
    }
}

/// Deeper texts are refused for their depth before.
const DEEPEST: usize = 256;

/// What follows the first letter of each word, and what is said where it does not.
const TRUE: [(u8, &str); 3] = [
    (b'r', "in literal true (expecting 'r')"),
    (b'u', "in literal true (expecting 'u')"),
    (b'e', "in literal true (expecting 'e')"),
];
const FALSE: [(u8, &str); 4] = [
    (b'a', "in literal false (expecting 'a')"),
    (b'l', "in literal false (expecting 'l')"),
    (b's', "in literal false (expecting 's')"),
    (b'e', "in literal false (expecting 'e')"),
];
const NULL: [(u8, &str); 3] = [
    (b'u', "in literal null (expecting 'u')"),
    (b'l', "in literal null (expecting 'l')"),
    (b'l', "in literal null (expecting 'l')"),
];

/// Why the scanner stops.
enum Stop {
    /// The text ends.
    End,
    /// This byte is wrong, in this place.
    Wrong(u8, &'static str),
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Result<u8, Stop> {
        self.text.get(self.at).copied().ok_or(Stop::End)
    }

    /// Takes a byte that `fits`.
    fn take(&mut self, context: &'static str, fits: impl Fn(u8) -> bool) -> Result<u8, Stop> {
        let byte = self.peek()?;
        if !fits(byte) {
            return Err(Stop::Wrong(byte, context));
        }
        self.at += 1;
        Ok(byte)
    }

    fn space(&mut self) -> Result<u8, Stop> {
        while matches!(self.peek()?, b' ' | b'\t' | b'\r' | b'\n') {
            self.at += 1;
        }
        self.peek()
    }

    fn value(&mut self, depth: usize) -> Result<(), Stop> {
        if depth > DEEPEST {
            return Err(Stop::End);
        }
        match self.space()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string(),
            b't' => self.word(&TRUE),
            b'f' => self.word(&FALSE),
            b'n' => self.word(&NULL),
            b'-' | b'0'..=b'9' => self.number(),
            other => Err(Stop::Wrong(other, "looking for beginning of value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), Stop> {
        self.at += 1;
        if self.space()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.space()?;
            if self.peek()? != b'"' {
                return Err(Stop::Wrong(self.peek()?, "looking for beginning of object key string"));
            }
            self.string()?;
            self.space()?;
            self.take("after object key", |byte| byte == b':')?;
            self.value(depth + 1)?;
            self.space()?;
            if self.take("after object key:value pair", |byte| matches!(byte, b',' | b'}'))? == b'}' {
                return Ok(());
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), Stop> {
        self.at += 1;
        if self.space()? == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            self.space()?;
            if self.take("after array element", |byte| matches!(byte, b',' | b']'))? == b']' {
                return Ok(());
            }
        }
    }

    fn string(&mut self) -> Result<(), Stop> {
        self.at += 1;
        loop {
            match self.take("in string literal", |byte| byte >= b' ')? {
                b'"' => return Ok(()),
                b'\\' => {
                    let escape = |byte| matches!(byte, b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' | b'u');
                    if self.take("in string escape code", escape)? == b'u' {
                        for _ in 0..4 {
                            self.take("in \\u hexadecimal character escape", |byte| byte.is_ascii_hexdigit())?;
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn number(&mut self) -> Result<(), Stop> {
        if self.peek()? == b'-' {
            self.at += 1;
        }
        if self.take("in numeric literal", |byte| byte.is_ascii_digit())? != b'0' {
            self.digits();
        }
        if self.peek()? == b'.' {
            self.at += 1;
            self.take("after decimal point in numeric literal", |byte| byte.is_ascii_digit())?;
            self.digits();
        }
        if matches!(self.peek()?, b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek()?, b'+' | b'-') {
                self.at += 1;
            }
            self.take("in exponent of numeric literal", |byte| byte.is_ascii_digit())?;
            self.digits();
        }
        Ok(())
    }

    fn digits(&mut self) {
        while self.peek().is_ok_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    /// The rest of `true`, `false` or `null`.
    fn word(&mut self, rest: &[(u8, &'static str)]) -> Result<(), Stop> {
        self.at += 1;
        for (expected, context) in rest {
            self.take(context, |byte| byte == *expected)?;
        }
        Ok(())
    }
}

/// A byte as Go quotes it; those above ASCII are taken for Latin-1.
fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => r#"'"'"#.to_owned(),
        0x07 => r"'\a'".to_owned(),
        0x08 => r"'\b'".to_owned(),
        0x0b => r"'\v'".to_owned(),
        0x0c => r"'\f'".to_owned(),
        b'\n' | b'\r' | b'\t' | b'\\' => format!("'{}'", char::from(byte).escape_default()),
        0..b' ' | 0x7f => format!("'\\x{byte:02x}'"),
        0x80..=0xa0 | 0xad => format!("'\\u{byte:04x}'"),
        _ => format!("'{}'", char::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn complaints_are_gos() {
        for (text, expected) in [
            ("{invalid json", "'i' looking for beginning of object key string"),
            ("{bad", "'b' looking for beginning of object key string"),
            ("[1,]", "']' looking for beginning of value"),
            (r#"{"a":1,}"#, "'}' looking for beginning of object key string"),
            (r#"{"a" 1}"#, "'1' after object key"),
            (r#"{"a":1 "b"}"#, r#"'"' after object key:value pair"#),
            ("[1 2]", "'2' after array element"),
            (r#"["\x"]"#, "'x' in string escape code"),
            (r#"["\u12g4"]"#, r"'g' in \u hexadecimal character escape"),
            ("[\"a\nb\"]", r"'\n' in string literal"),
            ("[-a]", "'a' in numeric literal"),
            ("[1.a]", "'a' after decimal point in numeric literal"),
            ("[1ea]", "'a' in exponent of numeric literal"),
            ("[01]", "'1' after array element"),
            ("[trve]", "'v' in literal true (expecting 'u')"),
            ("nil", "'i' in literal null (expecting 'u')"),
            ("'", r"'\'' looking for beginning of value"),
        ] {
            assert_eq!(
                complaint(text.as_bytes()),
                Some(format!("invalid character {expected}")),
                "{text}"
            );
        }
        for text in [
            r#"{"a":[1,-2.5e+3,"\u00e4",true,false,null,{}],"b":[]}"#,
            "{\"a\":",
            "",
            "{\"a",
            "[tr",
        ] {
            assert_eq!(complaint(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_parser(text in r#"[\[\]{}:,"\\ truefalsn0-9.eE+-]{0,24}"#) {
            let parsed = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>().next();
            let is_wrong = matches!(parsed, Some(Err(error)) if !error.is_eof());
            // The parser refuses numbers beyond all measure, too.
            prop_assert!(complaint(text.as_bytes()).is_none() || is_wrong, "{text}");
        }
    }
}
