//! The database of containers: a record a file, below the supervisor's root. It says what a container's task shall be,
//! and is there whether the container has a task or not, also after a restart of the supervisor or of the machine.
//!
//! ```text
//!  <root>/containers/<id>.json      labels, runtime, and the runtime document as it came
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tierce_fault::{Fault as _, Kind};
use tierce_store::Collection;
use tierce_task::messages::{Any, Timestamp};
use tierce_task::services::RuntimeName;
use tierce_task::services::containers::Container;
use tierce_task::{Error, ProcessId, Result};

use crate::bundle;

/// The records. Every call is blocking.
#[derive(Debug)]
pub struct Records {
    collection: Collection<Stored>,
    /// Held from the look at a record to its change.
    changing: Mutex<()>,
}

impl Records {
    /// Opens the database below `root`; it is made where it is missing.
    ///
    /// # Errors
    /// Those of the files.
    pub fn open(root: &Path) -> Result<Self> {
        let collection = Collection::open(&root.join("containers")).map_err(below)?;
        Ok(Self {
            collection,
            changing: Mutex::default(),
        })
    }

    /// The record of a container; kind `NotFound` when there is none.
    pub(crate) fn get(&self, id: &str) -> Result<Container> {
        match self.collection.get(id) {
            Ok(stored) => stored.into_message(id),
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Invalid) => Err(not_found(id)),
            Err(error) => Err(below(error)),
        }
    }

    /// All records; those that cannot be read are logged and left out.
    pub(crate) fn list(&self) -> Result<Vec<Container>> {
        let loaded = self.collection.load().map_err(below)?;
        for damaged in loaded.damaged {
            tracing::error!(container = damaged.name, error = %damaged.error, "a container's record cannot be read");
        }
        let mut all = Vec::new();
        for (id, stored) in loaded.records {
            match stored.into_message(&id) {
                Ok(container) => all.push(container),
                Err(error) => tracing::error!(container = id, %error, "a container's record cannot be read"),
            }
        }
        Ok(all)
    }

    /// Adds a record; kind `Conflict` when there is one of that id.
    pub(crate) fn create(&self, mut container: Container) -> Result<Container> {
        bundle::check_id(&container.id)?;
        let missing = |what| refused(Kind::Invalid, format!("container.{what} must be set: invalid argument"));
        if container.spec.as_ref().is_none_or(|spec| spec.value.is_empty()) {
            return Err(missing("Spec"));
        }
        if container.runtime.as_ref().is_none_or(|runtime| runtime.name.is_empty()) {
            return Err(missing("Runtime.Name"));
        }
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        match self.get(&container.id) {
            Ok(_) => return Err(Error::Exists(ProcessId::init(&container.id))),
            Err(error) if error.kind() == Kind::NotFound => {}
            // One that cannot be read is somebody's all the same.
            Err(error) => return Err(error),
        }
        let now = Timestamp::from(SystemTime::now());
        (container.created_at, container.updated_at) = (Some(now), Some(now));
        self.put(container)
    }

    /// Changes a record; `paths` say which members count, none: all that may change.
    pub(crate) fn update(&self, new: &Container, paths: &[String]) -> Result<Container> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut container = self.get(&new.id)?;
        let all = ["labels", "spec", "extensions", "image", "snapshotkey"].map(str::to_owned);
        for path in if paths.is_empty() { &all[..] } else { paths } {
            match path.split_once('.').unwrap_or((path, "")) {
                ("labels", "") => container.labels.clone_from(&new.labels),
                ("labels", key) => replace(&mut container.labels, &new.labels, key),
                ("extensions", "") => container.extensions.clone_from(&new.extensions),
                ("extensions", key) => replace(&mut container.extensions, &new.extensions, key),
                ("spec", "") => container.spec.clone_from(&new.spec),
                ("image", "") => container.image.clone_from(&new.image),
                ("snapshotkey", "") => container.snapshot_key.clone_from(&new.snapshot_key),
                _ => {
                    let text = format!("cannot update {path:?} field on container {:?}", new.id);
                    return Err(refused(Kind::Invalid, text));
                }
            }
        }
        container.updated_at = Some(SystemTime::now().into());
        self.put(container)
    }

    /// Removes a record; kind `NotFound` when there is none.
    pub(crate) fn remove(&self, id: &str) -> Result<()> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        match self.collection.remove(id) {
            Ok(true) => Ok(()),
            Ok(false) => Err(not_found(id)),
            Err(error) if error.kind() == Kind::Invalid => Err(not_found(id)),
            Err(error) => Err(below(error)),
        }
    }

    fn put(&self, container: Container) -> Result<Container> {
        let id = container.id.clone();
        self.collection.put(&id, &Stored::from(container)).map_err(below)?;
        self.get(&id)
    }
}

