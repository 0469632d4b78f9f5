//! Bytes to values. Nothing is believed: what does not fit is refused, and nothing is allocated for elements that the
//! bytes do not hold.

use super::BusError;
use super::value::{DEEPEST, Value, alignment, split_type};

/// How deep variants and other containers may lie in each other altogether (specification, "Message Protocol").
const DEEPEST_OF_ALL: u8 = 2 * DEEPEST;

/// Reads values one behind the other; alignment counts from the beginning of the bytes.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    little: bool,
}

impl<'a> Reader<'a> {
    /// Begins at the first byte.
    pub(super) fn new(bytes: &'a [u8], little: bool) -> Self {
        Self { bytes, at: 0, little }
    }

    /// Where it is.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// All values of a signature.
    pub(super) fn values(&mut self, mut signature: &str) -> Result<Vec<Value>, BusError> {
        let mut values = Vec::new();
        while !signature.is_empty() {
            let (one, rest) = split_type(signature)?;
            values.push(self.value(one, 0)?);
            signature = rest;
        }
        Ok(values)
    }

    /// All values of a signature, behind which nothing may follow.
    pub(super) fn whole(&mut self, signature: &str) -> Result<Vec<Value>, BusError> {
        let values = self.values(signature)?;
        if self.at == self.bytes.len() {
            Ok(values)
        } else {
            Err(BusError::Malformed("its body is longer than its signature"))
        }
    }

    /// Skips padding, which must be of zeros.
    pub(super) fn align(&mut self, alignment: usize) -> Result<(), BusError> {
        let padding = self.at.next_multiple_of(alignment) - self.at;
        if self.take(padding)?.iter().any(|byte| *byte != 0) {
            return Err(BusError::Malformed("padding is not of zeros"));
        }
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], BusError> {
        let bytes = self.at.checked_add(length).and_then(|end| self.bytes.get(self.at..end));
        let bytes = bytes.ok_or(BusError::Malformed("it ends too early"))?;
        self.at += length;
        Ok(bytes)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], BusError> {
        self.align(N)?;
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        if !self.little {
            bytes.reverse();
        }
        Ok(bytes)
    }

    /// A number of 32 bits.
    pub(super) fn word(&mut self) -> Result<u32, BusError> {
        self.number().map(u32::from_le_bytes)
    }

    fn text(&mut self, length: usize) -> Result<String, BusError> {
        let bytes = self.take(length)?;
        if self.take(1)? != [0] || bytes.contains(&0) {
            return Err(BusError::Malformed("a text does not end where it says"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| BusError::Malformed("a text is not UTF-8"))?;
        Ok(text.to_owned())
    }

    fn signature(&mut self) -> Result<String, BusError> {
        let length = usize::from(self.take(1)?[0]);
        let signature = self.text(length)?;
        let mut rest = signature.as_str();
        while !rest.is_empty() {
            rest = split_type(rest)?.1;
        }
        Ok(signature)
    }

    /// One value of one complete type, `depth` containers deep.
    fn value(&mut self, kind: &str, depth: u8) -> Result<Value, BusError> {
        if depth > DEEPEST_OF_ALL {
            return Err(BusError::Malformed("values nest too deeply"));
        }
        let first = kind.bytes().next().unwrap_or_default();
        Ok(match first {
            b'y' => Value::Byte(self.take(1)?[0]),
            b'b' => match self.word()? {
                0 => Value::Boolean(false),
                1 => Value::Boolean(true),
                _ => return Err(BusError::Malformed("a truth is neither 0 nor 1")),
            },
            b'n' => Value::Int16(i16::from_le_bytes(self.number()?)),
            b'q' => Value::Uint16(u16::from_le_bytes(self.number()?)),
            b'i' => Value::Int32(i32::from_le_bytes(self.number()?)),
            b'u' => Value::Uint32(self.word()?),
            b'x' => Value::Int64(i64::from_le_bytes(self.number()?)),
            b't' => Value::Uint64(u64::from_le_bytes(self.number()?)),
            b'd' => Value::Double(f64::from_le_bytes(self.number()?)),
            b's' | b'o' => {
                let length = self.word()? as usize;
                let text = self.text(length)?;
                if first == b's' {
                    Value::Text(text)
                } else {
                    Value::Path(text)
                }
            }
            b'g' => Value::Signature(self.signature()?),
            b'v' => {
                let inner = self.signature()?;
                match split_type(&inner)? {
                    (one, "") => self.value(one, depth + 1)?.variant(),
                    _ => return Err(BusError::Malformed("a variant holds more than one value")),
                }
            }
            b'a' => self.array(&kind[1..], depth)?,
            b'(' => {
                self.align(8)?;
                Value::Structure(self.members(&kind[1..kind.len() - 1], depth + 1)?)
            }
            b'{' => {
                self.align(8)?;
                let mut members = self.members(&kind[1..kind.len() - 1], depth + 1)?;
                match (members.pop(), members.pop(), members.len()) {
                    (Some(value), Some(key), 0) => Value::Entry(Box::new((key, value))),
                    _ => return Err(BusError::Malformed("a dictionary's entry is no pair")),
                }
            }
            // Descriptors travel beside a message, and we never agreed to take any.
            _ => return Err(BusError::Malformed("a value has a type that was not agreed on")),
        })
    }

    fn members(&mut self, mut signature: &str, depth: u8) -> Result<Vec<Value>, BusError> {
        let mut members = Vec::new();
        while !signature.is_empty() {
            // The element of an array of pairs is no type of its own, but `kind` comes checked.
            let (one, rest) = split_type(signature)?;
            members.push(self.value(one, depth)?);
            signature = rest;
        }
        Ok(members)
    }

    fn array(&mut self, element: &str, depth: u8) -> Result<Value, BusError> {
        let length = self.word()? as usize;
        self.align(alignment(element.bytes().next().unwrap_or_default()))?;
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(BusError::Malformed("an array is longer than its message"))?;
        let mut elements = Vec::new();
        while self.at < end {
            elements.push(self.value(element, depth + 1)?);
        }
        if self.at == end {
            Ok(Value::Array(element.to_owned(), elements))
        } else {
            Err(BusError::Malformed("an array does not end with an element"))
        }
    }
}
