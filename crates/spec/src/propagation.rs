//! Whether mounts can travel between a directory of the host and a container, as a bind mount asks.
//!
//! Only a mount that is shared hands on what is mounted below it; asking for that on a private one would silently do
//! nothing. Source of rules and texts: Docker's `daemon/oci_linux.go` (`ensureShared`, `ensureSharedOrSlave`).

use crate::error::{Error, Result};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::Path;

/// The propagation that a bind mount of `source` gets when `wanted` is asked for.
///
/// What holds the data root, or lies in it, is private when it cannot be a slave: its propagation seldom is the user's
/// own wish.
///
/// # Errors
/// [`Error::Host`] when the mount that `source` is on is not shared, and not a slave where that would do.
pub fn of_bind(source: &Path, wanted: &str, data_root: &Path) -> Result<String> {
    let slave_will_do = match wanted {
        "shared" | "rshared" => false,
        "slave" | "rslave" => true,
        _ => return Ok(wanted.to_owned()),
    };
    let source = fs::canonicalize(source).map_err(Error::file("resolve", source))?;
    let table = "/proc/self/mountinfo";
    let mounts = fs::read_to_string(table).map_err(Error::file("read", Path::new(table)))?;
    let id = mount_id(&source)?;
    let Some(mount) = find(&mounts, &id) else {
        return Err(Error::Host(format!("Can't find mount point of {}", source.display())));
    };
    if mount.has("shared:") || slave_will_do && mount.has("master:") {
        return Ok(wanted.to_owned());
    }
    if slave_will_do && (source.starts_with(data_root) || data_root.starts_with(&source)) {
        return Ok("rprivate".to_owned());
    }
    let kinds = if slave_will_do { "shared or slave" } else { "shared" };
    Err(Error::Host(format!(
        "path {} is mounted on {} but it is not a {kinds} mount",
        source.display(),
        mount.point
    )))
}

/// One line of `/proc/PID/mountinfo`, see proc_pid_mountinfo(5).
struct MountLine<'a> {
    point: &'a str,
    optional: Vec<&'a str>,
}

impl MountLine<'_> {
    fn has(&self, tag: &str) -> bool {
        self.optional.iter().any(|field| field.starts_with(tag))
    }
}

fn find<'a>(mounts: &'a str, id: &str) -> Option<MountLine<'a>> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        if fields.next() != Some(id) {
            return None;
        }
        // Parent, device, root; then the mount point; then its options.
        let point = fields.nth(3)?;
        let optional = fields.skip(1).take_while(|field| *field != "-").collect();
        Some(MountLine { point, optional })
    })
}

/// The id of the mount that a path is on, which its name alone does not tell: mounts can hide each other.
fn mount_id(path: &Path) -> Result<String> {
    use rustix::fs::{Mode, OFlags};
    let opened = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| Error::file("open", path)(error.into()))?;
    let opened = File::from(opened);
    let facts = format!("/proc/self/fdinfo/{}", opened.as_raw_fd());
    let text = fs::read_to_string(&facts).map_err(Error::file("read", Path::new(&facts)))?;
    let id = text.lines().find_map(|line| line.strip_prefix("mnt_id:"));
    id.map(|id| id.trim().to_owned())
        .ok_or_else(|| Error::Host(format!("Can't find mount point of {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:5 / /a rw,relatime shared:7 - tmpfs t rw
31 27 0:6 / /b rw,relatime master:7 propagate_from:1 - tmpfs t rw
";

    #[test]
    fn row_117_lines_are_found_by_id_and_say_what_spreads() {
        let spread = |id: &str| {
            let line = find(TABLE, id)?;
            Some((line.point, line.has("shared:"), line.has("master:")))
        };
        assert_eq!(spread("27"), Some(("/", false, false)));
        assert_eq!(spread("30"), Some(("/a", true, false)));
        assert_eq!(spread("31"), Some(("/b", false, true)));
        assert_eq!(spread("3"), None);
    }

    #[test]
    fn row_117_private_asks_nothing_of_the_host() {
        let nowhere = Path::new("/nonexistent");
        assert_eq!(of_bind(nowhere, "rprivate", nowhere).unwrap(), "rprivate");
        assert_eq!(of_bind(nowhere, "", nowhere).unwrap(), "");
        of_bind(nowhere, "rshared", nowhere).unwrap_err();
    }
}
