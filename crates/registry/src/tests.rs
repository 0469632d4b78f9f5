//! The client against servers that behave, and against servers that do not.

use crate::{Client, Config, Credentials, Error, Proxies, Repository, Timeouts};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tierce_fault::{Fault, Kind};
use tierce_oci::{Descriptor, Digest, Reference, media_type};
use tierce_testkit::fake_server::{FakeServer, Received, Reply};

const MANIFEST: &[u8] = br#"{"schemaVersion":2,"config":{},"layers":[]}"#;

fn quick() -> Config {
    Config {
        certificate_directories: Vec::new(),
        timeouts: Timeouts {
            connect: Duration::from_secs(5),
            stall: Duration::from_millis(400),
            pause: Duration::from_millis(5),
            longest_pause: Duration::from_millis(50),
        },
        attempts: 3,
        ..Config::default()
    }
}

fn repository_with(config: Config, name: &str, credentials: Option<Credentials>) -> Repository {
    let reference = Reference::parse(name).unwrap();
    Client::new(config).unwrap().repository(&reference, credentials)
}

fn repository(server: &FakeServer) -> Repository {
    repository_with(quick(), &format!("{}/a/b", server.authority()), None)
}

fn manifest() -> Reply {
    Reply::ok(media_type::OCI_MANIFEST, MANIFEST)
}

fn descriptor(bytes: &[u8]) -> Descriptor {
    serde_json::from_value(serde_json::json!({
        "mediaType": media_type::OCI_LAYER, "digest": Digest::sha256_of(bytes).to_string(), "size": bytes.len()
    }))
    .unwrap()
}

