//! GVariant's text form, in which annotations of a specification give a unit's properties: `'text'`, `true`, `42`,
//! `uint64 42`, `['a', 'b']`, `(1, 'x')`, `<'any'>`, `@as []`. Source: glib's `gvariant-text-format`.

use super::value::{DEEPEST, Value, split_type};

/// Reads one value; the error says what was not understood.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let mut parser = Parser { text, depth: 0 };
    let value = parser.value(None)?;
    match parser.peek() {
        None => Ok(value),
        Some(_) => Err(format!("unexpected {:?}", parser.text)),
    }
}

/// Words that give the type of the value behind them.
const TYPES: [(&str, &str); 12] = [
    ("boolean", "b"),
    ("byte", "y"),
    ("int16", "n"),
    ("uint16", "q"),
    ("int32", "i"),
    ("uint32", "u"),
    ("int64", "x"),
    ("uint64", "t"),
    ("double", "d"),
    ("string", "s"),
    ("objectpath", "o"),
    ("signature", "g"),
];

struct Parser<'a> {
    /// What is left.
    text: &'a str,
    depth: u8,
}

impl<'a> Parser<'a> {
    fn peek(&mut self) -> Option<char> {
        self.text = self.text.trim_start();
        self.text.chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.text = &self.text[wanted.len_utf8()..];
        }
        found
    }

    fn word(&mut self) -> &'a str {
        let text = self.text;
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"+-._".contains(c));
        let (word, rest) = text.split_at(end.unwrap_or(text.len()));
        self.text = rest;
        word
    }

    /// A value, of a type that is known or follows from how it is written.
    fn value(&mut self, kind: Option<&str>) -> Result<Value, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("values nest too deeply".to_owned());
        }
        let value = match self.peek() {
            None => Err("the value is missing".to_owned()),
            Some('\'' | '"') => self.quoted().and_then(|text| as_text(text, kind.unwrap_or("s"))),
            Some('[') => self.array(kind),
            Some('(') => self.structure(kind),
            Some('<') => self.variant(),
            Some('@') => self.typed(),
            Some(_) => self.plain(kind),
        };
        self.depth -= 1;
        value
    }

    fn typed(&mut self) -> Result<Value, String> {
        self.take('@');
        let wrong = |text: &str| format!("invalid type at {text:?}");
        let (kind, rest) = split_type(self.text).map_err(|_| wrong(self.text))?;
        self.text = rest;
        self.value(Some(kind))
    }

    fn plain(&mut self, kind: Option<&str>) -> Result<Value, String> {
        let word = self.word();
        if let Some((_, kind)) = TYPES.iter().find(|(name, _)| *name == word) {
            return self.value(Some(kind));
        }
        match word {
            "" => Err(format!("unexpected {:?}", self.text)),
            "true" | "false" if matches!(kind, None | Some("b")) => Ok(Value::Boolean(word == "true")),
            _ => number(word, kind),
        }
    }

    fn quoted(&mut self) -> Result<String, String> {
        let mut characters = self.text.chars();
        let quote = characters.next().unwrap_or('\'');
        let mut out = String::new();
        loop {
            match characters.next() {
                None => return Err(format!("unterminated string {:?}", self.text)),
                Some('\\') => out.push(match characters.next() {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some('r') => '\r',
                    Some(other) => other,
                    None => return Err(format!("unterminated string {:?}", self.text)),
                }),
                Some(end) if end == quote => break,
                Some('\0') => return Err("a string cannot hold a zero".to_owned()),
                Some(other) => out.push(other),
            }
        }
        self.text = characters.as_str();
        Ok(out)
    }

    fn array(&mut self, kind: Option<&str>) -> Result<Value, String> {
        self.take('[');
        let mut element = match kind {
            None => None,
            Some(kind) => Some(
                kind.strip_prefix('a')
                    .ok_or("a list is no value of its type")?
                    .to_owned(),
            ),
        };
        let mut elements = Vec::new();
        while !self.take(']') {
            let value = self.value(element.as_deref())?;
            let signature = value.signature();
            if *element.get_or_insert_with(|| signature.clone()) != signature {
                return Err("the elements of a list have different types".to_owned());
            }
            elements.push(value);
            if !self.take(',') && self.peek() != Some(']') {
                return Err("unterminated list".to_owned());
            }
        }
        let element = element.ok_or("the type of an empty list is unknown: write @as []")?;
        Ok(Value::Array(element, elements))
    }

    fn structure(&mut self, kind: Option<&str>) -> Result<Value, String> {
        self.take('(');
        let mut kinds = match kind {
            None => None,
            Some(kind) => Some(
                kind.strip_prefix('(')
                    .and_then(|kind| kind.strip_suffix(')'))
                    .ok_or("a tuple is no value of its type")?,
            ),
        };
        let mut members = Vec::new();
        while !self.take(')') {
            let kind = match kinds {
                None => None,
                Some(all) => {
                    let (one, rest) = split_type(all).map_err(|_| "a tuple has too many members")?;
                    kinds = Some(rest);
                    Some(one)
                }
            };
            members.push(self.value(kind)?);
            if !self.take(',') && self.peek() != Some(')') {
                return Err("unterminated tuple".to_owned());
            }
        }
        if members.is_empty() || kinds.is_some_and(|rest| !rest.is_empty()) {
            return Err("a tuple has too few members".to_owned());
        }
        Ok(Value::Structure(members))
    }

    fn variant(&mut self) -> Result<Value, String> {
        self.take('<');
        let inner = self.value(None)?;
        if self.take('>') {
            Ok(inner.variant())
        } else {
            Err("unterminated variant".to_owned())
        }
    }
}

