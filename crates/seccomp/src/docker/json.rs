//! Docker's JSON form of a profile: the runtime specification's, plus `archMap`, `includes`, `excludes` and `name`.

use super::{Conditions, KernelVersion, Target};
use crate::{Architecture, Error};
use serde::Deserialize;
use std::path::PathBuf;
use tierce_oci::runtime::{Action, Arch, ArgCondition, Seccomp, SyscallRule};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    default_action: Option<String>,
    default_errno_ret: Option<u32>,
    #[serde(default)]
    architectures: Option<Vec<Arch>>,
    #[serde(default)]
    arch_map: Option<Vec<ArchMapEntry>>,
    #[serde(default)]
    flags: Option<Vec<String>>,
    #[serde(default)]
    listener_path: PathBuf,
    #[serde(default)]
    listener_metadata: String,
    #[serde(default)]
    syscalls: Option<Vec<Call>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArchMapEntry {
    architecture: Arch,
    #[serde(default)]
    sub_architectures: Option<Vec<Arch>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Call {
    #[serde(default)]
    name: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    action: Action,
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Option<Vec<ArgCondition>>,
    #[serde(default)]
    includes: Option<Filter>,
    #[serde(default)]
    excludes: Option<Filter>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Filter {
    #[serde(default)]
    arches: Option<Vec<String>>,
    #[serde(default)]
    caps: Option<Vec<String>>,
    #[serde(default)]
    min_kernel: String,
}

impl Filter {
    fn conditions(&self) -> Result<Conditions<'_, String>, Error> {
        let min_kernel = (!self.min_kernel.is_empty())
            .then(|| self.min_kernel.parse::<KernelVersion>())
            .transpose()?;
        Ok(Conditions {
            arches: self.arches.as_deref().unwrap_or_default(),
            caps: self.caps.as_deref().unwrap_or_default(),
            min_kernel,
        })
    }
}

/// Reads a profile in Docker's form and resolves it. `None`: the document says nothing, the container is unconfined.
///
/// # Errors
/// [`Error::Json`], [`Error::Both`], [`Error::KernelVersion`], with Docker's words.
pub fn load<C: AsRef<str>>(
    json: &str,
    caps: &[C],
    architecture: Architecture,
    kernel: KernelVersion,
) -> Result<Option<Seccomp>, Error> {
    let document: Document = serde_json::from_str(json)?;
    let calls = document.syscalls.unwrap_or_default();
    let default_action = match document.default_action.unwrap_or_default() {
        text if text.is_empty() && calls.is_empty() => return Ok(None),
        text => serde_json::from_value::<Action>(serde_json::Value::String(text))?,
    };
    let mut architectures = document.architectures.unwrap_or_default();
    let arch_map = document.arch_map.unwrap_or_default();
    if !architectures.is_empty() && !arch_map.is_empty() {
        return Err(Error::Both("architectures", "archMap"));
    }
    if let Some(entry) = arch_map
        .into_iter()
        .find(|entry| entry.architecture == architecture.oci())
    {
        architectures.push(entry.architecture);
        architectures.extend(entry.sub_architectures.unwrap_or_default());
    }
    let target = Target {
        caps,
        architecture,
        kernel,
    };
    let mut syscalls = Vec::with_capacity(calls.len());
    for call in calls {
        if let Some(rule) = resolve(call, &target)? {
            syscalls.push(rule);
        }
    }
    Ok(Some(Seccomp {
        default_action,
        default_errno_ret: document.default_errno_ret,
        architectures,
        // An empty list is left out of the document, as Go does.
        flags: document.flags.filter(|list| !list.is_empty()),
        listener_path: document.listener_path,
        listener_metadata: document.listener_metadata,
        syscalls,
    }))
}

/// The plain rule, or `None` where its conditions do not hold.
fn resolve<C: AsRef<str>>(call: Call, target: &Target<C>) -> Result<Option<SyscallRule>, Error> {
    let mut names = call.names.unwrap_or_default();
    if !call.name.is_empty() {
        if !names.is_empty() {
            return Err(Error::Both("name", "names"));
        }
        names = vec![call.name];
    }
    let excludes = call.excludes.unwrap_or_default();
    let includes = call.includes.unwrap_or_default();
    if target.excluded(&excludes.conditions()?) || !target.included(&includes.conditions()?) {
        return Ok(None);
    }
    let args = call.args.unwrap_or_default();
    Ok(Some(SyscallRule {
        names,
        action: call.action,
        errno_ret: call.errno_ret,
        args,
    }))
}
