//! `-v`, `--mount`, `--volumes-from` and the image's VOLUMEs → mount points. Pure; whoever calls makes the volumes.
//! Source: moby `daemon/volume/mounts/linux_parser.go`, `daemon/volumes.go` (`registerMountPoints`).

use crate::error::{Error, Result};
use crate::tmpfs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tierce_oci::container::{Config, HostConfig, MountConfig, MountPoint};

/// A volume that must exist before its mount point is complete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumeWish {
    /// Empty: an anonymous one.
    pub name: String,
    /// Empty: the default driver.
    pub driver: String,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Labels of a volume that is made for it.
    pub labels: BTreeMap<String, String>,
}

/// A mount point as wished; `volume` is there when one must be made or found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wish {
    /// The mount point; its source is not known yet where it is a volume.
    pub point: MountPoint,
    /// The volume behind it.
    pub volume: Option<VolumeWish>,
    /// The image behind it.
    pub image: Option<String>,
    /// A host path that must exist (`--mount type=bind`).
    pub must_exist: bool,
}

impl Wish {
    /// Lets a read-only mount of a host path be so for itself alone, as before API 1.44.
    pub fn make_flat(&mut self) {
        if self.point.kind == "bind" && !self.point.rw {
            self.point.spec["BindOptions"]["ReadOnlyNonRecursive"] = true.into();
        }
    }

    /// A host path that holds the data root, or lies in it, would keep the mounts of other containers: it is a slave, or
    /// shared if that is asked for.
    ///
    /// # Errors
    /// When another propagation is asked for. Source: moby `daemon/volumes_linux.go` (`validateBindDaemonRoot`).
    pub fn follow_data_root(&mut self, data_root: &Path) -> Result<()> {
        let source = Path::new(&self.point.source);
        if self.point.kind != "bind" || !(source.starts_with(data_root) || data_root.starts_with(source)) {
            return Ok(());
        }
        let asked = self.point.spec.pointer("/BindOptions/Propagation");
        match asked.and_then(|asked| asked.as_str()).unwrap_or_default() {
            "" => "rslave".clone_into(&mut self.point.propagation),
            "rslave" | "rshared" => {}
            other => {
                return invalid(format!(
                    "invalid mount config: must use either propagation mode \"rslave\" or \"rshared\" when mount source is \
                     within the daemon root, daemon root: {:?}, bind mount source: {:?}, propagation: {other:?}",
                    data_root.to_string_lossy(),
                    self.point.source
                ));
            }
        }
        Ok(())
    }
}

fn invalid<T>(text: String) -> Result<T> {
    Err(Error::Invalid(text))
}

/// What the mode words of `-v` say.
#[derive(Debug, Default)]
struct Mode {
    read_only: bool,
    propagation: String,
    no_copy: bool,
    label: String,
}

fn parse_mode(text: &str) -> Result<Mode> {
    let bad = || Error::Invalid(format!("invalid mode: {text}"));
    let mut mode = Mode::default();
    let mut seen = BTreeSet::new();
    for word in text.split(',') {
        let group = match word {
            "ro" | "rw" => {
                mode.read_only = word == "ro";
                "access"
            }
            "z" | "Z" => {
                word.clone_into(&mut mode.label);
                "label"
            }
            "shared" | "rshared" | "slave" | "rslave" | "private" | "rprivate" => {
                word.clone_into(&mut mode.propagation);
                "propagation"
            }
            "nocopy" => {
                mode.no_copy = true;
                "copy"
            }
            "consistent" | "cached" | "delegated" | "default" => "consistency",
            _ => return Err(bad()),
        };
        if !seen.insert(group) {
            return Err(bad());
        }
    }
    Ok(mode)
}

/// Checks a path inside the container and cleans it.
fn destination(path: &str, kind: &str) -> Result<String> {
    let refused = |why: String| invalid(format!("invalid mount config for type \"{kind}\": {why}"));
    if path.is_empty() {
        return refused("field Target must not be empty".to_owned());
    }
    if !path.starts_with('/') {
        return refused(format!("invalid mount path: '{path}' mount path must be absolute"));
    }
    let cleaned = clean(path);
    if cleaned == "/" {
        return refused("invalid specification: destination can't be '/'".to_owned());
    }
    Ok(cleaned)
}

