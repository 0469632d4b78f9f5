//! The program with real sandboxes and real servers behind it.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tierce_dns::{ADDRESS, Client, Found, Join, Membership, Upstream};
use tierce_testkit::Host;

/// A server of names of this test, and where its socket is.
struct Server {
    client: Client,
    directory: tempfile::TempDir,
}

impl Server {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            client: client(directory.path()),
            directory,
        }
    }
}

impl Drop for Server {
    /// The program ends by itself when it serves nobody.
    fn drop(&mut self) {
        let Ok(_) = self.client.reach() else { return };
        self.client.everything(Vec::new()).unwrap();
        self.client = client(self.directory.path());
        let start = Instant::now();
        while self.directory.path().join("names").exists() {
            assert!(start.elapsed() < Duration::from_mins(1), "the server does not end");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn client(directory: &Path) -> Client {
    Client::new(&directory.join("names"), Path::new(env!("CARGO_BIN_EXE_tierce-dns")))
}

fn join(container: &str, host: &Host, address: &str, upstreams: &[SocketAddr]) -> Join {
    Join {
        container: container.to_owned(),
        namespace: Some(PathBuf::from(format!("/run/netns/{}", host.name()))),
        memberships: vec![Membership {
            network: "n".to_owned(),
            network_name: "net".to_owned(),
            names: vec![container.to_owned(), "all".to_owned()],
            addresses: vec![address.parse().unwrap()],
            links: Vec::new(),
        }],
        port: None,
        hosts: Vec::new(),
        upstreams: upstreams
            .iter()
            .map(|address| Upstream {
                address: *address,
                from_host: true,
            })
            .collect(),
        only_dotted: false,
    }
}

fn query(name: &str, kind: u16) -> Vec<u8> {
    let mut message = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, kind as u8, 0, 1]);
    message
}

fn ask_by_udp(host: &Host, port: u16, message: &[u8]) -> Vec<u8> {
    host.inside(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.send_to(message, (ADDRESS, port)).unwrap();
        let mut answer = vec![0; 65535];
        let length = socket.recv(&mut answer).unwrap();
        answer.truncate(length);
        answer
    })
}

fn ask_by_tcp(host: &Host, port: u16, message: &[u8]) -> Vec<u8> {
    host.inside(|| {
        let mut stream = TcpStream::connect((ADDRESS, port)).unwrap();
        stream.write_all(&(message.len() as u16).to_be_bytes()).unwrap();
        stream.write_all(message).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer).unwrap();
        answer
    })
}

/// The IPv4 addresses at the end of an answer, sorted.
fn addresses(answer: &[u8]) -> Vec<IpAddr> {
    let count = usize::from(answer[7]);
    let records = answer[answer.len() - 16 * count..].chunks(16);
    let mut addresses: Vec<IpAddr> = records
        .map(|record| IpAddr::from(<[u8; 4]>::try_from(&record[12..]).unwrap()))
        .collect();
    addresses.sort();
    addresses
}

fn text(addresses: &[IpAddr]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

#[test]
fn row_159_names_are_answered_by_udp_and_tcp_and_while_no_engine_is_there() {
    let mut server = Server::new();
    let (a, b) = (Host::new(), Host::new());
    assert_eq!(server.client.reach().unwrap(), Found::New);
    assert_eq!(server.client.reach().unwrap(), Found::Known);
    let joins = [join("a", &a, "10.0.0.2", &[]), join("b", &b, "10.0.0.3", &[])];
    let port = server.client.join(&joins[0]).unwrap().unwrap();
    let failed = ask_by_udp(&a, port, &query("b", 1));
    assert_eq!(failed[3] & 15, 2, "nobody else to ask");
    server.client.join(&joins[1]).unwrap().unwrap();
    assert_eq!(text(&addresses(&ask_by_udp(&a, port, &query("b", 1)))), ["10.0.0.3"]);
    assert_eq!(
        text(&addresses(&ask_by_tcp(&a, port, &query("B.net", 1)))),
        ["10.0.0.3"]
    );
    assert_eq!(
        text(&addresses(&ask_by_udp(&a, port, &query("all", 1)))),
        ["10.0.0.2", "10.0.0.3"]
    );

    // The engine dies, and another one comes.
    server.client = client(server.directory.path());
    assert_eq!(text(&addresses(&ask_by_udp(&a, port, &query("b", 1)))), ["10.0.0.3"]);
    assert_eq!(server.client.reach().unwrap(), Found::New);
    let served = server.client.everything(joins[..1].to_vec()).unwrap();
    assert_eq!((served.len(), served[0].port), (1, port), "the same socket goes on");
    assert_eq!(ask_by_udp(&a, port, &query("b", 1))[3] & 15, 2, "b has gone");
}

#[test]
fn a_namespace_that_is_not_there_is_refused_by_name() {
    let server = Server::new();
    server.client.reach().unwrap();
    let gone = Join {
        namespace: Some("/run/netns/no-such-namespace".into()),
        ..Join::default()
    };
    let error = server.client.join(&gone).unwrap_err().to_string();
    assert!(error.contains("/run/netns/no-such-namespace: No such file"), "{error}");
    let missing = Client::new(&server.directory.path().join("other"), Path::new("/no/such/program"));
    let error = missing.reach().unwrap_err().to_string();
    assert_eq!(
        error,
        "cannot start the DNS server /no/such/program: No such file or directory (os error 2)"
    );
}

/// A server of another's names: answers by UDP with what `answer` makes of a question, and so by TCP.
fn upstream(by_udp: fn(Vec<u8>) -> Option<Vec<u8>>, by_tcp: fn(Vec<u8>) -> Vec<u8>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let listener = TcpListener::bind(address).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            if let Some(answer) = by_udp(buffer[..length].to_vec()) {
                socket.send_to(&answer, client).unwrap();
            }
        }
    });
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut message).unwrap();
            let answer = by_tcp(message);
            stream.write_all(&(answer.len() as u16).to_be_bytes()).unwrap();
            stream.write_all(&answer).unwrap();
        }
    });
    address
}

