//! Helper programs: `docker-credential-<name> get|store|erase`, the address or a document on standard input.

use crate::Error;
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};
use tierce_api_types::auth::AuthConfig;

/// The user name that marks an identity token.
const TOKEN: &str = "<token>";
/// What a helper says when it has nothing.
const NOTHING: &str = "credentials not found in native keychain";

/// The credentials that a helper has for an address.
pub(super) fn get(name: &str, address: &str) -> Result<Option<AuthConfig>, Error> {
    let output = match run(name, "get", address.as_bytes())? {
        Ok(output) => output,
        Err(text) if text.contains(NOTHING) => return Ok(None),
        Err(text) => return Err(failed(name, "get", &text)),
    };
    // The words of serde could quote a secret.
    let document: Value = serde_json::from_slice(&output).map_err(|_| failed(name, "get", "its answer is no JSON"))?;
    let text = |member: &str| {
        document
            .get(member)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (username, secret) = (text("Username"), text("Secret"));
    let mut found = AuthConfig {
        server_address: address.to_owned(),
        ..AuthConfig::default()
    };
    if username == TOKEN {
        found.identity_token = secret;
    } else {
        (found.username, found.password) = (username, secret);
    }
    Ok(Some(found))
}

/// Gives credentials to a helper.
pub(super) fn store(name: &str, credentials: &AuthConfig) -> Result<(), Error> {
    let (username, secret) = if credentials.identity_token.is_empty() {
        (&*credentials.username, &credentials.password)
    } else {
        (TOKEN, &credentials.identity_token)
    };
    let document = json!({"ServerURL": credentials.server_address, "Username": username, "Secret": secret});
    run(name, "store", document.to_string().as_bytes())?
        .map(drop)
        .map_err(|text| failed(name, "store", &text))
}

/// Has a helper forget credentials.
pub(super) fn erase(name: &str, address: &str) -> Result<(), Error> {
    match run(name, "erase", address.as_bytes())? {
        Err(text) if !text.contains(NOTHING) => Err(failed(name, "erase", &text)),
        _ => Ok(()),
    }
}

fn failed(name: &str, verb: &str, text: &str) -> Error {
    Error::Helper {
        name: name.to_owned(),
        verb: verb.to_owned(),
        text: text.to_owned(),
    }
}

/// Runs a helper: its output, or what it says when it fails.
fn run(name: &str, verb: &str, input: &[u8]) -> Result<Result<Vec<u8>, String>, Error> {
    // The name is a part of a program's name, never a path.
    if name.contains('/') {
        return Err(failed(name, verb, "its name is a path"));
    }
    let program = format!("docker-credential-{name}");
    let cannot = |error: std::io::Error| failed(name, verb, &error.to_string());
    let mut process = Command::new(&program)
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(cannot)?;
    if let Some(mut stdin) = process.stdin.take() {
        // A helper that does not read its input says more by its exit.
        let _ = stdin.write_all(input);
    }
    let output = process.wait_with_output().map_err(cannot)?;
    if output.status.success() {
        Ok(Ok(output.stdout))
    } else {
        Ok(Err(String::from_utf8_lossy(&output.stdout).trim().to_owned()))
    }
}
