//! `tierce-dns`: the DNS server of an engine's user-defined networks, started by the engine.

use anyhow::{Context as _, Result, bail};
use std::path::Path;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(socket), None) = (arguments.next(), arguments.next()) else {
        bail!("usage: tierce-dns SOCKET (started by tierced)");
    };
    let socket = Path::new(&socket);
    tierce_dns::run(socket).with_context(|| format!("cannot serve at {}", socket.display()))
}
