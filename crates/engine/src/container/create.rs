//! `create`: check, merge with the image, reserve the name, make layer, directory and volumes, write the record.
//!
//! Everything that was made is undone when a later step fails, in reverse.

use super::context::{Container, Context, blocking};
use super::record::{EndpointSettings, MountPoint, NetworkSettings, Record};
use super::requests::{Create, Created};
use super::{defaults, links, log_options, merge, name, record, volumes};
use crate::error::{Error, Result};
use crate::parts::ImageFacts;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tierce_lifecycle::State;
use tierce_network::{Port, Publication};
use tierce_oci::Platform;
use tierce_oci::container::{Config, HostConfig};
use tierce_spec::{mount_points, validate};
use tierce_store::{Lease, Resource};
use tierce_task::TraceId;

/// See [`super::Containers::create`].
pub(crate) async fn create(context: &Arc<Context>, request: Create) -> Result<Created> {
    let Create {
        name,
        platform,
        rootfs,
        mut config,
        mut host_config,
        endpoints,
        flat_read_only,
        trace,
    } = request;
    let id = name::new_id()?;
    let trace = trace.unwrap_or_else(|| TraceId::of_container(&id));
    trace.step(1, "a container is asked for");
    let name = name
        .filter(|name| !name.is_empty())
        .map(|name| name::check(&name))
        .transpose()?;
    let wanted = platform.filter(|text| !text.is_empty()).map(|text| text.parse());
    let wanted: Option<Platform> = wanted.transpose().map_err(Error::below)?;
    let mut warnings = context.capacity.discard(&mut host_config);
    warnings.extend(validate::create(&config, &host_config, &context.capacity)?);
    check_ports(&config, &host_config)?;
    let facts = match &rootfs {
        Some(directory) => no_image(directory, &mut config)?,
        None => resolve_image(context, &config.image).await?,
    };
    trace.step(2, "the image is found");
    check_platform(wanted.as_ref(), &facts, &config.image)?;
    merge::merge(&mut config, &facts.config)?;
    let runtimes = context.runtimes();
    if host_config.runtime.is_empty() {
        host_config.runtime.clone_from(&runtimes.default);
    }
    defaults::fill(&mut host_config, &context.config, context.host.unified_cgroups)?;
    log_options::check(&host_config.log_config)?;
    if !runtimes.programs.contains_key(&host_config.runtime) {
        return Err(Error::Invalid(format!(
            "unknown or invalid runtime name: {}",
            host_config.runtime
        )));
    }
    check_endpoints(context, &endpoints)?;
    links::check(context, &host_config)?;
    let networks = resolve_references(context, &mut host_config, endpoints)?;
    let wishes = mount_wishes(context, &config, &host_config, flat_read_only)?;

    set_hostname(context, &id, &mut config, &host_config);
    let name = take_name(context, name, &id)?;
    let plan = Plan {
        id: id.clone(),
        name: name.clone(),
        config,
        host_config,
        facts,
        rootfs: rootfs.unwrap_or_default(),
        networks,
        wishes,
        trace,
    };
    let made = make(context, plan).await;
    match made {
        Ok(container) => {
            let record = container.snapshot().record.clone();
            context.insert(container);
            context.publish(&record, "create", &[]);
            Ok(Created { id, warnings })
        }
        Err(error) => {
            context.release_name(&name, &id);
            Err(error)
        }
    }
}

/// All that is to be mounted into a container.
fn mount_wishes(
    context: &Context,
    config: &Config,
    host_config: &HostConfig,
    flat_read_only: bool,
) -> Result<Vec<mount_points::Wish>> {
    let donated = donated(context, host_config)?;
    let mut wishes = mount_points::wishes(config, host_config, donated)?;
    for wish in &mut wishes {
        wish.follow_data_root(&context.config.data_root)?;
    }
    if flat_read_only {
        wishes.iter_mut().for_each(mount_points::Wish::make_flat);
    }
    Ok(wishes)
}

struct Plan {
    id: String,
    name: String,
    config: Config,
    host_config: HostConfig,
    facts: ImageFacts,
    /// Directory of the host instead of an image; mostly empty.
    rootfs: String,
    networks: BTreeMap<String, EndpointSettings>,
    wishes: Vec<mount_points::Wish>,
    trace: TraceId,
}