/// `path.Clean` of an absolute path: no `.`, `..`, double or trailing slashes.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Parses one `-v` text: `[source:]destination[:mode]`.
fn parse_bind(text: &str, volume_driver: &str) -> Result<Wish> {
    let whole = |why: &str| Error::Invalid(format!("invalid volume specification: '{text}'{why}"));
    let parts: Vec<&str> = text.split(':').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err(whole(""));
    }
    let (source, target, mode) = match *parts.as_slice() {
        [target] => ("", target, ""),
        // `/x:ro`: a mode without a destination makes no sense with two words.
        [_, word] if parse_mode(word).is_ok() => return Err(whole("")),
        [source, target] => (source, target, ""),
        [source, target, mode] => (source, target, mode),
        _ => return Err(whole("")),
    };
    let words = if mode.is_empty() {
        Mode::default()
    } else {
        parse_mode(mode)?
    };
    let bind = source.starts_with('/');
    let kind = if bind { "bind" } else { "volume" };
    let destination = destination(target, kind).map_err(|error| whole(&format!(": {error}")))?;
    let mut spec = serde_json::json!({ "Type": kind, "Target": target });
    if !source.is_empty() {
        spec["Source"] = source.into();
    }
    if words.read_only {
        spec["ReadOnly"] = true.into();
    }
    let mut point = MountPoint {
        destination,
        rw: !words.read_only,
        kind: kind.to_owned(),
        relabel: mode.to_owned(),
        spec,
        copy_data: !bind && !words.no_copy,
        ..MountPoint::default()
    };
    if bind && words.no_copy {
        return Err(whole(""));
    }
    if bind {
        if !words.propagation.is_empty() {
            point.spec["BindOptions"]["Propagation"] = words.propagation.as_str().into();
        }
        return Ok(host_path(point, source, &words.propagation));
    }
    if !words.propagation.is_empty() {
        return invalid(format!(
            "invalid mount config for type \"volume\": invalid mode: {mode}"
        ));
    }
    Ok(named_volume(point, source, volume_driver))
}

/// A mount of a host path.
fn host_path(point: MountPoint, source: &str, propagation: &str) -> Wish {
    let propagation = if propagation.is_empty() {
        "rprivate"
    } else {
        propagation
    };
    let point = MountPoint {
        source: clean(source),
        propagation: propagation.to_owned(),
        ..point
    };
    Wish {
        point,
        must_exist: false,
        ..Wish::default()
    }
}

/// A mount of a volume; an empty name means an anonymous one.
fn named_volume(mut point: MountPoint, name: &str, driver: &str) -> Wish {
    // Docker's default label of named volumes.
    if point.relabel.is_empty() && !name.is_empty() {
        "z".clone_into(&mut point.relabel);
    }
    let volume = VolumeWish {
        name: name.to_owned(),
        driver: driver.to_owned(),
        ..VolumeWish::default()
    };
    Wish {
        point,
        volume: Some(volume),
        ..Wish::default()
    }
}

/// Parses one `--mount`; `None` for a tmpfs, which is no mount point.
fn parse_mount(mount: &MountConfig) -> Result<Option<Wish>> {
    let kind = mount.kind.as_str();
    let spec = serde_json::to_value(mount).unwrap_or_default();
    let base = MountPoint {
        destination: destination(&mount.target, kind)?,
        rw: !mount.read_only,
        kind: kind.to_owned(),
        spec,
        ..MountPoint::default()
    };
    match kind {
        "bind" => mount_of_host_path(mount, base).map(Some),
        "volume" => mount_of_volume(mount, base).map(Some),
        "tmpfs" if mount.source.is_empty() => {
            tmpfs::check(&tmpfs::text_of(mount))?;
            Ok(None)
        }
        "tmpfs" => Err(refused(kind, "field Source must not be specified")),
        "image" => mount_of_image(mount, base).map(Some),
        other => Err(refused(other, "mount type unknown")),
    }
}

