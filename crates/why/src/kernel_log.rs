//! What the kernel says of a container's processes: lines of its log about memory and about system calls.
//!
//! Forms: `mm/oom_kill.c` (`oom-kill:constraint=…`), `kernel/auditsc.c` (`audit: type=1326 …`).

/// One piece of news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelNews {
    /// The memory killer ended a process.
    OutOfMemory {
        /// The process's name.
        process: String,
        /// Its number on the host.
        pid: String,
        /// The whole machine was short of memory, not only the container.
        whole_host: bool,
        /// The line.
        line: String,
    },
    /// A system call was answered as a seccomp filter wants.
    Seccomp {
        /// The process's name.
        process: String,
        /// Number of the system call.
        call: String,
        /// The line.
        line: String,
    },
}

/// Reads one line (without its head of numbers); `None`: it is about something else.
///
/// - `container`: the container's id, by which its control group is known.
/// - `program`: its program; a filter's news tell no group, so they are taken for the container's only by this name.
pub fn read(line: &str, container: &str, program: &str) -> Option<KernelNews> {
    let field = |key: &str| {
        let (_, after) = line.split_once(key)?;
        let value = after.split([',', ' ']).next().unwrap_or_default();
        Some(value.trim_matches('"').to_owned())
    };
    if line.contains("oom-kill:") && line.contains(container) {
        return Some(KernelNews::OutOfMemory {
            process: field(",task=").unwrap_or_default(),
            pid: field(",pid=").unwrap_or_default(),
            whole_host: line.contains("constraint=CONSTRAINT_NONE"),
            line: line.to_owned(),
        });
    }
    if line.contains("type=1326") {
        let process = field("comm=").unwrap_or_default();
        // The kernel keeps 15 bytes of a name.
        let name = program.rsplit('/').next().unwrap_or_default();
        let known = !process.is_empty() && name.get(..15).unwrap_or(name) == process;
        return known.then(|| KernelNews::Seccomp {
            call: field("syscall=").unwrap_or_default(),
            process,
            line: line.to_owned(),
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_killers_line_is_read() {
        let line = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=abc,mems_allowed=0,\
                    oom_memcg=/docker/abc,task_memcg=/docker/abc,task=stress,pid=4711,uid=0";
        let Some(KernelNews::OutOfMemory {
            process,
            pid,
            whole_host,
            ..
        }) = read(line, "abc", "stress")
        else {
            panic!("not read");
        };
        assert_eq!((process.as_str(), pid.as_str(), whole_host), ("stress", "4711", false));
        assert_eq!(read(line, "other", "stress"), None);
    }

    #[test]
    fn a_filters_line_is_the_containers_only_by_its_program() {
        let line = "audit: type=1326 audit(1.2:3): auid=0 uid=0 gid=0 ses=1 pid=7 comm=\"keyctl\" exe=\"/bin/keyctl\" \
                    sig=31 arch=c000003e syscall=250 compat=0 ip=0x0 code=0x80000000";
        let Some(KernelNews::Seccomp { process, call, .. }) = read(line, "abc", "/bin/keyctl") else {
            panic!("not read");
        };
        assert_eq!((process.as_str(), call.as_str()), ("keyctl", "250"));
        assert_eq!(read(line, "abc", "/bin/other"), None);
        assert_eq!(read("usb 1-1: new device", "abc", ""), None);
    }
}
