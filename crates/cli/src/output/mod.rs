//! What is printed, and how: tables, templates, documents, times, sizes, progress.

pub(crate) mod archive;
pub(crate) mod indent;
pub(crate) mod listing;
pub(crate) mod order;
pub(crate) mod ports;
pub(crate) mod progress;
pub(crate) mod table;
pub(crate) mod template;
pub(crate) mod time;
pub(crate) mod units;