fn blob(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

async fn read(repository: &Repository, descriptor: &Descriptor, from: u64) -> Result<Vec<u8>, Error> {
    let mut stream = repository.blob(descriptor, from);
    let mut bytes = Vec::new();
    while let Some(piece) = stream.next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

#[tokio::test]
async fn row_028_accept_names_all_manifest_types() {
    let server = FakeServer::start(|_| manifest());
    let fetched = repository(&server).manifest("x").await.unwrap();
    assert_eq!(fetched.media_type, media_type::OCI_MANIFEST);
    let request = &server.received()[0];
    let accepted: Vec<_> = request
        .headers
        .iter()
        .filter(|(name, _)| name == "accept")
        .map(|(_, value)| value)
        .collect();
    for wanted in [
        media_type::DOCKER_MANIFEST,
        media_type::DOCKER_LIST,
        media_type::OCI_INDEX,
        media_type::OCI_MANIFEST,
    ] {
        assert!(
            accepted.iter().any(|value| *value == wanted),
            "{wanted} in {accepted:?}"
        );
    }
    assert_eq!(request.target, "/v2/a/b/manifests/x");
    assert!(request.header("user-agent").unwrap().starts_with("tierce/"));
}

#[tokio::test]
async fn row_009_the_digest_is_that_of_the_bytes_and_is_checked() {
    let right = Digest::sha256_of(MANIFEST);
    let other = Digest::sha256_of(b"other");
    let server = FakeServer::start({
        let other = other.clone();
        move |request| match request.target.as_str() {
            "/v2/a/b/manifests/lying" => Reply::status(
                200,
                &[
                    ("Content-Type", media_type::OCI_MANIFEST),
                    ("Docker-Content-Digest", other.as_str()),
                ],
                MANIFEST,
            ),
            _ => manifest(),
        }
    });
    let repository = repository(&server);
    assert_eq!(repository.manifest("x").await.unwrap().digest, right);
    assert_eq!(repository.manifest(right.as_str()).await.unwrap().digest, right);
    for asked in [other.as_str(), "lying"] {
        let error = repository.manifest(asked).await.unwrap_err();
        assert!(
            matches!(&error, Error::WrongDigest { expected, .. } if *expected == other),
            "{error}"
        );
        assert_eq!(error.kind(), Kind::DataLoss);
    }
    let sha512 = format!("sha512:{}", "0".repeat(128));
    assert!(
        repository
            .manifest(&sha512)
            .await
            .unwrap_err()
            .to_string()
            .contains("sha512")
    );
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = FakeServer::start(|request| {
        if request.target.contains("blobs") {
            Reply::ok("", "abc")
        } else {
            manifest()
        }
    });
    let repository = repository(&server);
    for _ in 0..3 {
        repository.manifest("x").await.unwrap();
        assert_eq!(
            repository.read_blob(&descriptor(b"abc"), 10, "blob").await.unwrap(),
            "abc"
        );
    }
    assert_eq!(server.received().len(), 6);
    // One failed TLS greeting is no request; afterwards everything went over one connection.
    assert!(server.connections() <= 2, "{} connections", server.connections());
}

#[tokio::test]
async fn row_032_a_token_is_fetched_once_and_credentials_only_go_to_the_token_server() {
    let tokens = FakeServer::start(|_| Reply::ok("application/json", r#"{"token":"t0k3n"}"#));
    let challenge = format!(
        r#"Bearer realm="{}/token",service="reg",scope="repository:a/b:pull""#,
        tokens.url()
    );
    let server = FakeServer::start(move |request| match request.header("authorization") {
        Some("Bearer t0k3n") => manifest(),
        _ => Reply::status(401, &[("WWW-Authenticate", &challenge)], ""),
    });
    let name = format!("{}/a/b", server.authority());
    let repository = repository_with(quick(), &name, Some(Credentials::basic("user", "secret")));
    let (one, two) = tokio::join!(repository.manifest("x"), repository.manifest("y"));
    assert_eq!(
        (one.unwrap().bytes, two.unwrap().bytes.len()),
        (MANIFEST.into(), MANIFEST.len())
    );
    let asked = tokens.received();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].header("authorization"), Some("Basic dXNlcjpzZWNyZXQ="));
    assert!(
        asked[0]
            .target
            .starts_with("/token?service=reg&scope=repository%3Aa%2Fb%3Apull"),
        "{}",
        asked[0].target
    );
    for request in server.received() {
        assert!(
            !request.header("authorization").unwrap_or_default().contains("Basic"),
            "{request:?}"
        );
    }
}

#[tokio::test]
async fn row_032_a_token_that_runs_out_in_the_middle_of_a_layer_is_renewed() {
    let blob = blob(100_000);
    let (served, tokens) = (blob.clone(), AtomicUsize::new(0));
    let server = FakeServer::start(move |request| {
        if request.target.starts_with("/token") {
            let number = tokens.fetch_add(1, Ordering::SeqCst);
            return Reply::ok(
                "application/json",
                format!(r#"{{"token":"t{number}","expires_in":60}}"#),
            );
        }
        let proof = request.header("authorization").unwrap_or_default();
        match (proof, request.range_start()) {
            ("Bearer t0", None) => Reply::Cut {
                length: served.len(),
                body: served[..40_000].to_vec(),
            },
            ("Bearer t1", Some(_)) => Reply::blob(request, &served),
            _ => {
                let challenge = r#"Bearer realm="/token",service="s",error="invalid_token""#;
                Reply::status(401, &[("WWW-Authenticate", challenge)], "")
            }
        }
    });
    assert_eq!(read(&repository(&server), &descriptor(&blob), 0).await.unwrap(), blob);
    let asked = server.trace();
    assert_eq!(
        asked.iter().filter(|line| line.contains("/token")).count(),
        2,
        "{asked:#?}"
    );
}

#[tokio::test]
async fn redirects_of_a_token_server_end_and_get_no_credentials() {
    let elsewhere = FakeServer::start(|_| Reply::ok("application/json", r#"{"token":"t"}"#));
    let there = format!("{}/token", elsewhere.url());
    let server = FakeServer::start(move |request| match request.target.split('?').next() {
        Some("/circle") => Reply::redirect("/circle"),
        Some("/away") => Reply::redirect(&there),
        _ if request.header("authorization") == Some("Bearer t") => manifest(),
        _ => {
            let realm = if request.target.contains("round") {
                "/circle"
            } else {
                "/away"
            };
            Reply::status(401, &[("WWW-Authenticate", &format!(r#"Bearer realm="{realm}""#))], "")
        }
    });
    let as_user = |name: &str| {
        let name = format!("{}/{name}", server.authority());
        repository_with(quick(), &name, Some(Credentials::basic("u", "p")))
    };
    let error = as_user("a/round").manifest("1").await.unwrap_err();
    assert!(matches!(error, Error::Redirect { .. }), "{error}");
    assert!(server.received().len() < 20);
    as_user("a/away").manifest("1").await.unwrap();
    assert_eq!(elsewhere.received().len(), 1);
    assert_eq!(elsewhere.received()[0].header("authorization"), None);
}

#[tokio::test]
async fn row_032_anonymous_identity_and_registry_tokens() {
    let tokens = FakeServer::start(|request| match request.method.as_str() {
        "POST" => Reply::ok("application/json", r#"{"access_token":"posted"}"#),
        _ => Reply::ok("application/json", r#"{"token":"got"}"#),
    });
    let challenge = format!(r#"Bearer realm="{}/token",service="reg""#, tokens.url());
    let server = FakeServer::start(move |request| match request.header("authorization") {
        Some(_) => manifest(),
        None => Reply::status(401, &[("WWW-Authenticate", &challenge)], ""),
    });
    let name = format!("{}/a/b", server.authority());
    let last = |server: &FakeServer| {
        server
            .received()
            .pop()
            .unwrap()
            .header("authorization")
            .unwrap()
            .to_owned()
    };
    repository_with(quick(), &name, None).manifest("x").await.unwrap();
    assert_eq!(last(&server), "Bearer got");
    assert_eq!(tokens.received()[0].header("authorization"), None);
    let credentials: Credentials = serde_json::from_str(r#"{"identitytoken":"id&1"}"#).unwrap();
    repository_with(quick(), &name, Some(credentials))
        .manifest("x")
        .await
        .unwrap();
    assert_eq!(last(&server), "Bearer posted");
    let form = String::from_utf8(tokens.received().pop().unwrap().body).unwrap();
    assert!(
        form.contains("grant_type=refresh_token") && form.contains("refresh_token=id%261"),
        "{form}"
    );
    let credentials: Credentials = serde_json::from_str(r#"{"registrytoken":"raw"}"#).unwrap();
    repository_with(quick(), &name, Some(credentials))
        .manifest("x")
        .await
        .unwrap();
    assert_eq!(last(&server), "Bearer raw");
}

#[tokio::test]
async fn row_032_basic_and_refusals_in_dockers_words() {
    let server = FakeServer::start(|request| match request.header("authorization") {
        Some("Basic dTpw") => manifest(),
        Some(_) => Reply::status(
            401,
            &[("WWW-Authenticate", r#"Basic realm="r""#)],
            r#"{"errors":[{"code":"UNAUTHORIZED"}]}"#,
        ),
        None => Reply::status(401, &[("WWW-Authenticate", r#"Basic realm="r""#)], ""),
    });
    let name = format!("{}/a/b", server.authority());
    repository_with(quick(), &name, Some(Credentials::basic("u", "p")))
        .manifest("x")
        .await
        .unwrap();
    let error = repository_with(quick(), &name, None).manifest("x").await.unwrap_err();
    assert!(error.to_string().ends_with("no basic auth credentials"), "{error}");
    assert_eq!(error.kind(), Kind::Unauthorized);
    let error = repository_with(quick(), &name, Some(Credentials::basic("u", "wrong")))
        .manifest("x")
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "unauthorized: authentication required");
}

#[tokio::test]
async fn a_token_without_the_scope_is_denied() {
    let tokens = FakeServer::start(|_| Reply::ok("application/json", r#"{"token":"weak"}"#));
    let realm = format!(r#"Bearer realm="{}/t",service="reg""#, tokens.url());
    let server = FakeServer::start(move |request| {
        let challenge = match request.header("authorization") {
            None => realm.clone(),
            Some(_) => format!(r#"{realm},error="insufficient_scope""#),
        };
        Reply::status(401, &[("WWW-Authenticate", &challenge)], "")
    });
    let error = repository(&server).manifest("x").await.unwrap_err();
    assert_eq!(error.to_string(), "denied: requested access to the resource is denied");
    assert_eq!(error.refusal().unwrap().code, "DENIED");
}

#[tokio::test]
async fn credentials_never_follow_a_redirect_to_another_host() {
    let blob = blob(1000);
    let elsewhere = FakeServer::start({
        let blob = blob.clone();
        move |request| Reply::blob(request, &blob)
    });
    let location = format!("{}/signed?secret=1", elsewhere.url());
    let server = FakeServer::start(move |request| match request.header("authorization") {
        None => Reply::status(401, &[("WWW-Authenticate", r#"Basic realm="r""#)], ""),
        Some(_) if request.target.ends_with("/same") => Reply::redirect("/v2/a/b/blobs/there"),
        Some(_) => Reply::redirect(&location),
    });
    let name = format!("{}/a/b", server.authority());
    let repository = repository_with(quick(), &name, Some(Credentials::basic("u", "p")));
    assert_eq!(read(&repository, &descriptor(&blob), 0).await.unwrap(), blob);
    assert_eq!(elsewhere.received().len(), 1);
    assert_eq!(elsewhere.received()[0].header("authorization"), None);
}

#[tokio::test]
async fn redirects_without_end_or_sense_are_refused() {
    let server = FakeServer::start(|request| match request.target.as_str() {
        "/v2/a/b/manifests/file" => Reply::redirect("file:///etc/passwd"),
        "/v2/a/b/manifests/none" => Reply::status(307, &[], ""),
        target => Reply::redirect(target),
    });
    for asked in ["file", "none", "loop"] {
        let error = repository(&server).manifest(asked).await.unwrap_err();
        assert!(matches!(error, Error::Redirect { .. }), "{error}");
    }
    assert!(server.received().len() < 20);
}

#[tokio::test]
async fn a_registry_that_hangs_is_named() {
    let server = FakeServer::start(|_| Reply::Hang);
    let begun = Instant::now();
    let error = repository(&server).manifest("x").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
    let text = error.to_string();
    assert!(
        text.contains(&format!("{}/v2/a/b/manifests/x", server.authority())),
        "{text}"
    );
    assert!(text.contains("longer than 0.4s"), "{text}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_blob_that_stalls_resets_or_ends_early_is_taken_up_again() {
    let whole = blob(300_000);
    let server = FakeServer::start({
        let whole = whole.clone();
        let tries = std::sync::atomic::AtomicUsize::new(0);
        move |request| {
            let start = request.range_start().unwrap_or(0);
            let rest = &whole[start..];
            match tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                0 => Reply::Cut {
                    length: rest.len(),
                    body: rest[..100_000].to_vec(),
                },
                1 => Reply::Close,
                _ => Reply::blob(request, &whole),
            }
        }
    });
    assert_eq!(read(&repository(&server), &descriptor(&whole), 0).await.unwrap(), whole);
    let ranges: Vec<_> = server.received().iter().map(Received::range_start).collect();
    assert_eq!(ranges, [None, Some(100_000), Some(100_000)]);

    let server = FakeServer::start({
        let whole = whole.clone();
        move |_| Reply::Stall {
            length: whole.len(),
            body: whole[..10].to_vec(),
        }
    });
    let error = read(&repository(&server), &descriptor(&whole), 0).await.unwrap_err();
    assert!(
        matches!(error, Error::TimedOut { .. } | Error::Malformed { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_without_ranges_is_read_from_the_start() {
    let whole = blob(50_000);
    let server = FakeServer::start({
        let whole = whole.clone();
        move |_| Reply::ok("application/octet-stream", whole.clone())
    });
    assert_eq!(
        read(&repository(&server), &descriptor(&whole), 20_000).await.unwrap(),
        whole[20_000..]
    );
    let server = FakeServer::start({
        let whole = whole.clone();
        move |_| Reply::status(206, &[("Content-Range", "bytes 7-49999/50000")], &whole[7..])
    });
    let error = read(&repository(&server), &descriptor(&whole), 20_000)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("bytes 7-"), "{error}");
}

#[tokio::test]
async fn sizes_that_lie_are_found() {
    let bytes = blob(1000);
    for length in [999, 1001] {
        let server = FakeServer::start(move |_| Reply::ok("", blob(length)));
        let error = read(&repository(&server), &descriptor(&bytes), 0).await.unwrap_err();
        assert!(matches!(error, Error::WrongSize { expected: 1000, .. }), "{error}");
    }
    // Without a length announced, the stream itself must not go on.
    let endless = [&b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"[..], &blob(5000)].concat();
    let server = FakeServer::start(move |_| Reply::Raw(endless.clone()));
    let error = read(&repository(&server), &descriptor(&bytes), 0).await.unwrap_err();
    assert!(matches!(error, Error::WrongSize { expected: 1000, .. }), "{error}");
}

#[tokio::test]
async fn a_document_that_comes_drop_by_drop_is_given_up() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        // TLS is tried first, and is no HTTP; each connection gets the same.
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut greeting = [0; 16];
            if stream.read(&mut greeting).is_err() || !greeting.starts_with(b"GET") {
                continue;
            }
            let mut drop = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
            while drop.is_ok() {
                std::thread::sleep(Duration::from_millis(20));
                drop = stream.write_all(b" ");
            }
        }
    });
    let config = Config {
        timeouts: Timeouts {
            stall: Duration::from_millis(150),
            ..quick().timeouts
        },
        attempts: 1,
        ..quick()
    };
    let repository = repository_with(config, &format!("{address}/a/b"), None);
    let error = repository.manifest("1").await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("reading the whole answer took longer than 1.5s"),
        "{error}"
    );
}

#[tokio::test]
async fn documents_are_bounded() {
    let server = FakeServer::start(|request| match request.target.as_str() {
        "/v2/a/b/manifests/announced" => Reply::Stall {
            length: 100 << 20,
            body: Vec::new(),
        },
        _ => Reply::Raw(
            [
                &b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"[..],
                &vec![b' '; 8 << 20],
            ]
            .concat(),
        ),
    });
    for asked in ["announced", "unannounced"] {
        let error = repository(&server).manifest(asked).await.unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }
    let mut huge = descriptor(b"");
    huge.size = u64::MAX;
    let asked = server.received().len();
    assert!(matches!(
        repository(&server).read_blob(&huge, 1 << 20, "blob").await,
        Err(Error::TooLarge { .. })
    ));
    assert_eq!(server.received().len(), asked);
}

#[tokio::test]
async fn garbage_is_an_error_and_no_panic() {
    for garbage in [
        &b"garbage"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{\"a\":",
        b"HTTP/1.1 999 \r\n\r\n",
        b"",
    ] {
        let server = FakeServer::start(move |_| Reply::Raw(garbage.to_vec()));
        assert!(repository(&server).manifest("x").await.is_err());
    }
}

#[tokio::test]
async fn a_busy_registry_is_asked_again_when_it_says() {
    let server = FakeServer::start({
        let tries = std::sync::atomic::AtomicUsize::new(0);
        move |_| match tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Reply::status(429, &[("Retry-After", "3600")], ""),
            1 => Reply::status(503, &[], ""),
            _ => manifest(),
        }
    });
    let begun = Instant::now();
    repository(&server).manifest("x").await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(50));
    let always = FakeServer::start(|_| Reply::status(429, &[], ""));
    let error = repository(&always).manifest("x").await.unwrap_err();
    assert_eq!(error.to_string(), "toomanyrequests: too many requests");
    assert_eq!((error.kind(), always.received().len()), (Kind::Unavailable, 3));
}

#[tokio::test]
async fn a_missing_manifest_is_not_asked_for_again() {
    let server = FakeServer::start(|_| {
        Reply::status(
            404,
            &[],
            r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#,
        )
    });
    let error = repository(&server).manifest("x").await.unwrap_err();
    assert_eq!(error.to_string(), "manifest unknown: manifest unknown");
    assert_eq!((error.kind(), server.received().len()), (Kind::NotFound, 1));
}

#[tokio::test]
async fn nobody_listening_is_told_as_docker_does() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = repository_with(quick(), &format!("{free}/x/y"), None)
        .manifest("latest")
        .await
        .unwrap_err();
    let expected =
        format!("Get \"http://{free}/v2/x/y/manifests/latest\": dial tcp {free}: connect: connection refused");
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.kind(), Kind::Unavailable);
}

#[tokio::test]
async fn mirrors_come_first_get_no_credentials_and_fall_through() {
    let broken = FakeServer::start(|_| Reply::status(500, &[], ""));
    let private = FakeServer::start(|_| Reply::status(401, &[("WWW-Authenticate", r#"Basic realm="m""#)], ""));
    let hub = FakeServer::start(|_| manifest());
    let config = Config {
        mirrors: vec![
            format!("{}/prefix/v2", broken.url()).parse().unwrap(),
            private.url().parse().unwrap(),
        ],
        hub: hub.url().parse().unwrap(),
        attempts: 1,
        ..quick()
    };
    let repository = repository_with(config, "alpine", Some(Credentials::basic("u", "p")));
    repository.manifest("3").await.unwrap();
    assert_eq!(broken.trace(), ["GET /prefix/v2/library/alpine/manifests/3"]);
    assert_eq!(private.received().len(), 1);
    assert_eq!(private.received()[0].header("authorization"), None);
    assert_eq!(hub.trace(), ["GET /v2/library/alpine/manifests/3"]);
}

#[tokio::test]
async fn an_insecure_range_is_meant_for_names_that_lead_there() {
    let hostname = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let server = FakeServer::start(|_| manifest());
    let port = server.authority().rsplit_once(':').unwrap().1.to_owned();
    let domain = format!("{}:{port}", hostname.trim());
    let leads_home = tokio::net::lookup_host(&domain).await;
    if !leads_home.is_ok_and(|mut found| found.any(|address| address.to_string() == server.authority())) {
        println!("skipped: the name of this machine does not lead to 127.0.0.1");
        return;
    }
    for (range, accepted) in [("127.0.0.0/8", true), ("10.0.0.0/8", false)] {
        let config = Config {
            insecure: vec![range.parse().unwrap()],
            attempts: 1,
            ..quick()
        };
        let repository = repository_with(config, &format!("{domain}/a/b"), None);
        assert_eq!(repository.manifest("1").await.is_ok(), accepted, "{range}");
    }
}

#[tokio::test]
async fn row_032_every_registry_may_have_mirrors_with_paths_of_their_own() {
    let blob = blob(100);
    let (served, known) = (blob.clone(), blob.clone());
    let token = FakeServer::start(|_| Reply::ok("application/json", r#"{"token":"t"}"#));
    let realm = token.url();
    // It has the manifest and not the layer, and wants a token for the name that it knows.
    let mirror = FakeServer::start(move |request| match request.header("authorization") {
        None => {
            let challenge =
                format!(r#"Bearer realm="{realm}/token",service="m",scope="repository:quay/team/app:pull""#);
            Reply::status(401, &[("WWW-Authenticate", &challenge)], "")
        }
        Some(_) if request.target.contains("/manifests/") => manifest(),
        Some(_) => Reply::status(404, &[], r#"{"errors":[{"code":"BLOB_UNKNOWN"}]}"#),
    });
    let captive = FakeServer::start(|_| Reply::ok("text/html", "<html>Log in to the network</html>"));
    let origin = FakeServer::start(move |request| Reply::blob(request, &served));
    let config = Config {
        mirrors: vec![
            format!("{}={}/portal", origin.authority(), captive.url())
                .parse()
                .unwrap(),
            format!("{}={}/quay", origin.authority(), mirror.url()).parse().unwrap(),
            format!("*={}", captive.url()).parse().unwrap(),
        ],
        attempts: 1,
        ..quick()
    };
    let name = format!("{}/team/app", origin.authority());
    let repository = repository_with(config, &name, Some(Credentials::basic("u", "p")));
    repository.manifest("1").await.unwrap();
    assert_eq!(captive.trace(), ["GET /v2/portal/team/app/manifests/1"]);
    assert_eq!(mirror.trace(), ["GET /v2/quay/team/app/manifests/1"; 2]);
    assert!(
        token.received()[0]
            .target
            .ends_with("scope=repository%3Aquay%2Fteam%2Fapp%3Apull")
    );
    assert_eq!(token.received()[0].header("authorization"), None);
    assert_eq!(read(&repository, &descriptor(&known), 0).await.unwrap(), known);
    assert!(mirror.trace()[2].starts_with("GET /v2/quay/team/app/blobs/"));
    let blobs = format!("GET /v2/team/app/blobs/{}", descriptor(&known).digest);
    assert_eq!(origin.trace(), [blobs]);
}

#[tokio::test]
async fn a_proxy_is_asked_in_absolute_form() {
    let proxy = FakeServer::start(|_| manifest());
    let config = Config {
        proxies: Proxies::new(&format!("http://u:p@{}", proxy.authority()), "", "").unwrap(),
        hub: "http://registry.invalid/".parse().unwrap(),
        ..quick()
    };
    repository_with(config, "alpine", None).manifest("3").await.unwrap();
    let request = &proxy.received()[0];
    assert_eq!(request.target, "http://registry.invalid/v2/library/alpine/manifests/3");
    assert_eq!(request.header("proxy-authorization"), Some("Basic dTpw"));
    assert_eq!(request.header("host"), Some("registry.invalid"));
}

#[tokio::test]
async fn a_proxy_that_refuses_a_tunnel_is_told() {
    let proxy = FakeServer::start(|_| Reply::status(403, &[], ""));
    let config = Config {
        proxies: Proxies::new("", &proxy.url(), "").unwrap(),
        hub: "https://registry.invalid/".parse().unwrap(),
        ..quick()
    };
    let error = repository_with(config, "alpine", None)
        .manifest("3")
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("proxy") && error.contains("403"), "{error}");
    assert_eq!(proxy.trace(), ["CONNECT registry.invalid:443"]);
}

#[tokio::test]
async fn tags_of_all_pages_are_listed() {
    let server = FakeServer::start(|request| match request.target.as_str() {
        "/v2/a/b/tags/list" => Reply::status(
            200,
            &[(
                "Link",
                r#"<http://elsewhere.invalid/v2/other/tags/list?n=1&last=a>; rel="next""#,
            )],
            r#"{"name":"a/b","tags":["a"]}"#,
        ),
        "/v2/a/b/tags/list?n=1&last=a" => Reply::ok("application/json", r#"{"name":"a/b","tags":["b","c"]}"#),
        _ => Reply::ok("application/json", r#"{"tags":null}"#),
    });
    assert_eq!(repository(&server).tags().await.unwrap(), ["a", "b", "c"]);
}

#[tokio::test]
async fn small_blobs_are_verified() {
    let server = FakeServer::start(|_| Reply::ok("", "abd"));
    let error = repository(&server)
        .read_blob(&descriptor(b"abc"), 10, "blob")
        .await
        .unwrap_err();
    assert!(matches!(error, Error::WrongDigest { .. }), "{error}");
}

mod login;
mod real;
mod upload;
