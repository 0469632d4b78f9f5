//! Values of D-Bus types, and signatures.

use super::BusError;

/// Containers in containers at most, each kind (specification, "Valid Signatures").
pub(super) const DEEPEST: u8 = 32;

/// A value with its type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// `y`
    Byte(u8),
    /// `b`
    Boolean(bool),
    /// `n`
    Int16(i16),
    /// `q`
    Uint16(u16),
    /// `i`
    Int32(i32),
    /// `u`
    Uint32(u32),
    /// `x`
    Int64(i64),
    /// `t`
    Uint64(u64),
    /// `d`
    Double(f64),
    /// `s`
    Text(String),
    /// `o`
    Path(String),
    /// `g`
    Signature(String),
    /// `a`: the signature of its elements, and these.
    Array(String, Vec<Value>),
    /// `(…)`
    Structure(Vec<Value>),
    /// `{…}`, an element of an array only.
    Entry(Box<(Value, Value)>),
    /// `v`
    Variant(Box<Value>),
}

impl Value {
    /// A text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A value of any type.
    pub(crate) fn variant(self) -> Self {
        Self::Variant(Box::new(self))
    }

    /// Appends the type.
    pub(crate) fn write_signature(&self, out: &mut String) {
        match self {
            Self::Byte(_) => out.push('y'),
            Self::Boolean(_) => out.push('b'),
            Self::Int16(_) => out.push('n'),
            Self::Uint16(_) => out.push('q'),
            Self::Int32(_) => out.push('i'),
            Self::Uint32(_) => out.push('u'),
            Self::Int64(_) => out.push('x'),
            Self::Uint64(_) => out.push('t'),
            Self::Double(_) => out.push('d'),
            Self::Text(_) => out.push('s'),
            Self::Path(_) => out.push('o'),
            Self::Signature(_) => out.push('g'),
            Self::Variant(_) => out.push('v'),
            Self::Array(element, _) => {
                out.push('a');
                out.push_str(element);
            }
            Self::Structure(members) => {
                out.push('(');
                for member in members {
                    member.write_signature(out);
                }
                out.push(')');
            }
            Self::Entry(pair) => {
                out.push('{');
                pair.0.write_signature(out);
                pair.1.write_signature(out);
                out.push('}');
            }
        }
    }

    /// The type.
    pub(crate) fn signature(&self) -> String {
        let mut out = String::new();
        self.write_signature(&mut out);
        out
    }
}

/// The types of several values, one behind the other.
pub(super) fn signature_of(values: &[Value]) -> String {
    let mut out = String::new();
    for value in values {
        value.write_signature(&mut out);
    }
    out
}

/// Splits the first complete type off a signature.
pub(super) fn split_type(signature: &str) -> Result<(&str, &str), BusError> {
    let length = type_length(signature.as_bytes(), 0, 0)?;
    // Types are ASCII, so that every length is a boundary.
    Ok(signature.split_at(length))
}

fn type_length(bytes: &[u8], arrays: u8, structures: u8) -> Result<usize, BusError> {
    let wrong = Err(BusError::Malformed("a signature is not valid"));
    if arrays > DEEPEST || structures > DEEPEST {
        return Err(BusError::Malformed("a signature nests too deeply"));
    }
    match bytes.first() {
        Some(b'y' | b'b' | b'n' | b'q' | b'i' | b'u' | b'x' | b't' | b'd' | b's' | b'o' | b'g' | b'v' | b'h') => Ok(1),
        Some(b'a') if bytes.get(1) == Some(&b'{') => {
            let key = type_length(bytes.get(2..3).unwrap_or_default(), arrays, structures)?;
            if matches!(bytes[2], b'v') {
                return wrong;
            }
            let value = type_length(&bytes[2 + key..], arrays + 1, structures + 1)?;
            match bytes.get(2 + key + value) {
                Some(b'}') => Ok(3 + key + value),
                _ => wrong,
            }
        }
        Some(b'a') => Ok(1 + type_length(&bytes[1..], arrays + 1, structures)?),
        Some(b'(') => {
            let mut length = 1;
            while bytes.get(length) != Some(&b')') {
                length += type_length(&bytes[length.min(bytes.len())..], arrays, structures + 1)?;
            }
            if length == 1 { wrong } else { Ok(length + 1) }
        }
        _ => wrong,
    }
}

/// To how many bytes values of this type are aligned.
pub(super) fn alignment(first: u8) -> usize {
    match first {
        b'n' | b'q' => 2,
        b'b' | b'i' | b'u' | b's' | b'o' | b'a' | b'h' => 4,
        b'x' | b't' | b'd' | b'(' | b'{' => 8,
        _ => 1,
    }
}
