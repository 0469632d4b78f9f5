//! The driver `syslog` and a server of the test's own that speaks TLS.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tierce_logs::options::{Subject, target};
use tierce_logs::{Driver, Stream};
use tierce_tls::{Authorities, Identity};

type Connection = BufReader<StreamOwned<ServerConnection, TcpStream>>;

/// An authority, a server's certificate for 127.0.0.1 and a client's.
struct Keys(tempfile::TempDir);

impl Keys {
    fn new() -> Option<Self> {
        let keys = Self(tempfile::tempdir().unwrap());
        let openssl = |arguments: &str| {
            let mut command = Command::new("openssl");
            let output = command.args(arguments.split(' ')).current_dir(keys.0.path()).output();
            let Ok(output) = output else { return false };
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            true
        };
        std::fs::write(keys.path("san"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        let curve = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        let authority = format!("req -x509 {curve} -keyout ca-key.pem -out ca.pem -days 2 -subj /CN=authority");
        if !openssl(&authority) {
            println!("skipped: no openssl to make certificates with");
            return None;
        }
        for name in ["server", "client"] {
            openssl(&format!(
                "req {curve} -keyout {name}-key.pem -out {name}.csr -subj /CN={name}"
            ));
            openssl(&format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -out {name}.pem -days 2 -extfile san"
            ));
        }
        Some(keys)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

#[derive(Clone)]
struct Server {
    listener: Arc<TcpListener>,
    config: Arc<ServerConfig>,
}

impl Server {
    /// With `known` it lets in only clients with a certificate.
    fn start(keys: &Keys, known: bool) -> Self {
        let clients = known.then(|| {
            let mut clients = Authorities::default();
            clients.add(&keys.path("ca.pem")).unwrap();
            clients
        });
        let identity = Identity::read(&keys.path("server.pem"), &keys.path("server-key.pem")).unwrap();
        Self {
            listener: Arc::new(TcpListener::bind("127.0.0.1:0").unwrap()),
            config: Arc::new(tierce_tls::server(identity, clients).unwrap()),
        }
    }

    /// Takes the next connection, and does something with it.
    fn serve<T: Send + 'static>(&self, work: impl FnOnce(Connection) -> T + Send + 'static) -> JoinHandle<T> {
        let server = self.clone();
        std::thread::spawn(move || {
            let (socket, _) = server.listener.accept().unwrap();
            let mut session = ServerConnection::new(server.config).unwrap();
            let mut socket = socket;
            // A client that is not let in is told so by the first read.
            while session.is_handshaking() && session.complete_io(&mut socket).is_ok() {}
            work(BufReader::new(StreamOwned::new(session, socket)))
        })
    }

    fn open(&self, more: &[(&str, &str)]) -> Result<Box<dyn Driver>, String> {
        let port = self.listener.local_addr().unwrap().port();
        let address = format!("tcp+tls://127.0.0.1:{port}");
        let given = [("syslog-address", address.as_str()), ("cache-disabled", "true")];
        let options: BTreeMap<String, String> = given
            .iter()
            .chain(more)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let subject = Subject {
            directory: Path::new("/nowhere"),
            id: "0123456789abcdef",
            name: "web",
            image: "app:1",
            image_id: "sha256:fedcba9876543210",
            command: "httpd -f",
            labels: None,
            environment: &[],
            host: "host",
        };
        let target = target("syslog", &options, &subject).map_err(|error| error.to_string())?;
        let opened = tierce_logs::drivers::open(&target).map_err(|error| error.to_string())?;
        Ok(opened.unwrap())
    }
}

fn line(mut connection: Connection) -> String {
    let mut line = String::new();
    connection.read_line(&mut line).unwrap();
    line
}

fn flush_until_done<T>(driver: &mut Box<dyn Driver>, serving: JoinHandle<T>) -> T {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !serving.is_finished() {
        assert!(Instant::now() < deadline, "it does not come");
        driver.flush(Instant::now() + Duration::from_secs(5));
        std::thread::sleep(Duration::from_millis(5));
    }
    serving.join().unwrap()
}

#[test]
fn messages_come_to_a_server_that_knows_its_clients() {
    let Some(keys) = Keys::new() else { return };
    let server = Server::start(&keys, true);
    let (authority, certificate, key) = (
        keys.text("ca.pem"),
        keys.text("client.pem"),
        keys.text("client-key.pem"),
    );
    let files = [
        ("syslog-tls-ca-cert", authority.as_str()),
        ("syslog-tls-cert", &certificate),
        ("syslog-tls-key", &key),
    ];
    let serving = server.serve(line);
    let mut driver = server.open(&files).unwrap();
    driver.write(Stream::Stdout, b"hello\n", SystemTime::now());
    let said = flush_until_done(&mut driver, serving);
    assert!(said.starts_with("<30>") && said.ends_with("]: hello\n"), "{said}");
    // In the format of RFC 5424 the length comes first.
    let serving = server.serve(|mut connection| {
        let mut length = Vec::new();
        connection.read_until(b' ', &mut length).unwrap();
        let length: usize = String::from_utf8(length).unwrap().trim().parse().unwrap();
        let mut message = vec![0; length];
        connection.read_exact(&mut message).unwrap();
        String::from_utf8(message).unwrap()
    });
    let mut driver = server
        .open(&[&files[..], &[("syslog-format", "rfc5424")]].concat())
        .unwrap();
    // More than the socket's buffers take at once, in one message.
    let long = "x".repeat(16_000);
    driver.write(Stream::Stderr, format!("{long}\n").as_bytes(), SystemTime::now());
    let said = flush_until_done(&mut driver, serving);
    assert!(
        said.starts_with("<27>1 ") && said.ends_with(&format!(" - {long}\n")),
        "{said}"
    );
}

#[test]
fn a_connection_that_ends_is_made_anew_without_waiting() {
    let Some(keys) = Keys::new() else { return };
    let server = Server::start(&keys, false);
    let authority = keys.text("ca.pem");
    let serving = server.serve(line);
    let mut driver = server.open(&[("syslog-tls-ca-cert", &authority)]).unwrap();
    driver.write(Stream::Stdout, b"first\n", SystemTime::now());
    assert!(flush_until_done(&mut driver, serving).ends_with("first\n"));
    // Nobody serves now: the listener's queue takes the connection, and the handshake waits.
    let deadline = Instant::now() + Duration::from_mins(1);
    while driver.retry_at().is_none() {
        assert!(Instant::now() < deadline, "the end is not noticed");
        driver.write(Stream::Stdout, b"second\n", SystemTime::now());
    }
    let serving = server.serve(line);
    let said = flush_until_done(&mut driver, serving);
    assert!(said.ends_with("second\n"), "{said:?}");
}

#[test]
fn who_is_not_trusted_gets_nothing_unless_anybody_does() {
    let Some(keys) = Keys::new() else { return };
    let server = Server::start(&keys, false);
    let serving = server.serve(drop);
    let refused = server.open(&[]).err().unwrap();
    serving.join().unwrap();
    let words = "cannot reach the syslog server tcp+tls://127.0.0.1:";
    assert!(
        refused.starts_with(words) && refused.contains("UnknownIssuer"),
        "{refused}"
    );
    let missing = keys.text("missing.pem");
    let refused = server.open(&[("syslog-tls-ca-cert", &missing)]).err().unwrap();
    assert!(refused.contains(&format!("cannot load {missing}: ")), "{refused}");
    // As for dockerd, whatever its value is.
    let serving = server.serve(line);
    let mut driver = server.open(&[("syslog-tls-skip-verify", "false")]).unwrap();
    driver.write(Stream::Stdout, b"hello\n", SystemTime::now());
    assert!(flush_until_done(&mut driver, serving).ends_with("hello\n"));
}
