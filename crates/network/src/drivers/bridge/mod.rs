//! The bridge driver.

mod options;

pub use options::Options;
