//! Options of tmpfs mounts, merged as moby does (`moby/sys/mount`, `MergeTmpfsOptions`): later words win over earlier.

use crate::error::{Error, Result};
use tierce_oci::container::MountConfig;

/// What every tmpfs of a container begins with.
pub(crate) const DEFAULTS: [&str; 4] = ["noexec", "nosuid", "nodev", "rprivate"];

/// Words that exclude each other, by group.
const GROUPS: [&[&str]; 13] = [
    &["ro", "rw"],
    &["suid", "nosuid"],
    &["dev", "nodev"],
    &["exec", "noexec"],
    &["sync", "async"],
    &["dirsync"],
    &["remount"],
    &["mand", "nomand"],
    &["atime", "noatime"],
    &["diratime", "nodiratime"],
    &["relatime", "norelatime"],
    &["strictatime", "nostrictatime"],
    &[
        "bind",
        "rbind",
        "unbindable",
        "runbindable",
        "private",
        "rprivate",
        "shared",
        "rshared",
        "slave",
        "rslave",
        "defaults",
    ],
];
/// `name=value` words that tmpfs has.
const NAMES: [&str; 7] = ["mode", "uid", "gid", "size", "nr_inodes", "nr_blocks", "mpol"];

/// Merges words; of each group and each name the last one stays, in the place of its last appearance.
pub(crate) fn merge(options: &[String]) -> Result<Vec<String>> {
    let mut seen_groups = [false; GROUPS.len()];
    let mut seen_names: Vec<&str> = Vec::new();
    let mut merged = Vec::new();
    for option in options.iter().rev() {
        if option == "defaults" {
            continue;
        }
        if let Some(group) = GROUPS.iter().position(|group| group.contains(&option.as_str())) {
            if !std::mem::replace(&mut seen_groups[group], true) {
                merged.push(option.clone());
            }
            continue;
        }
        match option.split_once('=') {
            Some((name, _)) if NAMES.contains(&name) => {
                if !seen_names.contains(&name) {
                    seen_names.push(name);
                    merged.push(option.clone());
                }
            }
            _ => return Err(Error::Invalid(format!("invalid tmpfs option {option:?}"))),
        }
    }
    merged.reverse();
    Ok(merged)
}

/// Checks the option text of `--tmpfs`.
pub(crate) fn check(text: &str) -> Result<()> {
    merge(&split(text)).map(|_| ())
}

fn split(text: &str) -> Vec<String> {
    text.split(',')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// All options of a tmpfs mount with this option text.
pub(crate) fn options(text: &str) -> Result<Vec<String>> {
    let mut options: Vec<String> = DEFAULTS.iter().map(|word| (*word).to_owned()).collect();
    options.extend(split(text));
    merge(&options)
}

/// The option text of a tmpfs of the long form (moby `ConvertTmpfsOptions`).
pub(crate) fn text_of(mount: &MountConfig) -> String {
    let mut words = Vec::new();
    if mount.read_only {
        words.push("ro".to_owned());
    }
    if let Some(options) = &mount.tmpfs_options {
        if options.mode != 0 {
            words.push(format!("mode={:o}", options.mode));
        }
        if options.size_bytes != 0 {
            words.push(format!("size={}", size(options.size_bytes)));
        }
        words.extend(options.options.iter().flatten().map(|pair| pair.join("=")));
    }
    words.join(",")
}

/// Bytes in the largest unit that divides them.
fn size(bytes: i64) -> String {
    for (unit, letter) in [(1 << 30, 'g'), (1 << 20, 'm'), (1 << 10, 'k')] {
        if bytes % unit == 0 {
            return format!("{}{letter}", bytes / unit);
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn later_words_win_and_unknown_ones_are_refused() {
        let merged = options("exec,size=1m,size=2m").unwrap();
        assert_eq!(merged, ["nosuid", "nodev", "rprivate", "exec", "size=2m"]);
        assert_eq!(check("foo").unwrap_err().to_string(), "invalid tmpfs option \"foo\"");
    }

    #[test]
    fn sizes_take_the_largest_unit() {
        assert_eq!(
            (size(1 << 20), size(100), size(3 << 30)),
            ("1m".into(), "100".into(), "3g".into())
        );
    }

    proptest! {
        #[test]
        fn merging_twice_changes_nothing(words in proptest::collection::vec("(ro|rw|exec|noexec|size=1|mode=7)", 0..9)) {
            let once = merge(&words).unwrap();
            prop_assert_eq!(merge(&once).unwrap(), once);
        }
    }
}
