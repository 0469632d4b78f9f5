//! Values to bytes, in little-endian order.

use super::value::{Value, alignment};

/// Appends zeros up to a multiple of `alignment`, counted from the beginning of `out`.
pub(super) fn pad(out: &mut Vec<u8>, alignment: usize) {
    out.resize(out.len().next_multiple_of(alignment), 0);
}

/// Appends one value.
pub(super) fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Byte(byte) => out.push(*byte),
        Value::Boolean(truth) => aligned(out, &u32::from(*truth).to_le_bytes()),
        Value::Int16(number) => aligned(out, &number.to_le_bytes()),
        Value::Uint16(number) => aligned(out, &number.to_le_bytes()),
        Value::Int32(number) => aligned(out, &number.to_le_bytes()),
        Value::Uint32(number) => aligned(out, &number.to_le_bytes()),
        Value::Int64(number) => aligned(out, &number.to_le_bytes()),
        Value::Uint64(number) => aligned(out, &number.to_le_bytes()),
        Value::Double(number) => aligned(out, &number.to_le_bytes()),
        Value::Text(text) | Value::Path(text) => {
            aligned(out, &(text.len() as u32).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
            out.push(0);
        }
        Value::Signature(text) => signature(text, out),
        Value::Variant(inner) => {
            signature(&inner.signature(), out);
            encode(inner, out);
        }
        Value::Structure(members) => {
            pad(out, 8);
            for member in members {
                encode(member, out);
            }
        }
        Value::Entry(pair) => {
            pad(out, 8);
            encode(&pair.0, out);
            encode(&pair.1, out);
        }
        Value::Array(element, elements) => {
            pad(out, 4);
            let at = out.len();
            out.extend_from_slice(&[0; 4]);
            // The length counts neither itself nor the padding before the first element.
            pad(out, alignment(element.bytes().next().unwrap_or(b'y')));
            let start = out.len();
            for element in elements {
                encode(element, out);
            }
            let length = (out.len() - start) as u32;
            out[at..at + 4].copy_from_slice(&length.to_le_bytes());
        }
    }
}

fn aligned(out: &mut Vec<u8>, bytes: &[u8]) {
    pad(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn signature(text: &str, out: &mut Vec<u8>) {
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}
