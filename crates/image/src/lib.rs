//! Names to images: pull, push, save, load, import, commit, tag, remove, list, history, on Docker's classic on-disk metadata.
//!
//! ```text
//! DR/image/<driver>/
//!   repositories.json                             name -> reference -> image id      (`names`)
//!   imagedb/content/sha256/<id>                   configuration, to the byte         (`records`)
//!   imagedb/metadata/sha256/<id>/parent           only for locally made images       (`records`)
//!   imagedb/metadata/sha256/<id>/lastUpdated      when it was last tagged here       (`records`)
//!   distribution/diffid-by-digest/sha256/<hex>    blob -> layer                      (`distribution`)
//!   distribution/v2metadata-by-diffid/sha256/<hex> layer -> blobs and their homes    (`distribution`)
//!   layerdb/…                                     the `layer` crate's
//! DR/tmp/
//!   blobs/…                                       partial blobs, for resume          (the `content` crate's)
//!   work/<n>.json                                 what is being made or removed      (`journal`)
//! ```
//!
//! The order of writing makes a crash harmless: layers, then the configuration, then the name, each atomic and
//! durable; a removal goes the other way. Both are written down in the journal before they change anything, so that the
//! next start removes what was not named yet, or no more: the image, its layers, and what was noted of them. Everything
//! else on disk is left as it is, because other stores (BuildKit's) may live in the same data root.
//!
//! Who uses an image is read from [`tierce_store::Leases`] under `Resource::image("sha256:…")`, holder = container id.

mod commit;
mod distribution;
mod error;
mod history;
mod hold;
mod images;
mod import;
mod inherit;
mod inspect;
pub mod instructions;
mod journal;
mod layers;
mod list;
mod load;
mod made;
mod model;
mod names;
mod progress;
mod prune;
mod pull;
mod push;
mod reach;
mod records;
mod remote;
mod remove;
mod resolve;
mod save;
mod tag;
#[cfg(test)]
mod testing;
mod under_way;

pub use commit::Commit;
pub use error::Error;
pub use images::{Config, Images};
pub use import::Import;
pub use inherit::inherit;
pub use model::{
    Details, HistoryStep, Image, Loaded, Prune, Pruned, Published, Pull, Pulled, Push, Removal, Removed, Summary,
};
pub use progress::{Detail, Message, OutputOnly, Progress, Silent};
pub use reach::{Parallel, Reach};
pub use remote::{Remote, Search};
pub use save::Saving;
pub use tierce_registry::{Credentials, Found, Secret};
