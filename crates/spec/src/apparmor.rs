//! The AppArmor profile of containers that name none: found in the kernel, or loaded there with `apparmor_parser`, as
//! dockerd does. Where AppArmor is off nothing is confined by it.

use crate::host::in_path;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Name of Docker's profile.
const NAME: &str = "docker-default";
/// What a process is when it is confined by nothing.
const UNCONFINED: &str = "unconfined";
/// The profiles that the kernel has, one a line: name and mode.
const LOADED: &str = "/sys/kernel/security/apparmor/profiles";
/// `Y` where AppArmor is on.
const SWITCH: &str = "/sys/module/apparmor/parameters/enabled";
/// Where the parser's own files are.
const ABSTRACTIONS: &str = "/etc/apparmor.d";

/// The profile for containers that name none; `None` where AppArmor is off.
pub(super) fn default_profile() -> Option<String> {
    if !std::fs::read_to_string(SWITCH).is_ok_and(|text| text.starts_with('Y')) {
        return None;
    }
    let loaded = std::fs::read_to_string(LOADED).is_ok_and(|text| names(&text, NAME));
    match if loaded { Ok(()) } else { load() } {
        Ok(()) => Some(NAME.to_owned()),
        Err(reason) => {
            tracing::warn!(%reason, "containers are not confined by AppArmor: the profile {NAME} could not be loaded");
            Some(UNCONFINED.to_owned())
        }
    }
}

/// Whether a list of loaded profiles has this name.
fn names(list: &str, name: &str) -> bool {
    list.lines().any(|line| line.split_whitespace().next() == Some(name))
}

/// Hands the profile to the parser, which puts it into the kernel (`-r`, replacing) and keeps no cache of it (`-K`).
fn load() -> Result<(), String> {
    let parser = in_path("apparmor_parser")
        .or_else(|| Some("/sbin/apparmor_parser".into()).filter(|path: &std::path::PathBuf| path.exists()))
        .ok_or("there is no apparmor_parser (package apparmor)")?;
    let failed = |error: std::io::Error| format!("execute {}: {error}", parser.display());
    let mut child = Command::new(&parser)
        .arg("-Kr")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let text = profile(|file| Path::new(ABSTRACTIONS).join(file).exists());
    if let Some(mut input) = child.stdin.take() {
        // A parser that does not read to the end says why below.
        let _ = input.write_all(text.as_bytes());
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}: {}: {}", parser.display(), output.status, said.trim_end()))
}

/// Docker's rules: everything is allowed that capabilities and the system call filter allow, but mounting, writing to
/// the kernel's files (shared memory limits excepted), and touching processes outside.
const RULES: &str = "\
  network,
  capability,
  file,
  umount,

  # Signals: from whoever is not confined, from runtimes and the daemon, and among the containers' own processes.
  signal (receive) peer=unconfined,
  signal (receive) peer=runc,
  signal (receive) peer=crun,
  signal (receive) peer=tierced,
  signal (send,receive) peer=docker-default,

  # /proc: nothing but a process's own directory and sys/kernel/shm* is written.
  deny @{PROC}/* w,
  deny @{PROC}/{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9/]*}/** w,
  deny @{PROC}/sys/[^k]** w,
  deny @{PROC}/sys/kernel/{?,??,[^s][^h][^m]**} w,
  deny @{PROC}/sysrq-trigger rwklx,
  deny @{PROC}/kcore rwklx,

  deny mount,

  # /sys: nothing but control groups is written.
  deny /sys/[^f]*/** wklx,
  deny /sys/f[^s]*/** wklx,
  deny /sys/fs/[^c]*/** wklx,
  deny /sys/fs/c[^g]*/** wklx,
  deny /sys/fs/cg[^r]*/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
  deny /sys/kernel/security/** rwklx,

  # Tracing stays among the containers' own processes.
  ptrace (trace,tracedby,read,readby) peer=docker-default,
";

/// The profile's text. `has` says which of the parser's own files there are.
fn profile(has: impl Fn(&str) -> bool) -> String {
    let mut text = String::new();
    // The version of the rules' meaning, where the parser knows versions.
    if has("abi/3.0") {
        text.push_str("abi <abi/3.0>,\n");
    }
    text.push_str(if has("tunables/global") {
        "#include <tunables/global>\n"
    } else {
        "@{PROC}=/proc/\n"
    });
    text.push_str("\nprofile docker-default flags=(attach_disconnected,mediate_deleted) {\n");
    if has("abstractions/base") {
        text.push_str("  #include <abstractions/base>\n");
    }
    text.push_str(RULES);
    text.push_str("}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_139_a_loaded_profile_is_found_by_its_whole_name() {
        let list = "docker-default-2 (enforce)\nlsb_release (enforce)\n";
        assert!(!names(list, NAME));
        assert!(names(&format!("{list}docker-default (enforce)\n"), NAME));
    }

    #[test]
    fn row_139_the_profile_is_whole_without_the_parsers_files() {
        let bare = profile(|_| false);
        assert!(bare.starts_with("@{PROC}=/proc/\n\nprofile docker-default "));
        assert!(bare.ends_with("peer=docker-default,\n}\n"));
        let full = profile(|_| true);
        assert!(
            full.starts_with("abi <abi/3.0>,\n#include <tunables/global>\n"),
            "{full}"
        );
        assert!(full.contains("  #include <abstractions/base>\n"));
    }

    /// Where AppArmor is on and this is root: the parser takes the profile and the kernel has it.
    #[test]
    fn row_139_docker_default_is_loaded() {
        if !std::fs::read_to_string(SWITCH).is_ok_and(|text| text.starts_with('Y')) {
            println!("skipped: AppArmor is off here");
            assert_eq!(default_profile(), None);
            return;
        }
        if !rustix::process::geteuid().is_root() {
            println!("skipped: needs root");
            return;
        }
        assert_eq!(default_profile().as_deref(), Some(NAME));
        assert!(names(&std::fs::read_to_string(LOADED).unwrap_or_default(), NAME));
    }
}
