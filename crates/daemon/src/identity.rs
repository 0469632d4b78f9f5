//! The id of this daemon, kept in the data root as dockerd keeps it.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

/// Name of the file; dockerd's.
const FILE: &str = "engine-id";

/// The id of the daemon with this data root; made up at its first start.
pub(crate) fn of(data_root: &Path) -> Result<String> {
    let path = data_root.join(FILE);
    match std::fs::read_to_string(&path) {
        Ok(id) if !id.trim().is_empty() => return Ok(id.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    }
    let id = random_uuid()?;
    tierce_fsops::write_atomic(&path, id.as_bytes(), 0o600)?;
    Ok(id)
}

/// A random UUID (RFC 9562, version 4).
fn random_uuid() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("make up an id")?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_stays_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let id = of(directory.path()).unwrap();
        assert_eq!((id.len(), &id[14..15]), (36, "4"));
        assert_eq!(of(directory.path()).unwrap(), id);
        std::fs::write(directory.path().join(FILE), "from-docker\n").unwrap();
        assert_eq!(of(directory.path()).unwrap(), "from-docker");
    }
}
