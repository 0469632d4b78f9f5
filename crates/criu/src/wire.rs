//! Protocol Buffers as far as CRIU's messages need them: varints and length-delimited fields, read and written.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>. A dozen small messages do not justify a library in a
//! program whose size and start-up time are budgeted.

/// The longest varint: 64 bits in groups of seven.
const LONGEST_VARINT: u32 = 10;

/// A message under construction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// Writes an integer field; a negative one as its 64-bit two's complement, as the format wants it.
    pub(crate) fn number(&mut self, field: u32, value: i64) {
        self.varint(u64::from(field) << 3);
        self.varint(value as u64);
    }

    /// Writes a field of bytes: a string or a message.
    pub(crate) fn bytes(&mut self, field: u32, value: &[u8]) {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    /// Writes a message field.
    pub(crate) fn message(&mut self, field: u32, value: &Self) {
        self.bytes(field, &value.bytes);
    }

    /// The finished message.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// The value of a field that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// An integer or a truth value.
    Number(u64),
    /// A string or a message.
    Bytes(&'a [u8]),
}

/// A message that is being read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads these bytes.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for group in 0..LONGEST_VARINT {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f).checked_shl(7 * group)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// The next field that is an integer or bytes; others are passed over. `Ok(None)` at the end.
    ///
    /// # Errors
    /// When the bytes are no message.
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, Malformed> {
        while !self.rest.is_empty() {
            let tag = self.varint().ok_or(Malformed)?;
            let field = u32::try_from(tag >> 3).map_err(|_| Malformed)?;
            match tag & 7 {
                0 => {
                    return self
                        .varint()
                        .map(|value| Some((field, Value::Number(value))))
                        .ok_or(Malformed);
                }
                1 => drop(self.take(8).ok_or(Malformed)?),
                2 => {
                    let length = self.varint().and_then(|length| usize::try_from(length).ok());
                    let bytes = length.and_then(|length| self.take(length)).ok_or(Malformed)?;
                    return Ok(Some((field, Value::Bytes(bytes))));
                }
                5 => drop(self.take(4).ok_or(Malformed)?),
                _ => return Err(Malformed),
            }
        }
        Ok(None)
    }
}

/// Bytes that are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed message")]
pub struct Malformed;

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<(u32, Value<'_>)>, Malformed> {
        let mut reader = Reader::new(bytes);
        let mut fields = Vec::new();
        while let Some(field) = reader.next()? {
            fields.push(field);
        }
        Ok(fields)
    }

    #[test]
    fn the_examples_of_the_specification() {
        let mut number = Writer::default();
        number.number(1, 150);
        assert_eq!(number.clone().finish(), [0x08, 0x96, 0x01]);
        let mut text = Writer::default();
        text.bytes(2, b"testing");
        assert_eq!(text.finish(), b"\x12\x07testing");
        let mut nested = Writer::default();
        nested.message(3, &number);
        assert_eq!(nested.finish(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        let mut negative = Writer::default();
        negative.number(1, -2);
        assert_eq!(
            negative.finish(),
            [0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]
        );
    }

    #[test]
    fn fixed_width_fields_are_passed_over() {
        let bytes = b"\x09\x01\x02\x03\x04\x05\x06\x07\x08\x15\x01\x02\x03\x04\x18\x07";
        assert_eq!(fields(bytes), Ok(vec![(3, Value::Number(7))]));
    }

    #[test]
    fn truncated_and_endless_bytes_are_malformed() {
        for bytes in [
            &b"\x08"[..],
            b"\x12\x05ab",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x0b",
        ] {
            assert_eq!(fields(bytes), Err(Malformed), "{bytes:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(numbers in proptest::collection::vec((1u32..1000, proptest::prelude::any::<i64>()), 0..8), text in ".{0,40}") {
            let mut writer = Writer::default();
            for (field, number) in &numbers {
                writer.number(*field, *number);
            }
            writer.bytes(7, text.as_bytes());
            let bytes = writer.finish();
            let mut wanted: Vec<_> = numbers.iter().map(|(field, number)| (*field, Value::Number(*number as u64))).collect();
            wanted.push((7, Value::Bytes(text.as_bytes())));
            proptest::prop_assert_eq!(fields(&bytes), Ok(wanted));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64)) {
            let _ = fields(&bytes);
        }
    }
}
