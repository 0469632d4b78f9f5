//! The scheme `Basic` (RFC 7617).

use crate::{Credentials, Error, Url};

/// The `Authorization` header for a basic challenge of `url`.
pub(crate) fn header(url: &Url, credentials: Option<&Credentials>, trusted: bool) -> Result<String, Error> {
    let unauthorized = |cause: &str| Error::Unauthorized {
        url: url.shown(),
        cause: cause.to_owned(),
    };
    // Docker's words.
    let header = credentials
        .and_then(Credentials::basic_header)
        .ok_or_else(|| unauthorized("no basic auth credentials"))?;
    if !url.is_secure() && !trusted {
        return Err(unauthorized("refused to send credentials over plain HTTP"));
    }
    Ok(header)
}
