//! What all prunes have in common: the question before, the filters of the user's configuration, the report after.

use crate::context::Context;
use crate::error::Error;
use std::io::{self, BufRead, Write};
use tierce_api_types::Filters;
use tierce_flags::filter::{self, Filter};
use tierce_format::units;

/// Asks whether to go on; only `y` does.
///
/// # Errors
/// When nobody can be asked.
pub(super) fn confirmed(warning: &str) -> Result<bool, Error> {
    let failed = |error: io::Error| Error::failed(format!("ask for confirmation: {error}"));
    print!("{warning} [y/N] ");
    io::stdout().flush().map_err(failed)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}

/// The filters of a prune: those given, and those of `pruneFilters` in the configuration that do not contradict them.
pub(super) fn prune_filters(context: &Context, given: &[Filter]) -> Result<Filters, Error> {
    Ok(with_configured(
        filter::collect(given),
        &context.config()?.prune_filters(),
    ))
}

fn with_configured(mut filters: Filters, configured: &[&str]) -> Filters {
    for word in configured {
        let Some((name, value)) = word.split_once('=') else {
            continue;
        };
        let contrary = match name {
            "label" => "label!",
            "label!" => "label",
            _ => "",
        };
        if !filters.get(contrary).any(|given| given == value) {
            filters.insert(name, value);
        }
    }
    filters
}

/// What a prune did, as it is told: a head and a line for each thing that went.
pub(super) fn deleted(head: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let lines: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
    format!("{head}:\n{lines}\n")
}

/// How much room there is again.
pub(super) fn reclaimed(bytes: u64) -> String {
    format!("Total reclaimed space: {}", units::exact_size(bytes as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_filters_give_way() {
        let given = Filters::new().with("label", "keep");
        assert_eq!(
            with_configured(given, &["label!=keep", "label!=other", "until=1h", "nonsense"]),
            Filters::new()
                .with("label", "keep")
                .with("label!", "other")
                .with("until", "1h")
        );
    }

    #[test]
    fn row_093_what_went_is_told_as_docker_tells_it() {
        assert_eq!(
            deleted("Deleted Volumes", &["a".into(), "b".into()]),
            "Deleted Volumes:\na\nb\n\n"
        );
        assert_eq!(deleted("Deleted Volumes", &[]), "");
        assert_eq!(reclaimed(1_982_306), "Total reclaimed space: 1.982MB");
    }
}
