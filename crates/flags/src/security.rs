//! Flags about privileges and namespaces.

use super::environment::pair;
use crate::Error;
use clap::Args;
use std::collections::BTreeMap;
use tierce_api_types::container::HostConfig;
use tierce_oci::container::StrSlice;

#[derive(Debug, Args)]
pub(crate) struct SecurityFlags {
    /// Add Linux capabilities
    #[arg(long, value_name = "list")]
    cap_add: Vec<String>,
    /// Drop Linux capabilities
    #[arg(long, value_name = "list")]
    cap_drop: Vec<String>,
    /// Cgroup namespace to use (host|private)
    #[arg(long, default_value = "", hide_default_value = true)]
    cgroupns: String,
    /// Add additional groups to join
    #[arg(long, value_name = "list")]
    group_add: Vec<String>,
    /// IPC mode to use
    #[arg(long, default_value = "", hide_default_value = true)]
    ipc: String,
    /// PID namespace to use
    #[arg(long, default_value = "", hide_default_value = true)]
    pid: String,
    /// Give extended privileges to this container
    #[arg(long)]
    privileged: bool,
    /// Mount the container's root filesystem as read only
    #[arg(long)]
    read_only: bool,
    /// Security Options
    #[arg(long, value_name = "list")]
    security_opt: Vec<String>,
    /// Sysctl options
    #[arg(long, value_name = "map")]
    sysctl: Vec<String>,
    /// User namespace to use
    #[arg(long, default_value = "", hide_default_value = true)]
    userns: String,
    /// UTS namespace to use
    #[arg(long, default_value = "", hide_default_value = true)]
    uts: String,
}

impl SecurityFlags {
    pub(crate) fn apply(&self, host: &mut HostConfig) -> Result<(), Error> {
        let list = |words: &Vec<String>| (!words.is_empty()).then(|| words.clone());
        host.cap_add = list(&self.cap_add).map(StrSlice);
        host.cap_drop = list(&self.cap_drop).map(StrSlice);
        host.cgroupns_mode.clone_from(&self.cgroupns);
        host.group_add = list(&self.group_add);
        host.ipc_mode.clone_from(&self.ipc);
        host.pid_mode.clone_from(&self.pid);
        host.privileged = self.privileged;
        host.readonly_rootfs = self.read_only;
        host.uts_mode.clone_from(&self.uts);
        host.userns_mode.clone_from(&self.userns);
        let sysctls: BTreeMap<String, String> = self.sysctl.iter().map(|text| pair(text)).collect();
        host.sysctls = (!sysctls.is_empty()).then_some(sysctls);
        self.security_options(host)
    }

    /// A seccomp profile is read here and sent whole, since the daemon may be on another machine.
    fn security_options(&self, host: &mut HostConfig) -> Result<(), Error> {
        let mut options = Vec::new();
        for option in &self.security_opt {
            let (name, value) = option.split_once(['=', ':']).unwrap_or((option, ""));
            match (name, value) {
                ("systempaths", "unconfined") => {
                    host.masked_paths = Some(Vec::new());
                    host.readonly_paths = Some(Vec::new());
                }
                ("seccomp", file) if !matches!(file, "unconfined" | "builtin" | "strict" | "") => {
                    let profile = std::fs::read_to_string(file)
                        .map_err(|error| Error::usage(format!("opening seccomp profile ({file}) failed: {error}")))?;
                    options.push(format!("seccomp={profile}"));
                }
                _ => options.push(option.clone()),
            }
        }
        host.security_opt = (!options.is_empty()).then_some(options);
        Ok(())
    }
}
