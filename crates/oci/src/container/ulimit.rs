//! A resource limit of a container's processes, and how it is written. Source of the texts: docker/go-units `ulimit.go`.

use super::nullable;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Limits that there are.
const NAMES: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// One resource limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Ulimit {
    /// `nofile` and its like.
    #[serde(deserialize_with = "nullable")]
    pub name: String,
    /// Ceiling; -1: none.
    #[serde(deserialize_with = "nullable")]
    pub hard: i64,
    /// What is enforced; -1: nothing.
    #[serde(deserialize_with = "nullable")]
    pub soft: i64,
}

impl FromStr for Ulimit {
    /// Docker's words.
    type Err = String;

    /// Reads `name=soft[:hard]`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, limits) = text
            .split_once('=')
            .ok_or_else(|| format!("invalid ulimit argument: {text}"))?;
        if !NAMES.contains(&name) {
            return Err(format!("invalid ulimit type: {name}"));
        }
        let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
        let number = |word: &str| {
            word.parse::<i64>()
                .map_err(|_| format!("strconv.ParseInt: parsing {word:?}: invalid syntax"))
        };
        let (soft, hard) = (number(soft)?, number(hard)?);
        let order = "ulimit soft limit must be less than or equal to hard limit";
        if hard != -1 && soft == -1 {
            return Err(format!("{order}: soft: -1 (unlimited), hard: {hard}"));
        }
        if hard != -1 && soft > hard {
            return Err(format!("{order}: {soft} > {hard}"));
        }
        Ok(Self {
            name: name.to_owned(),
            hard,
            soft,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_in_dockers_words() {
        let read = |text: &str| text.parse::<Ulimit>();
        let limit = read("nofile=10:20").unwrap();
        assert_eq!((limit.name.as_str(), limit.soft, limit.hard), ("nofile", 10, 20));
        assert_eq!(read("nofile=5").unwrap().hard, 5);
        assert_eq!(read("core=5:-1").unwrap().hard, -1);
        let refused = |text: &str| read(text).unwrap_err();
        let order = "ulimit soft limit must be less than or equal to hard limit";
        assert_eq!(refused("nofile"), "invalid ulimit argument: nofile");
        assert_eq!(refused("foo=2:1"), "invalid ulimit type: foo");
        assert_eq!(refused("nofile=x"), "strconv.ParseInt: parsing \"x\": invalid syntax");
        assert_eq!(refused("nofile=2:1"), format!("{order}: 2 > 1"));
        assert_eq!(
            refused("nofile=-1:1"),
            format!("{order}: soft: -1 (unlimited), hard: 1")
        );
    }
}
