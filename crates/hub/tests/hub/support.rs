//! The real program on a port of its own, and a client of HTTP that hides nothing.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tierce_oci::{Digest, Hasher};

pub(crate) const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A hub; killed and removed with this value.
pub(crate) struct Hub {
    process: Child,
    root: PathBuf,
    /// What goes with it.
    directory: Option<tempfile::TempDir>,
    flags: Vec<String>,
    pub(crate) address: SocketAddr,
}

impl Hub {
    /// One for everybody.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// One with further flags, in which `ROOT` is the place of its root.
    pub(crate) fn with(flags: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::at(directory, flags)
    }

    /// One over a directory that is there, and goes with it.
    pub(crate) fn at(directory: tempfile::TempDir, flags: &[&str]) -> Self {
        let mut hub = Self::over(directory.path(), flags);
        hub.directory = Some(directory);
        hub
    }

    /// One over a directory that stays.
    pub(crate) fn over(root: &Path, flags: &[&str]) -> Self {
        let text = root.to_str().unwrap();
        let flags: Vec<String> = flags.iter().map(|flag| flag.replace("ROOT", text)).collect();
        let (process, address) = launch(root, &flags);
        Self {
            process,
            root: root.to_owned(),
            directory: None,
            flags,
            address,
        }
    }

    /// Kills it as `kill -9` does, and starts it again over the same root.
    pub(crate) fn crash_and_start(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        (self.process, self.address) = launch(&self.root, &self.flags);
    }

    /// Tells it to end, and waits for it.
    pub(crate) fn stop(&mut self) -> std::process::ExitStatus {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.process.wait().unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The files of all contents.
    pub(crate) fn contents(&self) -> Vec<PathBuf> {
        files(&self.root().join("blobs"))
    }

    /// The file of a content.
    pub(crate) fn content(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root()
            .join("blobs")
            .join(digest.algorithm())
            .join(&hex[..2])
            .join(hex)
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], b"")
    }

    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        ask(self.address, method, path, headers, body)
    }

    /// Pushes a blob in one request.
    pub(crate) fn push_blob(&self, name: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::sha256_of(bytes);
        let reply = self.ask(
            "POST",
            &format!("/v2/{name}/blobs/uploads/?digest={digest}"),
            &[],
            bytes,
        );
        assert_eq!(reply.status, 201, "{reply:?}");
        digest
    }

    /// Pushes a manifest of an image with one layer; returns its digest and its bytes.
    pub(crate) fn push_image(&self, name: &str, reference: &str, layer: &[u8]) -> (Digest, Vec<u8>) {
        self.push_blob(name, b"{}");
        self.push_blob(name, layer);
        let bytes = image(layer, &json!({}));
        let digest = Digest::sha256_of(&bytes);
        let reference = if reference.is_empty() {
            digest.as_str()
        } else {
            reference
        };
        let reply = self.put_manifest(name, reference, IMAGE, &bytes);
        assert_eq!(reply.status, 201, "{reply:?}");
        (digest, bytes)
    }

    pub(crate) fn put_manifest(&self, name: &str, reference: &str, media_type: &str, bytes: &[u8]) -> Reply {
        let path = format!("/v2/{name}/manifests/{reference}");
        self.ask("PUT", &path, &[("Content-Type", media_type)], bytes)
    }

    /// Begins an upload; returns its location.
    pub(crate) fn begin(&self, name: &str) -> String {
        let reply = self.ask("POST", &format!("/v2/{name}/blobs/uploads/"), &[], b"");
        assert_eq!(reply.status, 202, "{reply:?}");
        reply.header("location").unwrap().to_owned()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // It may have died already; either way it must be reaped.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts the program and waits until it says where it serves.
fn launch(root: &Path, flags: &[String]) -> (Child, SocketAddr) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_tierce-hub"))
        .args(["--listen", "127.0.0.1:0", "--root"])
        .arg(root)
        .args(flags)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let mut told = Vec::new();
    let address = loop {
        let Some(Ok(line)) = lines.next() else {
            panic!("the hub ended: {told:?}")
        };
        if let Some((_, rest)) = line.split_once("address=") {
            break rest.split(' ').next().unwrap().parse().unwrap();
        }
        told.push(line);
    };
    // What it says later must not fill the pipe.
    std::thread::spawn(move || lines.for_each(drop));
    (process, address)
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Status and the code of the first error.
    pub(crate) fn refused(&self) -> (u16, String) {
        let code = self.json()["errors"][0]["code"].as_str().unwrap_or_default().to_owned();
        (self.status, code)
    }

    /// Status and the code of the first error, as one writes them in a test.
    #[track_caller]
    pub(crate) fn assert_refused(&self, status: u16, code: &str) {
        assert_eq!(self.refused(), (status, code.to_owned()), "{self:?}");
    }
}

/// One request on a connection of its own.
pub(crate) fn ask(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let chunked = headers.iter().any(|(name, _)| *name == "Transfer-Encoding");
    let length = (!chunked).then(|| format!("Content-Length: {}\r\n", body.len()));
    let headers: String = headers
        .iter()
        .flat_map(|(name, value)| [*name, ": ", *value, "\r\n"])
        .collect();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{}{headers}",
        length.unwrap_or_default()
    );
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    // A hub that refuses may stop to read.
    let _ = stream.write_all(body);
    read_reply(stream)
}

/// What comes until the end of a connection.
pub(crate) fn read_reply(mut stream: TcpStream) -> Reply {
    let mut bytes = Vec::new();
    // The rest of a body that the hub did not want may reset the connection behind the answer.
    let _ = stream.read_to_end(&mut bytes);
    let _ = stream.shutdown(Shutdown::Both);
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no answer, but {:?}", String::from_utf8_lossy(&bytes)));
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    Reply {
        status,
        headers: headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
        body: bytes[end + 4..].to_vec(),
    }
}

/// A manifest of an image whose configuration is `{}`, with one layer and further members.
pub(crate) fn image(layer: &[u8], more: &Value) -> Vec<u8> {
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": Digest::sha256_of(b"{}"),
            "size": 2,
        },
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": Digest::sha256_of(layer),
            "size": layer.len(),
        }],
    });
    for (name, value) in more.as_object().unwrap() {
        manifest[name] = value.clone();
    }
    serde_json::to_vec(&manifest).unwrap()
}

/// An index of manifests.
pub(crate) fn index(children: &[&[u8]], more: &Value) -> Vec<u8> {
    let children: Vec<Value> = children
        .iter()
        .map(|child| json!({"mediaType": IMAGE, "digest": Digest::sha256_of(child), "size": child.len()}))
        .collect();
    let mut index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": children});
    for (name, value) in more.as_object().unwrap() {
        index[name] = value.clone();
    }
    serde_json::to_vec(&index).unwrap()
}

pub(crate) fn sha512(bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::of("sha512").unwrap();
    hasher.update(bytes);
    hasher.finish()
}

/// Bytes that differ from those of another seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

/// All files below a directory.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !holds() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
