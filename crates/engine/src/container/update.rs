//! `update`: new limits and restart policy, for the record and for the running container.

use super::context::{Container, Context};
use super::requests::Update;
use crate::error::{Error, Result};
use std::sync::Arc;
use tierce_oci::container::{HostConfig, ResourceConfig};
use tierce_spec::validate;

/// See [`super::Containers::update`].
pub(crate) async fn update(context: &Arc<Context>, container: &Arc<Container>, request: Update) -> Result<Vec<String>> {
    let _transient = container.transition().await;
    let snapshot = container.snapshot();
    let refused = |why: String| format!("Cannot update container {}: {why}", container.id);
    let mut next = (*snapshot.host_config).clone();
    merge(&mut next.resources, &request.host_config.resources).map_err(|why| Error::Conflict(refused(why)))?;
    if request.restart_policy_given {
        validate::restart_policy(&request.host_config.restart_policy)?;
        if next.auto_remove && !matches!(request.host_config.restart_policy.name.as_str(), "" | "no") {
            return Err(Error::Conflict(refused(
                "Restart policy cannot be updated because AutoRemove is enabled for the container".to_owned(),
            )));
        }
        next.restart_policy = request.host_config.restart_policy.clone();
    }
    // What it will have, since a part of it, such as swap alone, need not make sense without what it has.
    let warnings = validate::resources(&next.resources, &context.capacity)?;
    if snapshot.record.state.removal_in_progress || snapshot.record.state.dead {
        return Err(Error::Conflict(refused(
            "Container is marked for removal and cannot be \"update\".".to_owned(),
        )));
    }
    if snapshot.record.state.is_alive() {
        let resources = tierce_spec::resources(&next.resources)?;
        context
            .control
            .update(&container.id, resources)
            .await
            .map_err(|error| Error::below_with(refused(String::new()), error))?;
    }
    set(container, next);
    context.save(container, true).await?;
    context.publish(&container.snapshot().record, "update", &[]);
    Ok(warnings)
}

fn set(container: &Container, next: HostConfig) {
    container.change(|snapshot| snapshot.host_config = Arc::new(next));
}

/// Puts what was given over what was there (moby `container_unix.go`, `UpdateContainer`).
fn merge(own: &mut ResourceConfig, new: &ResourceConfig) -> Result<(), String> {
    if new.nano_cpus > 0 && own.cpu_period > 0 {
        return Err("Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set".to_owned());
    }
    if new.nano_cpus > 0 && own.cpu_quota > 0 {
        return Err("Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set".to_owned());
    }
    if new.cpu_quota > 0 && own.nano_cpus > 0 {
        return Err("Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set".to_owned());
    }
    if new.cpu_period > 0 && own.nano_cpus > 0 {
        return Err("Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set".to_owned());
    }
    // Swap first: a new memory limit above the old total would be refused by the kernel otherwise.
    if new.memory != 0 {
        if new.memory_swap == 0 && own.memory_swap > 0 && new.memory > own.memory_swap {
            return Err(
                "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"
                    .to_owned(),
            );
        }
        own.memory = new.memory;
    }
    for (ours, theirs) in [
        (&mut own.memory_swap, new.memory_swap),
        (&mut own.memory_reservation, new.memory_reservation),
        (&mut own.cpu_shares, new.cpu_shares),
        (&mut own.nano_cpus, new.nano_cpus),
        (&mut own.cpu_period, new.cpu_period),
        (&mut own.cpu_quota, new.cpu_quota),
        (&mut own.cpu_realtime_period, new.cpu_realtime_period),
        (&mut own.cpu_realtime_runtime, new.cpu_realtime_runtime),
    ] {
        if theirs != 0 {
            *ours = theirs;
        }
    }
    for (ours, theirs) in [
        (&mut own.cpuset_cpus, &new.cpuset_cpus),
        (&mut own.cpuset_mems, &new.cpuset_mems),
    ] {
        if !theirs.is_empty() {
            ours.clone_from(theirs);
        }
    }
    if new.blkio_weight != 0 {
        own.blkio_weight = new.blkio_weight;
    }
    if new.pids_limit.is_some() {
        own.pids_limit = new.pids_limit;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_given_changes() {
        let mut own = ResourceConfig {
            memory: 100,
            memory_swap: 200,
            cpu_shares: 5,
            ..ResourceConfig::default()
        };
        let new = ResourceConfig {
            memory: 150,
            pids_limit: Some(9),
            ..ResourceConfig::default()
        };
        merge(&mut own, &new).unwrap();
        assert_eq!(
            (own.memory, own.memory_swap, own.cpu_shares, own.pids_limit),
            (150, 200, 5, Some(9))
        );
        let more = ResourceConfig {
            memory: 300,
            ..ResourceConfig::default()
        };
        assert!(
            merge(&mut own, &more)
                .unwrap_err()
                .starts_with("Memory limit should be smaller")
        );
    }
}
