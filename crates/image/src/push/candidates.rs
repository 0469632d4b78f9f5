//! Under which digests, and from where, a registry may have a layer already.
//!
//! Source: moby `distribution/push_v2.go` (`getRepositoryMountCandidates`, `getMaxMountAndExistenceCheckAttempts`): how
//! much is tried depends on what an upload would cost.

use crate::distribution::Home;
use tierce_oci::{Digest, Reference};

/// How much asking a layer is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Effort {
    /// Mounts tried.
    pub(super) mounts: usize,
    /// Digests looked for in the repository.
    pub(super) checks: usize,
    /// Whether digests are looked for that only other repositories were seen to have.
    pub(super) others: bool,
}

impl Effort {
    /// For a layer of `size` bytes.
    pub(super) fn for_size(size: u64) -> Self {
        let (mounts, checks, others) = match size {
            0..=100_000 => (1, 1, false),
            100_001..=10_000_000 => (3, 1, false),
            _ => (4, 3, true),
        };
        Self { mounts, checks, others }
    }
}

/// Digests to look for in `repository`: those it was seen to have first, the newest first.
pub(super) fn to_check(homes: &[Home], repository: &Reference, others: bool) -> Vec<Digest> {
    let (own, elsewhere): (Vec<&Home>, Vec<&Home>) = homes
        .iter()
        .rev()
        .partition(|home| home.source_repository == repository.name());
    let elsewhere = elsewhere
        .into_iter()
        .filter(|home| others && same_registry(home, repository));
    let mut digests: Vec<Digest> = Vec::new();
    for home in own.into_iter().chain(elsewhere) {
        if !digests.contains(&home.digest) {
            digests.push(home.digest.clone());
        }
    }
    digests
}

/// Homes to mount from: other repositories of the same registry; first those that were pushed with the same credentials,
/// then those whose names are most alike, the newest first.
pub(super) fn to_mount(homes: &[Home], repository: &Reference, mine: impl Fn(&Home) -> bool) -> Vec<Home> {
    let mut found: Vec<&Home> = homes
        .iter()
        .rev()
        .filter(|home| same_registry(home, repository) && home.source_repository != repository.name())
        .collect();
    // Stable: what is alike stays in order of age.
    found.sort_by_key(|home| {
        (
            !mine(home),
            usize::MAX - alike(&home.source_repository, &repository.name()),
        )
    });
    found.into_iter().cloned().collect()
}

fn same_registry(home: &Home, repository: &Reference) -> bool {
    Reference::parse(&home.source_repository).is_ok_and(|home| home.domain() == repository.domain())
}

/// How many leading path components two names share.
fn alike(one: &str, other: &str) -> usize {
    one.split('/')
        .zip(other.split('/'))
        .take_while(|(one, other)| one == other)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(digest: &[u8], repository: &str, hmac: &str) -> Home {
        Home {
            digest: Digest::sha256_of(digest),
            source_repository: repository.to_owned(),
            hmac: hmac.to_owned(),
        }
    }

    #[test]
    fn the_own_repository_is_asked_first_and_other_registries_never() {
        let homes = [
            home(b"1", "r.example/a/b", ""),
            home(b"2", "docker.io/a/b", ""),
            home(b"3", "r.example/a/c", ""),
        ];
        let repository = Reference::parse("r.example/a/b").unwrap();
        assert_eq!(to_check(&homes, &repository, false), [Digest::sha256_of(b"1")]);
        assert_eq!(
            to_check(&homes, &repository, true),
            [Digest::sha256_of(b"1"), Digest::sha256_of(b"3")]
        );
    }

    #[test]
    fn mounts_are_tried_by_credentials_likeness_and_age() {
        let homes = [
            home(b"1", "r.example/x", ""),
            home(b"2", "r.example/a/old", ""),
            home(b"3", "r.example/a/new", ""),
            home(b"4", "r.example/y", "mine"),
            home(b"5", "r.example/a/b", ""),
            home(b"6", "docker.io/a/b", ""),
        ];
        let repository = Reference::parse("r.example/a/b").unwrap();
        let order: Vec<String> = to_mount(&homes, &repository, |home| home.hmac == "mine")
            .into_iter()
            .map(|home| home.source_repository)
            .collect();
        assert_eq!(
            order,
            ["r.example/y", "r.example/a/new", "r.example/a/old", "r.example/x"]
        );
    }
}
