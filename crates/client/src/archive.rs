//! Files of a container as archives: `cp`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use hyper::header::HeaderMap;
use serde::Deserialize;

use crate::connection::Call;
use crate::query::Target;
use crate::{ByteStream, Client, Error, Upload};

/// Go's bit for a directory.
const DIRECTORY: u32 = 1 << 31;
/// Go's bit for a symbolic link.
const SYMLINK: u32 = 1 << 27;
/// Go's bit for a device.
const DEVICE: u32 = 1 << 26;
/// Go's bit for what is none of the known kinds.
const IRREGULAR: u32 = 1 << 19;

/// What is at a path of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PathStat {
    /// Its name.
    pub name: String,
    /// Its length.
    pub size: i64,
    /// Its kind and permissions, in Go's bits.
    pub mode: u32,
    /// Where it leads, when it is a symbolic link.
    #[serde(rename = "linkTarget")]
    pub link_target: String,
}

impl PathStat {
    /// It is a directory.
    pub fn is_dir(&self) -> bool {
        self.mode & DIRECTORY != 0
    }

    /// It is a symbolic link.
    pub fn is_symlink(&self) -> bool {
        self.mode & SYMLINK != 0
    }

    /// It is a device.
    pub fn is_device(&self) -> bool {
        self.mode & DEVICE != 0
    }

    /// It is nothing that Go knows.
    pub fn is_irregular(&self) -> bool {
        self.mode & IRREGULAR != 0
    }

    /// The header that tells it: a JSON document in base64.
    fn of(headers: &HeaderMap, operation: &str) -> Result<Self, Error> {
        let refuse = |why: String| Error::Request {
            operation: operation.to_owned(),
            why: format!("the answer's X-Docker-Container-Path-Stat: {why}"),
        };
        let value = headers
            .get("x-docker-container-path-stat")
            .ok_or_else(|| refuse("is missing".to_owned()))?;
        let document = STANDARD.decode(value).map_err(|error| refuse(error.to_string()))?;
        serde_json::from_slice(&document).map_err(|error| refuse(error.to_string()))
    }
}

/// How an archive is unpacked in a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PutArchive {
    /// Owners are those of the archive.
    pub copy_uid_gid: bool,
}

/// Files of one container, named by its name, id or a unique beginning of the id.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    pub(crate) client: &'a Client,
    pub(crate) container: &'a str,
}

impl Files<'_> {
    /// What is at a path.
    ///
    /// # Errors
    /// Also when nothing is there.
    pub async fn stat(&self, path: &str) -> Result<PathStat, Error> {
        let call = Call::new(Method::HEAD, self.at(path));
        let operation = call.operation();
        PathStat::of(self.client.send(call).await?.headers(), &operation)
    }

    /// What is at a path as an archive, whose entries begin with the path's last name.
    ///
    /// # Errors
    /// Also when nothing is there.
    pub async fn get(&self, path: &str) -> Result<(ByteStream, PathStat), Error> {
        let call = Call::new(Method::GET, self.at(path));
        let operation = call.operation();
        let response = self.client.send(call).await?;
        let stat = PathStat::of(response.headers(), &operation)?;
        Ok((ByteStream::new(response, operation), stat))
    }

    /// Unpacks an archive in a directory. A directory is not replaced by something else, nor something else by a
    /// directory.
    ///
    /// # Errors
    /// Also when the directory is not there.
    pub async fn put(&self, path: &str, options: PutArchive, archive: Upload) -> Result<(), Error> {
        let target = self.at(path).with("noOverwriteDirNonDir", "true");
        let target = if options.copy_uid_gid {
            target.with("copyUIDGID", "true")
        } else {
            target
        };
        let call = Call::new(Method::PUT, target).archive(archive);
        self.client.command(call).await.map(drop)
    }

    fn at(&self, path: &str) -> Target {
        Target::path(&["containers", self.container, "archive"]).with("path", path)
    }
}
