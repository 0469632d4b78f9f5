//! The endpoints of the distribution specification, one test a row of its table; the real program, over sockets.

use crate::support::{Hub, IMAGE, INDEX, image, index, noise, sha512};
use serde_json::json;
use tierce_oci::Digest;

#[test]
fn row_038_end_01_base_says_that_this_is_a_registry() {
    let hub = Hub::start();
    for path in ["/v2/", "/v2"] {
        let reply = hub.get(path);
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("docker-distribution-api-version"), Some("registry/2.0"));
        assert_eq!(reply.json(), json!({}));
    }
    hub.get("/").assert_refused(404, "UNSUPPORTED");
    let reply = hub.ask("DELETE", "/v2/", &[], b"");
    reply.assert_refused(405, "UNSUPPORTED");
    assert_eq!(reply.header("allow"), Some("GET, HEAD"));
}

#[test]
fn row_038_end_02_blobs_are_served_whole_and_in_parts() {
    let hub = Hub::start();
    let bytes = noise(2, 3 << 20);
    let digest = hub.push_blob("a/b", &bytes);
    let path = format!("/v2/a/b/blobs/{digest}");
    let reply = hub.get(&path);
    assert_eq!((reply.status, reply.body == bytes), (200, true));
    assert_eq!(reply.header("docker-content-digest"), Some(digest.as_str()));
    assert_eq!(reply.header("content-type"), Some("application/octet-stream"));
    let reply = hub.ask("HEAD", &path, &[], b"");
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    assert_eq!(reply.header("content-length"), Some((3 << 20).to_string().as_str()));
    assert_eq!(reply.header("docker-content-digest"), Some(digest.as_str()));
    assert_eq!(reply.header("accept-ranges"), Some("bytes"));
    let size = bytes.len();
    for (range, first, end) in [
        ("bytes=500-1499", 500, 1500),
        ("bytes=1048000-2200000", 1_048_000, 2_200_001),
        ("bytes=-500", size - 500, size),
        ("bytes=3145000-", 3_145_000, size),
        ("bytes=3145000-9999999", 3_145_000, size),
    ] {
        let reply = hub.ask("GET", &path, &[("Range", range)], b"");
        assert_eq!((reply.status, reply.body == bytes[first..end]), (206, true), "{range}");
        let wanted = format!("bytes {first}-{}/{size}", end - 1);
        assert_eq!(reply.header("content-range"), Some(wanted.as_str()));
    }
    for range in ["bytes=500-0", "bytes=3145728-", "bytes=5000000-6000000"] {
        hub.ask("GET", &path, &[("Range", range)], b"")
            .assert_refused(416, "RANGE_INVALID");
    }
    assert_eq!(
        hub.ask("GET", &path, &[("Range", "bytes=0-1,4-5")], b"").body.len(),
        size
    );
    let known = format!("\"{digest}\"");
    assert_eq!(hub.ask("GET", &path, &[("If-None-Match", &known)], b"").status, 304);
    let absent = format!("/v2/a/b/blobs/{}", Digest::sha256_of(b"absent"));
    hub.get(&absent).assert_refused(404, "BLOB_UNKNOWN");
    assert_eq!(hub.ask("HEAD", &absent, &[], b"").status, 404);
    // Another repository does not have it.
    hub.get(&format!("/v2/a/blobs/{digest}"))
        .assert_refused(404, "BLOB_UNKNOWN");
    let empty = hub.push_blob("a/b", b"");
    let reply = hub.get(&format!("/v2/a/b/blobs/{empty}"));
    assert_eq!((reply.status, reply.header("content-length")), (200, Some("0")));
}

