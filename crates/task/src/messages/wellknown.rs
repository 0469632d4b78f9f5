//! Messages of `google.protobuf`, `google.rpc` and ttrpc itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `google.protobuf.Any`: a message with the name of its type.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Any {
    /// Name of the type, possibly with a prefix up to the last `/`.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The encoded message.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

impl Any {
    /// `message` under the type name `name`.
    pub fn pack(name: &str, message: &impl prost::Message) -> Self {
        Self {
            type_url: name.to_owned(),
            value: message.encode_to_vec(),
        }
    }

    /// The type's name without a prefix such as `type.googleapis.com/`.
    pub fn name(&self) -> &str {
        self.type_url.rsplit('/').next().unwrap_or("")
    }
}

/// `google.protobuf.Empty`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Empty {}

/// `google.protobuf.Timestamp`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds within the second.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanos: since.subsec_nanos() as i32,
        }
    }
}

impl From<Timestamp> for SystemTime {
    /// Times before 1970 or beyond what the clock can hold become 1970: no shim has a reason to send them.
    fn from(stamp: Timestamp) -> Self {
        let seconds = u64::try_from(stamp.seconds).unwrap_or(0);
        let nanos = u32::try_from(stamp.nanos).unwrap_or(0).min(999_999_999);
        UNIX_EPOCH
            .checked_add(Duration::new(seconds, nanos))
            .unwrap_or(UNIX_EPOCH)
    }
}

/// ttrpc's metadata entry.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct KeyValue {
    /// Header name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Header value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// ttrpc's request: which method of which service, and the encoded argument.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Request {
    /// Full service name.
    #[prost(string, tag = "1")]
    pub service: String,
    /// Method name.
    #[prost(string, tag = "2")]
    pub method: String,
    /// Encoded argument.
    #[prost(bytes = "vec", tag = "3")]
    pub payload: Vec<u8>,
    /// How long the caller will wait; 0 is for ever.
    #[prost(int64, tag = "4")]
    pub timeout_nano: i64,
    /// Headers, e.g. containerd's namespace.
    #[prost(message, repeated, tag = "5")]
    pub metadata: Vec<KeyValue>,
}

/// ttrpc's response.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Response {
    /// Absent or code 0: success.
    #[prost(message, optional, tag = "1")]
    pub status: Option<StatusMessage>,
    /// Encoded result.
    #[prost(bytes = "vec", tag = "2")]
    pub payload: Vec<u8>,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StatusMessage {
    /// One of [`crate::status::Code`].
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// What went wrong.
    #[prost(string, tag = "2")]
    pub message: String,
    /// More about it; never used by us.
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<Any>,
}
