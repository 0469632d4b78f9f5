//! What a create request means to clients of older API versions, and what newer ones may not say any more.
//!
//! Source: moby `daemon/server/router/container/container_routes.go` (`postContainersCreate`, `handleMACAddressBC`,
//! `handleSysctlBC`), `docs/api/version-history.md`.

use tierce_api_types::ApiVersion;
use tierce_engine::record::EndpointSettings;
use tierce_engine::requests::Create;
use tierce_fault::Kind;

use crate::status::Failure;

/// Driver option that sets kernel parameters of one interface.
const ENDPOINT_SYSCTLS: &str = "com.docker.network.endpoint.sysctls";

/// Makes of a request what dockerd makes of it for this version; returns warnings.
pub(crate) fn create(version: ApiVersion, request: &mut Create) -> Result<Vec<String>, Failure> {
    let before = |minor| version < ApiVersion::new(1, minor);
    let host_config = &mut request.host_config;
    if before(25) {
        // The client removed the container itself.
        host_config.auto_remove = false;
    }
    if before(40) && host_config.ipc_mode.is_empty() {
        "shareable".clone_into(&mut host_config.ipc_mode);
    }
    if before(41) {
        request.platform = None;
    }
    if before(42) {
        host_config.console_size = [0, 0];
    }
    if before(43) {
        host_config.annotations = None;
    }
    mounts(version, request)?;
    if before(44) {
        if let Some(check) = &mut request.config.healthcheck {
            check.start_interval = 0;
        }
        request.flat_read_only = true;
        if request.endpoints.len() > 1 {
            let names: Vec<&str> = request.endpoints.keys().map(String::as_str).collect();
            return Err(Failure::invalid(format!(
                "Container cannot be created with multiple network endpoints: {}",
                names.join(", ")
            )));
        }
    }
    let warnings = mac_address(version, request)?;
    sysctls(version, request)?;
    Ok(warnings)
}

/// Options of mounts that came later, or that were not checked once.
fn mounts(version: ApiVersion, request: &mut Create) -> Result<(), Failure> {
    let before = |minor| version < ApiVersion::new(1, minor);
    for mount in request.host_config.mounts.iter_mut().flatten() {
        let kind = mount.kind.clone();
        let misplaced = |what: &str| {
            Err(Failure::invalid(format!(
                "{what} must not be specified on mount type {kind:?}"
            )))
        };
        if before(42) {
            mount.volume_options = mount.volume_options.take().filter(|_| kind == "volume");
            mount.tmpfs_options = mount.tmpfs_options.take().filter(|_| kind == "tmpfs");
        } else if mount.volume_options.is_some() && kind != "volume" {
            return misplaced("VolumeOptions");
        } else if mount.bind_options.is_some() && kind != "bind" {
            return misplaced("BindOptions");
        } else if mount.tmpfs_options.is_some() && kind != "tmpfs" {
            return misplaced("TmpfsOptions");
        }
        if let Some(options) = &mut mount.bind_options {
            options.non_recursive &= !before(40);
            options.create_mountpoint &= !before(42);
            if before(44) && options.read_only_force_recursive {
                return Err(Failure::invalid(
                    "BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer",
                ));
            }
        }
        if before(45)
            && mount
                .volume_options
                .as_ref()
                .is_some_and(|options| !options.subpath.is_empty())
        {
            return Err(Failure::invalid("VolumeOptions.Subpath needs API v1.45 or newer"));
        }
    }
    Ok(())
}

/// The address of the whole container became one of its endpoints.
fn mac_address(version: ApiVersion, request: &mut Create) -> Result<Vec<String>, Failure> {
    let old = version < ApiVersion::new(1, 44);
    let address = request.config.mac_address.clone();
    if address.is_empty() {
        if old {
            // It would have been ignored then.
            for endpoint in request.endpoints.values_mut() {
                endpoint.mac_address.clear();
                endpoint.desired_mac_address.clear();
            }
        }
        return Ok(Vec::new());
    }
    let mode = request.host_config.network_mode.as_str();
    let has_endpoint = !matches!(mode, "none" | "host") && !mode.starts_with("container:");
    if old && !has_endpoint {
        return Err(Failure::invalid(
            "conflicting options: mac-address and the network mode",
        ));
    }
    if has_endpoint {
        let endpoint = main_endpoint(old, request)?;
        if old || endpoint.mac_address.is_empty() {
            endpoint.mac_address.clone_from(&address);
            endpoint.desired_mac_address.clone_from(&address);
        } else if endpoint.mac_address != address {
            return Err(Failure::invalid(
                "the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be \
                 left empty",
            ));
        }
    }
    if old {
        return Ok(Vec::new());
    }
    request.config.mac_address.clear();
    Ok(vec![
        "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead."
            .to_owned(),
    ])
}

/// The endpoint that settings of the whole container are meant for.
fn main_endpoint(old: bool, request: &mut Create) -> Result<&mut EndpointSettings, Failure> {
    let mode = match request.host_config.network_mode.as_str() {
        "" | "default" => "bridge".to_owned(),
        mode => mode.to_owned(),
    };
    let endpoints = &mut request.endpoints;
    // There was only one then, whatever it was called.
    let name = match endpoints.keys().next() {
        Some(only) if old => only.clone(),
        Some(_) if !endpoints.contains_key(&mode) => {
            return Err(Failure::invalid(
                "unable to migrate container-wide MAC address to a specific network: HostConfig.NetworkMode must match the \
                 identity of a network in NetworkSettings.Networks",
            ));
        }
        _ => mode,
    };
    Ok(endpoints.entry(name).or_default())
}