#[test]
fn row_038_end_03_manifests_are_served_by_tag_and_digest_as_they_were_sent() {
    let hub = Hub::start();
    let (digest, bytes) = hub.push_image("lib/app", "v1", b"layer");
    for reference in ["v1", digest.as_str()] {
        for method in ["GET", "HEAD"] {
            let reply = hub.ask(method, &format!("/v2/lib/app/manifests/{reference}"), &[], b"");
            assert_eq!(reply.status, 200);
            assert_eq!(reply.header("content-type"), Some(IMAGE));
            assert_eq!(reply.header("docker-content-digest"), Some(digest.as_str()));
            assert_eq!(reply.header("content-length"), Some(bytes.len().to_string().as_str()));
            assert!(if method == "GET" {
                reply.body == bytes
            } else {
                reply.body.is_empty()
            });
        }
    }
    // A media type is kept with what the client added to it.
    let with_parameter = "application/vnd.oci.image.manifest.v1+json; charset=utf-8";
    assert_eq!(hub.put_manifest("lib/app", "v2", with_parameter, &bytes).status, 201);
    assert_eq!(
        hub.get("/v2/lib/app/manifests/v2").header("content-type"),
        Some(with_parameter)
    );
    for absent in ["v3", ".INVALID_MANIFEST_NAME", Digest::sha256_of(b"absent").as_str()] {
        hub.get(&format!("/v2/lib/app/manifests/{absent}"))
            .assert_refused(404, "MANIFEST_UNKNOWN");
        assert_eq!(
            hub.ask("HEAD", &format!("/v2/lib/app/manifests/{absent}"), &[], b"")
                .status,
            404
        );
    }
    hub.get("/v2/lib/other/manifests/v1")
        .assert_refused(404, "MANIFEST_UNKNOWN");
    hub.get("/v2/lib/app/manifests/sha256:bad")
        .assert_refused(400, "DIGEST_INVALID");
}

#[test]
fn row_038_end_04a_an_upload_begins() {
    let hub = Hub::start();
    let reply = hub.ask("POST", "/v2/a/b/blobs/uploads/", &[], b"");
    assert_eq!(reply.status, 202);
    let location = reply.header("location").unwrap();
    let id = location.strip_prefix("/v2/a/b/blobs/uploads/").unwrap();
    assert_eq!(reply.header("docker-upload-uuid"), Some(id));
    assert_eq!(reply.header("range"), Some("0-0"));
    assert_eq!(reply.header("oci-chunk-min-length"), Some("1"));
    assert!(hub.begin("a/b") != location);
    // Nothing is there before a blob is.
    hub.get("/v2/a/b/tags/list").assert_refused(404, "NAME_UNKNOWN");
    hub.ask("POST", "/v2/A/blobs/uploads/", &[], b"")
        .assert_refused(400, "NAME_INVALID");
    hub.ask("POST", "/v2/a/blobs/uploads/?digest-algorithm=md5", &[], b"")
        .assert_refused(400, "DIGEST_INVALID");
}

#[test]
fn row_038_end_04b_a_blob_is_pushed_in_one_request() {
    let hub = Hub::start();
    for digest in [Digest::sha256_of(b"blob"), sha512(b"blob")] {
        let reply = hub.ask("POST", &format!("/v2/a/blobs/uploads/?digest={digest}"), &[], b"blob");
        assert_eq!(reply.status, 201);
        assert_eq!(reply.header("docker-content-digest"), Some(digest.as_str()));
        assert_eq!(hub.get(reply.header("location").unwrap()).body, b"blob");
        let wrong = hub.ask("POST", &format!("/v2/a/blobs/uploads/?digest={digest}"), &[], b"bl0b");
        wrong.assert_refused(400, "DIGEST_INVALID");
    }
    let path = format!("/v2/a/blobs/uploads/?digest=sha384:{}", "0".repeat(96));
    hub.ask("POST", &path, &[], b"blob")
        .assert_refused(400, "DIGEST_INVALID");
    hub.ask("POST", "/v2/a/blobs/uploads/?digest=blob", &[], b"blob")
        .assert_refused(400, "DIGEST_INVALID");
    assert_eq!(hub.contents().len(), 2);
}

