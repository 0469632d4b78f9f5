//! Facts about the host that runtime documents depend on, and the programs found on it.

use crate::security::effective_mask;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Magic number of the unified control group hierarchy, see statfs(2).
const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;

/// What is known of the host.
#[derive(Debug, Clone, Default)]
pub struct HostFacts {
    /// Whether control groups are the unified hierarchy only.
    pub unified_cgroups: bool,
    /// Whether read-only can be made recursive (Linux 5.12).
    pub recursive_read_only: bool,
    /// The AppArmor profile of containers that name none, where AppArmor is on and the profile loaded.
    pub apparmor_profile: Option<String>,
    /// The capabilities that this process has itself and can give, as a mask (capabilities(7)).
    pub capabilities: u64,
    /// Kernel version, major and minor.
    pub kernel: (u32, u32),
}

impl HostFacts {
    /// Looks at the host. Where AppArmor is on and Docker's profile is not loaded, it is loaded.
    pub fn look() -> Self {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        let kernel = version(&release);
        Self {
            unified_cgroups: rustix::fs::statfs("/sys/fs/cgroup")
                .is_ok_and(|fs| fs.f_type as u64 == CGROUP2_SUPER_MAGIC),
            recursive_read_only: kernel >= (5, 12),
            apparmor_profile: crate::apparmor::default_profile(),
            capabilities: effective_mask(&std::fs::read_to_string("/proc/self/status").unwrap_or_default()),
            kernel,
        }
    }
}

fn version(release: &str) -> (u32, u32) {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// The program of that name, where a shell would find it.
pub(super) fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|candidate| is_executable(candidate))
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Runtimes that containers may name: ours, and every well-known one that is installed.
///
/// Directories that dockerd wrote name `runc` (or containerd's name for it); where it is not installed, ours runs them.
pub fn runtimes() -> BTreeMap<String, Option<PathBuf>> {
    let mut runtimes = BTreeMap::from([("tierce".to_owned(), None)]);
    for name in ["runc", "crun", "youki", "runsc"] {
        if let Some(path) = in_path(name) {
            runtimes.insert(name.to_owned(), Some(path));
        }
    }
    let runc = runtimes.get("runc").cloned().flatten();
    runtimes.insert("io.containerd.runc.v2".to_owned(), runc.clone());
    runtimes.insert("runc".to_owned(), runc);
    runtimes
}

/// A program that can be pid 1 of any container, which means that it needs no loader from the image: `own` if it is
/// there, else one of the usual names.
pub fn init_program(own: Option<&Path>) -> Option<PathBuf> {
    let named = ["docker-init", "tini-static", "catatonit", "tini"]
        .into_iter()
        .filter_map(in_path);
    let hidden = ["/usr/libexec/docker/docker-init", "/usr/libexec/podman/catatonit"].map(PathBuf::from);
    let own = own.map(Path::to_owned).into_iter();
    own.chain(named)
        .chain(hidden)
        .find(|path| is_executable(path) && is_static(path))
}

/// Whether an ELF program names no interpreter (`PT_INTERP`, elf(5)).
fn is_static(path: &Path) -> bool {
    const INTERPRETER: u32 = 3;
    let Ok(bytes) = std::fs::read(path) else { return false };
    let half = |at: usize| {
        bytes
            .get(at..at + 2)
            .and_then(|b| b.try_into().ok())
            .map(u16::from_le_bytes)
    };
    let word = |at: usize| {
        bytes
            .get(at..at + 4)
            .and_then(|b| b.try_into().ok())
            .map(u32::from_le_bytes)
    };
    let long = |at: usize| {
        bytes
            .get(at..at + 8)
            .and_then(|b| b.try_into().ok())
            .map(u64::from_le_bytes)
    };
    // 64-bit little-endian only, which is every machine this runs on.
    if bytes.get(..6) != Some(b"\x7fELF\x02\x01") {
        return false;
    }
    let (Some(start), Some(size), Some(count)) = (long(32), half(54), half(56)) else {
        return false;
    };
    (0..usize::from(count)).all(|index| {
        let at = (start as usize).saturating_add(index * usize::from(size));
        word(at).is_some_and(|kind| kind != INTERPRETER)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_init_comes_first_unless_it_needs_a_loader() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("tierce-init");
        std::fs::copy(std::env::current_exe().unwrap(), &own).unwrap();
        assert_ne!(init_program(Some(&own)), Some(own.clone()), "this test has a loader");
        // The header of a program without segments.
        let mut header = vec![0; 64];
        header[..6].copy_from_slice(b"\x7fELF\x02\x01");
        std::fs::write(&own, header).unwrap();
        assert_eq!(init_program(Some(&own)), Some(own));
    }

    #[test]
    fn kernel_releases_are_read() {
        assert_eq!(version("6.18.44-fc-v669"), (6, 18));
        assert_eq!(version("weird"), (0, 0));
    }

    #[test]
    fn row_101_our_runtime_is_always_there_and_runc_has_a_stand_in() {
        let runtimes = runtimes();
        assert_eq!(runtimes["tierce"], None);
        assert!(runtimes.contains_key("runc"));
    }

    #[test]
    fn a_program_with_an_interpreter_is_not_static() {
        assert!(!is_static(&std::env::current_exe().unwrap()));
        assert!(!is_static(Path::new("/etc/passwd")));
    }
}
