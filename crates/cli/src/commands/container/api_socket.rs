//! `--use-api-socket`: a container that may do what the user may: the daemon's socket, and the user's credentials at
//! registries. Source: docker/cli `command/container/create.go`.

use crate::context::Context;
use crate::error::Error;
use tierce_api_types::container::CreateRequest;
use tierce_client::{Endpoint, PutArchive, Upload};
use tierce_oci::container::{BindOptions, MountConfig};

/// Where clients in the container look for the daemon.
const SOCKET: &str = "/var/run/docker.sock";
/// Where they look for credentials.
const SETTINGS: &str = "/run/secrets/docker";

/// Adds the socket to the request, and the variable that says where the credentials are.
pub(super) fn add(context: &Context, request: &mut CreateRequest) {
    let source = match context.client.endpoint() {
        Endpoint::Unix(path) => path.to_string_lossy().into_owned(),
        // The daemon is elsewhere; where its socket is there, it does not tell.
        _ => SOCKET.to_owned(),
    };
    let mount = MountConfig {
        kind: "bind".to_owned(),
        source,
        target: SOCKET.to_owned(),
        bind_options: Some(BindOptions::default()),
        ..MountConfig::default()
    };
    let host = request.host_config.get_or_insert_default();
    host.mounts.get_or_insert_default().push(mount);
    let env = request.config.env.get_or_insert_default();
    if !env.iter().any(|word| word.starts_with("DOCKER_CONFIG=")) {
        env.push(format!("DOCKER_CONFIG={SETTINGS}"));
    }
}

/// Puts the user's credentials into the container; those of helpers too, which are not there.
pub(super) async fn copy_credentials(context: &Context, container: &str) -> Result<(), Error> {
    let Some(archive) = tierce_settings::credentials(&context.config()?, SETTINGS)? else {
        return Ok(());
    };
    let upload = Upload::from_reader(std::io::Cursor::new(archive));
    let files = context.client.files(container);
    Ok(files.put("/", PutArchive::default(), upload).await?)
}