fn as_text(text: String, kind: &str) -> Result<Value, String> {
    match kind {
        "s" => Ok(Value::Text(text)),
        "o" if text.starts_with('/') => Ok(Value::Path(text)),
        "g" => {
            let mut rest = text.as_str();
            while !rest.is_empty() && text.len() < 256 {
                rest = split_type(rest).map_err(|_| format!("invalid signature {text:?}"))?.1;
            }
            match rest {
                "" => Ok(Value::Signature(text)),
                _ => Err(format!("invalid signature {text:?}")),
            }
        }
        _ => Err(format!("{text:?} is no value of its type")),
    }
}

/// Decimal, `0x` or leading-zero octal; without a type an `int32`, or a `double` where it has a point or exponent.
fn number(word: &str, kind: Option<&str>) -> Result<Value, String> {
    let wrong = || format!("invalid value {word:?}");
    let digits = word.trim_start_matches(['+', '-']);
    let hexadecimal = digits.strip_prefix("0x");
    let is_double = hexadecimal.is_none() && digits.contains(['.', 'e', 'E']);
    if kind == Some("d") || (kind.is_none() && is_double) {
        return match word.parse() {
            Ok(number) if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') => Ok(Value::Double(number)),
            _ => Err(wrong()),
        };
    }
    let octal = digits.strip_prefix('0').filter(|rest| !rest.is_empty());
    let (digits, radix) = match (hexadecimal, octal) {
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) => (digits, 8),
        (None, None) => (digits, 10),
    };
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let size = i128::from_str_radix(digits, radix).map_err(|_| wrong())?;
    let number = if word.starts_with('-') { -size } else { size };
    let range = |_| format!("{word} is out of the range of its type");
    match kind.unwrap_or("i") {
        "y" => number.try_into().map(Value::Byte).map_err(range),
        "n" => number.try_into().map(Value::Int16).map_err(range),
        "q" => number.try_into().map(Value::Uint16).map_err(range),
        "i" => number.try_into().map(Value::Int32).map_err(range),
        "u" => number.try_into().map(Value::Uint32).map_err(range),
        "x" => number.try_into().map(Value::Int64).map_err(range),
        "t" => number.try_into().map(Value::Uint64).map_err(range),
        _ => Err(format!("{word} is no value of its type")),
    }
}