/// The answer with this code and so many addresses.
fn answer(mut message: Vec<u8>, code: u8, count: u8) -> Vec<u8> {
    message[2] |= 0x80;
    message[3] = 0x80 | code;
    message[7] = count;
    for last in 0..count {
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 203, 0, 113, last]);
    }
    message
}

#[test]
fn row_159_what_is_not_ours_is_forwarded_and_the_next_server_asked_when_one_fails() {
    let server = Server::new();
    let a = Host::new();
    server.client.reach().unwrap();
    let unused = |message: Vec<u8>| answer(message, 2, 0);
    let broken = upstream(|message| Some(answer(message, 2, 0)), unused);
    let silent = upstream(|_| None, unused);
    let good = upstream(|message| Some(answer(message, 0, 1)), unused);
    let port = server
        .client
        .join(&join("a", &a, "10.0.0.2", &[broken, silent, good]))
        .unwrap()
        .unwrap();
    let got = ask_by_udp(&a, port, &query("example.org", 1));
    assert_eq!(
        (&got[..2], text(&addresses(&got))),
        (&[0xab, 0xcd][..], vec!["203.0.113.0".to_owned()])
    );

    server.client.join(&join("a", &a, "10.0.0.2", &[broken])).unwrap();
    assert_eq!(ask_by_udp(&a, port, &query("example.org", 1))[3] & 15, 2);
    let nobody = upstream(|message| Some(answer(message, 3, 0)), unused);
    server.client.join(&join("a", &a, "10.0.0.2", &[nobody, good])).unwrap();
    assert_eq!(
        ask_by_udp(&a, port, &query("example.org", 1))[3] & 15,
        3,
        "no such name is an answer"
    );
    let only_dotted = Join {
        only_dotted: true,
        ..join("a", &a, "10.0.0.2", &[good])
    };
    server.client.join(&only_dotted).unwrap();
    assert_eq!(
        ask_by_udp(&a, port, &query("example", 1))[7],
        0,
        "the search list comes first"
    );
}

fn cut(message: Vec<u8>) -> Vec<u8> {
    let mut answer = answer(message, 0, 0);
    answer[2] |= 2;
    answer
}

#[test]
fn row_159_a_cut_answer_is_fetched_by_tcp() {
    let server = Server::new();
    let a = Host::new();
    server.client.reach().unwrap();
    let short = upstream(|message| Some(cut(message)), |message| answer(message, 0, 20));
    let port = server
        .client
        .join(&join("a", &a, "10.0.0.2", &[short]))
        .unwrap()
        .unwrap();
    let got = ask_by_udp(&a, port, &query("example.org", 1));
    assert_eq!((got[2] & 2, got[7]), (0, 20), "it fits after all");
    let long = upstream(|message| Some(cut(message)), |message| answer(message, 0, 200));
    server.client.join(&join("a", &a, "10.0.0.2", &[long])).unwrap();
    let got = ask_by_udp(&a, port, &query("example.org", 1));
    assert_eq!((got[2] & 2, got[7]), (2, 0), "the client is to ask by TCP");
    assert_eq!(ask_by_tcp(&a, port, &query("example.org", 1))[7], 200);
}

#[test]
fn a_container_that_asks_without_end_leaves_answers_for_the_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut server = Server::new();
    let few = server.directory.path().join("with-few-descriptors");
    let text = format!(
        "#!/bin/sh\nulimit -n 128\nexec {} \"$@\"\n",
        env!("CARGO_BIN_EXE_tierce-dns")
    );
    std::fs::write(&few, text).unwrap();
    std::fs::set_permissions(&few, std::fs::Permissions::from_mode(0o755)).unwrap();
    server.client = Client::new(&server.directory.path().join("names"), &few);
    server.client.reach().unwrap();
    let (a, b, c) = (Host::new(), Host::new(), Host::new());
    let silent = upstream(|_| None, |message| answer(message, 2, 0));
    let good = upstream(|message| Some(answer(message, 0, 1)), |message| answer(message, 0, 1));
    let flooded = server
        .client
        .join(&join("a", &a, "10.0.0.2", &[silent; 9]))
        .unwrap()
        .unwrap();
    let port = server
        .client
        .join(&join("b", &b, "10.0.0.3", &[good]))
        .unwrap()
        .unwrap();
    a.inside(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..2000 {
            socket.send_to(&query("example.org", 1), (ADDRESS, flooded)).unwrap();
        }
    });
    // Long enough for all servers of the flood to be asked, not for them to be given up.
    std::thread::sleep(Duration::from_millis(3300));
    assert_eq!(ask_by_udp(&b, port, &query("example.org", 1))[7], 1);
    server.client.join(&join("c", &c, "10.0.0.4", &[])).unwrap();
}
