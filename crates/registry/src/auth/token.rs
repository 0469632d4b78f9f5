//! The scheme `Bearer`: a token from the server that the challenge names.
//!
//! Source: distribution's "Token Authentication Specification" (GET with basic credentials) and "OAuth2 Token
//! Authentication" (POST with a refresh token).

use super::challenge::Challenge;
use crate::transport::{Call, Payload, Transport};
use crate::{Credentials, Error, Secret, Url};
use bytes::Bytes;
use serde::Deserialize;

/// Token servers answer with a few kilobytes.
const LONGEST_ANSWER: u64 = 1 << 20;
const CLIENT: &str = "tierce";

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    refresh_token: Secret,
}

/// What a token shall be good for.
pub(crate) struct Wish<'a> {
    /// `repository:a/b:pull` and its like.
    pub(crate) scopes: &'a [String],
    /// Whether a token to keep instead of the password is wanted as well.
    pub(crate) offline: bool,
}

/// What a token server gave.
pub(crate) struct Granted {
    /// Value of the `Authorization` header.
    pub(crate) header: String,
    /// Token to keep; empty when there is none.
    pub(crate) identity: Secret,
}

/// Fetches a token.
pub(crate) async fn fetch(
    transport: &Transport,
    registry: &Url,
    challenge: &Challenge,
    wish: &Wish<'_>,
    credentials: Option<&Credentials>,
    trusted: bool,
) -> Result<Granted, Error> {
    let realm = challenge.get("realm").ok_or_else(|| Error::Unauthorized {
        url: registry.shown(),
        cause: "the bearer challenge has no realm".to_owned(),
    })?;
    let realm = registry.join(realm)?;
    let service = challenge.get("service").unwrap_or_default();
    let call = match credentials {
        Some(credentials) if !realm.is_secure() && !trusted && *credentials != Credentials::default() => {
            return Err(Error::Unauthorized {
                url: realm.shown(),
                cause: "refused to send credentials over plain HTTP".to_owned(),
            });
        }
        Some(credentials) if !credentials.identity_token.is_empty() => {
            refresh(realm, service, wish.scopes, credentials)
        }
        credentials => {
            let mut url = realm;
            if !service.is_empty() {
                url = url.with_query("service", service);
            }
            if wish.offline {
                url = url.with_query("offline_token", "true");
            }
            for scope in wish.scopes {
                url = url.with_query("scope", scope);
            }
            let basic = credentials.and_then(Credentials::basic_header);
            if let (Some(_), Some(credentials)) = (&basic, credentials) {
                url = url
                    .with_query("account", &credentials.username)
                    .with_query("client_id", CLIENT);
            }
            Call {
                authorization: basic,
                ..Call::get(url)
            }
        }
    };
    let shown = call.url.shown();
    let body = transport.read(call, "token", LONGEST_ANSWER).await?;
    let malformed = |cause: String| Error::Malformed {
        url: shown.clone(),
        cause,
    };
    // The text of serde's error could quote the token.
    let answer: Answer = serde_json::from_slice(&body)
        .map_err(|error| malformed(format!("the token document is no JSON (column {})", error.column())))?;
    let token = if answer.token.is_empty() {
        answer.access_token
    } else {
        answer.token
    };
    if token.is_empty() {
        return Err(malformed("the token document has no token".to_owned()));
    }
    Ok(Granted {
        header: format!("Bearer {token}"),
        identity: answer.refresh_token,
    })
}

fn refresh(realm: Url, service: &str, scopes: &[String], credentials: &Credentials) -> Call {
    // The query encoder of an address is also that of a form.
    let form = Url::https("form", 443)
        .with_query("grant_type", "refresh_token")
        .with_query("service", service)
        .with_query("client_id", CLIENT)
        .with_query("scope", &scopes.join(" "))
        .with_query("refresh_token", credentials.identity_token.reveal());
    let body = form
        .path_and_query()
        .split_once('?')
        .map_or("", |(_, query)| query)
        .to_owned();
    Call {
        payload: Payload::Form(Bytes::from(body)),
        ..Call::new(http::Method::POST, realm)
    }
}
