//! The hub as its operator and its users see it: space, crashes, access, search.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;
use std::time::Duration;

use crate::support::{Hub, IMAGE, INDEX, ask, image, index, noise, wait_until};
use base64::Engine as _;
use serde_json::json;
use tierce_oci::Digest;

/// Bytes of all contents on the disk.
fn stored(hub: &Hub) -> u64 {
    hub.contents()
        .iter()
        .map(|path| fs::metadata(path).unwrap().size())
        .sum()
}

#[test]
fn row_038_space_is_freed_with_the_last_manifest_and_not_before() {
    let hub = Hub::start();
    let (shared, own) = (noise(1, 100_000), noise(2, 50_000));
    let (first, _) = hub.push_image("a", "v1", &shared);
    let (second, _) = hub.push_image("b/c", "v1", &shared);
    let (third, _) = hub.push_image("a", "v2", &own);
    assert_eq!(stored(&hub), 150_002, "a layer of two repositories is stored once");
    let delete = |name: &str, digest: &Digest| {
        assert_eq!(
            hub.ask("DELETE", &format!("/v2/{name}/manifests/{digest}"), &[], b"")
                .status,
            202
        );
    };
    delete("a", &first);
    assert_eq!(
        stored(&hub),
        150_002,
        "another repository has its layer, another manifest its configuration"
    );
    delete("a", &third);
    assert_eq!(stored(&hub), 100_002);
    delete("b/c", &second);
    assert_eq!(stored(&hub), 0);
    assert!(crate::support::files(&hub.root().join("repositories")).is_empty());
    assert!(!hub.root().join("repositories/b").exists());
}

#[test]
fn row_038_what_nobody_pushes_a_manifest_for_goes_with_its_lease() {
    // 0.002 hours are 7 s, so that a busy machine pushes the image before its blobs are too old.
    let hub = Hub::with(&["--lease", "0.002"]);
    hub.push_image("b", "v1", b"layer");
    let digest = hub.push_blob("a", b"alone");
    let location = hub.begin("a");
    assert_eq!(hub.contents().len(), 3);
    wait_until("the blob is gone", || hub.contents().len() == 2);
    wait_until("the upload is gone", || {
        crate::support::files(&hub.root().join("uploads")).is_empty()
    });
    hub.get(&format!("/v2/a/blobs/{digest}"))
        .assert_refused(404, "BLOB_UNKNOWN");
    hub.ask("PUT", &format!("{location}?digest={digest}"), &[], b"alone")
        .assert_refused(404, "BLOB_UPLOAD_UNKNOWN");
    assert_eq!(hub.get("/v2/b/manifests/v1").status, 200);
    assert_eq!(hub.contents().len(), 2, "what a manifest lists stays");
}

#[test]
fn row_038_untagged_manifests_go_where_the_operator_wants_it() {
    let hub = Hub::with(&["--delete-untagged"]);
    let (first, bytes) = hub.push_image("a", "v1", b"one");
    hub.push_image("a", "v1", b"two");
    assert_eq!(
        hub.get(&format!("/v2/a/manifests/{first}")).status,
        404,
        "its tag is another's now"
    );
    assert!(!hub.content(&Digest::sha256_of(b"one")).exists());
    // An index takes with it what only it lists.
    hub.push_image("a", first.as_str(), b"one");
    let all = index(&[&bytes], &json!({}));
    assert_eq!(hub.put_manifest("a", "all", INDEX, &all).status, 201);
    assert_eq!(hub.ask("DELETE", "/v2/a/manifests/all", &[], b"").status, 202);
    assert_eq!(hub.get(&format!("/v2/a/manifests/{first}")).status, 404);
    assert!(!hub.content(&Digest::sha256_of(b"one")).exists());
    assert_eq!(hub.get("/v2/a/tags/list").json()["tags"], json!(["v1"]));
    // Without the flag a manifest stays until it is deleted itself.
    let hub = Hub::start();
    let (first, _) = hub.push_image("a", "v1", b"one");
    hub.push_image("a", "v1", b"two");
    assert_eq!(hub.get(&format!("/v2/a/manifests/{first}")).status, 200);
}

