//! `tierce manifest annotate`

use super::parse_as;
use super::store::Store;
use crate::error::Error;
use clap::Args;
use tierce_flags::filter::{self, Commas};
use tierce_settings::Settings;

#[derive(Args)]
pub(crate) struct Annotate {
    /// Set architecture
    #[arg(long, default_value = "", hide_default_value = true)]
    arch: String,
    /// Set operating system
    #[arg(long, default_value = "", hide_default_value = true)]
    os: String,
    /// Set operating system feature
    #[arg(long, value_name = "strings")]
    os_features: Vec<Commas>,
    /// Set operating system version
    #[arg(long, default_value = "", hide_default_value = true)]
    os_version: String,
    /// Set architecture variant
    #[arg(long, default_value = "", hide_default_value = true)]
    variant: String,
    #[arg(value_name = "MANIFEST_LIST")]
    list: String,
    #[arg(value_name = "MANIFEST")]
    manifest: String,
}

/// Operating systems and the architectures that Go programs are built for there.
const PLATFORMS: [(&str, &[&str]); 9] = [
    ("darwin", &["386", "amd64", "arm", "arm64"]),
    ("dragonfly", &["amd64"]),
    ("freebsd", &["386", "amd64", "arm"]),
    (
        "linux",
        &[
            "386", "amd64", "arm", "arm64", "loong64", "mips64", "mips64le", "ppc64le", "riscv64", "s390x",
        ],
    ),
    ("netbsd", &["386", "amd64", "arm"]),
    ("openbsd", &["386", "amd64", "arm"]),
    ("plan9", &["386", "amd64"]),
    ("solaris", &["amd64"]),
    ("windows", &["386", "amd64", "arm", "arm64"]),
];

impl Annotate {
    pub(crate) fn run(self, settings: &Settings) -> Result<(), Error> {
        let annotate = |error: Error| Error::failed(format!("annotate: {error}"));
        let list = parse_as(&self.list, "manifest list").map_err(annotate)?;
        let name = parse_as(&self.manifest, "manifest").map_err(annotate)?;
        let store = Store::open(settings);
        let mut manifest = store.get(&list, &name)?.ok_or_else(|| {
            let (image, list) = (&self.manifest, &self.list);
            Error::failed(format!("manifest for image {image} does not exist in {list}"))
        })?;
        let platform = manifest.descriptor.platform.get_or_insert_default();
        for (given, member) in [
            (&self.os, &mut platform.os),
            (&self.arch, &mut platform.architecture),
            (&self.variant, &mut platform.variant),
            (&self.os_version, &mut platform.os_version),
        ] {
            if !given.is_empty() {
                member.clone_from(given);
            }
        }
        for feature in filter::words(&self.os_features) {
            if !platform.os_features.contains(&feature) {
                platform.os_features.push(feature);
            }
        }
        let known = PLATFORMS.iter().find(|(os, _)| *os == platform.os);
        if !known.is_some_and(|(_, architectures)| architectures.contains(&platform.architecture.as_str())) {
            return Err(Error::failed(format!(
                "manifest entry for image has unsupported os/arch combination: {}/{}",
                self.os, self.arch
            )));
        }
        store.save(&list, &name, &manifest)
    }
}
