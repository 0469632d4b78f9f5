//! The client against Debian's `docker-registry`: plain, with TLS and `certs.d`, with basic authentication.

use super::{quick, read, repository_with};
use crate::{Config, Credentials, Proxies};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use tierce_fault::{Fault, Kind};
use tierce_oci::{Manifest, media_type};
use tierce_testkit::layout::{Compression, ImageLayout, Layer};
use tierce_testkit::loopback::{DockerRegistry, RegistryOptions};

/// Puts an image of one layer into the registry. `Err` says what this machine lacks.
fn push(registry: &DockerRegistry, arguments: &[&str]) -> Result<Layer, String> {
    let layer = Layer::of(&[("etc/hello", b"hello")], Compression::Gzip);
    let mut layout = ImageLayout::new();
    let layers = [layer.clone()];
    let image = layout.image(&layers, &ImageLayout::config(&layers, ("linux", "amd64")));
    layout.name("one", image);
    layout.push("one", &format!("{}/a/b:one", registry.authority()), arguments)?;
    Ok(layer)
}

macro_rules! or_skip {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(reason) => {
                println!("skipped: {reason}");
                return;
            }
        }
    };
}

#[tokio::test]
async fn a_plain_registry_on_loopback_needs_no_setting() {
    let registry = or_skip!(DockerRegistry::start(&RegistryOptions::default()));
    let layer = or_skip!(push(&registry, &[]));
    let repository = repository_with(quick(), &format!("{}/a/b", registry.authority()), None);
    let fetched = repository.manifest("one").await.unwrap();
    assert_eq!(fetched.media_type, media_type::OCI_MANIFEST);
    let manifest = Manifest::from_json(&fetched.bytes).unwrap();
    assert_eq!(read(&repository, &manifest.layers[0], 0).await.unwrap(), layer.blob);
    assert_eq!(
        read(&repository, &manifest.layers[0], 5).await.unwrap(),
        layer.blob[5..]
    );
    assert_eq!(repository.tags().await.unwrap(), ["one"]);
    let error = repository.manifest("two").await.unwrap_err();
    assert_eq!(error.to_string(), "manifest unknown: manifest unknown");
    assert_eq!(error.kind(), Kind::NotFound);
}

#[tokio::test]
async fn row_032_basic_authentication_of_a_real_registry() {
    let directory = tempfile::tempdir().unwrap();
    let htpasswd = directory.path().join("htpasswd");
    // "pass word" under bcrypt.
    std::fs::write(
        &htpasswd,
        "user:$2y$05$abcdefghijklmnopqrstuuIt/9/tGzLcigNq/.RWIDjeEVR30RSf.\n",
    )
    .unwrap();
    let registry = or_skip!(DockerRegistry::start(&RegistryOptions {
        htpasswd: Some(htpasswd),
        ..RegistryOptions::default()
    }));
    or_skip!(push(&registry, &["--dest-creds", "user:pass word"]));
    let name = format!("{}/a/b", registry.authority());
    let with = |credentials| repository_with(quick(), &name, credentials);
    with(Some(Credentials::basic("user", "pass word")))
        .manifest("one")
        .await
        .unwrap();
    for credentials in [None, Some(Credentials::basic("user", "wrong"))] {
        let error = with(credentials).manifest("one").await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unauthorized, "{error}");
    }
}

