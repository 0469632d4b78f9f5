//! Building of request targets: escaped path segments and query parameters.

use std::fmt::Write;

use serde::Serialize;
use tierce_api_types::Filters;

/// A path with its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    text: String,
    has_query: bool,
}

impl Target {
    /// Starts a path from its segments; slashes inside a segment stay (image names have them), all else that is not
    /// plain is escaped.
    pub(crate) fn path(segments: &[&str]) -> Self {
        let mut text = String::new();
        for segment in segments {
            text.push('/');
            escape(segment, true, &mut text);
        }
        Self { text, has_query: false }
    }

    /// Adds a parameter.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        self.text.push_str(name);
        self.text.push('=');
        escape(value, false, &mut self.text);
        self
    }

    /// Adds a parameter unless it is empty.
    #[must_use]
    pub(crate) fn with_text(self, name: &str, value: &str) -> Self {
        if value.is_empty() { self } else { self.with(name, value) }
    }

    /// Adds `name=1` if the flag is set.
    #[must_use]
    pub(crate) fn with_flag(self, name: &str, flag: bool) -> Self {
        if flag { self.with(name, "1") } else { self }
    }

    /// Adds a number if there is one.
    #[must_use]
    pub(crate) fn with_number(self, name: &str, number: Option<i64>) -> Self {
        match number {
            Some(number) => self.with(name, &number.to_string()),
            None => self,
        }
    }

    /// Adds filters unless there are none.
    #[must_use]
    pub(crate) fn with_filters(self, filters: &Filters) -> Self {
        if filters.is_empty() {
            self
        } else {
            self.with_json("filters", filters)
        }
    }

    /// Adds a document.
    #[must_use]
    pub(crate) fn with_json<T: Serialize>(self, name: &str, value: &T) -> Self {
        let document = serde_json::to_string(value).unwrap_or_default();
        self.with_text(name, &document)
    }

    /// The finished target.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters, and the slash where it may stay.
fn escape(text: &str, keep_slash: bool, into: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'@' => {
                into.push(char::from(byte));
            }
            b'/' if keep_slash => into.push('/'),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(into, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_escaped() {
        let target = Target::path(&["images", "a/b:c d", "json"])
            .with_flag("all", true)
            .with_text("none", "")
            .with("x", "1&2=3/é");
        assert_eq!(target.as_str(), "/images/a/b:c%20d/json?all=1&x=1%262%3D3%2F%C3%A9");
    }
}
