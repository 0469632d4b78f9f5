//! The document of a vendor: JSON or YAML.

use serde::Deserialize;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use yaml_rust2::{Yaml, YamlLoader};

/// Larger files are no descriptions of devices.
const LARGEST: u64 = 10 << 20;

/// What is read of a document.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    /// Version of the specification it keeps to.
    pub(super) cdi_version: String,
    /// `vendor.com/class`
    pub(super) kind: String,
    /// Its devices.
    pub(super) devices: Vec<Device>,
    /// What each of them needs besides.
    #[serde(default)]
    pub(super) container_edits: ContainerEdits,
}

/// One device.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Device {
    /// Unique in the document.
    pub(super) name: String,
    /// What it needs.
    #[serde(default)]
    pub(super) container_edits: ContainerEdits,
}

/// Changes of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ContainerEdits {
    /// `NAME=value`
    pub(super) env: Vec<String>,
    /// Device nodes.
    pub(super) device_nodes: Vec<DeviceNode>,
    /// Files and directories of the host.
    pub(super) mounts: Vec<Mount>,
    /// Programs to be run.
    pub(super) hooks: Vec<Hook>,
    /// Groups of the process.
    #[serde(rename = "additionalGids")]
    pub(super) additional_gids: Vec<u32>,
}

/// A device node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DeviceNode {
    /// In the container.
    pub(super) path: PathBuf,
    /// On the host; empty: the same.
    pub(super) host_path: PathBuf,
    /// `b`, `c`, `u` or `p`; empty: as on the host.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Major number; 0 with [`Self::minor`]: as on the host.
    pub(super) major: i64,
    /// Minor number.
    pub(super) minor: i64,
    /// Permission bits.
    pub(super) file_mode: Option<u32>,
    /// Any of `r`, `w`, `m`; empty: all.
    pub(super) permissions: String,
    /// Owner.
    pub(super) uid: Option<u32>,
    /// Group.
    pub(super) gid: Option<u32>,
}

/// A mount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Mount {
    /// On the host.
    pub(super) host_path: PathBuf,
    /// In the container.
    pub(super) container_path: PathBuf,
    /// File system type.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Options of fstab's form.
    pub(super) options: Vec<String>,
}

/// A program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Hook {
    /// When: `createRuntime` and its like.
    #[serde(rename = "hookName")]
    pub(super) point: String,
    /// Absolute path.
    pub(super) path: PathBuf,
    /// Arguments, the zeroth included.
    pub(super) args: Vec<String>,
    /// Its environment.
    pub(super) env: Vec<String>,
    /// Seconds after which it is killed.
    pub(super) timeout: Option<i64>,
}

/// Whether a file is a document, by its name.
pub(super) fn document_name(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| ["json", "yaml", "yml"].iter().any(|known| extension == *known))
}

impl Document {
    /// Reads and checks a file. The error says why, not where.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        use std::io::Read;
        // Not blocking: it may be a fifo.
        let file = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32)
            .open(path)
            .map_err(|error| format!("open: {error}"))?;
        let mut text = String::new();
        let read = file.take(LARGEST + 1).read_to_string(&mut text);
        if read.map_err(|error| format!("read: {error}"))? as u64 > LARGEST {
            return Err(format!("larger than {LARGEST} bytes"));
        }
        Self::parse(&text, path.extension().is_some_and(|extension| extension == "json"))
    }

    /// Reads and checks a text.
    pub(super) fn parse(text: &str, json: bool) -> Result<Self, String> {
        let value = if json {
            serde_json::from_str(text).map_err(|error| error.to_string())?
        } else {
            let mut documents = YamlLoader::load_from_str(text).map_err(|error| error.to_string())?;
            let first = documents.drain(..).next().ok_or("an empty document")?;
            to_json(first)?
        };
        let document: Self = serde_json::from_value(value).map_err(|error| error.to_string())?;
        document.check()?;
        Ok(document)
    }

    fn check(&self) -> Result<(), String> {
        if self.cdi_version.is_empty() {
            return Err("it names no cdiVersion".to_owned());
        }
        let (vendor, class) = self.kind.split_once('/').unwrap_or_default();
        if !is_name(vendor, "-_.") || !is_name(class, "-_.") {
            return Err(format!("invalid kind {:?}: expected vendor/class", self.kind));
        }
        if self.devices.is_empty() {
            return Err("it describes no device".to_owned());
        }
        for device in &self.devices {
            if !is_name(&device.name, "-_.:") {
                return Err(format!("invalid device name {:?}", device.name));
            }
        }
        let edits = self.devices.iter().map(|device| &device.container_edits);
        for edits in edits.chain([&self.container_edits]) {
            edits.check()?;
        }
        Ok(())
    }
}

impl ContainerEdits {
    fn check(&self) -> Result<(), String> {
        let nodes = self.device_nodes.iter().map(|node| &node.path);
        let mounts = self.mounts.iter().map(|mount| &mount.container_path);
        let hooks = self.hooks.iter().map(|hook| &hook.path);
        for path in nodes.chain(mounts).chain(hooks) {
            if !path.is_absolute() {
                return Err(format!("{} is no absolute path", path.display()));
            }
        }
        match self
            .env
            .iter()
            .find(|entry| !entry.contains('=') || entry.starts_with('='))
        {
            Some(entry) => Err(format!("invalid environment variable {entry:?}")),
            None => Ok(()),
        }
    }
}

/// Letters and digits, and some others between them.
fn is_name(text: &str, between: &str) -> bool {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || between.contains(c))
}

/// YAML as the JSON that it stands for.
fn to_json(yaml: Yaml) -> Result<serde_json::Value, String> {
    use serde_json::Value;
    Ok(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Boolean(value) => value.into(),
        Yaml::Integer(value) => value.into(),
        Yaml::String(text) => text.into(),
        Yaml::Array(list) => Value::Array(list.into_iter().map(to_json).collect::<Result<_, _>>()?),
        Yaml::Hash(map) => {
            let pairs = map.into_iter().map(|(key, value)| match key {
                Yaml::String(key) => Ok((key, to_json(value)?)),
                other => Err(format!("a name that is no text: {other:?}")),
            });
            Value::Object(pairs.collect::<Result<_, _>>()?)
        }
        Yaml::Real(text) => text
            .parse::<f64>()
            .map(Value::from)
            .map_err(|error| error.to_string())?,
        Yaml::Alias(_) | Yaml::BadValue => return Err("a value that cannot be read".to_owned()),
    })
}