/// Kernel parameters of one interface are its endpoint's since API 1.47; before, they are set as they are, since here an
/// interface is there before its parameters are set.
fn sysctls(version: ApiVersion, request: &Create) -> Result<(), Failure> {
    if version < ApiVersion::new(1, 47) {
        return Ok(());
    }
    for name in request.host_config.sysctls.iter().flatten().map(|(name, _)| name) {
        let parts: Vec<&str> = name.splitn(5, '.').collect();
        if let ["net", _, _, interface, _] = parts.as_slice()
            && interface.starts_with("eth")
        {
            // dockerd does not say whose fault it is.
            return Err(Failure::new(
                Kind::Internal,
                format!(
                    "interface specific sysctl setting {name:?} must be supplied using driver option '{ENDPOINT_SYSCTLS}'"
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(config: &str, host_config: &str, endpoints: &[&str]) -> Create {
        Create {
            config: serde_json::from_str(config).unwrap(),
            host_config: serde_json::from_str(host_config).unwrap(),
            endpoints: endpoints
                .iter()
                .map(|name| ((*name).to_owned(), EndpointSettings::default()))
                .collect(),
            platform: Some("linux/amd64".into()),
            ..Create::default()
        }
    }

    fn refused(minor: u16, host_config: &str) -> String {
        let mut request = request("{}", host_config, &["a", "b"]);
        if minor < 44 {
            request.endpoints.clear();
        }
        create(ApiVersion::new(1, minor), &mut request).unwrap_err().message
    }

    #[test]
    fn row_087_what_a_version_did_not_know_is_not_taken_from_it() {
        let host = r#"{"AutoRemove":true,"ConsoleSize":[1,2],"Annotations":{"a":"b"},
            "Mounts":[{"Type":"bind","VolumeOptions":{},"BindOptions":{"NonRecursive":true,"CreateMountpoint":true}}]}"#;
        let mut old = request(r#"{"Healthcheck":{"StartInterval":5000000}}"#, host, &[]);
        create(ApiVersion::new(1, 24), &mut old).unwrap();
        let kept = &old.host_config;
        assert!(!kept.auto_remove && kept.annotations.is_none() && kept.console_size == [0, 0] && old.flat_read_only);
        assert_eq!((kept.ipc_mode.as_str(), &old.platform), ("shareable", &None));
        assert_eq!(old.config.healthcheck.unwrap().start_interval, 0);
        let mount = &kept.mounts.as_ref().unwrap()[0];
        let options = mount.bind_options.as_ref().unwrap();
        assert!(mount.volume_options.is_none() && !options.non_recursive && !options.create_mountpoint);
        let mut new = request("{}", &host.replace(r#""VolumeOptions":{},"#, ""), &["a", "b"]);
        create(ApiVersion::MAX, &mut new).unwrap();
        assert!(new.host_config.auto_remove && new.platform.is_some() && !new.flat_read_only);
    }

    #[test]
    fn row_087_what_a_version_may_not_say_is_refused_in_dockers_words() {
        for (minor, host_config, text) in [
            (
                51,
                r#"{"Mounts":[{"Type":"bind","VolumeOptions":{}}]}"#,
                "VolumeOptions must not be specified on mount type \"bind\"",
            ),
            (
                51,
                r#"{"Mounts":[{"Type":"volume","TmpfsOptions":{}}]}"#,
                "TmpfsOptions must not be specified on mount type \"volume\"",
            ),
            (
                44,
                r#"{"Mounts":[{"Type":"volume","VolumeOptions":{"Subpath":"a"}}]}"#,
                "VolumeOptions.Subpath needs API v1.45 or newer",
            ),
            (
                43,
                r#"{"Mounts":[{"Type":"bind","BindOptions":{"ReadOnlyForceRecursive":true}}]}"#,
                "BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer",
            ),
            (
                47,
                r#"{"Sysctls":{"net.ipv4.conf.eth0.forwarding":"1"}}"#,
                "interface specific sysctl setting \"net.ipv4.conf.eth0.forwarding\" must be supplied using driver option \
                 'com.docker.network.endpoint.sysctls'",
            ),
        ] {
            assert_eq!(refused(minor, host_config), text);
        }
        let mut two = request("{}", "{}", &["a", "b"]);
        let error = create(ApiVersion::new(1, 43), &mut two).unwrap_err().message;
        assert_eq!(
            error,
            "Container cannot be created with multiple network endpoints: a, b"
        );
    }

    #[test]
    fn row_087_the_containers_mac_address_is_its_main_endpoints() {
        let config = r#"{"MacAddress":"02:00:00:00:00:01"}"#;
        for minor in [40, 51] {
            let mut request = request(config, "{}", &[]);
            let warnings = create(ApiVersion::new(1, minor), &mut request).unwrap();
            assert_eq!(warnings.len(), usize::from(minor == 51));
            assert_eq!(request.endpoints["bridge"].mac_address, "02:00:00:00:00:01");
            assert_eq!(request.config.mac_address.is_empty(), minor == 51);
        }
        let mut elsewhere = request(config, r#"{"NetworkMode":"x"}"#, &["a", "b"]);
        assert!(create(ApiVersion::MAX, &mut elsewhere).is_err());
        let mut none = request(config, r#"{"NetworkMode":"none"}"#, &[]);
        assert!(create(ApiVersion::new(1, 40), &mut none).is_err());
    }
}
