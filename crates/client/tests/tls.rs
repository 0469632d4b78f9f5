//! TLS between a client and a daemon that wants to know whom it talks to.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tierce_client::{Client, Endpoint, Tls, TlsFiles};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// An authority, a daemon's certificate for 127.0.0.1 and a client's.
struct Keys(tempfile::TempDir);

impl Keys {
    fn new() -> Option<Self> {
        let keys = Self(tempfile::tempdir().unwrap());
        let openssl = |arguments: &str| {
            let output = Command::new("openssl")
                .args(arguments.split(' '))
                .current_dir(keys.0.path())
                .output()
                .ok()?;
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(())
        };
        std::fs::write(keys.0.path().join("san"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        let curve = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        openssl(&format!(
            "req -x509 {curve} -keyout ca-key.pem -out ca.pem -days 2 -subj /CN=authority"
        ))?;
        for name in ["server", "client", "stranger"] {
            openssl(&format!(
                "req {curve} -keyout {name}-key.pem -out {name}.csr -subj /CN={name}"
            ))?;
            openssl(&format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -out {name}.pem -days 2 -extfile san"
            ))?;
        }
        openssl(&format!(
            "req -x509 {curve} -keyout other-key.pem -out other.pem -days 2 -subj /CN=other"
        ))?;
        Some(keys)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn chain(path: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(path)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

/// Serves `/_ping` to those whom the authority knows; gives the port.
async fn serve(keys: &Keys) -> u16 {
    let mut roots = RootCertStore::empty();
    roots.add(chain(&keys.path("ca.pem")).remove(0)).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            chain(&keys.path("server.pem")),
            PrivateKeyDer::from_pem_file(keys.path("server-key.pem")).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that is refused goes away.
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let mut request = vec![0; 4096];
                let count = stream.read(&mut request).await.unwrap_or(0);
                assert!(String::from_utf8_lossy(&request[..count]).contains("x-own: yes"));
                let answer = "HTTP/1.1 200 OK\r\nApi-Version: 1.44\r\nContent-Length: 2\r\n\r\nOK";
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        }
    });
    port
}

async fn version(port: u16, files: &TlsFiles) -> Result<String, String> {
    let endpoint: Endpoint = format!("tcp://127.0.0.1:{port}").parse().unwrap();
    let tls = Tls::load(files).map_err(|error| error.to_string())?;
    let client = Client::new(endpoint)
        .with_tls(Some(tls))
        .with_header("X-Own", "yes")
        .unwrap();
    let version = client.api_version().await.map_err(|error| error.to_string())?;
    Ok(version.to_string())
}

#[tokio::test]
async fn row_085_both_sides_are_verified() {
    let Some(keys) = Keys::new() else {
        println!("skipped: no openssl here");
        return;
    };
    let port = serve(&keys).await;
    let files = TlsFiles {
        ca: Some(keys.path("ca.pem")),
        cert: Some(keys.path("client.pem")),
        key: Some(keys.path("client-key.pem")),
        skip_verify: false,
    };
    assert_eq!(version(port, &files).await.unwrap(), "1.44");
    // A daemon that another authority vouches for is none to talk to, unless nobody looks.
    let distrusting = TlsFiles {
        ca: Some(keys.path("other.pem")),
        ..files.clone()
    };
    assert!(version(port, &distrusting).await.is_err());
    let unverified = TlsFiles {
        skip_verify: true,
        ..distrusting
    };
    assert_eq!(version(port, &unverified).await.unwrap(), "1.44");
    // Nobody is no client.
    let anonymous = TlsFiles {
        cert: None,
        key: None,
        ..files.clone()
    };
    assert!(version(port, &anonymous).await.is_err());
    // What is wrong with a file is told with its name.
    for broken in [
        TlsFiles {
            key: None,
            ..files.clone()
        },
        TlsFiles {
            ca: Some(keys.path("missing.pem")),
            ..files.clone()
        },
        TlsFiles {
            key: Some(keys.path("other-key.pem")),
            ..files.clone()
        },
    ] {
        let error = version(port, &broken).await.unwrap_err();
        assert!(
            error.starts_with("could not read ") && error.contains(".pem"),
            "{error}"
        );
    }
}