fn replace<T: Clone>(map: &mut BTreeMap<String, T>, new: &BTreeMap<String, T>, key: &str) {
    match new.get(key) {
        Some(value) => drop(map.insert(key.to_owned(), value.clone())),
        None => drop(map.remove(key)),
    }
}

fn refused(kind: Kind, message: String) -> Error {
    Error::Refused { kind, message }
}

fn not_found(id: &str) -> Error {
    refused(Kind::NotFound, format!("container {id:?} in namespace: not found"))
}

/// The words of the store say verb, object and cause.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn below(error: tierce_store::Error) -> Error {
    refused(error.kind(), error.to_string())
}

/// A record on the disk.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    image: String,
    runtime: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    runtime_options: Option<StoredAny>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spec: Option<StoredAny>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    snapshotter: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    snapshot_key: String,
    /// Seconds and nanoseconds since 1970.
    created_at: (i64, i32),
    updated_at: (i64, i32),
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    extensions: BTreeMap<String, StoredAny>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    sandbox: String,
}

/// A value with its type: JSON stays readable, and is kept to the byte.
#[derive(Debug, Serialize, Deserialize)]
struct StoredAny {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    json: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl From<Any> for StoredAny {
    fn from(any: Any) -> Self {
        let json = std::str::from_utf8(&any.value)
            .ok()
            // What surrounds a document would not come back.
            .filter(|text| text.starts_with('{') && text.ends_with('}'))
            .and_then(|text| RawValue::from_string(text.to_owned()).ok());
        let base64 = json.is_none().then(|| STANDARD.encode(&any.value));
        Self {
            kind: any.type_url,
            json,
            base64,
        }
    }
}

impl StoredAny {
    fn into_any(self) -> std::result::Result<Any, base64::DecodeError> {
        let value = match (self.json, self.base64) {
            (Some(json), _) => json.get().as_bytes().to_vec(),
            (None, Some(text)) => STANDARD.decode(text)?,
            (None, None) => Vec::new(),
        };
        Ok(Any {
            type_url: self.kind,
            value,
        })
    }
}

impl From<Container> for Stored {
    fn from(container: Container) -> Self {
        let runtime = container.runtime.unwrap_or_default();
        let time = |stamp: Option<Timestamp>| stamp.map_or((0, 0), |stamp| (stamp.seconds, stamp.nanos));
        let extensions = container.extensions.into_iter();
        Self {
            labels: container.labels,
            image: container.image,
            runtime: runtime.name,
            runtime_options: runtime.options.map(StoredAny::from),
            spec: container.spec.map(StoredAny::from),
            snapshotter: container.snapshotter,
            snapshot_key: container.snapshot_key,
            created_at: time(container.created_at),
            updated_at: time(container.updated_at),
            extensions: extensions.map(|(key, value)| (key, value.into())).collect(),
            sandbox: container.sandbox,
        }
    }
}

impl Stored {
    fn into_message(self, id: &str) -> Result<Container> {
        let damaged = |error: base64::DecodeError| {
            let text = format!("the record of container {id} is damaged: {error}");
            refused(Kind::DataLoss, text)
        };
        let any = |stored: Option<StoredAny>| stored.map(StoredAny::into_any).transpose().map_err(damaged);
        let time = |(seconds, nanos)| Some(Timestamp { seconds, nanos });
        let extensions = self.extensions.into_iter();
        Ok(Container {
            id: id.to_owned(),
            labels: self.labels,
            image: self.image,
            runtime: Some(RuntimeName {
                name: self.runtime,
                options: any(self.runtime_options)?,
            }),
            spec: any(self.spec)?,
            snapshotter: self.snapshotter,
            snapshot_key: self.snapshot_key,
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
            extensions: extensions
                .map(|(key, value)| Ok((key, value.into_any().map_err(damaged)?)))
                .collect::<Result<_>>()?,
            sandbox: self.sandbox,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(id: &str, spec: &[u8]) -> Container {
        Container {
            id: id.to_owned(),
            labels: [("a".to_owned(), "1".to_owned())].into(),
            runtime: Some(RuntimeName {
                name: "io.containerd.tierce.v2".to_owned(),
                options: None,
            }),
            spec: Some(Any {
                type_url: "t/Spec".to_owned(),
                value: spec.to_vec(),
            }),
            ..Container::default()
        }
    }

    #[test]
    fn row_099_a_record_survives_to_the_byte_and_is_there_once() {
        let directory = tempfile::tempdir().unwrap();
        let specs: [&[u8]; 4] = [br#"{ "a":  1.0, "b":"\u00e9" }"#, b"\x00\xff", b" {}", b"{"];
        for (number, spec) in specs.into_iter().enumerate() {
            let id = format!("c{number}");
            let made = Records::open(directory.path())
                .unwrap()
                .create(container(&id, spec))
                .unwrap();
            assert!(made.created_at.is_some());
            let records = Records::open(directory.path()).unwrap();
            assert_eq!(records.get(&id).unwrap(), made);
            assert_eq!(made.spec.unwrap().value, spec);
            assert!(matches!(records.create(container(&id, b"{}")), Err(Error::Exists(_))));
        }
        let records = Records::open(directory.path()).unwrap();
        assert_eq!(records.list().unwrap().len(), 4);
        records.remove("c1").unwrap();
        for id in ["c1", "../c0", ""] {
            assert_eq!(records.get(id).unwrap_err().kind(), Kind::NotFound, "{id}");
            assert_eq!(records.remove(id).unwrap_err().kind(), Kind::NotFound, "{id}");
        }
    }

    #[test]
    fn row_099_what_makes_no_container_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let records = Records::open(directory.path()).unwrap();
        let bare = Container {
            id: "c".to_owned(),
            ..Container::default()
        };
        let nameless = Container {
            runtime: None,
            ..container("c", b"{}")
        };
        for wrong in [container("../c", b"{}"), container("", b"{}"), bare, nameless] {
            assert_eq!(records.create(wrong).unwrap_err().kind(), Kind::Invalid);
        }
        assert!(records.list().unwrap().is_empty());
    }

    #[test]
    fn row_099_an_update_changes_what_its_mask_names() {
        let directory = tempfile::tempdir().unwrap();
        let records = Records::open(directory.path()).unwrap();
        records.create(container("c", b"{}")).unwrap();
        let mut new = container("c", br#"{"new":1}"#);
        new.labels = [("b".to_owned(), "2".to_owned())].into();
        let updated = records.update(&new, &["labels.b".to_owned()]).unwrap();
        assert_eq!(updated.labels.len(), 2);
        assert_eq!(updated.spec.unwrap().value, b"{}");
        let updated = records.update(&new, &["labels.a".to_owned()]).unwrap();
        assert_eq!(updated.labels, new.labels);
        assert_eq!(records.update(&new, &[]).unwrap().spec, new.spec);
        let refused = records.update(&new, &["runtime".to_owned()]).unwrap_err();
        assert_eq!(refused.kind(), Kind::Invalid);
        new.id = "d".to_owned();
        assert_eq!(records.update(&new, &[]).unwrap_err().kind(), Kind::NotFound);
    }
}
