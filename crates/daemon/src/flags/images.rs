//! Flags of images, their storage, and registries.

use serde::Serialize;

use crate::registry::ProxySettings;

/// Images and their storage.
#[derive(Debug, Clone, Default, clap::Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct StorageFlags {
    /// Storage driver [default: the one in use, else overlay2]
    #[arg(short = 's', long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    storage_driver: Option<String>,
    /// Option of the storage driver (may be given several times)
    #[arg(long = "storage-opt", value_name = "KEY=VALUE")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    storage_opts: Vec<String>,
    /// Mirror of Docker Hub, or of another registry: [PREFIX=]URL (may be given several times)
    #[arg(long = "registry-mirror", value_name = "MIRROR")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    registry_mirrors: Vec<String>,
    /// Registry without verified TLS: HOST[:PORT] or an address range (may be given several times)
    #[arg(long = "insecure-registry", value_name = "REGISTRY")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    insecure_registries: Vec<String>,
    #[command(flatten)]
    #[serde(flatten)]
    proxies: ProxySettings,
    /// How many layers are downloaded at once [default: as many as there are cores, at least 3]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_concurrent_downloads: Option<i64>,
    /// How many layers are uploaded at once [default: 5]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_concurrent_uploads: Option<i64>,
    /// How often a request to a registry is made before its failure counts [default: 5]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_download_attempts: Option<i64>,
}
