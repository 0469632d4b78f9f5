//! `--docker host=…,ca=…,cert=…,key=…,skip-tls-verify=…`: the daemon of a context.

use crate::context::expanded;
use crate::error::Error;
use std::collections::BTreeMap;
use std::str::FromStr;
use tierce_client::{Tls, TlsFiles};
use tierce_settings::{Context, Contexts, DOCKER, Endpoint};

/// Keys and what they mean, as the help page says it.
const KEYS: [(&str, &str); 6] = [
    ("from", "Copy named context's Docker endpoint configuration"),
    ("host", "Docker endpoint on which to connect"),
    ("ca", "Trust certs signed only by this CA"),
    ("cert", "Path to TLS certificate file"),
    ("key", "Path to TLS key file"),
    ("skip-tls-verify", "Skip TLS certificate validation"),
];

/// The text of a help page: what the verb does, and the keys.
pub(super) fn about(verb: &str) -> String {
    let keys = KEYS.map(|(name, meaning)| format!("{name:20}{meaning}\n")).concat();
    let title = verb[..1].to_uppercase() + &verb[1..];
    format!(
        "{title} a context\n\nDocker endpoint config:\n\nNAME                DESCRIPTION\n{keys}\nExample:\n\n$ tierce context \
         {verb} my-context --description \"some description\" --docker \
         \"host=tcp://myserver:2376,ca=~/ca-file,cert=~/cert-file,key=~/key-file\"\n"
    )
}

/// Keys with their values; several flags add up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keys(Vec<(String, String)>);

impl FromStr for Keys {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pair = |word: &str| match word.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => Err(format!("{word} must be formatted as key=value")),
        };
        text.split(',').map(pair).collect::<Result<_, _>>().map(Self)
    }
}

/// Names the daemon of a context, and keeps its keys and certificates.
pub(super) fn set(contexts: &Contexts, context: &mut Context, given: &[Keys]) -> Result<(), Error> {
    let refuse = |why: &dyn std::fmt::Display| Error::failed(format!("unable to create docker endpoint config: {why}"));
    let values: BTreeMap<&str, &str> = given
        .iter()
        .flat_map(|keys| keys.0.iter().map(|(key, value)| (key.as_str(), value.as_str())))
        .collect();
    let unknown: Vec<String> = values
        .keys()
        .filter(|key| !KEYS.iter().any(|(known, _)| known == *key))
        .map(|key| format!("{key}: unrecognized config key"))
        .collect();
    if !unknown.is_empty() {
        return Err(refuse(&unknown.join("\n")));
    }
    if let Some(from) = values.get("from") {
        let other = contexts.get(from).map_err(|error| refuse(&error))?;
        let endpoint = other
            .endpoint()
            .ok_or_else(|| refuse(&format!("unable to get endpoint from context {from:?}")))?;
        context.set_endpoint(&endpoint);
        return Ok(contexts.set_tls_files(&context.name, DOCKER, &[])?);
    }
    let skip_tls_verify = match values.get("skip-tls-verify") {
        Some(value) => tierce_oci::parse_bool(value).map_err(|error| refuse(&format!("skip-tls-verify: {error}")))?,
        None => false,
    };
    let path = |key: &str| {
        values
            .get(key)
            .filter(|path| !path.is_empty())
            .map(|path| expanded(path))
    };
    let files = TlsFiles {
        ca: path("ca"),
        cert: path("cert"),
        key: path("key"),
        skip_verify: skip_tls_verify,
    };
    let endpoint = Endpoint {
        host: values.get("host").copied().unwrap_or_default().to_owned(),
        skip_tls_verify,
    };
    if !endpoint.host.is_empty() {
        tierce_client::Endpoint::parse(&endpoint.host, true).map_err(|error| refuse(&error))?;
    }
    Tls::load(&files).map_err(|error| refuse(&format!("invalid docker endpoint options: {error}")))?;
    let mut kept = Vec::new();
    for (name, path) in [
        ("ca.pem", &files.ca),
        ("cert.pem", &files.cert),
        ("key.pem", &files.key),
    ] {
        if let Some(path) = path {
            let content = std::fs::read(path).map_err(|error| refuse(&format!("read {}: {error}", path.display())))?;
            kept.push((name.to_owned(), content));
        }
    }
    context.set_endpoint(&endpoint);
    Ok(contexts.set_tls_files(&context.name, DOCKER, &kept)?)
}