/// A refusal of one `--mount` in Docker's words.
fn refused(kind: &str, why: &str) -> Error {
    Error::Invalid(format!("invalid mount config for type \"{kind}\": {why}"))
}

fn mount_of_host_path(mount: &MountConfig, base: MountPoint) -> Result<Wish> {
    if mount.source.is_empty() {
        return Err(refused("bind", "field Source must not be empty"));
    }
    if mount.volume_options.is_some() {
        return Err(refused("bind", "field VolumeOptions must not be specified"));
    }
    if !mount.source.starts_with('/') {
        let why = format!("invalid mount path: '{}' mount path must be absolute", mount.source);
        return Err(refused("bind", &why));
    }
    let options = mount.bind_options.clone().unwrap_or_default();
    let propagation = match options.propagation.as_str() {
        "" => "rprivate",
        known @ ("shared" | "rshared" | "slave" | "rslave" | "private" | "rprivate") => known,
        other => return Err(refused("bind", &format!("invalid propagation mode: {other}"))),
    };
    let point = MountPoint {
        source: clean(&mount.source),
        propagation: propagation.to_owned(),
        skip_mountpoint_creation: !options.create_mountpoint,
        ..base
    };
    Ok(Wish {
        point,
        must_exist: !options.create_mountpoint,
        ..Wish::default()
    })
}

fn mount_of_volume(mount: &MountConfig, base: MountPoint) -> Result<Wish> {
    if mount.bind_options.is_some() {
        return Err(refused("volume", "field BindOptions must not be specified"));
    }
    let options = mount.volume_options.clone().unwrap_or_default();
    let subpath = options.subpath.as_str();
    if subpath.starts_with('/') || subpath.split('/').any(|part| part == "..") {
        return Err(refused("volume", "subpath must be a relative path within the volume"));
    }
    let driver = options.driver_config.unwrap_or_default();
    let volume = VolumeWish {
        name: mount.source.clone(),
        driver: driver.name,
        options: driver.options.unwrap_or_default(),
        labels: options.labels.unwrap_or_default(),
    };
    let point = MountPoint {
        relabel: "z".to_owned(),
        copy_data: !options.no_copy,
        ..base
    };
    Ok(Wish {
        point,
        volume: Some(volume),
        ..Wish::default()
    })
}

fn mount_of_image(mount: &MountConfig, base: MountPoint) -> Result<Wish> {
    if mount.source.is_empty() {
        return Err(refused("image", "field Source must not be empty"));
    }
    if mount.bind_options.is_some() {
        return Err(refused("image", "field BindOptions must not be specified"));
    }
    if mount.volume_options.is_some() {
        return Err(refused("image", "field VolumeOptions must not be specified"));
    }
    let subpath = mount
        .image_options
        .as_ref()
        .map_or("", |options| options.subpath.as_str());
    if subpath.starts_with('/') || subpath.split('/').any(|part| part == "..") {
        return Err(refused("image", "subpath must be a relative path within the volume"));
    }
    let point = MountPoint {
        name: mount.source.clone(),
        // An image is the same for all who use it.
        rw: false,
        ..base
    };
    Ok(Wish {
        point,
        image: Some(mount.source.clone()),
        ..Wish::default()
    })
}

/// Reads a text as everything of this file that it could be; for the fuzz targets.
pub fn read(text: &str) {
    let _ = parse_bind(text, "local");
    let _ = parse_volumes_from(text);
}

/// Parses `--volumes-from`: container and mode.
pub fn parse_volumes_from(text: &str) -> Result<(String, bool)> {
    let (name, mode) = text.split_once(':').unwrap_or((text, ""));
    if name.is_empty() {
        return invalid(format!("malformed 'volumes-from' specification: {text}"));
    }
    if mode.is_empty() {
        return Ok((name.to_owned(), false));
    }
    let parsed = parse_mode(mode)?;
    // Both stay as the other container has them.
    if parsed.no_copy || !parsed.propagation.is_empty() {
        return invalid(format!("invalid mode: {mode}"));
    }
    Ok((name.to_owned(), parsed.read_only))
}

