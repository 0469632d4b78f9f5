//! Who asks: user and password, or tokens, as Docker's clients hand them over.

use crate::Error;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde::Deserialize;
use std::fmt;

/// A string that is not shown in logs and errors.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself; only for the place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "hidden" })
    }
}

/// Credentials for one registry. Docker's `AuthConfig`, the document of the header `X-Registry-Auth`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Credentials {
    /// User.
    pub username: String,
    /// Password or personal access token.
    pub password: Secret,
    /// OAuth refresh token, exchanged at the token server instead of user and password.
    #[serde(rename = "identitytoken")]
    pub identity_token: Secret,
    /// Bearer token sent to the registry as it is.
    #[serde(rename = "registrytoken")]
    pub registry_token: Secret,
    /// `base64(user:password)`, used when `username` is empty.
    auth: Secret,
}

impl Credentials {
    /// User and password.
    pub fn basic(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            password: Secret::new(password),
            ..Self::default()
        }
    }

    /// What the body of a login says: user and password, or an identity token.
    pub fn from_document(username: &str, password: &str, identity_token: &str) -> Self {
        Self {
            identity_token: Secret::new(identity_token),
            ..Self::basic(username, password)
        }
    }

    /// Reads the header `X-Registry-Auth`: JSON in URL-safe base64. An empty header or document means anonymous.
    ///
    /// # Errors
    /// [`Error::BadConfig`] when it is neither; the text does not repeat the value.
    pub fn from_docker_header(header: &str) -> Result<Option<Self>, Error> {
        let header = header.trim();
        if header.is_empty() {
            return Ok(None);
        }
        let bad = |cause: String| Error::BadConfig {
            what: "header",
            value: "X-Registry-Auth".to_owned(),
            cause,
        };
        let bytes = URL_SAFE
            .decode(header)
            .or_else(|_| URL_SAFE_NO_PAD.decode(header.trim_end_matches('=')))
            .or_else(|_| STANDARD.decode(header))
            .map_err(|error| bad(error.to_string()))?;
        // serde's message could quote a value of the document; say only where it broke.
        let mut credentials: Self = serde_json::from_slice(&bytes)
            .map_err(|error| bad(format!("invalid JSON at column {}", error.column())))?;
        if credentials.username.is_empty() && !credentials.auth.is_empty() {
            let pair = STANDARD
                .decode(credentials.auth.reveal())
                .ok()
                .and_then(|pair| String::from_utf8(pair).ok());
            let Some((user, password)) = pair.as_deref().and_then(|pair| pair.split_once(':')) else {
                return Err(bad("its member auth is not base64 of user:password".to_owned()));
            };
            user.clone_into(&mut credentials.username);
            credentials.password = Secret::new(password.trim_end_matches('\0'));
        }
        credentials.auth = Secret::default();
        Ok(Some(credentials).filter(|credentials| *credentials != Self::default()))
    }

    /// A digest that is the same for the same credentials: the key of Docker's notes about who pushed a layer (moby
    /// `metadata.ComputeV2MetadataHMACKey`). Nobody has one too.
    pub fn fingerprint(&self) -> String {
        // Go's encoder writes these so that they mean nothing to HTML.
        let escaped = |value: &str| {
            let mut text = serde_json::Value::from(value).to_string();
            for (character, escape) in [
                ('<', "\\u003c"),
                ('>', "\\u003e"),
                ('&', "\\u0026"),
                ('\u{2028}', "\\u2028"),
                ('\u{2029}', "\\u2029"),
            ] {
                text = text.replace(character, escape);
            }
            text
        };
        let members = [
            ("username", self.username.as_str()),
            ("password", self.password.reveal()),
            ("identitytoken", self.identity_token.reveal()),
            ("registrytoken", self.registry_token.reveal()),
        ];
        let members: Vec<String> = members
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name:?}:{}", escaped(value)))
            .collect();
        tierce_oci::Digest::sha256_of(format!("{{{}}}", members.join(",")).as_bytes()).to_string()
    }

    /// Value of a basic `Authorization` header; `None` without a user.
    pub(crate) fn basic_header(&self) -> Option<String> {
        if self.username.is_empty() {
            return None;
        }
        Some(format!(
            "Basic {}",
            STANDARD.encode(format!("{}:{}", self.username, self.password.reveal()))
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_the_docker_cli_sends() {
        let header = URL_SAFE.encode(r#"{"username":"u","password":"p?>~","serveraddress":"r"}"#);
        let credentials = Credentials::from_docker_header(&header).unwrap().unwrap();
        assert_eq!(credentials, Credentials::basic("u", "p?>~"));
        assert_eq!(
            credentials.basic_header().unwrap(),
            format!("Basic {}", STANDARD.encode("u:p?>~"))
        );
        let header = URL_SAFE.encode(format!(r#"{{"auth":"{}"}}"#, STANDARD.encode("a:b:c")));
        assert_eq!(
            Credentials::from_docker_header(&header).unwrap().unwrap(),
            Credentials::basic("a", "b:c")
        );
        let header = URL_SAFE.encode(r#"{"identitytoken":"refresh","serveraddress":"r"}"#);
        let identity = Credentials::from_document("", "", "refresh");
        assert_eq!(Credentials::from_docker_header(&header).unwrap(), Some(identity));
        let header = URL_SAFE.encode(r#"{"registrytoken":"bearer"}"#);
        let token = Credentials::from_docker_header(&header)
            .unwrap()
            .unwrap()
            .registry_token;
        assert_eq!(token.reveal(), "bearer");
        assert_eq!(Credentials::from_docker_header("e30=").unwrap(), None);
        assert_eq!(Credentials::from_docker_header("").unwrap(), None);
    }

    #[test]
    fn fingerprints_are_those_of_the_document_as_go_writes_it() {
        for (credentials, document) in [
            (Credentials::default(), "{}"),
            (
                Credentials::basic("u", "<p&\">"),
                r#"{"username":"u","password":"\u003cp\u0026\"\u003e"}"#,
            ),
        ] {
            let digest = tierce_oci::Digest::sha256_of(document.as_bytes()).to_string();
            assert_eq!(credentials.fingerprint(), digest, "{document}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", Credentials::basic("user", "hunter2"));
        assert!(shown.contains("user") && !shown.contains("hunter2"));
        let header = URL_SAFE.encode(r#"{"username":"u","password":{"hunter2":1}}"#);
        let error = Credentials::from_docker_header(&header).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    proptest! {
        #[test]
        fn any_header_is_read_or_refused(header in "\\PC{0,80}") {
            let _ = Credentials::from_docker_header(&header);
        }
    }
}
