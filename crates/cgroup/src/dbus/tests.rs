//! The codec, by example and by property; a conversation with a peer that is made up.

use super::decode::Reader;
use super::encode::encode;
use super::message::{Message, Purpose};
use super::value::signature_of;
use super::*;
use proptest::prelude::*;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

fn round_trip(value: &Value) -> Value {
    let mut bytes = Vec::new();
    encode(value, &mut bytes);
    let mut values = Reader::new(&bytes, true).whole(&value.signature()).unwrap();
    values.pop().unwrap()
}

/// Bytes worked out by hand from the specification's "Marshaling".
#[test]
fn a_message_has_the_bytes_of_the_specification() {
    let mut message = Message::new(Purpose::Call, 7);
    message.path = "/a".into();
    message.member = "M".into();
    message.body = vec![Value::Boolean(true), Value::Array("t".into(), vec![Value::Uint64(5)])];
    let bytes = message.encode();
    let mut expected = b"l\x01\x00\x01\x14\x00\x00\x00\x07\x00\x00\x00\x27\x00\x00\x00".to_vec();
    expected.extend_from_slice(b"\x01\x01o\x00\x02\x00\x00\x00/a\x00\x00\x00\x00\x00\x00");
    expected.extend_from_slice(b"\x03\x01s\x00\x01\x00\x00\x00M\x00\x00\x00\x00\x00\x00\x00");
    expected.extend_from_slice(b"\x08\x01g\x00\x03bat\x00");
    expected.resize(expected.len().next_multiple_of(8), 0);
    expected.extend_from_slice(b"\x01\x00\x00\x00\x08\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00");
    // The length of the body and of the fields are worked out above by the same rules; only they may differ.
    let body = bytes.len() - expected.len().min(bytes.len());
    assert_eq!(body, 0);
    assert_eq!(bytes[16..], expected[16..]);
    assert_eq!(Message::decode(&bytes).unwrap(), message);
}

#[test]
fn hostile_lengths_are_refused() {
    // An array that says it is longer than the message.
    assert!(Reader::new(&[0xff, 0xff, 0xff, 0x7f, 1], true).values("ay").is_err());
    // A text without its end.
    assert!(Reader::new(&[2, 0, 0, 0, b'a', b'b'], true).values("s").is_err());
    assert!(Reader::new(&[1, 0, 0, 0, 0xff, 0], true).values("s").is_err());
    // Truths are 0 and 1, padding is of zeros, descriptors were not agreed on.
    assert!(Reader::new(&[2, 0, 0, 0], true).values("b").is_err());
    assert!(Reader::new(&[1, 7, 0, 0, 0, 0, 0, 0], true).values("yu").is_err());
    assert!(Reader::new(&[0, 0, 0, 0], true).values("h").is_err());
    // Signatures that never end, or nest without end.
    let deep = "a".repeat(40) + "y";
    for signature in ["a", "(", "()", "a{sv", "a{vs}", "{sv}", "z", deep.as_str()] {
        assert!(Reader::new(&[0; 64], true).values(signature).is_err(), "{signature}");
    }
    // Variants in variants in variants.
    let nested: Vec<u8> = [1, b'v', 0].repeat(500);
    assert!(Reader::new(&nested, true).values("v").is_err());
    // A message of 4 GiB.
    let fixed = *b"l\x02\x00\x01\xff\xff\xff\xff\x01\x00\x00\x00\x00\x00\x00\x00";
    assert!(Message::length(&fixed).is_err());
}

#[test]
fn big_endian_peers_are_understood() {
    let values = Reader::new(&[0, 0, 0, 2, b'h', b'i', 0, 0, 0, 0, 0, 9], false).values("su");
    assert_eq!(values.unwrap(), [Value::text("hi"), Value::Uint32(9)]);
}

/// A peer that speaks the bus's side, and says all of `answers` at once.
fn peer(mut stream: UnixStream, answers: Vec<Message>) {
    let expected = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
    let mut authentication = [0; 29];
    stream.read_exact(&mut authentication).unwrap();
    assert_eq!(&authentication, expected);
    stream
        .write_all(b"DATA\r\nOK 0123456789abcdef0123456789abcdef\r\n")
        .unwrap();
    for answer in answers {
        stream.write_all(&answer.encode()).unwrap();
    }
    // Until the other side hangs up.
    let _ = stream.read_to_end(&mut Vec::new());
}

fn answer(purpose: Purpose, reply_serial: u32, body: Vec<Value>) -> Message {
    let mut message = Message::new(purpose, 90);
    message.reply_serial = reply_serial;
    message.body = body;
    message
}

fn talk<T>(answers: Vec<Message>, with: impl FnOnce(&mut Connection) -> T) -> T {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let peer = std::thread::spawn(move || peer(theirs, answers));
    let mut connection = Connection::over(ours, "test", true).unwrap();
    let result = with(&mut connection);
    drop(connection);
    peer.join().unwrap();
    result
}