#[test]
fn row_038_pushes_and_deletions_at_a_time_lose_nothing() {
    const ROUNDS: usize = 15;
    let hub = Hub::start();
    let shared = noise(1, 20_000);
    hub.push_image("a", "keeps", b"other");
    std::thread::scope(|scope| {
        for pusher in 0..4 {
            let (hub, shared) = (&hub, &shared);
            scope.spawn(move || {
                let agent = format!("pusher/{pusher}");
                let headers = [("User-Agent", agent.as_str()), ("Content-Type", IMAGE)];
                let ask = |method: &str, path: &str, body: &[u8]| ask(hub.address, method, path, &headers, body);
                for round in 0..ROUNDS {
                    let more = json!({"annotations": {"who": format!("{pusher} {round}")}});
                    let manifest = image(shared, &more);
                    for bytes in [&shared[..], b"{}"] {
                        let digest = Digest::sha256_of(bytes);
                        // Who is told that a blob is there relies on it, though others delete what lists it.
                        if ask("HEAD", &format!("/v2/a/blobs/{digest}"), b"").status != 200 {
                            let path = format!("/v2/a/blobs/uploads/?digest={digest}");
                            assert_eq!(ask("POST", &path, bytes).status, 201);
                        }
                    }
                    let digest = Digest::sha256_of(&manifest);
                    let path = format!("/v2/a/manifests/{digest}");
                    let reply = ask("PUT", &path, &manifest);
                    assert_eq!(reply.status, 201, "{reply:?}");
                    let layer = format!("/v2/a/blobs/{}", Digest::sha256_of(shared));
                    assert!(ask("GET", &layer, b"").body == *shared);
                    assert_eq!(ask("DELETE", &path, b"").status, 202);
                }
            });
        }
    });
    assert_eq!(stored(&hub), 7, "only the image that nobody deleted is left");
}

#[test]
fn row_038_a_download_goes_on_though_the_blob_is_deleted() {
    use std::io::{Read as _, Write as _};
    let hub = Hub::start();
    let layer = noise(1, 32 << 20);
    let (digest, _) = hub.push_image("a", "v1", &layer);
    let mut stream = std::net::TcpStream::connect(hub.address).unwrap();
    let path = format!("/v2/a/blobs/{}", Digest::sha256_of(&layer));
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut first = [0; 1000];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(
        hub.ask("DELETE", &format!("/v2/a/manifests/{digest}"), &[], b"").status,
        202
    );
    assert_eq!(hub.get(&path).status, 404);
    let mut rest = first.to_vec();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(&layer));
}

#[test]
fn row_038_a_hub_that_is_killed_has_whole_images_and_nothing_else() {
    let mut hub = Hub::start();
    let kept = noise(1, 30_000);
    hub.push_image("kept", "v1", &kept);
    let mut known = BTreeSet::new();
    for round in 0..12u64 {
        let address = hub.address;
        let pushing = std::thread::spawn(move || {
            // Ends when the hub does: each step may find nobody.
            let result = std::panic::catch_unwind(|| {
                for n in 0..1000 {
                    let layer = noise(100 + round * 1000 + n, 200_000);
                    for bytes in [&layer[..], b"{}"] {
                        let path = format!("/v2/pushed/blobs/uploads/?digest={}", Digest::sha256_of(bytes));
                        ask(address, "POST", &path, &[], bytes);
                    }
                    let manifest = image(&layer, &json!({}));
                    let path = format!("/v2/pushed/manifests/{round}-{n}");
                    ask(address, "PUT", &path, &[("Content-Type", IMAGE)], &manifest);
                    if n % 3 == 2 {
                        let path = format!("/v2/pushed/manifests/{}", Digest::sha256_of(&manifest));
                        ask(address, "DELETE", &path, &[], b"");
                    }
                }
            });
            assert!(result.is_err(), "it was not interrupted");
        });
        std::thread::sleep(Duration::from_millis(40 + 37 * round));
        hub.crash_and_start();
        pushing.join().unwrap();
        assert!(crate::support::files(&hub.root().join("uploads")).is_empty());
        let tags = hub.get("/v2/pushed/tags/list");
        let tags = if tags.status == 404 {
            Vec::new()
        } else {
            tags.json()["tags"].as_array().unwrap().clone()
        };
        let mut layers = BTreeSet::new();
        for tag in &tags {
            let manifest = hub.get(&format!("/v2/pushed/manifests/{}", tag.as_str().unwrap()));
            assert_eq!(manifest.status, 200, "{tag}");
            let digest = manifest.json()["layers"][0]["digest"].as_str().unwrap().to_owned();
            let layer = hub.get(&format!("/v2/pushed/blobs/{digest}"));
            assert_eq!(Digest::sha256_of(&layer.body).to_string(), digest);
            layers.insert(digest);
            known.insert(tag.to_string());
        }
        // At most one blob of each crash waits for its manifest, until its lease ends.
        let blobs = crate::support::files(&hub.root().join("repositories/pushed/_blobs")).len();
        assert!(
            blobs <= layers.len() + 2 + usize::try_from(round).unwrap(),
            "{blobs} blobs, {} layers",
            layers.len()
        );
        assert_eq!(hub.get("/v2/kept/manifests/v1").status, 200);
    }
    assert!(!known.is_empty(), "nothing was ever pushed");
    assert!(hub.get(&format!("/v2/kept/blobs/{}", Digest::sha256_of(&kept))).body == kept);
}

