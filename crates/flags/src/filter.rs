//! `--filter name=value`.

use std::convert::Infallible;
use std::str::FromStr;
use tierce_api_types::Filters;

/// One `--filter`; an empty one filters nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Option<(String, String)>);

/// A filter without an equals sign.
#[derive(Debug, thiserror::Error)]
#[error("bad format of filter (expected name=value)")]
pub struct NoValue;

impl FromStr for Filter {
    type Err = NoValue;

    fn from_str(text: &str) -> Result<Self, NoValue> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let (name, value) = text.split_once('=').ok_or(NoValue)?;
        Ok(Self(Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))))
    }
}

/// The filters of a request.
pub fn collect(words: &[Filter]) -> Filters {
    let mut filters = Filters::new();
    for (name, value) in words.iter().filter_map(|word| word.0.as_ref()) {
        filters.insert(name, value);
    }
    filters
}

/// Words of one flag, which may also be written one after another with commas between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commas(Vec<String>);

impl FromStr for Commas {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.split(',').map(str::to_owned).collect()))
    }
}

/// All words of a flag that takes [`Commas`].
pub fn words(given: &[Commas]) -> Vec<String> {
    given.iter().flat_map(|commas| commas.0.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_093_filters_are_read_as_docker_reads_them() {
        let parse = |text: &str| text.parse::<Filter>();
        assert_eq!(
            collect(&[parse("").unwrap(), parse(" Label = a=b ").unwrap()]),
            Filters::new().with("label", "a=b")
        );
        assert_eq!(
            parse("label").unwrap_err().to_string(),
            "bad format of filter (expected name=value)"
        );
    }
}
