//! Tokens, for clients that send no password to a registry that everybody may pull from.

use serde_json::json;

use super::Asked;
use super::refusal::{Code, Refusal};
use super::reply::{self, Answer};
use crate::access::TOKEN_LIFE;

/// `GET /token`: one that says who asks, or that it is nobody. What it may do is decided when it is used.
pub(super) fn give(asked: &Asked) -> Answer {
    if asked.wrong {
        return Err(Refusal::new(Code::Unauthorized, "incorrect username or password"));
    }
    let token = asked.parts.access.token(&asked.who)?;
    Ok(reply::json(&json!({
        "token": token,
        "access_token": token,
        "expires_in": TOKEN_LIFE.as_secs(),
    })))
}
