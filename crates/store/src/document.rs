//! JSON as Go's encoder writes it: the documents that Docker Engine and this program share are equal to the byte.

use serde::Serialize;

/// A document in one line. `<`, `>`, `&` and the two line separators of Unicode are escaped, as Go's `encoding/json`
/// does so that JSON can stand in a page of HTML.
///
/// # Errors
/// When the value has no JSON form: a map whose keys are no text.
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    let text = serde_json::to_string(value)?;
    if !text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return Ok(text.into_bytes());
    }
    let mut escaped = String::with_capacity(text.len() + 64);
    // Outside of strings JSON has none of them.
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            other => escaped.push(other),
        }
    }
    Ok(escaped.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_as_go_does() {
        let text = to_json(&"a<b>&\"\u{2028}\u{2029}\u{8}\u{c}\u{1}\u{7f}é").unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "\"a\\u003cb\\u003e\\u0026\\\"\\u2028\\u2029\\b\\f\\u0001\u{7f}é\""
        );
        assert_eq!(to_json(&["plain"][..]).unwrap(), br#"["plain"]"#);
    }
}