fn call(member: &'static str) -> Call<'static> {
    Call {
        destination: "a.b",
        path: "/",
        interface: "a.b",
        member,
        arguments: vec![Value::text("x")],
    }
}

#[test]
fn a_signal_before_the_answer_is_kept() {
    let mut signal = answer(Purpose::Signal, 0, vec![Value::Uint32(1), Value::text("done")]);
    signal.interface = "a.b".into();
    signal.member = "Done".into();
    let hello = answer(Purpose::Return, 1, vec![Value::text(":1.1")]);
    let reply = answer(Purpose::Return, 2, vec![Value::Path("/job".into())]);
    talk(vec![hello, signal, reply], |connection| {
        assert_eq!(connection.call(call("Do")).unwrap(), [Value::Path("/job".into())]);
        let told = connection.await_signal("a.b", "Done", |body| match body {
            [_, Value::Text(text)] => Some(text.clone()),
            _ => None,
        });
        assert_eq!(told.unwrap(), "done");
    });
}

#[test]
fn an_error_is_told_by_name_and_words() {
    let mut refusal = answer(Purpose::Error, 2, vec![Value::text("Unit x.scope already exists.")]);
    refusal.error_name = "org.freedesktop.systemd1.UnitExists".into();
    let hello = answer(Purpose::Return, 1, Vec::new());
    talk(vec![hello, refusal], |connection| {
        let error = connection.call(call("Do")).unwrap_err();
        assert!(error.is_answer("org.freedesktop.systemd1.UnitExists"));
        assert_eq!(error.to_string(), "Unit x.scope already exists.");
        // The peer says nothing more, and hangs up when we do; a call to one that is gone must not hang.
    });
}

#[test]
fn a_peer_that_rejects_or_goes_is_an_error() {
    for said in [&b"REJECTED EXTERNAL\r\n"[..], b"", &[b'x'; 5000]] {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(said).unwrap();
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(Connection::over(ours, "test", true).is_err());
    }
}

#[test]
fn addresses_are_understood() {
    let path = |address: &str| {
        let target = super::address::parse(address)?.ok()?;
        target.as_pathname().map(|path| path.to_str().unwrap().to_owned())
    };
    assert_eq!(path("unix:path=/run/a%20b,guid=00").as_deref(), Some("/run/a b"));
    assert_eq!(path("unix:guid=1,path=/x").as_deref(), Some("/x"));
    assert!(
        super::address::parse("unix:abstract=x")
            .unwrap()
            .unwrap()
            .as_pathname()
            .is_none()
    );
    for address in ["tcp:host=x", "unix:", "unix:path=%zz", "unix:path=%4"] {
        assert!(super::address::parse(address).is_none(), "{address}");
    }
}

#[test]
fn annotations_values_are_understood() {
    let good = [
        ("'inactive-or-failed'", Value::text("inactive-or-failed")),
        ("\"it's\"", Value::text("it's")),
        ("true", Value::Boolean(true)),
        ("42", Value::Int32(42)),
        ("-0x1f", Value::Int32(-31)),
        ("uint64 123456789", Value::Uint64(123_456_789)),
        ("1.5", Value::Double(1.5)),
        (
            "['a', 'b']",
            Value::Array("s".into(), vec![Value::text("a"), Value::text("b")]),
        ),
        ("@as []", Value::Array("s".into(), Vec::new())),
        (
            "@a(st) [('x', 1)]",
            Value::Array(
                "(st)".into(),
                vec![Value::Structure(vec![Value::text("x"), Value::Uint64(1)])],
            ),
        ),
        ("<byte 7>", Value::Byte(7).variant()),
    ];
    for (text, value) in good {
        assert_eq!(parse_text(text).as_ref(), Ok(&value), "{text}");
    }
    for text in [
        "",
        "'x",
        "x",
        "[]",
        "[1, 'a']",
        "1 2",
        "byte 256",
        "@",
        "@as",
        "(",
        "(1",
        "<1",
        "uint32 -1",
        "string 1",
        "++",
        "--1x",
        "0x",
        "@a{ss} 1",
    ] {
        assert!(parse_text(text).is_err(), "{text}");
    }
}

/// Values of all types, not too large.
fn values() -> impl Strategy<Value = Value> {
    let text = "[^\0]{0,12}";
    let leaf = prop_oneof![
        any::<u8>().prop_map(Value::Byte),
        any::<bool>().prop_map(Value::Boolean),
        any::<i16>().prop_map(Value::Int16),
        any::<u16>().prop_map(Value::Uint16),
        any::<i32>().prop_map(Value::Int32),
        any::<u32>().prop_map(Value::Uint32),
        any::<i64>().prop_map(Value::Int64),
        any::<u64>().prop_map(Value::Uint64),
        (-1e300..1e300).prop_map(Value::Double),
        text.prop_map(Value::Text),
        Just(Value::Path("/a/b".into())),
        Just(Value::Signature("a{sv}".into())),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(Value::variant),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Value::Structure),
            (inner.clone(), 0_usize..4).prop_map(|(one, count)| Value::Array(one.signature(), vec![one; count])),
            ("[a-z]{0,5}", inner).prop_map(|(key, value)| {
                let entry = Value::Entry(Box::new((Value::Text(key), value)));
                Value::Array(entry.signature(), vec![entry])
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(value in values()) {
        prop_assert_eq!(round_trip(&value), value);
    }

    #[test]
    fn a_message_is_read_as_it_was_written(body in proptest::collection::vec(values(), 0..4), serial in 1_u32..) {
        prop_assume!(signature_of(&body).len() < 256);
        let mut message = Message::new(Purpose::Signal, serial);
        message.path = "/x".into();
        message.body = body;
        prop_assert_eq!(Message::decode(&message.encode()).unwrap(), message);
    }

    #[test]
    fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200), signature in "[a-z(){}]{0,12}") {
        let _ = Reader::new(&bytes, true).values(&signature);
        let _ = Message::decode(&bytes);
    }

    /// One byte of a good message is changed: it is refused or understood, but nothing panics or grows.
    #[test]
    fn a_damaged_message_is_no_harm(body in values(), at in any::<usize>(), byte in any::<u8>()) {
        prop_assume!(body.signature().len() < 256);
        let mut message = Message::new(Purpose::Return, 3);
        message.body = vec![body];
        let mut bytes = message.encode();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = Message::decode(&bytes);
    }

    #[test]
    fn no_text_breaks_the_parser(text in "[ -~]{0,40}") {
        let _ = parse_text(&text);
        let _ = parse_text(&text.replace(char::is_alphabetic, "["));
    }
}