/// Checks exposed and published ports, which are not looked at again before the start.
fn check_ports(config: &Config, host_config: &HostConfig) -> Result<()> {
    for port in config.exposed_ports.iter().flatten().map(|(port, _)| port) {
        port.parse::<Port>().map_err(Error::below)?;
    }
    if let Some(bindings) = &host_config.port_bindings {
        Publication::from_bindings(bindings, &[], false).map_err(Error::below)?;
    }
    Ok(())
}

/// What stands for an image where a directory of the host is the root.
fn no_image(directory: &str, config: &mut Config) -> Result<ImageFacts> {
    if !config.image.is_empty() {
        return Err(Error::Invalid(
            "conflicting options: an image and a rootfs cannot both be given".to_owned(),
        ));
    }
    super::root::check(Path::new(directory))?;
    // What lists show where others have an image.
    directory.clone_into(&mut config.image);
    let host = tierce_oci::Platform::host();
    Ok(ImageFacts {
        os: host.os,
        architecture: host.architecture,
        ..ImageFacts::default()
    })
}

pub(super) async fn resolve_image(context: &Arc<Context>, image: &str) -> Result<ImageFacts> {
    if image.is_empty() {
        return Err(Error::Invalid(
            "invalid reference format: no image was named".to_owned(),
        ));
    }
    let (images, image) = (Arc::clone(&context.images), image.to_owned());
    blocking(move || images.resolve(&image).map_err(Error::below)).await
}

fn check_platform(wanted: Option<&Platform>, facts: &ImageFacts, image: &str) -> Result<()> {
    let Some(wanted) = wanted else {
        return Ok(());
    };
    let have = Platform {
        architecture: facts.architecture.clone(),
        os: facts.os.clone(),
        variant: facts.variant.clone(),
        extra: tierce_oci::Extra::new(),
    };
    let any_variant = wanted.variant.is_empty() || have.variant.is_empty();
    let same = have.os == wanted.os && have.architecture == wanted.architecture;
    if same && any_variant || have.distance(wanted).is_some() {
        return Ok(());
    }
    // Clients pull the right one on this answer.
    Err(Error::NotFound(format!(
        "image with reference {image} was found but its platform ({have}) does not match the specified platform \
         ({wanted})"
    )))
}

/// Makes ids of the containers whose namespaces are shared, and the list of networks.
fn resolve_references(
    context: &Context,
    host_config: &mut HostConfig,
    endpoints: BTreeMap<String, EndpointSettings>,
) -> Result<BTreeMap<String, EndpointSettings>> {
    for mode in [&mut host_config.pid_mode, &mut host_config.ipc_mode] {
        if let Some(name) = mode.strip_prefix("container:") {
            *mode = format!("container:{}", referred(context, name)?.id);
        }
    }
    if let Some(name) = host_config.network_mode.strip_prefix("container:") {
        // One that is not there is told at start, as dockerd does.
        if let Ok(donor) = context.find(name) {
            host_config.network_mode = format!("container:{}", donor.id);
        }
        return Ok(BTreeMap::new());
    }
    let mut networks: BTreeMap<String, EndpointSettings> = endpoints
        .into_iter()
        .map(|(name, settings)| (if name == "default" { "bridge".to_owned() } else { name }, settings))
        .collect();
    // As with dockerd, who names endpoints has no others.
    if networks.is_empty() {
        networks.insert(host_config.network_mode.clone(), EndpointSettings::default());
    }
    // A network that does not exist is told at start, as dockerd does: it may be made meanwhile.
    Ok(networks)
}

/// Another container that a request names. One that is not there is a bad request and not "not found", at which clients
/// would pull the image and try again.
fn referred(context: &Context, name: &str) -> Result<Arc<Container>> {
    context.find(name).map_err(|error| Error::Invalid(error.to_string()))
}

