//! Doors for the fuzz targets (`fuzz/`): texts of a request. Not part of the library's interface.

use crate::Filters;

/// The `filters` of a list.
pub fn filters(text: &str) {
    if let Ok(filters) = Filters::from_json(text) {
        let _ = filters.validate(&["name", "label"]);
        let _ = filters.boolean("dangling", true);
        let _ = (
            filters.prefix("id", "abc"),
            filters.fuzzy("name", "/web"),
            filters.exact("status", "running"),
        );
        let _ = filters.labels("label", &[("a".to_owned(), "b".to_owned())].into());
    }
}

/// A bind mount in the form of `-v`, a `--volumes-from`, a signal, a list of processors.
pub fn words(text: &str) {
    crate::container::read_words(text);
}