#[test]
fn row_038_end_05_an_upload_goes_on_in_order() {
    let hub = Hub::start();
    let bytes = noise(5, 3000);
    let location = hub.begin("a");
    let patch = |range: Option<&str>, body: &[u8]| {
        let headers: Vec<_> = range.map(|range| ("Content-Range", range)).into_iter().collect();
        hub.ask("PATCH", &location, &headers, body)
    };
    let reply = patch(Some("0-999"), &bytes[..1000]);
    assert_eq!((reply.status, reply.header("range")), (202, Some("0-999")));
    assert_eq!(reply.header("location"), Some(location.as_str()));
    for range in ["0-999", "2000-2999", "999-1998", "bytes 1000-1999/3000", "-1", "x"] {
        let reply = patch(Some(range), &bytes[1000..2000]);
        reply.assert_refused(416, "RANGE_INVALID");
        assert_eq!(
            (reply.header("range"), reply.header("location")),
            (Some("0-999"), Some(location.as_str()))
        );
    }
    patch(Some("1000-1500"), &bytes[1000..2000]).assert_refused(400, "SIZE_INVALID");
    let reply = patch(None, &bytes[1000..2000]);
    assert_eq!((reply.status, reply.header("range")), (202, Some("0-1999")));
    // A body that does not have the length that its range says is taken back.
    let headers = [("Content-Range", "2000-2999"), ("Transfer-Encoding", "chunked")];
    for body in [
        &b"3\r\nabc\r\n0\r\n\r\n"[..],
        &[b"bb8\r\n", &bytes[..], b"\r\n0\r\n\r\n"].concat(),
    ] {
        let refused = hub.ask("PATCH", &location, &headers, body);
        assert_eq!(refused.refused().1, "SIZE_INVALID", "{refused:?}");
        assert_eq!(hub.get(&location).header("range"), Some("0-1999"));
    }
    let reply = patch(Some("2000-2999"), &bytes[2000..]);
    assert_eq!(reply.status, 202);
    let digest = Digest::sha256_of(&bytes);
    assert_eq!(
        hub.ask("PUT", &format!("{location}?digest={digest}"), &[], b"").status,
        201
    );
    assert!(hub.get(&format!("/v2/a/blobs/{digest}")).body == bytes);
    patch(None, b"more").assert_refused(404, "BLOB_UPLOAD_UNKNOWN");
}

#[test]
fn row_038_end_06_an_upload_ends_with_the_digest_of_all() {
    let hub = Hub::start();
    let bytes = noise(6, 2000);
    for digest in [Digest::sha256_of(&bytes), sha512(&bytes)] {
        let put = |location: &str, headers: &[(&str, &str)], body: &[u8]| {
            hub.ask("PUT", &format!("{location}?digest={digest}"), headers, body)
        };
        // All at once, as a stream and its end, and with the last piece.
        let reply = put(&hub.begin("one"), &[], &bytes);
        assert_eq!(
            (reply.status, reply.header("docker-content-digest")),
            (201, Some(digest.as_str()))
        );
        assert!(hub.get(reply.header("location").unwrap()).body == bytes);
        let location = hub.begin("two");
        hub.ask("PATCH", &location, &[], &bytes);
        assert_eq!(put(&location, &[], b"").status, 201);
        let location = hub.begin("three");
        hub.ask("PATCH", &location, &[("Content-Range", "0-1499")], &bytes[..1500]);
        put(&location, &[("Content-Range", "0-499")], &bytes[1500..]).assert_refused(416, "RANGE_INVALID");
        assert_eq!(
            put(&location, &[("Content-Range", "1500-1999")], &bytes[1500..]).status,
            201
        );
        for name in ["one", "two", "three"] {
            assert!(hub.get(&format!("/v2/{name}/blobs/{digest}")).body == bytes, "{name}");
        }
        let location = hub.begin("one");
        put(&location, &[], b"other").assert_refused(400, "DIGEST_INVALID");
        put(&location, &[], &bytes).assert_refused(404, "BLOB_UPLOAD_UNKNOWN");
    }
    let location = hub.begin("one");
    hub.ask("PUT", &location, &[], &bytes)
        .assert_refused(400, "DIGEST_INVALID");
    // The upload of one repository is not one of another.
    let elsewhere = location.replace("/one/", "/two/");
    hub.ask(
        "PUT",
        &format!("{elsewhere}?digest={}", Digest::sha256_of(b"")),
        &[],
        b"",
    )
    .assert_refused(404, "BLOB_UPLOAD_UNKNOWN");
    assert_eq!(hub.contents().len(), 2, "the same content twice, of two algorithms");
}

