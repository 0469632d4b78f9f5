//! The plan of a mount: what options of any kind and order make of it.

use super::options::{AccessTime, KNOWN};
use super::plan::{MountPlan, What};
use proptest::prelude::*;
use std::path::{Component, Path};
use tierce_oci::runtime::Mount;
use tierce_sys::mount_attributes::Attributes;

fn mount(destination: &str, kind: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.into(),
        kind: Some(kind.into()),
        source: Some("src".into()),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        ..Mount::default()
    }
}

fn plan(mount: &Mount) -> Result<MountPlan, crate::Error> {
    MountPlan::of(mount, Path::new("/bundle"), "")
}

#[test]
fn options_mean_what_fstab_says() {
    let one = plan(&mount(
        "/a/../b",
        "tmpfs",
        &["ro", "rw", "nosuid", "size=1m", "rslave", "rro", "mode=700", "noswap"],
    ))
    .expect("a plan");
    assert_eq!(one.destination, Path::new("/b"));
    assert!(!one.flags.has(Attributes::READ_ONLY) && one.flags.has(Attributes::NO_SUID));
    assert!(one.recursive.set.contains(Attributes::READ_ONLY));
    assert_eq!((one.data.len(), one.propagation.len()), (3, 1));
    let bind = plan(&mount("/a", "none", &["rbind"])).expect("a plan");
    assert_eq!(
        bind.what,
        What::Bind {
            source: "/bundle/src".into(),
            recursive: true
        }
    );
    let kind = plan(&mount("/a", "tmpfs", &["bind"])).expect("a plan");
    assert_eq!(
        kind.what,
        What::Bind {
            source: "/bundle/src".into(),
            recursive: false
        }
    );
    assert!(plan(&mount("/", "tmpfs", &[])).is_err() && plan(&mount("", "tmpfs", &[])).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_options_panic(options in proptest::collection::vec("[a-z=,]{0,12}", 0..8)) {
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let _ = plan(&mount("/x", "tmpfs", &options));
    }

    #[test]
    fn destinations_are_inside_and_never_the_root(destination in "[./a-c]{0,20}") {
        if let Ok(plan) = plan(&mount(&destination, "tmpfs", &[])) {
            prop_assert!(plan.destination.is_absolute() && plan.destination != Path::new("/"));
            prop_assert!(plan.destination.components().skip(1).all(|part| matches!(part, Component::Normal(_))));
        }
    }

    #[test]
    fn the_last_word_counts_and_recursive_words_are_words_of_their_own(
        words in proptest::collection::vec((0..ATTRIBUTES.len(), any::<bool>(), any::<bool>()), 0..20),
    ) {
        let text: Vec<String> = words
            .iter()
            .map(|(which, set, recursive)| {
                let (yes, no, _) = ATTRIBUTES[*which];
                format!("{}{}", if *recursive { "r" } else { "" }, if *set { yes } else { no })
            })
            .collect();
        let text: Vec<&str> = text.iter().map(String::as_str).collect();
        prop_assert!(text.iter().all(|word| KNOWN.contains(word)), "{:?}", text);
        let plan = plan(&mount("/x", "bind", &text)).expect("a plan");
        for (which, (_, _, attribute)) in ATTRIBUTES.iter().enumerate() {
            let last = |recursive| {
                let said = words.iter().rev().find(|word| word.0 == which && word.2 == recursive);
                said.map(|word| word.1)
            };
            prop_assert_eq!(plan.flags.has(*attribute), last(false) == Some(true));
            prop_assert_eq!(plan.flags.cleared.contains(*attribute), last(false) == Some(false));
            prop_assert_eq!(plan.recursive.set.contains(*attribute), last(true) == Some(true));
            prop_assert_eq!(plan.recursive.clear.contains(*attribute), last(true) == Some(false));
        }
    }

    #[test]
    fn there_is_at_most_one_access_time_mode(
        words in proptest::collection::vec("(no)?(rel|strict|)atime|no?diratime", 0..8),
    ) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let plan = plan(&mount("/x", "tmpfs", &words)).expect("a plan");
        let modes = Attributes::NO_ACCESS_TIME | Attributes::STRICT_ACCESS_TIME;
        prop_assert!(!plan.flags.attributes().contains(modes));
        let last = words.iter().rev().find(|word| matches!(**word, "noatime" | "relatime" | "strictatime"));
        match plan.flags.access_time {
            Some(mode) => {
                let word = match mode {
                    AccessTime::Never => "noatime",
                    AccessTime::Relative => "relatime",
                    AccessTime::Always => "strictatime",
                };
                prop_assert_eq!(last, Some(&word));
            }
            None => prop_assert!(last.is_none() || words.last() != last),
        }
    }
}

/// Words that set and clear an attribute.
const ATTRIBUTES: [(&str, &str, Attributes); 6] = [
    ("ro", "rw", Attributes::READ_ONLY),
    ("nosuid", "suid", Attributes::NO_SUID),
    ("nodev", "dev", Attributes::NO_DEVICES),
    ("noexec", "exec", Attributes::NO_EXECUTE),
    ("nodiratime", "diratime", Attributes::NO_DIRECTORY_ACCESS_TIME),
    ("nosymfollow", "symfollow", Attributes::NO_SYMLINKS),
];