#[test]
fn row_038_the_start_drops_what_is_broken_and_says_so() {
    let mut hub = Hub::start();
    hub.push_image("a", "v1", b"layer");
    let (other, _) = hub.push_image("b", "v1", b"other");
    let root = hub.root().to_owned();
    let stray = root.join(format!("blobs/sha256/00/{}", "0".repeat(64)));
    fs::create_dir_all(stray.parent().unwrap()).unwrap();
    fs::write(&stray, b"stray").unwrap();
    fs::write(root.join("uploads/left"), b"left").unwrap();
    fs::write(root.join("repositories/a/_tags/.tmp-x-1-1"), b"half").unwrap();
    fs::write(root.join("repositories/a/_tags/wrong"), b"sha256:0").unwrap();
    let manifest = root.join(format!("repositories/b/_manifests/sha256-{}", other.hex()));
    let mut bytes = fs::read(&manifest).unwrap();
    *bytes.last_mut().unwrap() = b' ';
    fs::write(&manifest, bytes).unwrap();
    hub.crash_and_start();
    assert_eq!(hub.get("/v2/a/tags/list").json()["tags"], json!(["v1"]));
    assert_eq!(
        hub.get("/v2/b/tags/list").json()["tags"],
        json!([]),
        "its manifest is not what it was"
    );
    assert!(!stray.exists() && !root.join("uploads/left").exists());
    assert!(!root.join("repositories/a/_tags/.tmp-x-1-1").exists());
    // Two hubs do not share a root.
    let second = Command::new(env!("CARGO_BIN_EXE_tierce-hub"))
        .args(["--listen", "127.0.0.1:0", "--root"])
        .arg(&root)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(
        !second.status.success() && text.contains("another hub uses it"),
        "{text}"
    );
}

/// A file system of four megabytes; gone with this value.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("mount");
        let status = command
            .args(["-t", "tmpfs", "-o", "size=4m", "none"])
            .arg(directory.path())
            .status();
        status.is_ok_and(|status| status.success()).then(|| Self(directory))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What cannot be unmounted is seen by the check for leaks.
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn row_038_a_full_disk_is_told_and_nothing_breaks() {
    let Some(disk) = SmallDisk::mount() else {
        println!("skipped: no right to mount a small file system");
        return;
    };
    let hub = Hub::over(disk.0.path(), &[]);
    hub.push_image("a", "v1", &noise(1, 1 << 20));
    let long = noise(2, 8 << 20);
    let reply = hub.ask(
        "POST",
        &format!("/v2/a/blobs/uploads/?digest={}", Digest::sha256_of(&long)),
        &[],
        &long,
    );
    assert_eq!(reply.status, 507, "{reply:?}");
    assert!(String::from_utf8_lossy(&reply.body).contains("the disk of this registry is full"));
    assert_eq!(hub.get("/v2/a/manifests/v1").status, 200);
    assert!(
        crate::support::files(&hub.root().join("uploads")).is_empty(),
        "what arrived of it is gone"
    );
    hub.push_image("a", "v2", &noise(3, 1 << 19));
}

/// `ann` with the password `secret`, as `htpasswd -B` writes it.
const USERS: &str = "ann:$2y$04$USERS\n";

fn basic(name: &str, password: &str) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    format!("Basic {text}")
}

/// A directory with users and a private repository.
fn with_users() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let hash = bcrypt::hash("secret", 4).unwrap();
    fs::write(directory.path().join("users"), USERS.replace("$2y$04$USERS", &hash)).unwrap();
    let metadata = json!({"team/secret": {"private": true}, "team/app": {"description": "An app", "stars": 3}});
    fs::write(directory.path().join("repositories.json"), metadata.to_string()).unwrap();
    directory
}

