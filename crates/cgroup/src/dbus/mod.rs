//! A small synchronous D-Bus client: as much of the protocol as asking systemd for a scope takes.
//!
//! ```text
//!   address.rs    unix:path=…, unix:abstract=…       where the bus is
//!   connection.rs SASL EXTERNAL, Hello, calls        one socket, one call at a time, signals kept in order
//!   message.rs    header and body of one message
//!   value.rs      typed values and their signatures
//!   encode.rs decode.rs                              values ⇄ bytes
//!   text.rs       GVariant's text form               what annotations of a specification are written in
//! ```
//!
//! Every byte from the other side is checked: lengths, padding, depth, UTF-8, and that a message is not larger than
//! anything systemd says. Source: the D-Bus specification (dbus.freedesktop.org/doc/dbus-specification.html), 0.43.

mod address;
mod connection;
mod decode;
mod encode;
mod error;
mod message;
mod text;
mod value;

pub(crate) use address::Bus;
pub(crate) use connection::{Call, Connection};
pub use error::BusError;
pub(crate) use text::parse as parse_text;
pub(crate) use value::Value;

/// Reads bytes of a bus as everything that they could be: a message, an address, an annotation; for the fuzz targets.
pub(crate) fn read(bytes: &[u8]) {
    if let Ok(message) = message::Message::decode(bytes) {
        // What can be read can be written, and read again.
        assert!(message::Message::decode(&message.encode()).is_ok(), "{message:?}");
    }
    let text = String::from_utf8_lossy(bytes);
    let _ = address::parse(&text);
    if let Ok(value) = parse_text(&text) {
        let _ = value.signature();
        let mut bytes = Vec::new();
        encode::encode(&value, &mut bytes);
    }
}

#[cfg(test)]
mod tests;
