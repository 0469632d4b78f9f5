//! The parameters of a request.

use super::refusal::{Code, Refusal};

/// The parameters of a request, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Takes a query string apart.
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (decode(name, true), decode(value, true)))
                .collect(),
        )
    }

    /// All values of a parameter.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    /// A parameter that is given and not empty; the first one counts.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.all(name).next().filter(|value| !value.is_empty())
    }

    /// A number that is given.
    pub(crate) fn number(&self, name: &str) -> Result<Option<usize>, Refusal> {
        let parse = |text: &str| {
            let invalid = |_| Refusal::new(Code::PaginationNumberInvalid, "invalid number of results requested");
            text.parse().map_err(invalid)
        };
        self.text(name).map(parse).transpose()
    }
}

/// Text without its percent signs, and in a query without its plus signs; bytes that are no UTF-8 become U+FFFD, which
/// no name has.
pub(crate) fn decode(text: &str, query: bool) -> String {
    let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    loop {
        bytes = match bytes {
            [b'%', high, low, rest @ ..] if hex(*high).is_some() && hex(*low).is_some() => {
                decoded.push(hex(*high).unwrap_or_default() << 4 | hex(*low).unwrap_or_default());
                rest
            }
            [b'+', rest @ ..] if query => {
                decoded.push(b' ');
                rest
            }
            [byte, rest @ ..] => {
                decoded.push(*byte);
                rest
            }
            [] => break,
        };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Text as a part of a URL.
pub(crate) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_come_decoded_and_the_first_counts() {
        let query = Query::parse("q=a+b%2Fc&n=3&n=4&empty=&flag&bad=%zz%");
        assert_eq!(query.text("q"), Some("a b/c"));
        assert_eq!(query.number("n").ok(), Some(Some(3)));
        assert_eq!(query.all("n").collect::<Vec<_>>(), ["3", "4"]);
        assert_eq!(
            (query.text("empty"), query.text("flag"), query.text("none")),
            (None, None, None)
        );
        assert_eq!(query.text("bad"), Some("%zz%"));
        assert!(Query::parse("n=-1").number("n").is_err() && Query::parse("n=x").number("n").is_err());
        assert_eq!(decode(&encode("a b/ö&=+"), true), "a b/ö&=+");
        assert_eq!(decode("a+b", false), "a+b");
    }
}
