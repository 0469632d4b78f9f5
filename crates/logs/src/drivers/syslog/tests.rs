use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, UNIX_EPOCH};

use super::*;

fn options(address: Address, format: Format) -> Options {
    Options {
        address,
        facility: 3,
        format,
        tag: "docker/abc".to_owned(),
        hostname: "host".to_owned(),
        mode: Mode::default(),
    }
}

fn at() -> SystemTime {
    // 2026-01-02T03:04:05.06Z
    UNIX_EPOCH + Duration::new(1_767_323_045, 60_000_000)
}

#[test]
fn messages_are_written_in_each_format() {
    let process = std::process::id();
    let written = |name: &str, stream| {
        let options = options(Address::Local, Format::named(name).unwrap());
        String::from_utf8(format::message(&options, stream, b"text", at())).unwrap()
    };
    assert_eq!(
        written("", Stream::Stdout),
        format!("<30>Jan  2 03:04:05 docker/abc[{process}]: text\n")
    );
    assert_eq!(
        written("rfc3164", Stream::Stderr),
        format!("<27>Jan  2 03:04:05 host docker/abc[{process}]: text\n")
    );
    assert_eq!(
        written("rfc5424", Stream::Stdout),
        format!("<30>1 2026-01-02T03:04:05Z host docker/abc {process} docker/abc - text\n")
    );
    assert_eq!(
        written("rfc5424micro", Stream::Stdout),
        format!("<30>1 2026-01-02T03:04:05.060000Z host docker/abc {process} docker/abc - text\n")
    );
    assert_eq!(Format::named("rfc1"), None);
}

#[test]
fn facilities_have_names_and_numbers() {
    assert_eq!(
        (facility(""), facility("kern"), facility("local7")),
        (Some(3), Some(0), Some(23))
    );
    assert_eq!(
        (facility("17"), facility("24"), facility("nope")),
        (Some(17), None, None)
    );
}

#[test]
fn datagrams_are_sent_one_an_entry() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = Address::Udp(server.local_addr().unwrap().to_string());
    let mut writer = Writer::open(&options(address, Format::Unix)).unwrap();
    writer.write(Stream::Stdout, b"one\ntwo\nthr", at());
    writer.finish(Stream::Stdout, at());
    let mut buffer = [0; 200];
    for text in ["one\n", "two\n", "thr\n"] {
        let count = server.recv(&mut buffer).unwrap();
        assert!(buffer[..count].ends_with(text.as_bytes()));
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let server = UnixDatagram::bind(&path).unwrap();
    let mut writer = Writer::open(&options(Address::UnixDatagram(path), Format::Unix)).unwrap();
    writer.write(Stream::Stdout, b"local\n", at());
    let count = server.recv(&mut buffer).unwrap();
    assert!(buffer[..count].ends_with(b": local\n"));
}

#[test]
fn a_connection_is_made_again_and_a_server_that_does_not_read_holds_up_only_the_container() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::Tcp(server.local_addr().unwrap().to_string());
    let mut writer = Writer::open(&options(address.clone(), Format::Unix)).unwrap();
    let (first, _) = server.accept().unwrap();
    let line = [&[b'x'; 9_999][..], b"\n"].concat();
    for _ in 0..2_000 {
        if writer.is_full() {
            break;
        }
        writer.write(Stream::Stdout, &line, at());
    }
    assert!(writer.is_full(), "20 MB do not fit into the socket and the buffer");
    drop(first);
    // What waits is sent on a new connection.
    let taking = std::thread::spawn(move || {
        let (second, _) = server.accept().unwrap();
        BufReader::new(second)
            .lines()
            .take(90)
            .map_while(std::io::Result::ok)
            .count()
    });
    let start = Instant::now();
    while !taking.is_finished() && start.elapsed() < Duration::from_secs(20) {
        writer.flush(Instant::now());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(taking.join().unwrap(), 90);
}

#[test]
fn a_server_that_is_not_there_is_told_at_the_start() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::Tcp(server.local_addr().unwrap().to_string());
    drop(server);
    let error = Writer::open(&options(address, Format::Unix)).err().unwrap().to_string();
    assert!(
        error.contains("tcp://127.0.0.1:") && error.contains("refused"),
        "{error}"
    );
}