/// What is asked of endpoints, as far as their networks are known. Addresses are chosen by the user only on networks whose
/// subnets are the user's, too.
fn check_endpoints(context: &Context, endpoints: &BTreeMap<String, EndpointSettings>) -> Result<()> {
    let wanted = |settings: &EndpointSettings| {
        let member = |name| {
            settings
                .ipam_config
                .as_ref()
                .and_then(|config| config.get(name)?.as_str())
        };
        ["IPv4Address", "IPv6Address"]
            .into_iter()
            .filter_map(member)
            .any(|address| !address.is_empty())
    };
    for (name, wish) in endpoints {
        if name.starts_with("container:") && wanted(wish) {
            return Err(Error::Invalid(format!(
                "invalid config for network {name}: invalid endpoint settings:\nuser specified IP address is supported on \
                 user defined networks only"
            )));
        }
        let name = if name == "default" { "bridge" } else { name };
        if let Ok(network) = context.sandboxes.network(name)
            && let Err(error) = tierce_network::check_endpoint(&network, wish)
        {
            return Err(Error::Invalid(format!("invalid config for network {name}: {error}")));
        }
    }
    Ok(())
}

/// Mount points of the containers of `--volumes-from`.
fn donated(context: &Context, host_config: &HostConfig) -> Result<Vec<MountPoint>> {
    let mut points = Vec::new();
    for text in host_config.volumes_from.iter().flatten() {
        let (name, read_only) = mount_points::parse_volumes_from(text)?;
        let donor = referred(context, &name)?.snapshot();
        for point in donor.record.mount_points.values() {
            let mut point = point.clone();
            point.rw &= !read_only;
            point.copy_data = false;
            // dockerd does not hand it on either.
            point.relabel.clear();
            points.push(point);
        }
    }
    Ok(points)
}

/// The host name: the one asked for, the host's, the one of the container whose network is shared, or the short id.
fn set_hostname(context: &Context, id: &str, config: &mut Config, host_config: &HostConfig) {
    if let Some(donor) = host_config.network_mode.strip_prefix("container:") {
        if let Ok(donor) = context.find(donor) {
            let donor = donor.snapshot();
            config.hostname.clone_from(&donor.record.config.hostname);
            config.domainname.clone_from(&donor.record.config.domainname);
        }
    } else if config.hostname.is_empty() {
        config.hostname = if host_config.network_mode == "host" {
            rustix::system::uname().nodename().to_string_lossy().into_owned()
        } else {
            super::record::short_id(id).to_owned()
        };
    }
}

/// Reserves the wanted name, or a generated one that is free.
fn take_name(context: &Context, wanted: Option<String>, id: &str) -> Result<String> {
    if let Some(name) = wanted {
        context.reserve_name(&name, id)?;
        return Ok(name);
    }
    for retry in 0..6 {
        let name = format!("/{}", name::generate(retry)?);
        if context.reserve_name(&name, id).is_ok() {
            return Ok(name);
        }
    }
    let name = format!("/{}", super::record::short_id(id));
    context.reserve_name(&name, id)?;
    Ok(name)
}

/// Makes layer, directory, volumes and record.
async fn make(context: &Arc<Context>, plan: Plan) -> Result<Arc<Container>> {
    let id = plan.id.clone();
    // Held before anything is made, so that neither image nor volume goes away meanwhile.
    if !plan.facts.id.is_empty() {
        context.leases.hold(
            Resource::image(&plan.facts.id),
            Lease::new(&id).labelled(plan.name.trim_start_matches('/')),
        );
    }
    let mut undo = Undo {
        context,
        id: id.clone(),
        directory: None,
        layer: false,
        volumes: Vec::new(),
    };
    match try_make(context, plan, &mut undo).await {
        Ok(container) => Ok(container),
        Err(error) => {
            undo.run().await;
            Err(error)
        }
    }
}

/// What has been made so far.
struct Undo<'a> {
    context: &'a Arc<Context>,
    id: String,
    directory: Option<PathBuf>,
    layer: bool,
    volumes: Vec<String>,
}

