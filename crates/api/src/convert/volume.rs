//! Volumes.

use tierce_api_types::volume as wire;
use tierce_engine::{Volume, VolumeCreate, VolumeUsage};

use crate::timestamp::rfc3339;

/// A volume with its size and how many containers hold it.
pub(crate) fn used(usage: &VolumeUsage) -> wire::Volume {
    wire::Volume {
        usage_data: Some(wire::VolumeUsage {
            ref_count: i64::try_from(usage.references).unwrap_or(i64::MAX),
            size: i64::try_from(usage.size).unwrap_or(i64::MAX),
        }),
        ..document(&usage.volume)
    }
}

/// A volume.
pub(crate) fn document(volume: &Volume) -> wire::Volume {
    let present = |map: &std::collections::BTreeMap<String, String>| (!map.is_empty()).then(|| map.clone());
    wire::Volume {
        // Docker shows whole seconds here.
        created_at: rfc3339(jiff::Timestamp::from_second(volume.created.as_second()).unwrap_or(volume.created)),
        driver: volume.driver.clone(),
        labels: present(&volume.labels),
        mountpoint: volume.mountpoint.display().to_string(),
        name: volume.name.clone(),
        options: present(&volume.options),
        scope: "local".to_owned(),
        status: None,
        usage_data: None,
    }
}

/// A create request.
pub(crate) fn create(wire: wire::VolumeCreate) -> VolumeCreate {
    let present = |text: String| Some(text).filter(|text| !text.is_empty());
    VolumeCreate {
        name: present(wire.name),
        driver: present(wire.driver),
        options: wire.driver_opts,
        labels: wire.labels,
    }
}
