//! Go's JSON decoder takes a member whose name differs from a field's only in case, so dockerd takes `"image"` for
//! `"Image"`. Here names of requests' members are put right before a document is decoded.
//!
//! Names that users choose (labels, options, networks) stay as they are.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The members of all requests that have a body, in dockerd's spelling. `{…}`: members of the object, or of each object in
/// the list; `*{…}`: the same for an object whose own names are the user's.
const MEMBERS: &str = "
    Hostname Domainname User AttachStdin AttachStdout AttachStderr ExposedPorts Tty OpenStdin StdinOnce Env Cmd
    Healthcheck{Test Interval Timeout StartPeriod StartInterval Retries OnFailure} ArgsEscaped Image Volumes WorkingDir
    Entrypoint NetworkDisabled MacAddress OnBuild Labels StopSignal StopTimeout Shell
    HostConfig{
        Binds ContainerIDFile LogConfig{Type Config} NetworkMode PortBindings*{HostIp HostPort}
        RestartPolicy{Name MaximumRetryCount} AutoRemove VolumeDriver VolumesFrom ConsoleSize Annotations CapAdd CapDrop
        CgroupnsMode Dns DnsOptions DnsSearch ExtraHosts GroupAdd IpcMode Cgroup Links OomScoreAdj PidMode Privileged
        PublishAllPorts ReadonlyRootfs SecurityOpt StorageOpt Tmpfs UTSMode UsernsMode ShmSize Sysctls Runtime Isolation
        CpuShares Memory NanoCpus CgroupParent BlkioWeight BlkioWeightDevice{Path Weight}
        BlkioDeviceReadBps{Path Rate} BlkioDeviceWriteBps{Path Rate} BlkioDeviceReadIOps{Path Rate}
        BlkioDeviceWriteIOps{Path Rate} CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime CpusetCpus CpusetMems
        Devices{PathOnHost PathInContainer CgroupPermissions} DeviceCgroupRules
        DeviceRequests{Driver Count DeviceIDs Capabilities Options} KernelMemory KernelMemoryTCP MemoryReservation
        MemorySwap MemorySwappiness OomKillDisable PidsLimit Ulimits{Name Hard Soft} CpuCount CpuPercent IOMaximumIOps
        IOMaximumBandwidth
        Mounts{
            Type Source Target ReadOnly Consistency
            BindOptions{Propagation NonRecursive CreateMountpoint ReadOnlyNonRecursive ReadOnlyForceRecursive}
            VolumeOptions{NoCopy Labels DriverConfig{Name Options} Subpath} ImageOptions{Subpath}
            TmpfsOptions{SizeBytes Mode Options} ClusterOptions
        }
        MaskedPaths ReadonlyPaths Init
    }
    NetworkingConfig{EndpointsConfig*{
        IPAMConfig{IPv4Address IPv6Address LinkLocalIPs} Links Aliases MacAddress DriverOpts GwPriority NetworkID
        EndpointID Gateway IPAddress IPPrefixLen IPv6Gateway GlobalIPv6Address GlobalIPv6PrefixLen DNSNames
    }}
    CpuShares Memory NanoCpus CgroupParent BlkioWeight BlkioWeightDevice{Path Weight} BlkioDeviceReadBps{Path Rate}
    BlkioDeviceWriteBps{Path Rate} BlkioDeviceReadIOps{Path Rate} BlkioDeviceWriteIOps{Path Rate} CpuPeriod CpuQuota
    CpuRealtimePeriod CpuRealtimeRuntime CpusetCpus CpusetMems Devices{PathOnHost PathInContainer CgroupPermissions}
    DeviceCgroupRules DeviceRequests{Driver Count DeviceIDs Capabilities Options} KernelMemory KernelMemoryTCP
    MemoryReservation MemorySwap MemorySwappiness OomKillDisable PidsLimit Ulimits{Name Hard Soft} CpuCount CpuPercent
    IOMaximumIOps IOMaximumBandwidth RestartPolicy{Name MaximumRetryCount}
    Detach DetachKeys Privileged ConsoleSize
    Name Driver DriverOpts Scope EnableIPv4 EnableIPv6 Internal Attachable Ingress ConfigOnly ConfigFrom{Network} Options
    CheckDuplicate IPAM{Driver Config{Subnet IPRange Gateway AuxiliaryAddresses} Options}
    Container Force EndpointConfig{
        IPAMConfig{IPv4Address IPv6Address LinkLocalIPs} Links Aliases MacAddress DriverOpts GwPriority NetworkID
        EndpointID Gateway IPAddress IPPrefixLen IPv6Gateway GlobalIPv6Address GlobalIPv6PrefixLen DNSNames
    }
    CheckpointID CheckpointDir Exit
    username password email auth serveraddress identitytoken registrytoken
";

static REQUESTS: LazyLock<Shape> = LazyLock::new(|| Shape::read(&mut MEMBERS.chars().peekable()));

/// What an object's members are called, by their names in lower case.
#[derive(Debug, Default)]
struct Shape {
    members: BTreeMap<String, Member>,
}

#[derive(Debug, Default)]
struct Member {
    name: String,
    below: Option<Shape>,
    /// What is below is the shape of each value of an object with any names.
    any_names: bool,
}

