//! `EXPOSE`: `80`, `53/udp`, `8000-8010/tcp`. Source: docker/go-connections `nat`.

use super::bad;
use crate::Error;

/// The ports that one word names, each as `number/protocol`.
pub(super) fn parse(word: &str) -> Result<Vec<String>, Error> {
    let (range, protocol) = word.rsplit_once('/').unwrap_or((word, "tcp"));
    // An address and a public port before the container's have no meaning here, but are accepted.
    let range = range.rsplit(':').next().unwrap_or(range);
    let invalid = || bad(format!("invalid containerPort: {word:.100}"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(bad(format!("invalid proto: {protocol:.100}")));
    }
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let number = |text: &str| text.parse::<u16>().map_err(|_| invalid());
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(invalid());
    }
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}
