//! Docker's container documents: what an image or a client says a container shall be.
//!
//! dockerd writes these documents into `config.v2.json` and `hostconfig.json`, puts the first into image
//! configurations, and takes and gives both over the Engine API, in the same JSON everywhere; hence they live here, and
//! not among the wire types. Go's `null` and `[]` are different to clients, so slices and maps are `Option`s.
//! Source: moby `api/types/container/{config,hostconfig}.go`, `api/types/mount/mount.go`.

mod config;
mod endpoint;
mod host_config;
mod mount;
mod mount_point;
mod ulimit;

pub use config::{Config, Empty, Healthcheck, StrSlice};
pub use endpoint::EndpointSettings;
pub use host_config::{
    DeviceMapping, DeviceRequest, HostConfig, LogConfig, PortBinding, PortMap, ResourceConfig, RestartPolicy,
    ThrottleConfig, WeightConfig,
};
pub use mount::{BindOptions, ImageOptions, MountConfig, TmpfsOptions, VolumeDriverConfig, VolumeOptions};
pub use mount_point::MountPoint;
pub use ulimit::Ulimit;

use serde::{Deserialize, Deserializer};

/// Takes JSON's `null` for the type's default, as Go does for every type.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