fn openssl(directory: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .current_dir(directory)
        .args(arguments.split(' '))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Makes an authority, a server certificate for 127.0.0.1 and a client certificate in `directory`.
fn certificates(directory: &Path) -> Result<(), String> {
    Command::new("openssl")
        .arg("version")
        .output()
        .map_err(|_| "openssl is not installed".to_owned())?;
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    openssl(
        directory,
        &format!("req -x509 {key} -keyout ca.key -out ca.crt -subj /CN=ca"),
    );
    for (name, extension) in [
        ("server", "subjectAltName=IP:127.0.0.1,DNS:registry.test"),
        ("client", "extendedKeyUsage=clientAuth"),
    ] {
        openssl(
            directory,
            &format!(
                "req -x509 {key} -keyout {name}.key -out {name}.cert -subj /CN={name} -CA ca.crt -CAkey ca.key -addext \
                 {extension} -addext basicConstraints=critical,CA:FALSE"
            ),
        );
    }
    Ok(())
}

#[tokio::test]
async fn tls_with_authority_and_client_certificate_of_certs_d() {
    let directory = tempfile::tempdir().unwrap();
    or_skip!(certificates(directory.path()));
    let at = |name: &str| -> PathBuf { directory.path().join(name) };
    let options = RegistryOptions {
        tls: Some((at("server.cert"), at("server.key"))),
        client_authority: Some(at("ca.crt")),
        ..RegistryOptions::default()
    };
    let registry = or_skip!(DockerRegistry::start(&options));
    let with_client = certs_d(
        &registry.authority(),
        directory.path(),
        &["ca.crt", "client.cert", "client.key"],
    );
    or_skip!(push(
        &registry,
        &[
            "--dest-cert-dir",
            with_client.path().join(registry.authority()).to_str().unwrap()
        ]
    ));
    let name = format!("{}/a/b", registry.authority());
    let with = |certificates: &Path| {
        repository_with(
            Config {
                certificate_directories: vec![certificates.to_owned()],
                ..quick()
            },
            &name,
            None,
        )
    };
    with(with_client.path()).manifest("one").await.unwrap();
    let without = tempfile::tempdir().unwrap();
    let error = with(without.path()).manifest("one").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    let keyless = certs_d(&registry.authority(), directory.path(), &["client.cert"]);
    let error = with(keyless.path()).manifest("one").await.unwrap_err().to_string();
    assert!(error.contains("missing key"), "{error}");
}

fn certs_d(authority: &str, source: &Path, files: &[&str]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let host = directory.path().join(authority);
    std::fs::create_dir(&host).unwrap();
    for file in files {
        std::fs::copy(source.join(file), host.join(file)).unwrap();
    }
    directory
}

/// A proxy that answers every CONNECT with a tunnel to `target`. Its threads end with their connections.
fn tunnel_to(target: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        // As many connections as the test makes.
        for stream in listener.incoming().take(2) {
            let mut client = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).unwrap() == 1 {
                head.push(byte[0]);
            }
            assert!(head.starts_with(b"CONNECT registry.test:443 HTTP/1.1\r\n"));
            client
                .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
                .unwrap();
            let server = TcpStream::connect(&target).unwrap();
            for (mut from, mut to) in [
                (client.try_clone().unwrap(), server.try_clone().unwrap()),
                (server, client),
            ] {
                std::thread::spawn(move || {
                    drop(std::io::copy(&mut from, &mut to));
                    drop(to.shutdown(Shutdown::Both));
                });
            }
        }
    });
    address
}

#[tokio::test]
async fn a_certificate_is_verified_also_through_a_proxy() {
    let directory = tempfile::tempdir().unwrap();
    or_skip!(certificates(directory.path()));
    let at = |name: &str| -> PathBuf { directory.path().join(name) };
    let options = RegistryOptions {
        tls: Some((at("server.cert"), at("server.key"))),
        ..RegistryOptions::default()
    };
    let registry = or_skip!(DockerRegistry::start(&options));
    or_skip!(push(&registry, &[]));
    let proxy = tunnel_to(registry.authority());
    let with = |certificates: &Path| {
        let config = Config {
            certificate_directories: vec![certificates.to_owned()],
            proxies: Proxies::new("", &proxy, "").unwrap(),
            ..quick()
        };
        repository_with(config, "registry.test/a/b", None)
    };
    let unknown = tempfile::tempdir().unwrap();
    let error = with(unknown.path()).manifest("one").await.unwrap_err().to_string();
    assert!(
        error.contains("tls: ") && error.contains("https://registry.test/v2/a/b/manifests/one"),
        "{error}"
    );
    let known = certs_d("registry.test", directory.path(), &["ca.crt"]);
    with(known.path()).manifest("one").await.unwrap();
}
