//! A mount of a container as `config.v2.json` has it. Source: moby `daemon/volume/mounts/mounts.go`.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

/// A volume or host path mounted into a container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MountPoint {
    /// Path on the host.
    pub source: String,
    /// Path inside.
    pub destination: String,
    /// Writable.
    #[serde(rename = "RW")]
    pub rw: bool,
    /// Name of the volume or image.
    pub name: String,
    /// Volume driver.
    pub driver: String,
    /// `bind`, `volume` or `image`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// The mode text of `-v` (`z`, `ro`, …).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub relabel: String,
    /// Propagation of a bind mount.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub propagation: String,
    /// Which use of the volume this is, while the container runs.
    #[serde(rename = "ID", skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// What the user asked for: an element of `HostConfig.Mounts`.
    #[serde(serialize_with = "as_mount")]
    pub spec: Value,
    /// Whether the missing host directory must not be made (`--mount`).
    pub skip_mountpoint_creation: bool,
    /// Whether an empty volume gets the image's files. Of interest while the container is made.
    #[serde(skip)]
    pub copy_data: bool,
    /// Members that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl MountPoint {
    /// Whether a volume is mounted there.
    pub fn is_volume(&self) -> bool {
        self.kind != "image" && !self.name.is_empty()
    }

    /// The part of the volume or image that is mounted; empty: the whole.
    pub fn subpath(&self) -> &str {
        let options = ["VolumeOptions", "ImageOptions"]
            .into_iter()
            .find_map(|member| self.spec.get(member));
        let subpath = options.and_then(|options| options.get("Subpath")?.as_str());
        subpath.unwrap_or_default()
    }

    /// Whether the files of an image are mounted there.
    pub fn is_image(&self) -> bool {
        self.kind == "image"
    }
}

/// Members of Docker's mount type and of its parts in their order (moby `api/types/mount`).
const MOUNT_ORDER: [&str; 21] = [
    "Type",
    "Source",
    "Target",
    "ReadOnly",
    "Consistency",
    "BindOptions",
    "VolumeOptions",
    "ImageOptions",
    "TmpfsOptions",
    "ClusterOptions",
    "Propagation",
    "NonRecursive",
    "CreateMountpoint",
    "ReadOnlyNonRecursive",
    "ReadOnlyForceRecursive",
    "NoCopy",
    "Labels",
    "Subpath",
    "DriverConfig",
    "SizeBytes",
    "Mode",
];

/// Writes an object with the members of a mount in Docker's order, those of other names behind them.
fn as_mount<S: Serializer>(value: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    struct Ordered<'a>(&'a Value);
    impl Serialize for Ordered<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            as_mount(self.0, serializer)
        }
    }
    let Value::Object(members) = value else {
        return value.serialize(serializer);
    };
    let place = |name: &str| MOUNT_ORDER.iter().position(|known| *known == name);
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by_key(|(name, _)| place(name).unwrap_or(MOUNT_ORDER.len()));
    serializer.collect_map(members.into_iter().map(|(name, value)| (name, Ordered(value))))
}
