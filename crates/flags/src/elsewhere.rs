//! Flags of Docker that mean something on other systems or to older versions only. They are sent on, as Docker's client
//! does; the daemon says what it makes of them.

use crate::Error;
use clap::Args;
use tierce_oci::container::HostConfig;
use tierce_oci::parse_bytes;

#[derive(Debug, Args)]
pub(crate) struct ElsewhereFlags {
    /// CPU count (Windows only)
    #[arg(long, value_name = "int", default_value = "0", hide_default_value = true)]
    cpu_count: i64,
    /// CPU percent (Windows only)
    #[arg(long, value_name = "int", default_value = "0", hide_default_value = true)]
    cpu_percent: i64,
    /// Skip image verification
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true")]
    disable_content_trust: bool,
    /// Maximum IO bandwidth limit for the system drive (Windows only)
    #[arg(long, value_name = "bytes", value_parser = parse_bytes)]
    io_maxbandwidth: Option<i64>,
    /// Maximum IOps limit for the system drive (Windows only)
    #[arg(long, value_name = "uint", default_value = "0", hide_default_value = true)]
    io_maxiops: u64,
    /// Container isolation technology
    #[arg(long, default_value = "", hide_default_value = true)]
    isolation: String,
    /// Kernel memory limit
    #[arg(long, value_name = "bytes", value_parser = parse_bytes)]
    kernel_memory: Option<i64>,
}

impl ElsewhereFlags {
    pub(crate) fn apply(&self, host: &mut HostConfig) -> Result<(), Error> {
        if !self.disable_content_trust {
            return Err(Error::usage(
                "cannot verify the image: content trust is not supported; leave out --disable-content-trust=false",
            ));
        }
        host.isolation.clone_from(&self.isolation);
        let resources = &mut host.resources;
        resources.cpu_count = self.cpu_count;
        resources.cpu_percent = self.cpu_percent;
        resources.io_maximum_bandwidth = self.io_maxbandwidth.unwrap_or_default().unsigned_abs();
        resources.io_maximum_iops = self.io_maxiops;
        resources.kernel_memory = self.kernel_memory.unwrap_or_default();
        Ok(())
    }
}
