//! Flags about volumes and mounts.

use super::csv;
use crate::Error;
use clap::Args;
use std::collections::BTreeMap;
use std::path::Path;
use tierce_api_types::container::{Config, HostConfig};
use tierce_oci::container::{
    BindOptions, Empty, ImageOptions, MountConfig, TmpfsOptions, VolumeDriverConfig, VolumeOptions,
};
use tierce_oci::parse_bytes;

#[derive(Debug, Args)]
pub(crate) struct MountFlags {
    /// Bind mount a volume
    #[arg(short, long, value_name = "list")]
    volume: Vec<String>,
    /// Attach a filesystem mount to the container
    #[arg(long, value_name = "mount", value_parser = parse_mount)]
    mount: Vec<MountConfig>,
    /// Mount a tmpfs directory
    #[arg(long, value_name = "list")]
    tmpfs: Vec<String>,
    /// Optional volume driver for the container
    #[arg(long, default_value = "", hide_default_value = true)]
    volume_driver: String,
    /// Mount volumes from the specified container(s)
    #[arg(long, value_name = "list")]
    volumes_from: Vec<String>,
    /// Storage driver options for the container
    #[arg(long, value_name = "list")]
    storage_opt: Vec<String>,
}

impl MountFlags {
    pub(crate) fn apply(&self, config: &mut Config, host: &mut HostConfig) -> Result<(), Error> {
        let mut binds = Vec::new();
        let mut volumes = BTreeMap::new();
        for text in &self.volume {
            match text.split_once(':') {
                Some((source, rest)) => binds.push(format!("{}:{rest}", absolute(source)?)),
                None => {
                    volumes.insert(text.clone(), Empty {});
                }
            }
        }
        let storage = self.storage_opt.iter().map(|text| match text.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => Err(Error::usage("invalid storage option")),
        });
        let storage = storage.collect::<Result<BTreeMap<_, _>, _>>()?;
        host.storage_opt = (!storage.is_empty()).then_some(storage);
        host.binds = (!binds.is_empty()).then_some(binds);
        config.volumes = (!volumes.is_empty()).then_some(volumes);
        let tmpfs: BTreeMap<String, String> = self
            .tmpfs
            .iter()
            .map(|text| {
                text.split_once(':')
                    .map_or((text.clone(), String::new()), |(path, options)| {
                        (path.into(), options.into())
                    })
            })
            .collect();
        host.tmpfs = (!tmpfs.is_empty()).then_some(tmpfs);
        host.mounts = (!self.mount.is_empty()).then(|| self.mount.clone());
        host.volume_driver.clone_from(&self.volume_driver);
        host.volumes_from = (!self.volumes_from.is_empty()).then(|| self.volumes_from.clone());
        Ok(())
    }
}

/// Paths that start with a dot are ours to resolve; all else is a volume name or an absolute path.
fn absolute(source: &str) -> Result<String, Error> {
    if source != "." && source != ".." && !source.starts_with("./") && !source.starts_with("../") {
        return Ok(source.to_owned());
    }
    let path = std::path::absolute(Path::new(source))
        .map_err(|error| Error::usage(format!("resolve the path {source}: {error}")))?;
    Ok(path.to_string_lossy().into_owned())
}

/// `type=bind,source=/a,target=/b,readonly`. Source of the keys: docker/cli `opts/mount.go`.
fn parse_mount(text: &str) -> Result<MountConfig, String> {
    let mut mount = MountConfig {
        kind: "volume".to_owned(),
        ..MountConfig::default()
    };
    for field in csv::fields(text)? {
        let (key, value) = field
            .split_once('=')
            .map_or((&*field, None), |(key, value)| (key, Some(value)));
        set_field(&mut mount, &key.to_ascii_lowercase(), value)?;
    }
    check(&mount)?;
    mount.source = absolute(&mount.source).map_err(|error| error.to_string())?;
    Ok(mount)
}

/// Refuses options that do not belong to the kind of mount, and those that need others.
fn check(mount: &MountConfig) -> Result<(), String> {
    let kind = mount.kind.as_str();
    if kind.is_empty() {
        return Err("type is required".to_owned());
    }
    if mount.target.is_empty() {
        return Err("target is required".to_owned());
    }
    for (given, of) in [
        (mount.volume_options.is_some(), "volume"),
        (mount.image_options.is_some(), "image"),
        (mount.bind_options.is_some(), "bind"),
        (mount.tmpfs_options.is_some(), "tmpfs"),
    ] {
        if given && kind != of {
            return Err(format!("cannot mix '{of}-*' options with mount type '{kind}'"));
        }
    }
    let Some(bind) = &mount.bind_options else { return Ok(()) };
    let needs = |what: &str, of: &str| {
        Err(format!(
            "option 'bind-recursive={of}' requires '{what}' to be specified in conjunction"
        ))
    };
    match bind {
        _ if bind.read_only_non_recursive && !mount.read_only => needs("readonly", "writable"),
        _ if bind.read_only_force_recursive && !mount.read_only => needs("readonly", "readonly"),
        _ if bind.read_only_force_recursive && bind.propagation != "rprivate" => {
            needs("bind-propagation=rprivate", "readonly")
        }
        _ => Ok(()),
    }
}

