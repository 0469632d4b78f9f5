//! Sizes in bytes as people write them.

/// Bytes of `512`, `64k`, `1.5g`, `2GiB`: binary multiples, as Docker's flags and options take them.
/// Source: `docker/go-units`, `RAMInBytes`.
///
/// # Errors
/// A sentence in Docker's words.
pub fn parse_bytes(text: &str) -> Result<i64, String> {
    let invalid = || format!("invalid size: '{text}'");
    let trimmed = text.trim();
    let end = trimmed
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(trimmed.len());
    let number: f64 = trimmed[..end].parse().map_err(|_| invalid())?;
    let unit = trimmed[end..].trim().to_ascii_lowercase();
    let power = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" if matches!(unit.as_str(), "" | "b") => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(invalid()),
    };
    let bytes = number * 1024f64.powi(power);
    if bytes < i64::MAX as f64 {
        Ok(bytes as i64)
    } else {
        Err(invalid())
    }
}

#[cfg(test)]
mod tests {
    use super::parse_bytes;

    #[test]
    fn sizes_are_read_as_docker_does() {
        for (text, bytes) in [
            ("512", 512),
            ("64k", 65536),
            ("1.5g", 1_610_612_736),
            ("2GiB", 2 << 30),
            ("6MB", 6 << 20),
            ("0", 0),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "m", "1x", "-1", "1.2.3k", "99999999999999999p", "1ii"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
