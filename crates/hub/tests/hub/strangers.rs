//! What strangers may send: names, digests, sizes, documents and connections that are not what they should be.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::support::{Hub, IMAGE, INDEX, ask, image, index, noise, wait_until};
use serde_json::json;
use tierce_oci::Digest;

#[test]
fn row_038_names_never_leave_the_root() {
    let hub = Hub::start();
    let digest = Digest::sha256_of(b"x");
    let long = "a/".repeat(200) + "a";
    for name in [
        "..",
        "../..",
        "a/..",
        "a/../../b",
        "%2e%2e",
        "a%2f..%2f..",
        "_blobs",
        "a/_tags",
        ".a",
        "a//b",
        "A",
        "a%00",
        "a%0a",
        &long,
    ] {
        for (method, end) in [
            ("POST", "blobs/uploads/".to_owned()),
            ("POST", format!("blobs/uploads/?digest={digest}")),
            ("PUT", "manifests/v1".to_owned()),
            ("DELETE", "manifests/v1".to_owned()),
            ("GET", "tags/list".to_owned()),
        ] {
            let reply = hub.ask(method, &format!("/v2/{name}/{end}"), &[], b"x");
            assert_eq!(reply.status, 400, "{method} {name} {end}: {reply:?}");
        }
    }
    let bytes = image(b"layer", &json!({}));
    hub.push_blob("a", b"layer");
    hub.push_blob("a", b"{}");
    for tag in ["..", ".", "-x", "a%2f..%2fb", "%00", "a%20b", &"t".repeat(129)] {
        let reply = hub.put_manifest("a", tag, IMAGE, &bytes);
        reply.assert_refused(400, "TAG_INVALID");
    }
    for id in ["..", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "%00", &"f".repeat(5000)] {
        let path = format!("/v2/a/blobs/uploads/{id}");
        hub.ask("PATCH", &path, &[], b"x")
            .assert_refused(404, "BLOB_UPLOAD_UNKNOWN");
        hub.ask("DELETE", &path, &[], b"")
            .assert_refused(404, "BLOB_UPLOAD_UNKNOWN");
    }
    let outside: Vec<_> = crate::support::files(hub.root())
        .into_iter()
        .filter(|path| {
            !["blobs", "repositories/a"]
                .iter()
                .any(|inside| path.starts_with(hub.root().join(inside)))
        })
        .collect();
    assert_eq!(outside, [hub.root().join("hub.lock")]);
}

#[test]
fn row_038_documents_that_are_no_manifests_are_refused() {
    let hub = Hub::start();
    hub.push_blob("a", b"layer");
    hub.push_blob("a", b"{}");
    let good = image(b"layer", &json!({}));
    let put = |media_type: &str, bytes: &[u8]| hub.put_manifest("a", "v1", media_type, bytes);
    let with = |more| image(b"layer", &more);
    let lying = json!({"layers": [{"mediaType": "x", "digest": Digest::sha256_of(b"layer"), "size": 6}]});
    let huge = json!({"layers": [{"mediaType": "x", "digest": Digest::sha256_of(b"layer"), "size": u64::MAX}]});
    for (media_type, bytes) in [
        (IMAGE, b"".to_vec()),
        (IMAGE, b"[]".to_vec()),
        (IMAGE, b"{}".to_vec()),
        (IMAGE, b"{\"schemaVersion\":2}".to_vec()),
        (IMAGE, good[..good.len() - 1].to_vec()),
        (IMAGE, [b"\xff".as_slice(), &good].concat()),
        (
            IMAGE,
            [b"{\"a\":".repeat(100_000), b"1".to_vec(), b"}".repeat(100_000)].concat(),
        ),
        (IMAGE, with(json!({"schemaVersion": 1}))),
        (IMAGE, with(json!({"layers": "many"}))),
        (IMAGE, with(json!({"config": {"digest": "sha256:0", "size": 2}}))),
        (
            IMAGE,
            with(json!({"config": {"digest": "../../etc/passwd", "size": 2}})),
        ),
        (IMAGE, with(json!({"subject": "x"}))),
        (IMAGE, with(json!({"annotations": {"a": 1}}))),
        (IMAGE, with(lying)),
        (IMAGE, with(huge)),
        (INDEX, good.clone()),
        (IMAGE, index(&[&good], &json!({}))),
        ("application/json", good.clone()),
        (
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            b"{\"schemaVersion\":1}".to_vec(),
        ),
    ] {
        let reply = put(media_type, &bytes);
        reply.assert_refused(400, "MANIFEST_INVALID");
    }
    let digest = Digest::sha256_of(b"other");
    hub.put_manifest("a", digest.as_str(), IMAGE, &good)
        .assert_refused(400, "DIGEST_INVALID");
    hub.put_manifest("a", "sha256:baddigeststring", IMAGE, &good)
        .assert_refused(400, "DIGEST_INVALID");
    let long = with(json!({"annotations": {"a": "x".repeat(5 << 20)}}));
    assert_eq!(put(IMAGE, &long).status, 413);
    hub.get("/v2/a/tags/list").json()["tags"]
        .as_array()
        .unwrap()
        .is_empty()
        .then_some(())
        .unwrap();
    assert_eq!(put(IMAGE, &good).status, 201);
}