fn set_field(mount: &mut MountConfig, key: &str, value: Option<&str>) -> Result<(), String> {
    let flag = || match value {
        None | Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(other) => Err(format!("invalid value for {key}: {other}")),
    };
    match (key, value) {
        ("readonly" | "ro", _) => mount.read_only = flag()?,
        ("bind-nonrecursive", _) => bind(mount).non_recursive = flag()?,
        ("volume-nocopy", _) => volume(mount).no_copy = flag()?,
        (_, None) => return Err(format!("invalid field '{key}' must be a key=value pair")),
        ("type", Some(value)) => mount.kind = value.to_ascii_lowercase(),
        ("source" | "src", Some(value)) => value.clone_into(&mut mount.source),
        ("target" | "dst" | "destination", Some(value)) => value.clone_into(&mut mount.target),
        ("consistency", Some(value)) => mount.consistency = value.to_ascii_lowercase(),
        ("bind-propagation", Some(value)) => bind(mount).propagation = value.to_ascii_lowercase(),
        ("bind-recursive", Some(value)) => match value {
            "enabled" => {}
            "disabled" => bind(mount).non_recursive = true,
            "writable" => bind(mount).read_only_non_recursive = true,
            "readonly" => bind(mount).read_only_force_recursive = true,
            _ => {
                return Err(format!(
                    "invalid value for {key}: {value} (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")"
                ));
            }
        },
        ("volume-subpath", Some(value)) => value.clone_into(&mut volume(mount).subpath),
        ("volume-driver", Some(value)) => value.clone_into(&mut driver(mount).name),
        ("volume-opt", Some(value)) => {
            let (name, value) = value.split_once('=').unwrap_or((value, ""));
            driver(mount)
                .options
                .get_or_insert_default()
                .insert(name.to_owned(), value.to_owned());
        }
        ("volume-label", Some(value)) => {
            let (name, value) = value.split_once('=').unwrap_or((value, ""));
            volume(mount)
                .labels
                .get_or_insert_default()
                .insert(name.to_owned(), value.to_owned());
        }
        ("image-subpath", Some(value)) => {
            value.clone_into(&mut mount.image_options.get_or_insert_with(ImageOptions::default).subpath);
        }
        ("tmpfs-size", Some(value)) => {
            tmpfs(mount).size_bytes = parse_bytes(value).map_err(|_| format!("invalid value for {key}: {value}"))?;
        }
        ("tmpfs-mode", Some(value)) => {
            tmpfs(mount).mode =
                u32::from_str_radix(value, 8).map_err(|_| format!("invalid value for {key}: {value}"))?;
        }
        (_, Some(value)) => return Err(format!("unexpected key '{key}' in '{key}={value}'")),
    }
    Ok(())
}

fn bind(mount: &mut MountConfig) -> &mut BindOptions {
    mount.bind_options.get_or_insert_default()
}

fn volume(mount: &mut MountConfig) -> &mut VolumeOptions {
    // With an empty driver, as Docker's client sends it.
    mount.volume_options.get_or_insert_with(|| VolumeOptions {
        driver_config: Some(VolumeDriverConfig::default()),
        ..VolumeOptions::default()
    })
}

fn driver(mount: &mut MountConfig) -> &mut VolumeDriverConfig {
    volume(mount).driver_config.get_or_insert_default()
}

fn tmpfs(mount: &mut MountConfig) -> &mut TmpfsOptions {
    mount.tmpfs_options.get_or_insert_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_mounts_are_parsed() {
        let mount = parse_mount("type=bind,src=/a,dst=/b,ro,bind-propagation=rslave").unwrap();
        assert_eq!(
            (
                mount.kind.as_str(),
                mount.source.as_str(),
                mount.target.as_str(),
                mount.read_only
            ),
            ("bind", "/a", "/b", true)
        );
        assert_eq!(mount.bind_options.unwrap().propagation, "rslave");
        let quoted = parse_mount("type=volume,dst=/b,\"volume-opt=o=uid=1,gid=2\"").unwrap();
        let driver = quoted.volume_options.unwrap().driver_config.unwrap();
        assert_eq!(driver.options.unwrap()["o"], "uid=1,gid=2");
        let mount = parse_mount("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770").unwrap();
        assert_eq!(
            mount.tmpfs_options.unwrap(),
            TmpfsOptions {
                size_bytes: 1 << 20,
                mode: 0o1770,
                options: None
            }
        );
        for text in [
            "",
            "type=bind",
            "target",
            "type=bind,src=/a,dst=/b,frob=1",
            "target=/x,readonly=maybe",
            "type=bind,src=/a,dst=/b,volume-nocopy",
            "type=tmpfs,dst=/b,bind-propagation=rslave",
            "type=bind,src=/a,dst=/b,bind-recursive=readonly,ro",
        ] {
            assert!(parse_mount(text).is_err(), "{text}");
        }
    }

    #[test]
    fn relative_sources_become_absolute() {
        assert!(absolute("./x").unwrap().starts_with('/'));
        assert_eq!(absolute("name").unwrap(), "name");
    }
}
