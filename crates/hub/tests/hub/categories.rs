//! The four categories of the specification's conformance, each whole, over every kind of document that it knows:
//! pushed in every way, listed, looked at, pulled, referred to, deleted. The real program, over sockets.

use crate::support::{Hub, IMAGE, INDEX, image, index, noise, sha512};
use serde_json::{Value, json};
use tierce_oci::Digest;

/// A kind of document: its blobs, and its manifests from the bottom up; the last one gets a tag.
struct Sample {
    name: &'static str,
    blobs: Vec<Vec<u8>>,
    manifests: Vec<(&'static str, Vec<u8>)>,
}

fn sample(name: &'static str, manifests: Vec<(&'static str, Vec<u8>)>) -> Sample {
    Sample {
        name,
        blobs: vec![b"{}".to_vec(), noise(1, 4000), noise(2, 70_000)],
        manifests,
    }
}

fn samples() -> Vec<Sample> {
    let (one, two) = (image(&noise(1, 4000), &json!({})), image(&noise(2, 70_000), &json!({})));
    let annotations: serde_json::Map<String, Value> = (0..390)
        .map(|n| (format!("large-{n}"), Value::from("A".repeat(10_000))))
        .collect();
    let large = image(&noise(1, 4000), &json!({"annotations": annotations}));
    let both = index(&[&one, &two], &json!({}));
    let nested = serde_json::to_vec(&json!({
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [{"mediaType": INDEX, "digest": Digest::sha256_of(&both), "size": both.len()}],
    }))
    .unwrap();
    let artifact = image(
        &noise(1, 4000),
        &json!({"artifactType": "application/x-thing", "x-unknown": {"kept": [1, 2]}}),
    );
    let about = json!({"mediaType": IMAGE, "digest": Digest::sha256_of(&one), "size": one.len()});
    let referrer = image(
        &noise(2, 70_000),
        &json!({"artifactType": "application/x-note", "subject": about}),
    );
    let missing = json!({"mediaType": IMAGE, "digest": Digest::sha256_of(b"missing"), "size": 123});
    let orphan = image(
        &noise(2, 70_000),
        &json!({"artifactType": "application/x-note", "subject": missing}),
    );
    let no_layers = image(b"", &json!({"layers": []}));
    let with_data = json!({"config": {
        "mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::sha256_of(b"{}"), "size": 2, "data": "e30=",
    }});
    let with_data = image(&noise(1, 4000), &with_data);
    let docker = json!({"mediaType": "application/vnd.docker.distribution.manifest.v2+json"});
    let docker = image(&noise(1, 4000), &docker);
    vec![
        sample("image", vec![(IMAGE, one.clone())]),
        sample(
            "docker",
            vec![("application/vnd.docker.distribution.manifest.v2+json", docker)],
        ),
        sample("large", vec![(IMAGE, large)]),
        sample(
            "index",
            vec![(IMAGE, one.clone()), (IMAGE, two.clone()), (INDEX, both.clone())],
        ),
        sample(
            "nested",
            vec![(IMAGE, one.clone()), (IMAGE, two), (INDEX, both), (INDEX, nested)],
        ),
        sample("empty", vec![(INDEX, index(&[], &json!({})))]),
        sample("artifact", vec![(IMAGE, artifact)]),
        sample("referrer", vec![(IMAGE, one), (IMAGE, referrer)]),
        sample("orphan", vec![(IMAGE, orphan)]),
        sample("no-layers", vec![(IMAGE, no_layers)]),
        sample("data", vec![(IMAGE, with_data)]),
    ]
}

/// A way to push a blob to a repository; gives the last status.
type Way = fn(&Hub, &str, &Digest, &[u8]) -> u16;

fn push(hub: &Hub, sample: &Sample) {
    for bytes in &sample.blobs {
        hub.push_blob(sample.name, bytes);
    }
    for (media_type, bytes) in &sample.manifests {
        let digest = Digest::sha256_of(bytes);
        let reply = hub.put_manifest(sample.name, digest.as_str(), media_type, bytes);
        assert_eq!(
            (reply.status, reply.header("docker-content-digest")),
            (201, Some(digest.as_str())),
            "{}",
            sample.name
        );
    }
    let (media_type, bytes) = sample.manifests.last().unwrap();
    assert_eq!(
        hub.put_manifest(sample.name, "tag", media_type, bytes).status,
        201,
        "{}",
        sample.name
    );
}

