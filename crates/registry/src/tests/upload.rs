//! Uploads to servers that break off, forget, challenge and decline.

use super::{quick, repository_with};
use crate::{BlobSource, Client, Config, Credentials, Destination, Error, Mount, Reading, Written};
use bytes::Bytes;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tierce_oci::{Digest, Reference};
use tierce_testkit::fake_server::{FakeServer, Received, Reply};
use tokio::sync::{mpsc, oneshot};

/// A blob in memory, given out in pieces; or one that breaks off.
struct Memory {
    blob: Vec<u8>,
    broken: bool,
}

impl BlobSource for Memory {
    fn read(&self, skip: u64) -> Reading {
        let (sender, pieces) = mpsc::channel(4);
        let (end_sender, end) = oneshot::channel();
        let (blob, broken) = (self.blob.clone(), self.broken);
        tokio::spawn(async move {
            for piece in blob[skip as usize..].chunks(100_000) {
                if sender.send(Ok(Bytes::copy_from_slice(piece))).await.is_err() {
                    return;
                }
            }
            let written = Written {
                digest: Digest::sha256_of(&blob),
                size: blob.len() as u64,
            };
            if broken {
                drop(end_sender.send(Err("the disk is gone".to_owned())));
                drop(sender.send(Err(std::io::Error::other("x"))).await);
            } else {
                drop(end_sender.send(Ok(written)));
            }
        });
        Reading { pieces, end }
    }
}

fn memory(length: usize) -> Memory {
    Memory {
        blob: super::blob(length),
        broken: false,
    }
}

fn to_push(server: &FakeServer, credentials: Option<Credentials>) -> Destination {
    let reference = Reference::parse(&format!("{}/a/b", server.authority())).unwrap();
    Client::new(quick())
        .unwrap()
        .repository_to_push(&reference, credentials)
}

const SESSION: &str = "/v2/a/b/blobs/uploads/1?state=x";

fn begun() -> Reply {
    Reply::status(202, &[("Location", SESSION)], "")
}

#[tokio::test]
async fn a_small_blob_is_one_request_in_a_session() {
    let server = FakeServer::start(|request| match request.method.as_str() {
        "POST" => begun(),
        _ => Reply::status(201, &[], ""),
    });
    let source = memory(1000);
    let written = to_push(&server, None).push_blob(&source, None).await.unwrap();
    assert_eq!(
        (written.size, &written.digest),
        (1000, &Digest::sha256_of(&source.blob))
    );
    let received = server.received();
    assert_eq!(received[0].target, "/v2/a/b/blobs/uploads/");
    assert_eq!(received[0].header("content-length"), Some("0"));
    let put = &received[1];
    assert_eq!(
        put.target,
        format!("{SESSION}&digest=sha256%3A{}", written.digest.hex())
    );
    assert_eq!((put.method.as_str(), &put.body), ("PUT", &source.blob));
    assert_eq!(put.header("content-type"), Some("application/octet-stream"));
}

#[tokio::test]
async fn an_upload_goes_on_where_it_broke_off() {
    const HAVE: usize = 1_300_000;
    let tries = AtomicUsize::new(0);
    let server = FakeServer::start(move |request| match request.method.as_str() {
        "POST" => begun(),
        // The first time the connection breaks when a part has arrived.
        "PATCH" if tries.fetch_add(1, Ordering::SeqCst) == 0 => Reply::Close,
        "PATCH" => Reply::status(202, &[("Location", "/v2/a/b/blobs/uploads/1?state=y")], ""),
        "GET" => Reply::status(204, &[("Range", &format!("0-{}", HAVE - 1)), ("Location", SESSION)], ""),
        _ => Reply::status(201, &[], ""),
    });
    let source = memory(3_000_000);
    let written = to_push(&server, None).push_blob(&source, None).await.unwrap();
    assert_eq!(written.digest, Digest::sha256_of(&source.blob));
    let received = server.received();
    let patches: Vec<&Received> = received.iter().filter(|request| request.method == "PATCH").collect();
    assert_eq!(patches.len(), 2, "{:#?}", server.trace());
    assert!(patches[0].body == source.blob && patches[1].body == source.blob[HAVE..]);
    assert_eq!(patches[0].header("content-range"), None);
    assert_eq!(patches[1].header("content-range"), Some("1300000-2999999"));
    assert_eq!(patches[1].header("content-length"), Some("1700000"));
    assert_eq!(
        server.trace().last().unwrap(),
        &format!(
            "PUT /v2/a/b/blobs/uploads/1?state=y&digest=sha256%3A{}",
            written.digest.hex()
        )
    );
}

