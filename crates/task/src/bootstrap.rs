//! What a shim prints on standard output when it was started: where to call it.
//!
//! Version 3 of containerd's bootstrap protocol is the JSON `{"version":3,"address":"unix:///…","protocol":"ttrpc"}`;
//! older shims print the bare address. The supervisor keeps the document in the bundle as `bootstrap.json`, and finds
//! the shim with it after a restart.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// containerd's bootstrap parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// Version of the task service: 2 or 3.
    pub version: u32,
    /// `unix://` and the path of the task socket.
    pub address: String,
    /// `ttrpc` or `grpc`.
    pub protocol: String,
}

impl Bootstrap {
    /// A ttrpc shim of protocol version 3 on the unix socket `path`.
    pub fn ttrpc(path: &Path) -> Self {
        Self {
            version: 3,
            address: format!("unix://{}", path.display()),
            protocol: "ttrpc".to_owned(),
        }
    }

    /// Reads what a shim printed, the bare address of old shims included. Anything but a ttrpc service of version 2 or 3
    /// on a unix socket with an absolute path is an error.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let malformed = |cause: String| Error::Malformed {
            what: "bootstrap document",
            cause,
        };
        let bootstrap = if text.starts_with('{') {
            serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?
        } else {
            Self {
                version: 2,
                address: text.to_owned(),
                protocol: "ttrpc".to_owned(),
            }
        };
        if bootstrap.protocol != "ttrpc" {
            return Err(malformed(format!(
                "protocol {:?} is not spoken here, only ttrpc",
                bootstrap.protocol
            )));
        }
        if !matches!(bootstrap.version, 2 | 3) {
            return Err(malformed(format!(
                "version {} is not spoken here, only 2 and 3",
                bootstrap.version
            )));
        }
        if !bootstrap.socket().is_absolute() {
            return Err(malformed(format!(
                "address {:?} is not a unix socket",
                bootstrap.address
            )));
        }
        Ok(bootstrap)
    }

    /// Path of the task socket.
    pub fn socket(&self) -> PathBuf {
        PathBuf::from(self.address.strip_prefix("unix://").unwrap_or(&self.address))
    }

    /// As the shim prints it.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_old_form() {
        let bootstrap = Bootstrap::ttrpc(Path::new("/run/s/1"));
        assert_eq!(
            bootstrap.to_json(),
            r#"{"version":3,"address":"unix:///run/s/1","protocol":"ttrpc"}"#
        );
        assert_eq!(Bootstrap::parse(&bootstrap.to_json()).unwrap(), bootstrap);
        assert_eq!(
            Bootstrap::parse("unix:///run/s/2\n").unwrap().socket(),
            Path::new("/run/s/2")
        );
    }

    #[test]
    fn what_we_cannot_call_is_refused() {
        for bad in [
            "",
            "{",
            "vsock://2:3",
            r#"{"version":3,"address":"unix:///s","protocol":"grpc"}"#,
            r#"{"version":4,"address":"unix:///s","protocol":"ttrpc"}"#,
        ] {
            assert!(Bootstrap::parse(bad).is_err(), "{bad}");
        }
    }
}