#[test]
fn row_038_category_push_every_way_gives_the_same_blob() {
    let hub = Hub::start();
    let bytes = noise(7, 10_000);
    for digest in [Digest::sha256_of(&bytes), sha512(&bytes)] {
        let ways: [(&str, Way); 6] = [
            ("post", |hub, name, digest, bytes| {
                hub.ask(
                    "POST",
                    &format!("/v2/{name}/blobs/uploads/?digest={digest}"),
                    &[],
                    bytes,
                )
                .status
            }),
            ("post-put", |hub, name, digest, bytes| {
                let location = hub.begin(name);
                hub.ask("PUT", &format!("{location}?digest={digest}"), &[], bytes)
                    .status
            }),
            ("stream", |hub, name, digest, bytes| {
                let location = hub.begin(name);
                let chunked = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n0\r\n\r\n"].concat();
                hub.ask("PATCH", &location, &[("Transfer-Encoding", "chunked")], &chunked);
                hub.ask("PUT", &format!("{location}?digest={digest}"), &[], b"").status
            }),
            ("pieces", |hub, name, digest, bytes| {
                let location = hub.begin(name);
                for (number, piece) in bytes.chunks(4096).enumerate() {
                    let range = format!("{}-{}", number * 4096, number * 4096 + piece.len() - 1);
                    assert_eq!(
                        hub.ask("PATCH", &location, &[("Content-Range", &range)], piece).status,
                        202
                    );
                }
                hub.ask("PUT", &format!("{location}?digest={digest}"), &[], b"").status
            }),
            ("last-piece-put", |hub, name, digest, bytes| {
                let location = hub.begin(name);
                hub.ask("PATCH", &location, &[("Content-Range", "0-8191")], &bytes[..8192]);
                let late = hub.ask("PATCH", &location, &[("Content-Range", "9000-9999")], &bytes[9000..]);
                assert_eq!((late.status, hub.get(&location).header("range")), (416, Some("0-8191")));
                let range = [("Content-Range", "8192-9999")];
                hub.ask("PUT", &format!("{location}?digest={digest}"), &range, &bytes[8192..])
                    .status
            }),
            ("mount", |hub, name, digest, _| {
                hub.ask(
                    "POST",
                    &format!("/v2/{name}/blobs/uploads/?mount={digest}&from=post"),
                    &[],
                    b"",
                )
                .status
            }),
        ];
        for (name, way) in ways {
            assert_eq!(way(&hub, name, &digest, &bytes), 201, "{name}");
            assert!(hub.get(&format!("/v2/{name}/blobs/{digest}")).body == bytes, "{name}");
            let mut wrong = bytes.clone();
            wrong[9999] ^= 1;
            if name != "mount" {
                assert_eq!(way(&hub, &format!("bad/{name}"), &digest, &wrong), 400, "{name}");
            }
        }
    }
}

#[test]
fn row_038_category_pull_gives_every_document_as_it_was_sent() {
    let hub = Hub::start();
    for sample in samples() {
        push(&hub, &sample);
        for bytes in &sample.blobs {
            let path = format!("/v2/{}/blobs/{}", sample.name, Digest::sha256_of(bytes));
            assert_eq!(
                hub.ask("HEAD", &path, &[], b"").header("content-length"),
                Some(bytes.len().to_string().as_str())
            );
            assert!(hub.get(&path).body == *bytes, "{}", sample.name);
        }
        for (number, (media_type, bytes)) in sample.manifests.iter().enumerate() {
            let mut references = vec![Digest::sha256_of(bytes).to_string()];
            if number + 1 == sample.manifests.len() {
                references.push("tag".to_owned());
            }
            for reference in references {
                let path = format!("/v2/{}/manifests/{reference}", sample.name);
                let reply = hub.get(&path);
                assert_eq!(
                    (reply.status, reply.header("content-type")),
                    (200, Some(*media_type)),
                    "{path}"
                );
                assert!(reply.body == *bytes, "{path}");
                let head = hub.ask("HEAD", &path, &[], b"");
                assert_eq!(
                    head.header("content-length"),
                    Some(bytes.len().to_string().as_str()),
                    "{path}"
                );
                assert_eq!(
                    head.header("docker-content-digest"),
                    reply.header("docker-content-digest")
                );
            }
        }
    }
}

#[test]
fn row_038_category_discovery_lists_tags_and_referrers() {
    let hub = Hub::start();
    for sample in samples() {
        push(&hub, &sample);
        assert_eq!(
            hub.get(&format!("/v2/{}/tags/list", sample.name)).json()["tags"],
            json!(["tag"])
        );
        for (_, bytes) in &sample.manifests {
            let document: Value = serde_json::from_slice(bytes).unwrap();
            let Some(subject) = document["subject"]["digest"].as_str() else {
                continue;
            };
            for query in ["", "?artifactType=application/x-note"] {
                let listed = hub
                    .get(&format!("/v2/{}/referrers/{subject}{query}", sample.name))
                    .json();
                assert_eq!(
                    listed["manifests"][0]["digest"],
                    Digest::sha256_of(bytes).as_str(),
                    "{}",
                    sample.name
                );
                assert_eq!(listed["manifests"].as_array().unwrap().len(), 1);
            }
        }
    }
    let names: Vec<String> = {
        let mut names: Vec<String> = samples().iter().map(|sample| sample.name.to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(hub.get("/v2/_catalog").json()["repositories"], json!(names));
}

#[test]
fn row_038_category_management_deletes_everything_and_leaves_no_byte() {
    let hub = Hub::start();
    let samples = samples();
    for sample in &samples {
        push(&hub, sample);
    }
    for sample in &samples {
        let delete = |path: String| hub.ask("DELETE", &path, &[], b"").status;
        assert_eq!(delete(format!("/v2/{}/manifests/tag", sample.name)), 202);
        for (_, bytes) in sample.manifests.iter().rev() {
            let path = format!("/v2/{}/manifests/{}", sample.name, Digest::sha256_of(bytes));
            assert_eq!(hub.ask("DELETE", &path, &[], b"").status, 202, "{path}");
            assert_eq!(hub.ask("HEAD", &path, &[], b"").status, 404, "{path}");
        }
        for bytes in &sample.blobs {
            let path = format!("/v2/{}/blobs/{}", sample.name, Digest::sha256_of(bytes));
            // Those that a manifest listed went with it; the others wait for one.
            assert!(matches!(hub.ask("DELETE", &path, &[], b"").status, 202 | 404), "{path}");
            assert_eq!(hub.ask("HEAD", &path, &[], b"").status, 404, "{path}");
        }
    }
    assert!(hub.contents().is_empty(), "{:?}", hub.contents());
    assert!(crate::support::files(&hub.root().join("repositories")).is_empty());
    assert_eq!(hub.get("/v2/_catalog").json(), json!({"repositories": []}));
}
