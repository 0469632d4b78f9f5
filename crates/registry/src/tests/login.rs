//! Login, search, downloads.

use super::quick;
use crate::{Client, Config, Credentials};
use tierce_fault::{Fault, Kind};
use tierce_testkit::fake_server::{FakeServer, Reply};

fn client() -> Client {
    Client::new(quick()).unwrap()
}

#[tokio::test]
async fn row_032_credentials_are_tried_at_the_registry_by_basic_and_by_token() {
    let server = FakeServer::start(|request| match request.header("authorization") {
        Some("Basic dXNlcjpzZWNyZXQ=") => Reply::ok("", ""),
        _ => Reply::status(401, &[("WWW-Authenticate", "Basic realm=\"r\"")], ""),
    });
    let good = Credentials::basic("user", "secret");
    assert_eq!(client().log_in(&server.authority(), &good).await.unwrap(), None);
    let error = client()
        .log_in(&server.url(), &Credentials::basic("user", "wrong"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Internal);
    assert_eq!(
        error.to_string(),
        format!(
            "login attempt to {}/v2/ failed with status: 401 Unauthorized",
            server.url()
        )
    );

    let tokens = FakeServer::start(|request| match request.header("authorization") {
        Some("Basic dXNlcjpzZWNyZXQ=") => Reply::ok("", r#"{"token":"t","refresh_token":"keep"}"#),
        _ => Reply::status(401, &[], r#"{"details":"incorrect username or password"}"#),
    });
    let challenge = format!(r#"Bearer realm="{}/token",service="reg""#, tokens.url());
    let server = FakeServer::start(move |request| match request.header("authorization") {
        Some("Bearer t") => Reply::ok("", ""),
        _ => Reply::status(401, &[("WWW-Authenticate", &challenge)], ""),
    });
    let identity = client().log_in(&server.authority(), &good).await.unwrap().unwrap();
    assert_eq!(identity.reveal(), "keep");
    assert!(tokens.received()[0].target.contains("offline_token=true"));
    let error = client()
        .log_in(&server.authority(), &Credentials::basic("user", "wrong"))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "unauthorized: incorrect username or password");
}

#[tokio::test]
async fn a_registry_that_asks_for_nothing_takes_anybody_and_another_status_is_a_failure() {
    let open = FakeServer::start(|_| Reply::ok("", "{}"));
    let anybody = Credentials::basic("a", "b");
    assert_eq!(client().log_in(&open.authority(), &anybody).await.unwrap(), None);
    let closed = FakeServer::start(|_| Reply::status(500, &[], ""));
    let error = client().log_in(&closed.authority(), &anybody).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
}

#[tokio::test]
async fn row_033_a_search_tells_names_and_stars_and_no_private_repository() {
    let answer = r#"{"num_results":3,"query":"x","results":[
        {"name":"one","description":"the first","star_count":7,"is_official":true},
        {"name":"hidden","description":"","star_count":9,"is_private":true},
        {"name":"some/two","description":"the second","star_count":1}]}"#;
    let index = FakeServer::start(move |_| Reply::ok("application/json", answer));
    let config = Config {
        index: index.url().parse().unwrap(),
        ..quick()
    };
    let found = Client::new(config)
        .unwrap()
        .search("library/a b", 25, None)
        .await
        .unwrap();
    let names: Vec<(&str, i64, bool)> = found
        .iter()
        .map(|one| (one.name.as_str(), one.star_count, one.is_official))
        .collect();
    assert_eq!(names, [("one", 7, true), ("some/two", 1, false)]);
    assert_eq!(index.trace(), ["GET /v1/search?q=a%20b&n=25"]);
    // Another index is named by the term.
    let term = format!("{}/words", index.authority());
    let found = client().search(&term, 3, None).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(index.trace().pop().unwrap(), "GET /v1/search?q=words&n=3");
}

#[tokio::test]
async fn a_download_follows_redirects_and_notices_a_short_file() {
    let file = FakeServer::start(|request| match request.target.as_str() {
        "/whole" => Reply::ok("", "content"),
        _ => Reply::Cut {
            length: 100,
            body: b"con".to_vec(),
        },
    });
    let target = format!("{}/whole", file.url());
    let server = FakeServer::start(move |_| Reply::redirect(&target));
    let mut download = client().download(&format!("{}/x", server.authority())).await.unwrap();
    assert_eq!(download.length, Some(7));
    let mut bytes = Vec::new();
    while let Some(piece) = download.next().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    assert_eq!(bytes, b"content");
    let mut short = client().download(&format!("{}/short", file.url())).await.unwrap();
    let error = loop {
        match short.next().await {
            Ok(Some(_)) => {}
            other => break other.unwrap_err(),
        }
    };
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    assert!(client().download("ftp://x/").await.is_err());
}
