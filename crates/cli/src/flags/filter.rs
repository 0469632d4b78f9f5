//! `--filter name=value`.

use crate::error::Error;
use tierce_api_types::Filters;

/// The filters of a request.
pub(crate) fn parse(words: &[String]) -> Result<Filters, Error> {
    let mut filters = Filters::new();
    for word in words.iter().filter(|word| !word.is_empty()) {
        let (name, value) = word.split_once('=').ok_or_else(|| {
            Error::usage(format!(
                "invalid argument \"{word}\" for \"-f, --filter\" flag: invalid filter '{word}'"
            ))
        })?;
        filters.insert(name.trim().to_ascii_lowercase(), value.trim());
    }
    Ok(filters)
}