#[test]
fn row_038_blobs_are_no_longer_than_the_operator_says() {
    let hub = Hub::with(&["--max-blob", "1000"]);
    let post = |length: usize| {
        let bytes = noise(1, length);
        let path = format!("/v2/a/blobs/uploads/?digest={}", Digest::sha256_of(&bytes));
        hub.ask("POST", &path, &[], &bytes)
    };
    assert_eq!(post(1000).status, 201);
    post(1001).assert_refused(413, "SIZE_INVALID");
    let location = hub.begin("a");
    assert_eq!(hub.ask("PATCH", &location, &[], &[0; 900]).status, 202);
    hub.ask("PATCH", &location, &[], &[0; 200])
        .assert_refused(413, "SIZE_INVALID");
    hub.ask("PATCH", &location, &[("Content-Range", "900-1100")], &[0; 201])
        .assert_refused(413, "SIZE_INVALID");
    assert_eq!(hub.get(&location).header("range"), Some("0-899"));
    assert_eq!(hub.ask("PATCH", &location, &[], &[0; 100]).status, 202);
}

#[test]
fn row_038_a_client_that_leaves_in_the_middle_may_go_on_later() {
    let hub = Hub::start();
    let bytes = noise(3, 5 << 20);
    let location = hub.begin("a");
    let mut stream = TcpStream::connect(hub.address).unwrap();
    let head = format!(
        "PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        bytes.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&bytes[..3 << 20]).unwrap();
    drop(stream);
    let end = format!("0-{}", (3 << 20) - 1);
    wait_until("all that was sent has arrived", || {
        hub.get(&location).header("range") == Some(&end)
    });
    let range = format!("{}-{}", 3 << 20, bytes.len() - 1);
    let digest = Digest::sha256_of(&bytes);
    let reply = hub.ask(
        "PUT",
        &format!("{location}?digest={digest}"),
        &[("Content-Range", &range)],
        &bytes[3 << 20..],
    );
    assert_eq!(reply.status, 201, "{reply:?}");
    assert!(hub.get(&format!("/v2/a/blobs/{digest}")).body == bytes);
}

#[test]
fn row_038_two_requests_do_not_write_to_one_upload_at_a_time() {
    let hub = Hub::start();
    let location = hub.begin("a");
    let mut first = TcpStream::connect(hub.address).unwrap();
    let head = format!("PATCH {location} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n");
    write!(first, "{head}Expect: 100-continue\r\n\r\n").unwrap();
    // It is asked to go on when it has the upload.
    let mut go_on = [0; 25];
    first.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    let (address, path) = (hub.address, location.clone());
    let second = std::thread::spawn(move || ask(address, "PATCH", &path, &[], b"xy"));
    first.write_all(b"abcd").unwrap();
    let reply = crate::support::read_reply(first);
    assert_eq!((reply.status, reply.header("range")), (202, Some("0-3")));
    assert_eq!(
        second.join().unwrap().header("range"),
        Some("0-5"),
        "it waited for its turn"
    );
    let digest = Digest::sha256_of(b"abcdxy");
    let reply = hub.ask("PUT", &format!("{location}?digest={digest}"), &[], b"");
    assert_eq!(reply.status, 201);
}

#[test]
fn row_038_bytes_that_are_no_http_harm_nobody() {
    let hub = Hub::start();
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00".to_vec(),
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n".to_vec(),
        [b"GET /v2/ HTTP/1.1\r\nX: ".to_vec(), b"y".repeat(1 << 20)].concat(),
        noise(9, 100_000),
    ] {
        let mut stream = TcpStream::connect(hub.address).unwrap();
        let _ = stream.write_all(&bytes);
        drop(stream);
    }
    assert_eq!(hub.get("/v2/").status, 200);
}

#[test]
fn row_038_a_long_blob_takes_little_memory() {
    let hub = Hub::start();
    let bytes = noise(4, 64 << 20);
    let peak = || -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", hub.pid())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap()
            .to_owned();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    hub.get("/v2/");
    let before = peak();
    let digest = hub.push_blob("a", &bytes);
    assert!(hub.get(&format!("/v2/a/blobs/{digest}")).body == bytes);
    let grown = peak() - before;
    assert!(grown < 24 << 10, "{grown} KiB for a blob of {} KiB", bytes.len() >> 10);
}
