//! One message: sixteen fixed bytes, the header's fields, the body.

use super::BusError;
use super::decode::Reader;
use super::encode::{encode, pad};
use super::value::{Value, signature_of};

/// Bytes before the fields, with the length of their array.
pub(super) const FIXED: usize = 16;
/// Largest message that is read. The protocol allows 128 MiB; nothing that is asked for here comes near this.
pub(super) const LARGEST: usize = 128 << 10;
/// Version of the protocol.
const VERSION: u8 = 1;

/// Numbers of the header's fields.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Calls a method.
    Call,
    /// Answers one.
    Return,
    /// Says that one failed.
    Error,
    /// Tells everybody something.
    Signal,
    /// A kind that is not known, and to be passed over.
    Unknown,
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    /// What it is for.
    pub(super) purpose: Purpose,
    /// The sender's number of it.
    pub(super) serial: u32,
    /// Object that is called, or that tells.
    pub(super) path: String,
    /// Interface of the method or signal.
    pub(super) interface: String,
    /// Method or signal.
    pub(super) member: String,
    /// Name of the error.
    pub(super) error_name: String,
    /// Number of the call that is answered.
    pub(super) reply_serial: u32,
    /// For whom it is; empty without a bus in between.
    pub(super) destination: String,
    /// Arguments.
    pub(super) body: Vec<Value>,
}

impl Message {
    /// A message of a purpose, with nothing in it.
    pub(super) fn new(purpose: Purpose, serial: u32) -> Self {
        Self {
            purpose,
            serial,
            path: String::new(),
            interface: String::new(),
            member: String::new(),
            error_name: String::new(),
            reply_serial: 0,
            destination: String::new(),
            body: Vec::new(),
        }
    }

    /// As bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let purpose = match self.purpose {
            Purpose::Call => 1,
            Purpose::Return => 2,
            Purpose::Error => 3,
            Purpose::Signal => 4,
            Purpose::Unknown => 0,
        };
        let mut body = Vec::new();
        for value in &self.body {
            encode(value, &mut body);
        }
        let mut out = vec![b'l', purpose, 0, VERSION];
        out.extend_from_slice(&(body.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.serial.to_le_bytes());
        encode(&Value::Array("(yv)".to_owned(), self.fields()), &mut out);
        pad(&mut out, 8);
        out.append(&mut body);
        out
    }

    fn fields(&self) -> Vec<Value> {
        let field = |number, value: Value| Value::Structure(vec![Value::Byte(number), value.variant()]);
        let mut fields = Vec::new();
        let texts = [
            (INTERFACE, &self.interface),
            (MEMBER, &self.member),
            (ERROR_NAME, &self.error_name),
            (DESTINATION, &self.destination),
        ];
        if !self.path.is_empty() {
            fields.push(field(PATH, Value::Path(self.path.clone())));
        }
        for (number, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            fields.push(field(number, Value::text(text)));
        }
        if self.reply_serial != 0 {
            fields.push(field(REPLY_SERIAL, Value::Uint32(self.reply_serial)));
        }
        if !self.body.is_empty() {
            fields.push(field(SIGNATURE, Value::Signature(signature_of(&self.body))));
        }
        fields
    }

    /// How long the whole message is, told by its fixed part.
    pub(super) fn length(fixed: &[u8; FIXED]) -> Result<usize, BusError> {
        let word = |at: usize| {
            let bytes = [fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]];
            match fixed[0] {
                b'B' => u32::from_be_bytes(bytes),
                _ => u32::from_le_bytes(bytes),
            }
        };
        if !matches!(fixed[0], b'l' | b'B') || fixed[3] != VERSION {
            return Err(BusError::Malformed("it does not begin as one"));
        }
        let (body, fields) = (word(4) as usize, word(12) as usize);
        if fields > LARGEST || body > LARGEST {
            return Err(BusError::Malformed("it is too large"));
        }
        Ok((FIXED + fields).next_multiple_of(8) + body)
    }

    /// Reads the bytes of exactly one message.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BusError> {
        let fixed = bytes.first_chunk().ok_or(BusError::Malformed("it ends too early"))?;
        if Self::length(fixed)? != bytes.len() {
            return Err(BusError::Malformed("its length is not what it says"));
        }
        let little = bytes[0] == b'l';
        let mut reader = Reader::new(bytes, little);
        let header = reader.values("yyyyuua(yv)")?;
        reader.align(8)?;
        let purpose = match bytes[1] {
            1 => Purpose::Call,
            2 => Purpose::Return,
            3 => Purpose::Error,
            4 => Purpose::Signal,
            _ => Purpose::Unknown,
        };
        let serial = match header.get(5) {
            Some(Value::Uint32(serial)) => *serial,
            _ => 0,
        };
        let mut message = Self::new(purpose, serial);
        let mut signature = String::new();
        if let Some(Value::Array(_, fields)) = header.into_iter().nth(6) {
            for field in fields {
                message.take_field(field, &mut signature);
            }
        }
        // Alignment counts from the beginning of the body, which is a multiple of eight from that of the message.
        message.body = Reader::new(&bytes[reader.position()..], little).whole(&signature)?;
        Ok(message)
    }

    /// Fields of an unknown number, or of a type that is not theirs, are passed over, as the specification asks.
    fn take_field(&mut self, field: Value, signature: &mut String) {
        let Value::Structure(parts) = field else { return };
        let [Value::Byte(number), Value::Variant(value)] = parts.as_slice() else {
            return;
        };
        match (*number, value.as_ref()) {
            (PATH, Value::Path(text)) => self.path.clone_from(text),
            (INTERFACE, Value::Text(text)) => self.interface.clone_from(text),
            (MEMBER, Value::Text(text)) => self.member.clone_from(text),
            (ERROR_NAME, Value::Text(text)) => self.error_name.clone_from(text),
            (DESTINATION, Value::Text(text)) => self.destination.clone_from(text),
            (REPLY_SERIAL, Value::Uint32(serial)) => self.reply_serial = *serial,
            (SIGNATURE, Value::Signature(text)) => signature.clone_from(text),
            _ => {}
        }
    }
}