#[test]
fn row_038_end_07_a_manifest_is_kept_when_all_that_it_lists_is_there() {
    let hub = Hub::start();
    let bytes = image(b"layer", &json!({}));
    let digest = Digest::sha256_of(&bytes);
    let reply = hub.put_manifest("a", "v1", IMAGE, &bytes);
    reply.assert_refused(400, "MANIFEST_BLOB_UNKNOWN");
    hub.push_blob("a", b"{}");
    hub.push_blob("other", b"layer");
    let reply = hub.put_manifest("a", "v1", IMAGE, &bytes);
    reply.assert_refused(400, "MANIFEST_BLOB_UNKNOWN");
    assert_eq!(
        reply.json()["errors"][0]["detail"]["digest"],
        Digest::sha256_of(b"layer").as_str()
    );
    hub.push_blob("a", b"layer");
    let reply = hub.put_manifest("a", "v1", IMAGE, &bytes);
    assert_eq!(reply.status, 201);
    assert_eq!(reply.header("docker-content-digest"), Some(digest.as_str()));
    assert_eq!(hub.get(reply.header("location").unwrap()).body, bytes);
    assert_eq!(hub.put_manifest("a", digest.as_str(), IMAGE, &bytes).status, 201);
    let by_sha512 = sha512(&bytes);
    let reply = hub.put_manifest("a", &format!("{by_sha512}?tag=x&tag=y"), IMAGE, &bytes);
    assert_eq!(
        (reply.status, reply.header("docker-content-digest")),
        (201, Some(by_sha512.as_str()))
    );
    let tagged = reply
        .headers
        .iter()
        .filter(|(name, _)| name == "oci-tag")
        .map(|(_, tag)| tag.as_str());
    assert_eq!(tagged.collect::<Vec<_>>(), ["x", "y"]);
    assert_eq!(
        hub.get("/v2/a/manifests/y").header("docker-content-digest"),
        Some(by_sha512.as_str())
    );
    // An index of an image that is there, and of one that is not.
    let absent = image(b"absent", &json!({}));
    let good = index(&[&bytes], &json!({}));
    assert_eq!(hub.put_manifest("a", "all", INDEX, &good).status, 201);
    hub.put_manifest("a", "all", INDEX, &index(&[&bytes, &absent], &json!({})))
        .assert_refused(400, "MANIFEST_BLOB_UNKNOWN");
    // A layer that is fetched elsewhere need not be here, nor what a manifest is about.
    let elsewhere = json!({
        "layers": [{
            "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "digest": Digest::sha256_of(b"foreign"), "size": 7, "urls": ["https://example.com/foreign"],
        }],
        "subject": {"mediaType": IMAGE, "digest": Digest::sha256_of(b"absent"), "size": 6},
    });
    let reply = hub.put_manifest("a", "foreign", IMAGE, &image(b"", &elsewhere));
    assert_eq!(
        (reply.status, reply.header("oci-subject")),
        (201, Some(Digest::sha256_of(b"absent").as_str()))
    );
}

#[test]
fn row_038_end_08a_tags_are_listed_in_order() {
    let hub = Hub::start();
    hub.get("/v2/a/tags/list").assert_refused(404, "NAME_UNKNOWN");
    for tag in ["b", "a", "B", "1.0", "_x"] {
        hub.push_image("a", tag, b"layer");
    }
    let reply = hub.get("/v2/a/tags/list");
    assert_eq!(reply.json(), json!({"name": "a", "tags": ["1.0", "B", "_x", "a", "b"]}));
    assert_eq!(reply.header("link"), None);
}