/// Checks the mounts that a request names itself.
pub(crate) fn check(host_config: &HostConfig) -> Result<()> {
    for text in host_config.binds.iter().flatten() {
        parse_bind(text, &host_config.volume_driver)?;
    }
    for mount in host_config.mounts.iter().flatten() {
        parse_mount(mount)?;
    }
    Ok(())
}

/// All mount points that a container wants, those it names twice refused.
///
/// * `donated`: mount points of the containers of `--volumes-from`, in order.
pub fn wishes(config: &Config, host_config: &HostConfig, donated: Vec<MountPoint>) -> Result<Vec<Wish>> {
    let mut wishes: BTreeMap<String, Wish> = BTreeMap::new();
    for point in donated {
        wishes.insert(
            point.destination.clone(),
            Wish {
                point,
                ..Wish::default()
            },
        );
    }
    let tmpfs = host_config.tmpfs.iter().flatten();
    let temporary: BTreeSet<String> = tmpfs
        .map(|(path, _)| destination(path, "tmpfs"))
        .collect::<Result<_>>()?;
    let mut named = BTreeSet::new();
    let duplicate = |destination| invalid(format!("Duplicate mount point: {destination}"));
    for text in host_config.binds.iter().flatten() {
        let wish = parse_bind(text, &host_config.volume_driver)?;
        let destination = wish.point.destination.clone();
        if temporary.contains(&destination) || !named.insert(destination.clone()) {
            return duplicate(destination);
        }
        wishes.insert(destination, wish);
    }
    for mount in host_config.mounts.iter().flatten() {
        let wish = parse_mount(mount)?;
        let destination = destination(&mount.target, &mount.kind)?;
        if !named.insert(destination.clone()) {
            return duplicate(destination);
        }
        wishes.extend(wish.map(|wish| (destination, wish)));
    }
    for path in config.volumes.iter().flatten().map(|(path, _)| path) {
        let path = destination(path, "volume")?;
        if wishes.contains_key(&path) || named.contains(&path) || temporary.contains(&path) {
            continue;
        }
        let point = MountPoint {
            destination: path.clone(),
            rw: true,
            kind: "volume".to_owned(),
            copy_data: true,
            spec: serde_json::json!({}),
            ..MountPoint::default()
        };
        let driver = host_config.volume_driver.clone();
        let volume = Some(VolumeWish {
            driver,
            ..VolumeWish::default()
        });
        wishes.insert(
            path,
            Wish {
                point,
                volume,
                ..Wish::default()
            },
        );
    }
    Ok(wishes.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tierce_oci::container::Empty;

    fn binds(list: &[&str]) -> Result<Vec<Wish>> {
        let binds = Some(list.iter().map(|text| (*text).to_owned()).collect());
        wishes(
            &Config::default(),
            &HostConfig {
                binds,
                ..HostConfig::default()
            },
            Vec::new(),
        )
    }

    #[test]
    fn every_form_of_the_short_option() {
        let found = binds(&["/h:/c:ro,rslave", "vol:/v", "/anonymous", "/a//b/../c:/x/"]).unwrap();
        let at = |path: &str| found.iter().find(|wish| wish.point.destination == path).unwrap();
        assert_eq!(
            (at("/c").point.source.as_str(), at("/c").point.propagation.as_str()),
            ("/h", "rslave")
        );
        assert!(!at("/c").point.rw);
        assert_eq!(at("/v").volume.as_ref().unwrap().name, "vol");
        assert!(at("/v").point.copy_data);
        assert_eq!(at("/anonymous").volume.as_ref().unwrap().name, "");
        assert_eq!(at("/x").point.source, "/a/c");
    }

    #[test]
    fn row_161_what_holds_the_data_root_is_a_slave() {
        let root = Path::new("/var/lib/tierce");
        let follow = |text: &str| {
            let mut wish = binds(&[text]).unwrap().remove(0);
            wish.follow_data_root(root).map(|()| wish.point.propagation)
        };
        for (text, propagation) in [
            ("/:/x", "rslave"),
            ("/var/lib/tierce/volumes:/x:ro", "rslave"),
            ("/var/lib/tierce:/x:rshared", "rshared"),
            ("/var/lib/tierce2:/x", "rprivate"),
            ("/srv:/x:private", "private"),
        ] {
            assert_eq!(follow(text).unwrap(), propagation, "{text}");
        }
        for text in [
            "/var/lib/tierce:/x:private",
            "/var/lib:/x:shared",
            "/:/x:slave",
            "/:/x:rprivate",
        ] {
            let error = follow(text).unwrap_err().to_string();
            assert!(
                error.contains("must use either propagation mode \"rslave\" or \"rshared\""),
                "{error}"
            );
        }
    }

    #[test]
    fn refusals_have_dockers_words() {
        let text = |list: &[&str]| binds(list).unwrap_err().to_string();
        assert_eq!(
            text(&["/nonexist:relative"]),
            "invalid volume specification: '/nonexist:relative': invalid mount config for type \"bind\": invalid mount \
             path: 'relative' mount path must be absolute"
        );
        assert_eq!(text(&["/a:/b:foo"]), "invalid mode: foo");
        assert_eq!(text(&["v:/x:nocopy,copy"]), "invalid mode: nocopy,copy");
        assert_eq!(
            text(&["/tmp:/"]),
            "invalid volume specification: '/tmp:/': invalid mount config for type \"bind\": invalid specification: \
             destination can't be '/'"
        );
        assert_eq!(text(&["vol1:/x", "/tmp:/x"]), "Duplicate mount point: /x");
        assert_eq!(text(&["a:b:c:d"]), "invalid volume specification: 'a:b:c:d'");
        let temporary = HostConfig {
            binds: Some(vec!["vol1:/x".into()]),
            tmpfs: Some([("/x".to_owned(), String::new())].into_iter().collect()),
            ..HostConfig::default()
        };
        let refused = wishes(&Config::default(), &temporary, Vec::new()).unwrap_err();
        assert_eq!(refused.to_string(), "Duplicate mount point: /x");
    }

    #[test]
    fn the_images_volumes_are_anonymous_unless_something_is_there() {
        let volumes = ["/data", "/tmp", "/x"].map(|path| (path.to_owned(), Empty::default()));
        let config = Config {
            volumes: Some(volumes.into()),
            ..Config::default()
        };
        let host_config = HostConfig {
            binds: Some(vec!["/h:/data".into()]),
            tmpfs: Some([("/tmp".to_owned(), String::new())].into()),
            ..HostConfig::default()
        };
        let found = wishes(&config, &host_config, Vec::new()).unwrap();
        let anonymous: Vec<&str> = found
            .iter()
            .filter(|wish| wish.volume.is_some())
            .map(|wish| wish.point.destination.as_str())
            .collect();
        assert_eq!(anonymous, ["/x"]);
    }

    #[test]
    fn row_163_volumes_of_another_container_give_way_to_own_ones() {
        let donated = |path: &str| MountPoint {
            destination: path.into(),
            name: "theirs".into(),
            ..MountPoint::default()
        };
        let host_config = HostConfig {
            binds: Some(vec!["/h:/a".into()]),
            ..HostConfig::default()
        };
        let found = wishes(&Config::default(), &host_config, vec![donated("/a"), donated("/b")]).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].point.source, "/h");
        assert_eq!(found[1].point.name, "theirs");
        assert_eq!(parse_volumes_from("c:ro").unwrap(), ("c".to_owned(), true));
        for refused in ["", "c:nocopy", "c:rslave"] {
            assert!(parse_volumes_from(refused).is_err(), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn accepted_destinations_are_clean_and_absolute(text in "[/a-z.:]{0,24}") {
            if let Ok(wish) = parse_bind(&text, "") {
                let path = &wish.point.destination;
                prop_assert!(path.starts_with('/') && path != "/" && path.split('/').all(|name| name != ".."));
                prop_assert_eq!(&clean(path), path);
            }
        }
    }
}
