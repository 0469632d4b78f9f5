//! What `--format` does: Go templates with Docker's functions ([`template`]), lists as tables or as anything else
//! ([`listing`]), and times, sizes and names as Docker's command line writes them.
//!
//! ```
//! use tierce_format::template::Template;
//! # fn main() -> Result<(), tierce_format::Error> {
//! let template = Template::parse("{{upper .Name}} {{range .Ports}}{{.}} {{end}}")?.expect("a template");
//! let document = serde_json::json!({ "Name": "web", "Ports": [80, 443] });
//! assert_eq!(template.render(&document)?, "WEB 80 443 ");
//! # Ok(()) }
//! ```

mod error;
mod functions;
pub mod indent;
pub mod listing;
pub mod order;
pub mod table;
pub mod template;
pub mod time;
pub mod units;

pub use error::Error;
