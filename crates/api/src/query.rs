//! Query parameters, read as dockerd reads them.

use std::collections::BTreeMap;

use tierce_api_types::Filters as WireFilters;
use tierce_engine::Filters;
use tierce_fault::Kind;

use crate::status::Failure;

/// The parameters of a request; where one is given several times, the first counts, as in Go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query(BTreeMap<String, Vec<String>>);

impl Query {
    /// Takes a query string apart.
    pub(crate) fn parse(text: &str) -> Self {
        let mut values = BTreeMap::<String, Vec<String>>::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            values.entry(decode(name, true)).or_default().push(decode(value, true));
        }
        Self(values)
    }

    /// A parameter; empty when it is not given.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.optional(name).unwrap_or_default()
    }

    /// A parameter, if it is given.
    pub(crate) fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.first().map(String::as_str)
    }

    /// A parameter, if it is given and not empty.
    pub(crate) fn non_empty(&self, name: &str) -> Option<String> {
        self.optional(name).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// A flag, by moby's `httputils.BoolValue`: everything is true but nothing, `0`, `no`, `false`, `none`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        let text = self.text(name).trim().to_ascii_lowercase();
        !matches!(text.as_str(), "" | "0" | "no" | "false" | "none")
    }

    /// A flag with another default than false.
    pub(crate) fn flag_or(&self, name: &str, default: bool) -> bool {
        if self.0.contains_key(name) {
            self.flag(name)
        } else {
            default
        }
    }

    /// A whole number, if one is given.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, Failure> {
        match self.text(name) {
            "" => Ok(None),
            text => text
                .parse()
                .map(Some)
                .map_err(|_| Failure::invalid(format!("read parameter {name}: {text:?} is not a whole number"))),
        }
    }

    /// All values of a parameter.
    pub(crate) fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The `filters` parameter.
    pub(crate) fn filters(&self) -> Result<Filters, Failure> {
        match self.text("filters") {
            "" => Ok(Filters::default()),
            text => {
                let wire: WireFilters =
                    serde_json::from_str(text).map_err(|_| Failure::new(Kind::Invalid, "invalid filter"))?;
                Ok(Filters::new(
                    wire.0
                        .into_iter()
                        .map(|(name, set)| (name, set.into_iter().collect()))
                        .collect(),
                ))
            }
        }
    }
}

/// Undoes percent-encoding; in queries a plus is a space. What is not UTF-8 becomes replacement characters.
pub(crate) fn decode(text: &str, plus_is_space: bool) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let digits = bytes
            .get(index + 1..index + 3)
            .and_then(|pair| std::str::from_utf8(pair).ok());
        match bytes[index] {
            b'%' => match digits.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
                Some(byte) => {
                    decoded.push(byte);
                    index += 2;
                }
                None => decoded.push(b'%'),
            },
            b'+' if plus_is_space => decoded.push(b' '),
            byte => decoded.push(byte),
        }
        index += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_go_reads_them() {
        let query = Query::parse("all=1&x=a+b%2Fc&x=second&flag&bad=%zz&empty=&no=False&n=-3");
        assert!(query.flag("all") && !query.flag("no") && !query.flag("absent") && !query.flag("flag"));
        assert_eq!(query.text("x"), "a b/c");
        assert_eq!(query.all("x"), ["a b/c", "second"]);
        assert_eq!(query.text("bad"), "%zz");
        assert_eq!(query.non_empty("empty"), None);
        assert_eq!(query.number("n").unwrap(), Some(-3));
        assert!(query.number("x").is_err());
        assert!(query.flag_or("absent", true));
    }

    #[test]
    fn bad_filters_have_dockers_text() {
        assert_eq!(
            Query::parse("filters=xx").filters().unwrap_err().message,
            "invalid filter"
        );
        let filters = Query::parse("filters=%7B%22label%22%3A%7B%22a%22%3Atrue%7D%7D")
            .filters()
            .unwrap();
        assert_eq!(filters.get("label"), ["a"]);
    }
}
