//! Who asks, and what they may do.
//!
//! Without users everybody may do everything but touch private repositories. With users, those who prove who they are
//! may do everything. Others may do nothing, or pull what is not private.
//!
//! Where nobody pulls without a name the challenge is `Basic`. Docker sends no request at all to such a registry without
//! a password, so where everybody may pull the challenge is `Bearer`, and `/token` gives everybody a token: one that says
//! who they are, or that they are nobody. Basic proofs are taken in both cases.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tierce_fsops as fsops;
use tierce_oci::Digest;

use crate::store::random_id;

/// How long a token says who somebody is.
pub(crate) const TOKEN_LIFE: Duration = Duration::from_mins(5);
/// Most tokens at a time; the oldest go first.
const MOST_TOKENS: usize = 10_000;
/// The token of those who are nobody.
pub(crate) const ANONYMOUS_TOKEN: &str = "anonymous";
/// Most proofs that are remembered, so that a hash made slow on purpose is not computed for every request.
const MOST_PROOFS: usize = 1000;
/// What a name that nobody has is compared with, so that it takes as long as one that somebody has.
const NOBODY: &str = "$2y$05$mZCU4HkWbtt4Ug8gJRyG9uXIo0ZLLYq/1qcBmJfDkOhBjvmUpZ4bq";

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    /// Somebody, where there are no users.
    Anyone,
    /// Somebody who did not say who, where there are users.
    Anonymous,
    /// A user.
    User(String),
}

/// What somebody wants to do with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Look or pull.
    Pull,
    /// Push or delete.
    Push,
}

/// The users, and what they may do.
pub(crate) struct Access {
    /// Name to hash; `None` where there are no users.
    users: Option<BTreeMap<String, String>>,
    anonymous_pull: bool,
    tokens: Mutex<HashMap<String, (String, Instant)>>,
    /// Digests of names and passwords that were right.
    proofs: Mutex<HashMap<Digest, String>>,
}

impl Access {
    /// Reads the users, where there is a file of them.
    pub(crate) fn open(users: Option<&Path>, anonymous_pull: bool) -> Result<Self> {
        let users =
            users.map(|path| parse(&fsops::read_to_string(path)?).with_context(|| format!("read {}", path.display())));
        Ok(Self {
            users: users.transpose()?,
            anonymous_pull,
            tokens: Mutex::default(),
            proofs: Mutex::default(),
        })
    }

    /// Who the header `Authorization` says somebody is; `None` when it proves nothing. May take long.
    pub(crate) fn who(&self, authorization: Option<&str>) -> Option<Who> {
        let Some(users) = &self.users else {
            return Some(Who::Anyone);
        };
        let Some(authorization) = authorization else {
            return Some(Who::Anonymous);
        };
        let (scheme, proof) = authorization.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") {
            return self.bearer(proof.trim());
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let (name, password) = basic(proof.trim())?;
        let digest = Digest::sha256_of(format!("{name}\0{password}").as_bytes());
        let mut proofs = self.proofs.lock().unwrap_or_else(PoisonError::into_inner);
        if proofs.contains_key(&digest) {
            return Some(Who::User(name));
        }
        drop(proofs);
        let hash = users.get(&name);
        let right = bcrypt::verify(&password, hash.map_or(NOBODY, String::as_str)).unwrap_or(false) && hash.is_some();
        if !right {
            tracing::warn!(name, "a wrong name or password");
            return None;
        }
        proofs = self.proofs.lock().unwrap_or_else(PoisonError::into_inner);
        if proofs.len() >= MOST_PROOFS {
            proofs.clear();
        }
        proofs.insert(digest, name.clone());
        Some(Who::User(name))
    }

    fn bearer(&self, token: &str) -> Option<Who> {
        if token == ANONYMOUS_TOKEN {
            return Some(Who::Anonymous);
        }
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let (name, end) = tokens.get(token)?;
        (*end > Instant::now()).then(|| Who::User(name.clone()))
    }

    /// A token that says who somebody is.
    pub(crate) fn token(&self, who: &Who) -> crate::store::Result<String> {
        let Who::User(name) = who else {
            return Ok(ANONYMOUS_TOKEN.to_owned());
        };
        let token = random_id()? + &random_id()?;
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if tokens.len() >= MOST_TOKENS {
            tokens.retain(|_, (_, end)| *end > now);
        }
        if tokens.len() >= MOST_TOKENS {
            let first = tokens
                .iter()
                .min_by_key(|(_, (_, end))| *end)
                .map(|(token, _)| token.clone());
            first.map(|first| tokens.remove(&first));
        }
        tokens.insert(token.clone(), (name.clone(), now + TOKEN_LIFE));
        Ok(token)
    }

    /// Whether somebody may do something with a repository, or, without one, with any that is not private.
    pub(crate) fn allows(&self, who: &Who, action: Action, private: bool) -> bool {
        match who {
            Who::User(_) => true,
            Who::Anyone => !private,
            Who::Anonymous => self.anonymous_pull && action == Action::Pull && !private,
        }
    }

    /// Whether clients shall ask for a token.
    pub(crate) fn uses_tokens(&self) -> bool {
        self.users.is_some() && self.anonymous_pull
    }

    /// Whether there are users.
    pub(crate) fn has_users(&self) -> bool {
        self.users.is_some()
    }
}

/// Name and password of a `Basic` proof.
pub(crate) fn basic(proof: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(proof).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// The users of a file of `htpasswd -B`.
fn parse(text: &str) -> Result<BTreeMap<String, String>> {
    let mut users = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, hash)) = line.split_once(':') else {
            bail!("line {}: it is not NAME:HASH", number + 1);
        };
        if !["$2y$", "$2a$", "$2b$"].iter().any(|prefix| hash.starts_with(prefix)) {
            bail!(
                "line {}: the password of {name} is not hashed by bcrypt: use htpasswd -B",
                number + 1
            );
        }
        users.insert(name.to_owned(), hash.to_owned());
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_users_of_bcrypt_are_taken_and_a_name_that_nobody_has_is_compared_too() {
        assert!(parse("# nobody\n\nann:$2y$05$abc\n").unwrap().contains_key("ann"));
        assert!(parse("ann:{SHA}abc").unwrap_err().to_string().contains("htpasswd -B"));
        assert!(parse("ann").unwrap_err().to_string().contains("line 1"));
        // Else the comparison would end at once, which tells that nobody has the name.
        assert!(!bcrypt::verify("x", NOBODY).unwrap());
        assert_eq!(basic("YW5uOmE6Yg=="), Some(("ann".to_owned(), "a:b".to_owned())));
        for proof in ["", "!", "YW5u", "//8="] {
            assert_eq!(basic(proof), None, "{proof}");
        }
    }
}