#[tokio::test]
async fn what_is_left_of_a_large_blob_goes_up_in_chunks() {
    const HAVE: usize = 1_500_000;
    let patches = AtomicUsize::new(0);
    let server = FakeServer::start(move |request| match request.method.as_str() {
        "POST" => begun(),
        "PATCH" => match patches.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::Close,
            number => Reply::status(202, &[("Location", &format!("/v2/a/b/blobs/uploads/1?n={number}"))], ""),
        },
        "GET" => Reply::status(204, &[("Range", &format!("0-{}", HAVE - 1))], ""),
        _ => Reply::status(201, &[], ""),
    });
    let source = memory(21_000_000);
    to_push(&server, None).push_blob(&source, None).await.unwrap();
    let received = server.received();
    let chunks: Vec<&Received> = received
        .iter()
        .filter(|request| request.method == "PATCH")
        .skip(1)
        .collect();
    assert_eq!(chunks.len(), 3);
    let mut next = HAVE;
    for chunk in &chunks {
        let range = format!("{next}-{}", next + chunk.body.len() - 1);
        assert_eq!(chunk.header("content-range"), Some(range.as_str()));
        assert!(chunk.body == source.blob[next..next + chunk.body.len()]);
        next += chunk.body.len();
    }
    assert_eq!(next, source.blob.len());
    assert_eq!(chunks[2].target, "/v2/a/b/blobs/uploads/1?n=2");
}

