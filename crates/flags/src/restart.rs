//! `--restart`. Source of the texts: docker/cli `opts.ParseRestartPolicy`.

use crate::Error;
use tierce_oci::container::RestartPolicy;

/// `name[:maximum]`; the daemon checks the name.
pub fn parse(text: &str) -> Result<RestartPolicy, Error> {
    let (name, maximum) = text
        .split_once(':')
        .map_or((text, None), |(name, maximum)| (name, Some(maximum)));
    if name.is_empty() && maximum.is_some() {
        return Err(Error::usage(
            "invalid restart policy format: no policy provided before colon",
        ));
    }
    let maximum_retry_count = match maximum {
        Some(number) => number
            .parse()
            .map_err(|_| Error::usage("invalid restart policy format: maximum retry count must be an integer"))?,
        None => 0,
    };
    Ok(RestartPolicy {
        name: name.to_owned(),
        maximum_retry_count,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_parsed() {
        assert_eq!(parse("on-failure:3").unwrap().maximum_retry_count, 3);
        assert_eq!(parse("always").unwrap().name, "always");
        for text in ["on-failure:x", ":3"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