#[test]
fn row_032_a_private_registry_wants_a_name_and_a_password() {
    let hub = Hub::at(with_users(), &["--htpasswd", "ROOT/users"]);
    let reply = hub.get("/v2/");
    reply.assert_refused(401, "UNAUTHORIZED");
    assert_eq!(reply.header("www-authenticate"), Some("Basic realm=\"tierce-hub\""));
    assert_eq!(reply.header("docker-distribution-api-version"), Some("registry/2.0"));
    for wrong in [
        basic("ann", "wrong"),
        basic("eve", "secret"),
        "Basic !".to_owned(),
        "Bearer anonymous".to_owned(),
    ] {
        hub.ask("GET", "/v2/", &[("Authorization", &wrong)], b"")
            .assert_refused(401, "UNAUTHORIZED");
    }
    let right = basic("ann", "secret");
    for _ in 0..3 {
        assert_eq!(hub.ask("GET", "/v2/", &[("Authorization", &right)], b"").status, 200);
    }
    for (method, path) in [
        ("POST", "/v2/a/blobs/uploads/"),
        ("GET", "/v2/a/tags/list"),
        ("GET", "/v2/_catalog"),
        ("GET", "/v1/search?q=a"),
        ("PUT", "/v2/a/manifests/v1"),
        ("DELETE", "/v2/a/manifests/v1"),
    ] {
        assert_eq!(hub.ask(method, path, &[], b"").status, 401, "{method} {path}");
        assert_ne!(
            hub.ask(method, path, &[("Authorization", &right)], b"").status,
            401,
            "{method} {path}"
        );
    }
}

#[test]
fn row_032_everybody_pulls_what_is_public_and_users_push() {
    let hub = Hub::at(with_users(), &["--htpasswd", "ROOT/users", "--anonymous-pull"]);
    let right = basic("ann", "secret");
    let user = [("Authorization", right.as_str()), ("Content-Type", IMAGE)];
    let manifest = image(b"layer", &json!({}));
    for name in ["team/app", "team/secret"] {
        for bytes in [&b"layer"[..], b"{}"] {
            let path = format!("/v2/{name}/blobs/uploads/?digest={}", Digest::sha256_of(bytes));
            assert_eq!(hub.ask("POST", &path, &[], bytes).status, 401);
            assert_eq!(hub.ask("POST", &path, &user, bytes).status, 201);
        }
        assert_eq!(
            hub.ask("PUT", &format!("/v2/{name}/manifests/v1"), &user, &manifest)
                .status,
            201
        );
    }
    // Docker learns here that it needs a token, and from where.
    let challenge = hub.get("/v2/").header("www-authenticate").unwrap().to_owned();
    let realm = format!("Bearer realm=\"http://{}/token\",service=\"tierce-hub\"", hub.address);
    assert_eq!(challenge, realm);
    let token = |headers: &[(&str, &str)]| {
        let reply = hub.ask(
            "GET",
            "/token?service=tierce-hub&scope=repository:team/app:pull",
            headers,
            b"",
        );
        (reply.status == 200).then(|| format!("Bearer {}", reply.json()["token"].as_str().unwrap()))
    };
    let (nobody, ann) = (token(&[]).unwrap(), token(&user).unwrap());
    let wrong = basic("ann", "wrong");
    assert_eq!(token(&[("Authorization", &wrong)]), None);
    let get = |path: &str, token: &str| hub.ask("GET", path, &[("Authorization", token)], b"");
    assert_eq!(get("/v2/", &nobody).status, 200);
    assert_eq!(get("/v2/team/app/manifests/v1", &nobody).status, 200);
    let secret = "/v2/team/secret/manifests/v1";
    let reply = get(secret, &nobody);
    reply.assert_refused(401, "UNAUTHORIZED");
    let scope = "scope=\"repository:team/secret:pull\",error=\"insufficient_scope\"";
    assert!(reply.header("www-authenticate").unwrap().ends_with(scope));
    assert_eq!(get(secret, &ann).status, 200);
    let reply = get(secret, "Bearer made-up");
    assert_eq!(reply.status, 401);
    assert!(
        reply
            .header("www-authenticate")
            .unwrap()
            .ends_with("error=\"invalid_token\"")
    );
    // Nobody gets a private blob by mounting it, and nobody sees that the repository is there.
    let layer = Digest::sha256_of(b"layer");
    let mount = format!("/v2/team/app/blobs/uploads/?mount={layer}&from=team/secret");
    assert_eq!(hub.ask("POST", &mount, &[("Authorization", &nobody)], b"").status, 401);
    assert_eq!(
        get("/v2/_catalog", &nobody).json(),
        json!({"repositories": ["team/app"]})
    );
    assert_eq!(
        get("/v2/_catalog", &ann).json(),
        json!({"repositories": ["team/app", "team/secret"]})
    );
    assert_eq!(get("/v2/team/app/tags/list", &nobody).json()["tags"], json!(["v1"]));
    let delete = hub.ask(
        "DELETE",
        "/v2/team/app/manifests/v1",
        &[("Authorization", &nobody)],
        b"",
    );
    assert_eq!(delete.status, 401);
}

