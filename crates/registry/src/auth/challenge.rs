//! The header `WWW-Authenticate` (RFC 9110 §11.6.1): a list of challenges, each a scheme with parameters.
//!
//! ```text
//! Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/x:pull"
//! ```

/// One challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// Scheme, lower case.
    pub(crate) scheme: String,
    /// Parameters in order, names lower case.
    pub(crate) parameters: Vec<(String, String)>,
}

impl Challenge {
    pub(crate) fn is(&self, scheme: &str) -> bool {
        self.scheme == scheme
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Reads one header value. Whatever does not parse ends the reading; what was read before it counts.
pub(crate) fn parse(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let Some((word, after)) = token(rest) else {
            return challenges;
        };
        let after_blank = after.trim_start_matches([' ', '\t']);
        // `name=value` belongs to the last scheme; a word that no '=' follows begins a new challenge.
        if let (Some(value_text), Some(last)) = (after_blank.strip_prefix('='), challenges.last_mut()) {
            let Some((value, next)) = parameter_value(value_text.trim_start_matches([' ', '\t'])) else {
                return challenges;
            };
            last.parameters.push((word.to_ascii_lowercase(), value));
            rest = next;
        } else if after_blank.starts_with('=') {
            return challenges;
        } else {
            challenges.push(Challenge {
                scheme: word.to_ascii_lowercase(),
                parameters: Vec::new(),
            });
            rest = after;
        }
    }
}

fn token(text: &str) -> Option<(&str, &str)> {
    let length = text
        .bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/".contains(byte))
        .count();
    (length > 0).then(|| text.split_at(length))
}

fn parameter_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return token(text).map(|(value, rest)| (value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[index + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_usual_forms() {
        let parsed = parse(r#"Bearer realm="https://a/token?x=1,2",service=reg , scope="repository:a/b:pull,push""#);
        assert_eq!(parsed.len(), 1);
        assert_eq!(parsed[0].get("realm"), Some("https://a/token?x=1,2"));
        assert_eq!(parsed[0].get("service"), Some("reg"));
        assert_eq!(parsed[0].get("scope"), Some("repository:a/b:pull,push"));
        let parsed = parse(r#"Negotiate, BASIC Realm="a \"q\" \\", Digest nonce=x,qop="auth""#);
        let schemes: Vec<_> = parsed.iter().map(|challenge| challenge.scheme.as_str()).collect();
        assert_eq!(schemes, ["negotiate", "basic", "digest"]);
        assert_eq!(parsed[1].get("realm"), Some(r#"a "q" \"#));
        assert_eq!(parsed[2].get("qop"), Some("auth"));
    }

    #[test]
    fn rubbish_is_no_challenge() {
        for text in ["", ",,,", "=x", "\"", "=\"a\"", "\u{e9}"] {
            assert_eq!(parse(text), vec![], "{text:?}");
        }
        assert_eq!(parse("Bearer realm=\"open").len(), 1);
        assert_eq!(parse("Bearer realm=\"open")[0].parameters, vec![]);
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_a_panic(header in "\\PC{0,120}") {
            let _ = parse(&header);
        }

        #[test]
        fn what_is_written_is_read(
            realm in "[ -~]{0,30}", service in "[a-z.]{1,10}", gap in "[ \t]{0,3}"
        ) {
            let quoted = realm.replace('\\', "\\\\").replace('"', "\\\"");
            let parsed = parse(&format!("Bearer{gap} realm{gap}=\"{quoted}\"{gap},{gap}service={service}"));
            prop_assert_eq!(parsed[0].get("realm"), Some(realm.as_str()));
            prop_assert_eq!(parsed[0].get("service"), Some(service.as_str()));
        }
    }
}
