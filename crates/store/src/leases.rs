//! Leases: a table in memory of who holds which resource.

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What sort of thing is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ResourceKind {
    /// An image, by its `sha256:…` id.
    Image,
    /// A layer, by its chain id.
    Layer,
    /// A volume, by its name.
    Volume,
    /// A network, by its 64-hex id.
    Network,
}

/// One thing that can be held.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource {
    /// What sort of thing it is.
    pub kind: ResourceKind,
    /// Its identifier, as the room that owns it writes it.
    pub id: String,
}

impl Resource {
    /// An image, by its full `sha256:…` id.
    pub fn image(id: impl Into<String>) -> Self {
        Self {
            kind: ResourceKind::Image,
            id: id.into(),
        }
    }

    /// A layer, by its full `sha256:…` chain id.
    pub fn layer(chain_id: impl Into<String>) -> Self {
        Self {
            kind: ResourceKind::Layer,
            id: chain_id.into(),
        }
    }

    /// A volume, by its name.
    pub fn volume(name: impl Into<String>) -> Self {
        Self {
            kind: ResourceKind::Volume,
            id: name.into(),
        }
    }

    /// A network, by its id.
    pub fn network(id: impl Into<String>) -> Self {
        Self {
            kind: ResourceKind::Network,
            id: id.into(),
        }
    }
}

/// The use of a resource by one holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it: the full id of a container, or a name like `pull-17` for work in progress.
    pub holder: String,
    /// Words for people about the holder (a container's name); may be empty.
    pub label: String,
    /// Whether the holder runs now. The use of a running container weighs more than that of a stopped one.
    pub running: bool,
}

impl Lease {
    /// A lease of a holder that does not run.
    pub fn new(holder: impl Into<String>) -> Self {
        Self {
            holder: holder.into(),
            label: String::new(),
            running: false,
        }
    }

    /// The same lease with words for people.
    #[must_use]
    pub fn labelled(self, label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            ..self
        }
    }

    /// The same lease with the running mark set to `running`.
    #[must_use]
    pub fn running(self, running: bool) -> Self {
        Self { running, ..self }
    }
}

type Table = HashMap<Resource, BTreeMap<String, Lease>>;

/// The table of leases. Cheap to ask, safe to share between threads.
#[derive(Debug, Default)]
pub struct Leases {
    table: RwLock<Table>,
}

impl Leases {
    /// Records that `lease.holder` uses `resource`; a second lease of the same holder replaces the first.
    pub fn hold(&self, resource: Resource, lease: Lease) {
        self.write()
            .entry(resource)
            .or_default()
            .insert(lease.holder.clone(), lease);
    }

    /// Ends the use of `resource` by `holder`. Returns whether there was one.
    pub fn release(&self, resource: &Resource, holder: &str) -> bool {
        let mut table = self.write();
        let Some(holders) = table.get_mut(resource) else {
            return false;
        };
        let removed = holders.remove(holder).is_some();
        if holders.is_empty() {
            table.remove(resource);
        }
        removed
    }

    /// Ends all uses by `holder` and returns what it held, sorted.
    pub fn release_all(&self, holder: &str) -> Vec<Resource> {
        let mut freed = Vec::new();
        self.write().retain(|resource, holders| {
            if holders.remove(holder).is_some() {
                freed.push(resource.clone());
            }
            !holders.is_empty()
        });
        freed.sort();
        freed
    }

    /// Sets the running mark on every lease of `holder`.
    pub fn set_running(&self, holder: &str, running: bool) {
        for holders in self.write().values_mut() {
            if let Some(lease) = holders.get_mut(holder) {
                lease.running = running;
            }
        }
    }

    /// Who holds `resource`, sorted by holder.
    pub fn holders(&self, resource: &Resource) -> Vec<Lease> {
        self.read()
            .get(resource)
            .map(|holders| holders.values().cloned().collect())
            .unwrap_or_default()
    }

    /// Whether anyone holds `resource`.
    pub fn is_held(&self, resource: &Resource) -> bool {
        self.read().contains_key(resource)
    }

    /// Every held resource of one kind, sorted.
    pub fn held(&self, kind: ResourceKind) -> Vec<Resource> {
        let mut held: Vec<_> = self
            .read()
            .keys()
            .filter(|resource| resource.kind == kind)
            .cloned()
            .collect();
        held.sort();
        held
    }

    // No code panics while it holds the lock, and the table is valid between any two statements: a poisoned lock is
    // safe to enter.
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_per_resource_is_replaced_not_doubled() {
        let leases = Leases::default();
        let image = Resource::image("sha256:aa");
        leases.hold(image.clone(), Lease::new("c1"));
        leases.hold(image.clone(), Lease::new("c1").labelled("web").running(true));
        leases.hold(image.clone(), Lease::new("c0"));
        let holders = leases.holders(&image);
        assert_eq!(holders.len(), 2);
        assert_eq!(
            holders[1],
            Lease {
                holder: "c1".into(),
                label: "web".into(),
                running: true
            }
        );
        assert!(leases.release(&image, "c0"));
        assert!(!leases.release(&image, "c0"));
        assert!(leases.is_held(&image));
    }

    #[test]
    fn a_holder_that_goes_frees_everything_it_held() {
        let leases = Leases::default();
        leases.hold(Resource::image("i"), Lease::new("c1"));
        leases.hold(Resource::volume("v"), Lease::new("c1"));
        leases.hold(Resource::volume("v"), Lease::new("c2"));
        leases.set_running("c1", true);
        assert!(leases.holders(&Resource::volume("v"))[0].running);
        assert_eq!(
            leases.release_all("c1"),
            vec![Resource::image("i"), Resource::volume("v")]
        );
        assert_eq!(leases.held(ResourceKind::Image), vec![]);
        assert_eq!(leases.held(ResourceKind::Volume), vec![Resource::volume("v")]);
    }

    #[test]
    fn kinds_do_not_mix() {
        let leases = Leases::default();
        leases.hold(Resource::network("x"), Lease::new("c"));
        assert!(!leases.is_held(&Resource::volume("x")));
        assert!(!leases.is_held(&Resource::layer("x")));
    }
}