#[test]
fn row_038_end_08b_tags_are_listed_page_by_page() {
    let hub = Hub::start();
    for tag in ["a", "b", "c", "d", "e"] {
        hub.push_image("lib/app", tag, b"layer");
    }
    let mut path = "/v2/lib/app/tags/list?n=2".to_owned();
    let mut pages = Vec::new();
    loop {
        let reply = hub.get(&path);
        pages.push(reply.json()["tags"].clone());
        let Some(link) = reply.header("link") else { break };
        path = link
            .strip_prefix('<')
            .unwrap()
            .strip_suffix(">; rel=\"next\"")
            .unwrap()
            .to_owned();
    }
    assert_eq!(pages, [json!(["a", "b"]), json!(["c", "d"]), json!(["e"])]);
    let tags = |query: &str| hub.get(&format!("/v2/lib/app/tags/list?{query}")).json()["tags"].clone();
    assert_eq!(tags("last=c"), json!(["d", "e"]));
    assert_eq!(tags("last=bb&n=1"), json!(["c"]));
    assert_eq!(tags("n=0"), json!([]));
    assert_eq!(tags("last=e"), json!([]));
    assert_eq!(tags("n=5"), json!(["a", "b", "c", "d", "e"]));
    for n in ["-1", "x", "99999999999999999999999"] {
        hub.get(&format!("/v2/lib/app/tags/list?n={n}"))
            .assert_refused(400, "PAGINATION_NUMBER_INVALID");
    }
}

#[test]
fn row_038_end_09_manifests_and_tags_are_deleted() {
    let hub = Hub::start();
    let (digest, _) = hub.push_image("a", "v1", b"layer");
    hub.push_image("a", "v2", b"layer");
    let delete = |reference: &str| hub.ask("DELETE", &format!("/v2/a/manifests/{reference}"), &[], b"");
    assert_eq!(delete("v1").status, 202);
    delete("v1").assert_refused(404, "MANIFEST_UNKNOWN");
    hub.get("/v2/a/manifests/v1").assert_refused(404, "MANIFEST_UNKNOWN");
    assert_eq!(
        hub.get(&format!("/v2/a/manifests/{digest}")).status,
        200,
        "a tag went, not the manifest"
    );
    assert_eq!(delete(digest.as_str()).status, 202);
    delete(digest.as_str()).assert_refused(404, "MANIFEST_UNKNOWN");
    hub.get("/v2/a/manifests/v2").assert_refused(404, "MANIFEST_UNKNOWN");
    assert_eq!(
        hub.contents(),
        Vec::<std::path::PathBuf>::new(),
        "its blobs went with it"
    );
}

#[test]
fn row_038_end_10_blobs_that_no_manifest_lists_are_deleted() {
    let hub = Hub::start();
    let digest = hub.push_blob("a", b"alone");
    hub.push_blob("b", b"alone");
    let path = format!("/v2/a/blobs/{digest}");
    assert_eq!(hub.ask("DELETE", &path, &[], b"").status, 202);
    hub.get(&path).assert_refused(404, "BLOB_UNKNOWN");
    hub.ask("DELETE", &path, &[], b"").assert_refused(404, "BLOB_UNKNOWN");
    assert_eq!(
        hub.get(&format!("/v2/b/blobs/{digest}")).body,
        b"alone",
        "another repository has it"
    );
    hub.push_image("a", "v1", b"layer");
    let path = format!("/v2/a/blobs/{}", Digest::sha256_of(b"layer"));
    hub.ask("DELETE", &path, &[], b"").assert_refused(405, "DENIED");
    assert_eq!(hub.get(&path).body, b"layer", "a manifest lists it");
}