impl Undo<'_> {
    /// Takes everything back; goes on after failures and logs them.
    async fn run(self) {
        let Self {
            context,
            id,
            directory,
            layer,
            volumes,
        } = self;
        context.leases.release_all(&id);
        let (rootfs, registry) = (Arc::clone(&context.rootfs), Arc::clone(&context.volumes));
        let undone = blocking(move || {
            let mut failures = Vec::new();
            if layer && let Err(error) = rootfs.remove(&id) {
                failures.push(error.to_string());
            }
            if let Some(directory) = directory
                && let Err(error) = tierce_fsops::remove_dir_all(&directory)
            {
                failures.push(error.to_string());
            }
            for volume in volumes {
                if let Err(error) = registry.remove(&volume, true) {
                    failures.push(error.to_string());
                }
            }
            Ok((id, failures))
        })
        .await;
        if let Ok((container, failures)) = undone
            && !failures.is_empty()
        {
            tracing::warn!(container, ?failures, "a failed create left something behind");
        }
    }
}

async fn try_make(context: &Arc<Context>, plan: Plan, undo: &mut Undo<'_>) -> Result<Arc<Container>> {
    let Plan {
        id,
        name,
        config,
        host_config,
        facts,
        rootfs,
        networks,
        wishes,
        trace,
    } = plan;
    let directory = context.containers_directory().join(&id);
    undo.directory = Some(directory.clone());
    undo.layer = true;
    let layers = Arc::clone(&context.rootfs);
    let (layer_id, chain, container_directory) = (id.clone(), facts.chain.clone(), directory.clone());
    let options = host_config.storage_opt.clone().unwrap_or_default();
    blocking(move || {
        make_directory(&container_directory)?;
        layers.create(&layer_id, chain.as_ref(), &options).map_err(Error::below)
    })
    .await?;
    trace.step(4, "the directories of its file system are made");
    let mount_points = volumes::make(context, (&id, &name), wishes, &mut undo.volumes).await?;
    volumes::fill(context, &id, &rootfs, &mount_points).await?;
    let mut record = new_record(context, &id, name, config, &host_config, facts, networks, mount_points)?;
    record.rootfs = rootfs;
    let durable = !host_config.auto_remove;
    let mut container = Container::new(directory, record, host_config);
    container.trace = trace;
    let container = Arc::new(container);
    context.save(&container, durable).await?;
    container.trace.step(3, "the container is made and stored");
    Ok(container)
}

/// `DR/containers/<id>` with what dockerd has in it.
fn make_directory(directory: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let make = |path: &Path, mode: u32| {
        std::fs::DirBuilder::new()
            .mode(mode)
            .create(path)
            .map_err(Error::file("create", path))
    };
    make(directory, 0o710)?;
    make(&directory.join("checkpoints"), 0o700)
}

#[allow(clippy::too_many_arguments, reason = "each is one member of the record")]
fn new_record(
    context: &Context,
    id: &str,
    name: String,
    config: Config,
    host_config: &HostConfig,
    facts: ImageFacts,
    networks: BTreeMap<String, EndpointSettings>,
    mount_points: BTreeMap<String, MountPoint>,
) -> Result<Record> {
    let (path, args) = merge::command(&config);
    let given = host_config.security_opt.as_deref().unwrap_or_default();
    let options = tierce_spec::security_options(given)?;
    let forbidden = context.config.presets.forbids_new_privileges(given);
    Ok(Record {
        stream_config: record::empty_object(),
        state: State::default(),
        id: id.to_owned(),
        created: Timestamp::now(),
        managed: false,
        path,
        args,
        config,
        image_platform: serde_json::json!({ "architecture": facts.architecture, "os": facts.os }),
        image: facts.id,
        image_manifest: serde_json::Value::Null,
        network_settings: NetworkSettings {
            networks,
            ..NetworkSettings::default()
        },
        log_path: String::new(),
        name,
        driver: context.rootfs.driver(),
        os: "linux".to_owned(),
        restart_count: 0,
        has_been_started_before: false,
        has_been_manually_stopped: false,
        mount_points,
        secret_references: serde_json::Value::Null,
        config_references: serde_json::Value::Null,
        mount_label: String::new(),
        process_label: String::new(),
        app_armor_profile: options.apparmor,
        seccomp_profile: options.seccomp,
        no_new_privileges: options.no_new_privileges || forbidden,
        writable_cgroups: None,
        hostname_path: String::new(),
        hosts_path: String::new(),
        shm_path: String::new(),
        resolv_conf_path: String::new(),
        rootfs: String::new(),
        local_log_cache_meta: record::no_log_copy(),
        extra: serde_json::Map::new(),
    })
}