#[test]
fn row_033_a_search_shows_public_repositories_in_the_hubs_form() {
    let hub = Hub::at(with_users(), &[]);
    assert_eq!(hub.get("/v1/_ping").status, 200);
    for name in ["team/app", "team/other"] {
        hub.push_image(name, "v1", b"layer");
    }
    let described = image(
        b"layer",
        &json!({"annotations": {"org.opencontainers.image.description": "From the image"}}),
    );
    hub.put_manifest("team/other", "latest", IMAGE, &described);
    let labelled = br#"{"config":{"Labels":{"org.opencontainers.image.description":"From a label"}}}"#;
    hub.push_blob("team/third", labelled);
    hub.push_blob("team/third", b"layer");
    let config = json!({"config": {"mediaType": "x", "digest": Digest::sha256_of(labelled), "size": labelled.len()}});
    hub.put_manifest("team/third", "v1", IMAGE, &image(b"layer", &config));
    // Where there are no users nobody may touch what is private.
    hub.ask("POST", "/v2/team/secret/blobs/uploads/", &[], b"")
        .assert_refused(403, "DENIED");
    let found = hub.get("/v1/search?q=team&n=25").json();
    assert_eq!(
        found["results"],
        json!([
            {"name": "team/app", "description": "An app", "is_official": false, "is_automated": false, "star_count": 3},
            {"name": "team/other", "description": "From the image", "is_official": false, "is_automated": false, "star_count": 0},
            {"name": "team/third", "description": "From a label", "is_official": false, "is_automated": false, "star_count": 0},
        ])
    );
    assert_eq!(
        (&found["num_results"], &found["num_pages"], &found["query"]),
        (&json!(3), &json!(1), &json!("team"))
    );
    let page = hub.get("/v1/search?q=team&n=1&page=2").json();
    assert_eq!(
        (&page["results"][0]["name"], &page["num_pages"]),
        (&json!("team/other"), &json!(3))
    );
    assert_eq!(hub.get("/v1/search?q=AN+App").json()["num_results"], 1);
    assert_eq!(hub.get("/v1/search?q=nothing").json()["results"], json!([]));
    // The operator changes the file while the hub runs; a slip of the pen makes nothing public.
    let metadata = hub.root().join("repositories.json");
    fs::write(&metadata, json!({"team/app": {"private": true}}).to_string()).unwrap();
    assert_eq!(hub.get("/v1/search?q=app").json()["num_results"], 0);
    fs::write(&metadata, b"{").unwrap();
    assert_eq!(hub.get("/v1/search?q=app").json()["num_results"], 0);
}

#[test]
fn row_032_the_hub_serves_tls() {
    let directory = tempfile::tempdir().unwrap();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=127.0.0.1",
        ])
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout"])
        .arg(directory.path().join("key.pem"))
        .arg("-out")
        .arg(directory.path().join("cert.pem"))
        .output();
    if !made.is_ok_and(|output| output.status.success()) {
        println!("skipped: no openssl to make a certificate with");
        return;
    }
    let hub = Hub::at(directory, &["--tls-cert", "ROOT/cert.pem", "--tls-key", "ROOT/key.pem"]);
    let output = Command::new("curl")
        .args(["-sS", "--noproxy", "*", "-i", "--cacert"])
        .arg(hub.root().join("cert.pem"))
        .arg(format!("https://{}/v2/", hub.address))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.starts_with("HTTP/1.1 200"),
        "{text} {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn row_038_the_hub_ends_when_it_is_told_to() {
    let mut hub = Hub::start();
    hub.push_image("a", "v1", b"layer");
    assert!(hub.stop().success());
}