#[test]
fn row_038_end_11_a_blob_is_mounted_from_another_repository() {
    let hub = Hub::start();
    let digest = hub.push_blob("from/here", b"blob");
    let mount = |query: &str| hub.ask("POST", &format!("/v2/to/there/blobs/uploads/?mount={query}"), &[], b"");
    // What the source does not have begins an upload.
    for query in [
        format!("{}&from=from/here", Digest::sha256_of(b"absent")),
        format!("{digest}&from=from/nowhere"),
        format!("{digest}&from=../../etc"),
        Digest::sha256_of(b"absent").to_string(),
    ] {
        let reply = mount(&query);
        assert_eq!(reply.status, 202, "{query}");
        assert!(
            reply
                .header("location")
                .unwrap()
                .starts_with("/v2/to/there/blobs/uploads/")
        );
    }
    for query in [format!("{digest}&from=from%2Fhere"), digest.to_string()] {
        let reply = mount(&query);
        assert_eq!(reply.status, 201, "{query}");
        assert_eq!(
            reply.header("location"),
            Some(format!("/v2/to/there/blobs/{digest}").as_str())
        );
        assert_eq!(reply.header("docker-content-digest"), Some(digest.as_str()));
        assert_eq!(hub.get(&format!("/v2/to/there/blobs/{digest}")).body, b"blob");
        assert_eq!(
            hub.ask("DELETE", &format!("/v2/to/there/blobs/{digest}"), &[], b"")
                .status,
            202
        );
    }
    mount("x").assert_refused(400, "DIGEST_INVALID");
    assert_eq!(hub.contents().len(), 1);
}

/// An image and three manifests about it: a signature and a bill of materials, and one of another subject.
fn with_referrers(hub: &Hub) -> Digest {
    let (subject, bytes) = hub.push_image("a", "v1", b"layer");
    let about = json!({"mediaType": IMAGE, "digest": subject, "size": bytes.len()});
    let elsewhere = json!({"mediaType": IMAGE, "digest": Digest::sha256_of(b"x"), "size": 1});
    for (kind, subject) in [("sbom", &about), ("signature", &about), ("signature", &elsewhere)] {
        let more = json!({
            "artifactType": format!("application/x-{kind}"),
            "annotations": {"kind": kind},
            "subject": subject,
        });
        let bytes = image(b"layer", &more);
        let digest = Digest::sha256_of(&bytes);
        let reply = hub.put_manifest("a", digest.as_str(), IMAGE, &bytes);
        assert_eq!(
            (reply.status, reply.header("oci-subject")),
            (201, subject["digest"].as_str())
        );
    }
    subject
}

#[test]
fn row_038_end_12a_referrers_are_listed() {
    let hub = Hub::start();
    let nothing = hub.get(&format!("/v2/a/referrers/{}", Digest::sha256_of(b"absent")));
    assert_eq!((nothing.status, nothing.header("content-type")), (200, Some(INDEX)));
    assert_eq!(
        nothing.json(),
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []})
    );
    let subject = with_referrers(&hub);
    let reply = hub.get(&format!("/v2/a/referrers/{subject}"));
    assert_eq!(reply.header("oci-filters-applied"), None);
    let listed = reply.json();
    let mut kinds: Vec<_> = listed["manifests"].as_array().unwrap().iter().collect();
    kinds.sort_by_key(|entry| entry["artifactType"].to_string());
    assert_eq!(kinds.len(), 2);
    for (entry, kind) in kinds.into_iter().zip(["sbom", "signature"]) {
        assert_eq!(entry["mediaType"], IMAGE);
        assert_eq!(entry["artifactType"], format!("application/x-{kind}"));
        assert_eq!(entry["annotations"], json!({"kind": kind}));
        let manifest = hub.get(&format!("/v2/a/manifests/{}", entry["digest"].as_str().unwrap()));
        assert_eq!(entry["size"], manifest.body.len());
        assert_eq!(manifest.json()["artifactType"], entry["artifactType"]);
    }
    // An image without an artifact type is of its configuration's; an index may refer too.
    let about = json!({"subject": {"mediaType": IMAGE, "digest": subject, "size": 1}});
    hub.put_manifest("a", "plain", IMAGE, &image(b"layer", &about));
    hub.put_manifest("a", "list", INDEX, &index(&[], &about));
    let listed = hub.get(&format!("/v2/a/referrers/{subject}")).json();
    let manifests = listed["manifests"].as_array().unwrap();
    let config = "application/vnd.oci.image.config.v1+json";
    assert!(manifests.iter().any(|entry| entry["artifactType"] == config));
    assert!(
        manifests
            .iter()
            .any(|entry| entry["mediaType"] == INDEX && entry.get("artifactType").is_none())
    );
    hub.get("/v2/a/referrers/sha256:bad")
        .assert_refused(400, "DIGEST_INVALID");
    // A referrer that is deleted is listed no more.
    hub.ask(
        "DELETE",
        &format!("/v2/a/manifests/{}", manifests[0]["digest"].as_str().unwrap()),
        &[],
        b"",
    );
    let listed = hub.get(&format!("/v2/a/referrers/{subject}")).json();
    assert_eq!(listed["manifests"].as_array().unwrap().len(), 3);
}

