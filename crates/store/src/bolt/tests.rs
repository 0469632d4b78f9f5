//! What dockerd wrote is read, what is written is read again, and damage is told.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// `volumes/metadata.db` and `network/files/local-kv.db` of Docker Engine 28.5; the second has branches.
const VOLUMES: &[u8] = include_bytes!("../../tests/fixtures/metadata.db");
const NETWORKS: &[u8] = include_bytes!("../../tests/fixtures/local-kv.db");

fn opened(bytes: &[u8]) -> (tempfile::TempDir, Database) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    std::fs::write(&path, bytes).unwrap();
    let database = Database::open(&path, 0o600).unwrap();
    (directory, database)
}

#[test]
fn row_161_databases_of_dockerd_are_read() {
    let (_directory, mut volumes) = opened(VOLUMES);
    assert_eq!(
        volumes.root.bucket("volumes").get("named").map(String::from_utf8_lossy),
        Some(r#"{"Name":"named","Driver":"local","Labels":{"vl":"1","z":"2"},"Options":null}"#.into())
    );
    let (_directory, mut networks) = opened(NETWORKS);
    let keys: Vec<_> = networks
        .root
        .bucket("libnetwork")
        .values()
        .map(|(key, _)| key)
        .collect();
    let of = |kind: &str| {
        let prefix = format!("docker/network/v1.0/{kind}/");
        keys.iter().filter(|key| key.starts_with(&prefix)).count()
    };
    assert_eq!((of("network"), of("bridge"), of("endpoint_count")), (5, 3, 5));
}

#[test]
fn what_is_saved_is_read_again() {
    for bytes in [VOLUMES, NETWORKS, b""] {
        let (directory, mut database) = opened(bytes);
        let before = database.root.clone();
        database.save().unwrap();
        database.root.bucket("new").put("key", *b"value");
        database.save().unwrap();
        drop(database);
        let path = directory.path().join("db");
        let mut again = Database::open(&path, 0o600).unwrap();
        assert_eq!(again.root.bucket("new").get("key"), Some(&b"value"[..]));
        again.root.remove("new");
        assert_eq!(again.root, before);
    }
}

#[test]
fn a_database_has_one_owner() {
    let (directory, mut database) = opened(b"");
    let path = directory.path().join("db");
    for _ in 0..2 {
        let error = Database::open(&path, 0o600).unwrap_err();
        assert!(matches!(error, Error::Locked { .. }), "{error}");
        // The lock goes over to the file that takes the place of the first.
        database.save().unwrap();
    }
    drop(database);
    Database::open(&path, 0o600).unwrap();
}

#[test]
fn the_older_meta_page_serves_when_the_newer_is_torn() {
    let mut bytes = NETWORKS.to_vec();
    let newest = read::read(&bytes).unwrap().transaction;
    let start = usize::try_from(newest % 2).unwrap() * PAGE_SIZE;
    bytes[start + 40] ^= 1;
    assert_eq!(read::read(&bytes).unwrap().transaction, newest - 1);
    // Without the first, the second is looked for.
    let mut bytes = NETWORKS.to_vec();
    bytes[..PAGE_SIZE].fill(0);
    read::read(&bytes).unwrap();
    bytes[PAGE_SIZE..2 * PAGE_SIZE].fill(0);
    read::read(&bytes).unwrap_err();
}

#[test]
fn a_tree_that_leads_in_circles_is_damage() {
    let mut root = Bucket::default();
    for key in 0..2000 {
        root.bucket("many").put(&format!("{key:04}"), vec![b'x'; 40]);
    }
    let mut bytes = write::write(&root, PAGE_SIZE, 7);
    assert_eq!(read::read(&bytes).unwrap().root, root);
    let is_branch = |page: &&mut [u8]| page[8..10] == BRANCH.to_le_bytes();
    let page = bytes.chunks_exact_mut(PAGE_SIZE).skip(3).find(is_branch).unwrap();
    let own = page[..8].to_vec();
    page[PAGE_HEADER + 8..PAGE_HEADER + 16].copy_from_slice(&own);
    let error = read::read(&bytes).unwrap_err();
    assert!(error.contains("circles"), "{error}");
}

fn bucket() -> impl Strategy<Value = Bucket> {
    let value = proptest::collection::vec(any::<u8>(), 0..300).prop_map(Entry::Value);
    let long = (4000_usize..9000).prop_map(|length| Entry::Value(vec![7; length]));
    let leaf = prop_oneof![9 => value, 1 => long];
    let entry = leaf.prop_recursive(3, 200, 60, |inner| {
        proptest::collection::btree_map(proptest::collection::vec(any::<u8>(), 1..40), inner, 0..60)
            .prop_map(|entries| Entry::Bucket(Bucket { sequence: 3, entries }))
    });
    proptest::collection::btree_map(proptest::collection::vec(any::<u8>(), 1..9), entry, 0..60)
        .prop_map(|entries: BTreeMap<_, _>| Bucket { sequence: 1, entries })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_buckets_survive(root in bucket(), shift in 10_u32..15) {
        let bytes = write::write(&root, 1 << shift, 5);
        let contents = read::read(&bytes).unwrap();
        prop_assert_eq!((contents.root, contents.page_size, contents.transaction), (root, 1 << shift, 6));
    }

    #[test]
    fn any_damage_is_an_error_or_another_value_and_no_panic(at in 0..NETWORKS.len(), with in any::<u32>()) {
        let mut bytes = NETWORKS.to_vec();
        let end = (at + 4).min(bytes.len());
        bytes[at..end].copy_from_slice(&with.to_le_bytes()[..end - at]);
        let _ = read::read(&bytes);
    }
}