#[tokio::test]
async fn a_registry_that_takes_no_stream_gets_the_blob_in_one_request() {
    for (status, body) in [
        (411, ""),
        (405, ""),
        (400, r#"{"errors":[{"code":"UNSUPPORTED","message":"no"}]}"#),
    ] {
        let puts = AtomicUsize::new(0);
        let server = FakeServer::start(move |request| match request.method.as_str() {
            "POST" => begun(),
            "PATCH" => Reply::status(status, &[], body),
            // Once it is busy on top of that.
            "PUT" if puts.fetch_add(1, Ordering::SeqCst) == 0 => Reply::status(503, &[], ""),
            "HEAD" => Reply::status(404, &[], ""),
            _ => Reply::status(201, &[], ""),
        });
        let source = memory(2_500_000);
        let written = to_push(&server, None).push_blob(&source, None).await.unwrap();
        assert_eq!(written.digest, Digest::sha256_of(&source.blob));
        let received = server.received();
        let last = received.last().unwrap();
        assert_eq!(
            last.target,
            format!("{SESSION}&digest=sha256%3A{}", written.digest.hex())
        );
        assert_eq!(last.header("content-length"), Some("2500000"));
        assert_eq!(last.header("transfer-encoding"), None);
        assert!(last.body == source.blob);
        let count = |method: &str| received.iter().filter(|request| request.method == method).count();
        assert_eq!((count("POST"), count("PATCH"), count("PUT")), (3, 1, 2));
    }
}

#[tokio::test]
async fn a_blob_whose_last_answer_was_lost_is_not_sent_twice() {
    let server = FakeServer::start(move |request| match request.method.as_str() {
        "POST" => begun(),
        "PATCH" => Reply::status(202, &[("Location", SESSION)], ""),
        "PUT" => Reply::Close,
        // The length of an answer to HEAD is that of the body it does not have.
        _ => Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n".to_vec()),
    });
    let written = to_push(&server, None)
        .push_blob(&memory(2_000_000), None)
        .await
        .unwrap();
    assert_eq!(written.size, 2_000_000);
    let count = |method: &str| {
        server
            .received()
            .iter()
            .filter(|request| request.method == method)
            .count()
    };
    assert_eq!((count("POST"), count("PATCH"), count("HEAD")), (1, 1, 1));
}

#[tokio::test]
async fn a_session_that_is_gone_or_spoilt_is_begun_afresh() {
    let puts = AtomicUsize::new(0);
    let server = FakeServer::start(move |request| match request.method.as_str() {
        "POST" => begun(),
        "PATCH" => Reply::status(202, &[("Location", SESSION)], ""),
        "GET" | "HEAD" => Reply::status(404, &[], ""),
        _ if puts.fetch_add(1, Ordering::SeqCst) == 0 => {
            Reply::status(400, &[], r#"{"errors":[{"code":"DIGEST_INVALID","message":"no"}]}"#)
        }
        _ => Reply::status(201, &[], ""),
    });
    let source = memory(2_000_000);
    to_push(&server, None).push_blob(&source, None).await.unwrap();
    let count = |method: &str| {
        server
            .received()
            .iter()
            .filter(|request| request.method == method)
            .count()
    };
    assert_eq!((count("POST"), count("PATCH"), count("PUT")), (2, 2, 2));
}

#[tokio::test]
async fn a_source_that_fails_is_told_and_not_tried_again() {
    let server = FakeServer::start(|request| match request.method.as_str() {
        "POST" => begun(),
        _ => Reply::status(202, &[("Location", SESSION)], ""),
    });
    for length in [1000, 2_000_000] {
        let source = Memory {
            broken: true,
            ..memory(length)
        };
        let error = to_push(&server, None).push_blob(&source, None).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read what is to be uploaded: the disk is gone"
        );
    }
    assert!(!server.trace().iter().any(|line| line.starts_with("PUT")));
}

#[tokio::test]
async fn row_032_a_push_asks_for_its_own_scope_and_a_mount_for_the_sources() {
    let tokens = FakeServer::start(|_| Reply::ok("application/json", r#"{"token":"t"}"#));
    let challenge = format!(r#"Bearer realm="{}/token",service="reg""#, tokens.url());
    let server = FakeServer::start(move |request| {
        let mounting = request.target.contains("mount=");
        match (request.header("authorization"), request.method.as_str()) {
            (None, _) => Reply::status(401, &[("WWW-Authenticate", &challenge)], ""),
            (Some(_), "HEAD") => Reply::status(404, &[], ""),
            (Some(_), _) if mounting => Reply::status(201, &[("Location", "/v2/a/b/blobs/x")], ""),
            (Some(_), _) => begun(),
        }
    });
    let repository = to_push(&server, Some(Credentials::basic("user", "secret")));
    let digest = Digest::sha256_of(b"x");
    assert_eq!(repository.find_blob(&digest).await.unwrap(), None);
    let mounted = repository.mount_blob(&digest, "c/d").await.unwrap();
    assert!(matches!(mounted, Mount::Mounted));
    let asked: Vec<String> = tokens.received().into_iter().map(|request| request.target).collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[0].contains("scope=repository%3Aa%2Fb%3Apull%2Cpush"), "{asked:?}");
    assert!(
        asked[1].contains("scope=repository%3Aa%2Fb%3Apull%2Cpush&scope=repository%3Ac%2Fd%3Apull"),
        "{asked:?}"
    );
    let request = server.trace().pop().unwrap();
    assert_eq!(
        request,
        format!("POST /v2/a/b/blobs/uploads/?mount=sha256%3A{}&from=c%2Fd", digest.hex())
    );
}

#[tokio::test]
async fn a_declined_mount_gives_a_session_and_a_proof_that_ran_out_is_renewed() {
    let granted = AtomicUsize::new(0);
    let tokens = FakeServer::start(move |_| {
        let token = format!(r#"{{"token":"t{}"}}"#, granted.fetch_add(1, Ordering::SeqCst));
        Reply::ok("application/json", token)
    });
    let challenge = format!(r#"Bearer realm="{}/token",service="reg""#, tokens.url());
    let valid = Mutex::new("t0".to_owned());
    let server = FakeServer::start(move |request| {
        let mut valid = valid.lock().unwrap();
        let known = request.header("authorization") == Some(&format!("Bearer {valid}"));
        if request.method == "PATCH" && *valid == "t0" {
            "t1".clone_into(&mut valid);
            return Reply::status(401, &[("WWW-Authenticate", &challenge)], "");
        }
        match request.method.as_str() {
            _ if !known => Reply::status(401, &[("WWW-Authenticate", &challenge)], ""),
            "POST" => begun(),
            "PATCH" => Reply::status(202, &[("Location", SESSION)], ""),
            "GET" => Reply::status(204, &[("Range", "0-0")], ""),
            _ => Reply::status(201, &[], ""),
        }
    });
    let repository = to_push(&server, None);
    let source = memory(2_000_000);
    let mount = repository.mount_blob(&Digest::sha256_of(b"x"), "c/d").await.unwrap();
    let Mount::Declined(session) = mount else {
        panic!("mounted")
    };
    repository.push_blob(&source, Some(session)).await.unwrap();
    assert_eq!(tokens.received().len(), 2);
    let last = server.received().pop().unwrap();
    assert_eq!(
        (last.method.as_str(), last.header("authorization")),
        ("PUT", Some("Bearer t1"))
    );
}

#[tokio::test]
async fn row_032_a_refused_push_says_what_docker_says_and_mirrors_are_left_alone() {
    let mirror = FakeServer::start(|_| Reply::status(404, &[], ""));
    let hub = FakeServer::start(|_| {
        Reply::status(
            403,
            &[],
            r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#,
        )
    });
    let config = Config {
        hub: hub.url().parse().unwrap(),
        mirrors: vec![mirror.url().parse().unwrap()],
        ..quick()
    };
    let reference = Reference::parse("a/b").unwrap();
    let repository = Client::new(config).unwrap().repository_to_push(&reference, None);
    let error = repository.push_blob(&memory(10), None).await.unwrap_err();
    assert_eq!(error.to_string(), "denied: requested access to the resource is denied");
    assert_eq!(mirror.received().len(), 0);
    // A pull of the same name asks the mirror first.
    drop(
        repository_with(
            Config {
                hub: hub.url().parse().unwrap(),
                mirrors: vec![mirror.url().parse().unwrap()],
                ..quick()
            },
            "a/b",
            None,
        )
        .manifest("x")
        .await,
    );
    assert_ne!(mirror.received().len(), 0);
}

#[tokio::test]
async fn places_of_uploads_must_be_addresses_and_manifests_must_be_taken_as_they_are() {
    let server = FakeServer::start(|request| match request.method.as_str() {
        "POST" => Reply::status(202, &[("Location", "ftp://elsewhere/")], ""),
        _ => Reply::status(
            201,
            &[("Docker-Content-Digest", Digest::sha256_of(b"other").as_str())],
            "",
        ),
    });
    let repository = to_push(&server, None);
    let error = repository.put_blob(Bytes::from_static(b"x")).await.unwrap_err();
    assert!(matches!(error, Error::Malformed { .. }), "{error}");
    let kind = tierce_oci::media_type::DOCKER_MANIFEST;
    let error = repository
        .put_manifest("one", kind, Bytes::from_static(b"{}"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::WrongDigest { .. }), "{error}");
    assert_eq!(server.received().last().unwrap().header("content-type"), Some(kind));
}
