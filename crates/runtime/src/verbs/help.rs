//! The help texts: one page for the program, one a verb, laid out as runc's. They are files, `help/VERB.txt`, in which
//! `{name}` stands for the program's name.

/// What the program is called when it has no name of its own to answer to.
const OWN_NAME: &str = "tierce-runtime";
/// The name of the program whose place it can take: called so, it says so, for scripts that look.
const STAND_IN: &str = "runc";

/// The page about the whole; `{version}` stands for the version.
const PROGRAM: &str = include_str!("../../help/program.txt");

/// The verbs with their pages.
const PAGES: [(&str, &str); 17] = [
    ("checkpoint", include_str!("../../help/checkpoint.txt")),
    ("create", include_str!("../../help/create.txt")),
    ("delete", include_str!("../../help/delete.txt")),
    ("events", include_str!("../../help/events.txt")),
    ("exec", include_str!("../../help/exec.txt")),
    ("features", include_str!("../../help/features.txt")),
    ("kill", include_str!("../../help/kill.txt")),
    ("list", include_str!("../../help/list.txt")),
    ("pause", include_str!("../../help/pause.txt")),
    ("ps", include_str!("../../help/ps.txt")),
    ("restore", include_str!("../../help/restore.txt")),
    ("resume", include_str!("../../help/resume.txt")),
    ("run", include_str!("../../help/run.txt")),
    ("spec", include_str!("../../help/spec.txt")),
    ("start", include_str!("../../help/start.txt")),
    ("state", include_str!("../../help/state.txt")),
    ("update", include_str!("../../help/update.txt")),
];

/// The name under which the program presents itself.
pub(crate) fn name() -> &'static str {
    let called = std::env::args_os().next().unwrap_or_default();
    match std::path::Path::new(&called).file_name() {
        Some(name) if name == STAND_IN => STAND_IN,
        _ => OWN_NAME,
    }
}

/// The page of `--version`.
pub(crate) fn version() -> String {
    let commit = option_env!("TIERCE_COMMIT").unwrap_or("unknown");
    format!(
        "{} version {}\ncommit: {commit}\nspec: {}\n",
        name(),
        env!("CARGO_PKG_VERSION"),
        tierce_oci::runtime::VERSION
    )
}

/// Whether there is such a verb.
pub(crate) fn knows(verb: &str) -> bool {
    PAGES.iter().any(|(known, _)| *known == verb)
}

/// The page of a verb, or of the program for none that is known.
pub(crate) fn page(verb: &str) -> String {
    let page = PAGES
        .iter()
        .find(|(known, _)| *known == verb)
        .map_or(PROGRAM, |(_, page)| page);
    page.replace("{name}", name())
        .replace("{version}", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::command_line;

    /// The first name of every flag of a page, and whether it takes a value.
    fn flags(page: &str) -> Vec<(String, bool)> {
        let lines = page.lines().filter(|line| line.starts_with("   --"));
        lines
            .map(|line| {
                let names = line.trim_start().split("  ").next().unwrap_or_default();
                let name = names.split([' ', ',']).next().unwrap_or_default();
                (name.to_owned(), names.ends_with(" value"))
            })
            .collect()
    }

    #[test]
    fn pages_name_what_they_are_about() {
        for (verb, _) in PAGES {
            let page = page(verb);
            assert!(
                page.starts_with(&format!("NAME:\n   tierce-runtime {verb} - ")),
                "{page}"
            );
            assert!(flags(&page).is_empty() != page.contains("OPTIONS:"), "{page}");
        }
        let whole = page("");
        assert!(
            PAGES.iter().all(|(verb, _)| whole.contains(&format!("\n   {verb} "))),
            "{whole}"
        );
    }

    #[test]
    fn every_flag_of_the_pages_is_understood() {
        use crate::argv::Arguments;
        // A flag that a verb does not know is an error before the help behind it is asked for; the help then ends
        // the command before it does anything.
        for (verb, page) in PAGES {
            for (flag, value) in flags(page) {
                let mut words = vec![flag.clone()];
                if value {
                    words.push("1".into());
                }
                words.push("--help".into());
                let mut arguments = Arguments::new(words.iter().map(std::ffi::OsString::from));
                let outcome = crate::verbs::verb(verb, &crate::verbs::Globals::default(), &mut arguments);
                let outcome = outcome.expect_err("help or an error").to_string();
                assert!(!outcome.contains("not defined"), "{verb} {flag}: {outcome}");
            }
        }
        assert_eq!(
            command_line(["tierce-runtime", "state", "--no-such-flag"].map(Into::into)),
            1
        );
    }
}