impl Shape {
    /// Reads up to the closing brace, or the end.
    fn read(text: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Self {
        let mut shape = Self::default();
        let mut member = Member::default();
        loop {
            match text.next() {
                Some('*') => member.any_names = true,
                Some('{') => member.below = Some(Self::read(text)),
                Some(letter) if letter.is_ascii_alphanumeric() => member.name.push(letter),
                end => {
                    let whole = std::mem::take(&mut member);
                    if !whole.name.is_empty() {
                        shape.members.insert(whole.name.to_ascii_lowercase(), whole);
                    }
                    if matches!(end, None | Some('}')) {
                        return shape;
                    }
                }
            }
        }
    }

    /// Puts the names right; says whether any was wrong.
    fn mend(&self, value: &mut Value) -> bool {
        match value {
            Value::Array(elements) => elements
                .iter_mut()
                .fold(false, |wrong, element| self.mend(element) | wrong),
            Value::Object(members) => self.mend_object(members),
            _ => false,
        }
    }

    fn mend_object(&self, members: &mut Map<String, Value>) -> bool {
        let mut wrong = false;
        for (name, mut value) in std::mem::take(members) {
            let known = self.members.get(&name.to_ascii_lowercase());
            wrong |= known.is_some_and(|member| member.mend(&mut value));
            match known.filter(|member| member.name != name) {
                None => drop(members.insert(name, value)),
                Some(member) => {
                    wrong = true;
                    // One that is spelled right counts, whatever the order: maps here keep none.
                    members.entry(member.name.clone()).or_insert(value);
                }
            }
        }
        wrong
    }
}

impl Member {
    fn mend(&self, value: &mut Value) -> bool {
        let Some(shape) = &self.below else { return false };
        match value {
            Value::Object(members) if self.any_names => members
                .values_mut()
                .fold(false, |wrong, value| shape.mend(value) | wrong),
            value => shape.mend(value),
        }
    }
}

/// The document with its members' names put right; `None` when all are right, or it is no JSON.
pub(crate) fn mended(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut document: Value = serde_json::from_slice(bytes).ok()?;
    let wrong = REQUESTS.mend(&mut document);
    wrong.then(|| serde_json::to_vec(&document).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tierce_api_types::container::{CheckpointRequest, CreateRequest, HostConfig};
    use tierce_api_types::exec::{ExecCreate, ExecStart};
    use tierce_api_types::network::{NetworkConnect, NetworkCreate, NetworkDisconnect};
    use tierce_api_types::volume::VolumeCreate;

    fn mend(document: &Value) -> Value {
        let bytes = mended(document.to_string().as_bytes());
        bytes.map_or_else(|| document.clone(), |bytes| serde_json::from_slice(&bytes).unwrap())
    }

    #[test]
    fn row_089_members_are_known_in_any_case_at_any_depth() {
        let given = json!({
            "image": "x", "CMD": ["y"], "healthcheck": {"test": ["NONE"]},
            "hostconfig": {"portbindings": {"80/tcp": [{"hostport": "1"}]}, "mounts": [{"type": "tmpfs", "tmpfsoptions": {"sizebytes": 1}}]},
            "networkingConfig": {"endpointsconfig": {"net": {"aliases": ["a"], "ipamconfig": {"ipv4address": "10.0.0.2"}}}}
        });
        let expected = json!({
            "Image": "x", "Cmd": ["y"], "Healthcheck": {"Test": ["NONE"]},
            "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "1"}]}, "Mounts": [{"Type": "tmpfs", "TmpfsOptions": {"SizeBytes": 1}}]},
            "NetworkingConfig": {"EndpointsConfig": {"net": {"Aliases": ["a"], "IPAMConfig": {"IPv4Address": "10.0.0.2"}}}}
        });
        assert_eq!(mend(&given), expected);
        let request: CreateRequest = serde_json::from_value(mend(&given)).unwrap();
        assert_eq!(request.config.image, "x");
    }

    #[test]
    fn row_089_names_that_users_choose_stay_as_they_are() {
        let given = json!({
            "Labels": {"image": "1", "env": "2"}, "ExposedPorts": {"name": {}},
            "HostConfig": {"Sysctls": {"memory": "1"}, "LogConfig": {"Config": {"type": "x"}}, "PortBindings": {"hostip": []}},
            "NetworkingConfig": {"EndpointsConfig": {"aliases": {"DriverOpts": {"links": "1"}}}}
        });
        assert_eq!(mended(given.to_string().as_bytes()), None);
        let beside = json!({"labels": {"image": "1"}, "unknown": {"image": 1}});
        assert_eq!(
            mend(&beside),
            json!({"Labels": {"image": "1"}, "unknown": {"image": 1}})
        );
    }

    #[test]
    fn row_089_a_member_that_is_spelled_right_counts() {
        assert_eq!(mend(&json!({"image": "a", "Image": "b"})), json!({"Image": "b"}));
        assert_eq!(mend(&json!({"Image": "b", "image": "a"})), json!({"Image": "b"}));
    }

    /// Every member that we write has its place in the list.
    #[test]
    fn row_089_the_list_knows_what_is_served() {
        let host = REQUESTS.members["hostconfig"].below.as_ref().unwrap();
        assert_known(host, HostConfig::default());
        assert_known(&REQUESTS, CreateRequest::default());
        assert_known(&REQUESTS, CheckpointRequest::default());
        assert_known(&REQUESTS, ExecCreate::default());
        assert_known(&REQUESTS, ExecStart::default());
        assert_known(&REQUESTS, NetworkCreate::default());
        assert_known(&REQUESTS, NetworkConnect::default());
        assert_known(&REQUESTS, NetworkDisconnect::default());
        assert_known(&REQUESTS, VolumeCreate::default());
    }

    #[track_caller]
    fn assert_known(shape: &Shape, request: impl serde::Serialize) {
        let document = serde_json::to_value(request).unwrap();
        for name in document.as_object().unwrap().keys() {
            let known = shape.members.get(&name.to_ascii_lowercase());
            assert_eq!(known.map(|member| member.name.as_str()), Some(name.as_str()));
        }
    }
}