#[test]
fn row_038_end_12b_referrers_are_filtered_by_artifact_type() {
    let hub = Hub::start();
    let subject = with_referrers(&hub);
    for (kind, count) in [("application/x-sbom", 1), ("application/x-none", 0)] {
        let reply = hub.get(&format!("/v2/a/referrers/{subject}?artifactType={kind}"));
        assert_eq!(reply.header("oci-filters-applied"), Some("artifactType"));
        let listed = reply.json();
        let manifests = listed["manifests"].as_array().unwrap();
        assert_eq!(manifests.len(), count);
        assert!(manifests.iter().all(|entry| entry["artifactType"] == kind));
    }
}

#[test]
fn row_038_end_13_an_upload_tells_how_far_it_is() {
    let hub = Hub::start();
    let location = hub.begin("a");
    let reply = hub.get(&location);
    assert_eq!((reply.status, reply.header("range")), (204, Some("0-0")));
    hub.ask("PATCH", &location, &[], &[0; 100]);
    let reply = hub.get(&location);
    assert_eq!((reply.status, reply.header("range")), (204, Some("0-99")));
    assert_eq!(reply.header("location"), Some(location.as_str()));
    assert!(location.ends_with(reply.header("docker-upload-uuid").unwrap()));
    hub.get("/v2/a/blobs/uploads/nonsense")
        .assert_refused(404, "BLOB_UPLOAD_UNKNOWN");
}

#[test]
fn row_038_end_14_an_upload_is_cancelled() {
    let hub = Hub::start();
    let location = hub.begin("a");
    hub.ask("PATCH", &location, &[], &[0; 100]);
    assert_eq!(crate::support::files(&hub.root().join("uploads")).len(), 1);
    assert_eq!(hub.ask("DELETE", &location, &[], b"").status, 204);
    hub.ask("DELETE", &location, &[], b"")
        .assert_refused(404, "BLOB_UPLOAD_UNKNOWN");
    hub.get(&location).assert_refused(404, "BLOB_UPLOAD_UNKNOWN");
    assert_eq!(crate::support::files(&hub.root().join("uploads")).len(), 0);
}

#[test]
fn row_038_docker_catalog_lists_repositories_page_by_page() {
    let hub = Hub::start();
    assert_eq!(hub.get("/v2/_catalog").json(), json!({"repositories": []}));
    for name in ["b", "a/x", "c/y/z"] {
        hub.push_image(name, "v1", b"layer");
    }
    let reply = hub.get("/v2/_catalog?n=2");
    assert_eq!(reply.json(), json!({"repositories": ["a/x", "b"]}));
    assert_eq!(reply.header("link"), Some("</v2/_catalog?last=b&n=2>; rel=\"next\""));
    let reply = hub.get("/v2/_catalog?last=b&n=2");
    assert_eq!(
        (reply.json(), reply.header("link")),
        (json!({"repositories": ["c/y/z"]}), None)
    );
}
