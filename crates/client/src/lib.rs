//! Typed client of the Docker Engine API over a unix socket, TCP with or without TLS, or ssh.
//!
//! It knows HTTP and the wire types and nothing of the daemon, so it drives dockerd as well as `tierced`. The API
//! version is negotiated once, by `/_ping`, before the first call. Every call opens a connection of its own: on a local
//! socket that costs microseconds, and no call can be held up by another one's stream.
//!
//! ```no_run
//! use tierce_api_types::Filters;
//! use tierce_client::{Client, Endpoint};
//! # async fn example() -> Result<(), tierce_client::Error> {
//! let client = Client::new("unix:///run/tierce.sock".parse::<Endpoint>()?);
//! for container in client.containers().list(&tierce_client::ListContainers::default()).await? {
//!     println!("{} {}", container.id, container.status);
//! }
//! # Ok(()) }
//! ```

mod archive;
mod checkpoint;
mod connection;
mod container;
mod demultiplex;
mod endpoint;
mod error;
mod exec;
mod hijack;
mod image;
mod network;
mod query;
mod stream;
mod system;
mod tls;
mod transport;
mod upload;
mod volume;

pub use archive::{Files, PathStat, PutArchive};
pub use checkpoint::Checkpoints;
pub use connection::Client;
pub use container::{AttachContainer, Containers, CreateContainer, ListContainers, LogsOptions, RemoveContainer};
pub use demultiplex::{Demultiplexer, Frame};
pub use endpoint::{Endpoint, Ssh};
pub use error::Error;
pub use exec::Execs;
pub use hijack::{Hijacked, HijackedReader, HijackedWriter, StreamFormat};
pub use image::{CommitContainer, Images, ImportImage, PullImage, PushImage, RemoveImage};
pub use network::Networks;
pub use stream::{ByteStream, JsonStream};
pub use system::{EventsOptions, System};
pub use tls::{Tls, TlsFiles};
pub use transport::Stream;
pub use upload::{Upload, UploadWriter};
pub use volume::Volumes;
