//! Mounts as values, and their short form for the old mount call.

use crate::Error;
use std::path::{Path, PathBuf};

/// What `mount(2)` takes for its data: one page, its last byte being NUL.
const PAGE: usize = 4096;

/// One mount, to be done by someone else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// File system type (`overlay`), or `bind`.
    pub kind: String,
    /// Device or directory; `overlay` for overlay mounts.
    pub source: String,
    /// Absolute path of the mount point; it exists.
    pub target: PathBuf,
    /// Options as in fstab, one element an option (`lowerdir=…` is one element, however many layers it lists). All
    /// paths are absolute.
    pub options: Vec<String>,
}

/// An overlay mount that is done from a certain working directory, so that its options fit into one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactMount {
    /// Directory to `chdir` into before `mount(2)` (in a child or a thread with its own working directory).
    pub working_directory: PathBuf,
    /// Options, all paths relative to [`Self::working_directory`], joined by commas.
    pub data: String,
}

impl Mount {
    /// The mount with its paths relative to the deepest directory that all of them share.
    ///
    /// With Docker's layout that is `<data root>/overlay2`: 128 lower layers of 29 bytes, `upperdir` and `workdir`
    /// stay below 4,096 bytes whatever the data root's name. A mounter that uses `fsconfig(2)` (one `lowerdir+` a
    /// layer, Linux 6.8) needs none of this; [`Self::lower_dirs`] gives it the list.
    ///
    /// # Errors
    /// When even so the options are longer than a page.
    ///
    /// ```
    /// let mount = tierce_snapshot::Mount {
    ///     kind: "overlay".into(), source: "overlay".into(), target: "/d/overlay2/1/merged".into(),
    ///     options: vec!["lowerdir=/d/overlay2/l/A:/d/overlay2/l/B".into(), "upperdir=/d/overlay2/1/diff".into()],
    /// };
    /// let compact = mount.compact().unwrap();
    /// assert_eq!(compact.working_directory.to_str(), Some("/d/overlay2"));
    /// assert_eq!(compact.data, "lowerdir=l/A:l/B,upperdir=1/diff");
    /// ```
    pub fn compact(&self) -> Result<CompactMount, Error> {
        let mut shared: Option<PathBuf> = None;
        for path in self
            .options
            .iter()
            .filter_map(|option| path_list(option))
            .flat_map(|(_, list)| list.split(':'))
        {
            let parent = Path::new(path).parent().unwrap_or(Path::new("/"));
            shared = Some(match shared {
                None => parent.to_owned(),
                Some(shared) => common(&shared, parent),
            });
        }
        let working_directory = shared.unwrap_or_else(|| PathBuf::from("/"));
        let shorten = |path: &str| {
            let relative = Path::new(path)
                .strip_prefix(&working_directory)
                .unwrap_or(Path::new(path));
            relative.to_string_lossy().into_owned()
        };
        let options: Vec<String> = self
            .options
            .iter()
            .map(|option| match path_list(option) {
                None => option.clone(),
                Some((key, list)) => format!("{key}={}", list.split(':').map(shorten).collect::<Vec<_>>().join(":")),
            })
            .collect();
        let data = options.join(",");
        if data.len() >= PAGE {
            return Err(Error::OptionsTooLong {
                target: self.target.clone(),
                length: data.len(),
            });
        }
        Ok(CompactMount {
            working_directory,
            data,
        })
    }

    /// Whether the options as they are fit into one page.
    pub fn fits(&self) -> bool {
        self.options.iter().map(|option| option.len() + 1).sum::<usize>() <= PAGE
    }

    /// The lower directories, topmost first; empty when this is no overlay mount.
    pub fn lower_dirs(&self) -> Vec<&Path> {
        let lower = self.options.iter().find_map(|option| option.strip_prefix("lowerdir="));
        lower
            .map(|list| list.split(':').map(Path::new).collect())
            .unwrap_or_default()
    }
}

/// Splits an option whose value is a list of paths.
fn path_list(option: &str) -> Option<(&str, &str)> {
    option
        .split_once('=')
        .filter(|(key, _)| matches!(*key, "lowerdir" | "upperdir" | "workdir"))
}

fn common(a: &Path, b: &Path) -> PathBuf {
    a.components()
        .zip(b.components())
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Mount;

    #[test]
    fn row_042_options_of_128_lowers_fit_into_one_page() {
        let root = "/var/lib/a/rather/long/name/of/a/data/root/overlay2";
        let id = "0".repeat(64);
        let lowers: Vec<_> = (0..128).map(|n| format!("{root}/l/{n:026}")).collect();
        let mount = Mount {
            kind: "overlay".into(),
            source: "overlay".into(),
            target: format!("{root}/{id}/merged").into(),
            options: vec![
                format!("lowerdir={}", lowers.join(":")),
                format!("upperdir={root}/{id}/diff"),
                format!("workdir={root}/{id}/work"),
                "index=off".into(),
                "userxattr".into(),
            ],
        };
        assert!(!mount.fits());
        let compact = mount.compact().unwrap();
        assert!(compact.data.len() < 4096, "{}", compact.data.len());
        assert_eq!(compact.working_directory.to_str(), Some(root));
        assert_eq!(mount.lower_dirs().len(), 128);
    }
}
