//! Names and ids of containers.

use crate::error::{Error, Result};

/// First halves of generated names.
const ADJECTIVES: [&str; 96] = [
    "able", "agile", "airy", "amber", "ample", "apt", "arctic", "astute", "avid", "balmy", "blithe", "bold", "brave",
    "breezy", "bright", "brisk", "calm", "candid", "chatty", "cheery", "clever", "cordial", "cosy", "crisp", "curious",
    "dapper", "daring", "deft", "droll", "eager", "earnest", "easy", "elated", "fair", "famous", "fearless", "festive",
    "fluent", "fond", "frank", "frosty", "gallant", "gentle", "genial", "gleeful", "golden", "grand", "handy", "happy",
    "hardy", "hearty", "honest", "humble", "jaunty", "jolly", "jovial", "keen", "kind", "lively", "loyal", "lucid",
    "lucky", "mellow", "merry", "mighty", "mild", "modest", "neat", "nimble", "noble", "patient", "placid", "plucky",
    "polite", "prompt", "proud", "quaint", "quick", "quiet", "radiant", "rapid", "ready", "robust", "rosy", "serene",
    "sharp", "silent", "spry", "steady", "stoic", "sunny", "swift", "tidy", "vivid", "warm", "witty",
];

/// Second halves: people whose work computers, measures and casks rest on.
const SURNAMES: [&str; 96] = [
    "abel",
    "agnesi",
    "ampere",
    "archimedes",
    "babbage",
    "banach",
    "bell",
    "bernoulli",
    "boole",
    "borg",
    "bose",
    "brahe",
    "byron",
    "cantor",
    "cauchy",
    "cerf",
    "church",
    "clarke",
    "codd",
    "conway",
    "cooper",
    "curie",
    "darwin",
    "descartes",
    "dijkstra",
    "dirac",
    "edison",
    "einstein",
    "engelbart",
    "erdos",
    "euclid",
    "euler",
    "faraday",
    "fermat",
    "fermi",
    "feynman",
    "fibonacci",
    "floyd",
    "fourier",
    "franklin",
    "galileo",
    "galois",
    "gauss",
    "germain",
    "goldberg",
    "hamilton",
    "hawking",
    "heisenberg",
    "hertz",
    "hilbert",
    "hoare",
    "hopper",
    "huygens",
    "hypatia",
    "jacobi",
    "johnson",
    "kepler",
    "knuth",
    "lagrange",
    "lamarr",
    "lamport",
    "laplace",
    "leibniz",
    "liskov",
    "lovelace",
    "maxwell",
    "mayer",
    "mccarthy",
    "meitner",
    "mendel",
    "mendeleev",
    "mirzakhani",
    "moore",
    "napier",
    "nash",
    "newton",
    "nightingale",
    "noether",
    "pascal",
    "pasteur",
    "perlman",
    "planck",
    "poincare",
    "ptolemy",
    "ramanujan",
    "riemann",
    "ritchie",
    "shannon",
    "sinoussi",
    "tesla",
    "thompson",
    "torvalds",
    "turing",
    "volta",
    "wilson",
    "wozniak",
];

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::Internal(format!("draw random bytes: {error}")))?;
    Ok(bytes)
}

/// A new id: 64 hex digits, of which the first twelve are never a number alone (they serve as host name).
pub(crate) fn new_id() -> Result<String> {
    loop {
        let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
        let id: String = random::<32>()?
            .iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
            .collect();
        if id[..12].bytes().any(|byte| !byte.is_ascii_digit()) {
            return Ok(id);
        }
    }
}

/// A name of the form `adjective_surname`; with `retry`, a digit is added to find a free one.
pub(crate) fn generate(retry: usize) -> Result<String> {
    let bytes = random::<3>()?;
    let mut name = format!(
        "{}_{}",
        ADJECTIVES[usize::from(bytes[0]) % ADJECTIVES.len()],
        SURNAMES[usize::from(bytes[1]) % SURNAMES.len()]
    );
    if retry > 0 {
        name.push(char::from(b'0' + bytes[2] % 10));
    }
    Ok(name)
}

/// Checks a name that a user chose, with or without a leading slash; returns it with one.
pub(crate) fn check(name: &str) -> Result<String> {
    let plain = name.strip_prefix('/').unwrap_or(name);
    let valid = plain.len() > 1
        && plain.starts_with(|first: char| first.is_ascii_alphanumeric())
        && plain
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    if valid {
        Ok(format!("/{plain}"))
    } else {
        Err(Error::Invalid(format!(
            "Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn generated_names_are_valid_names() {
        for retry in [0, 1] {
            assert!(check(&generate(retry).unwrap()).is_ok());
        }
        assert_eq!(new_id().unwrap().len(), 64);
        assert_ne!(new_id().unwrap(), new_id().unwrap());
    }

    #[test]
    fn names_are_checked_in_dockers_words() {
        assert_eq!(check("web").unwrap(), "/web");
        assert_eq!(check("/web").unwrap(), "/web");
        assert_eq!(
            check("a/b").unwrap_err().to_string(),
            "Invalid container name (a/b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
        );
        for bad in ["", "a", "-a", "a b", "ä1", "//a"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_accepted_name_is_a_path(name in ".{0,20}") {
            if let Ok(name) = check(&name) {
                prop_assert_eq!(name.matches('/').count(), 1);
            }
        }
    }
}
