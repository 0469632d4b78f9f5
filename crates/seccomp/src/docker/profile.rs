//! Docker's default profile as facts: which calls are allowed under which condition.
//!
//! Source: `profiles/seccomp/default.json` of Docker Engine 28.5, and the profile that a running dockerd 28.5.2 writes
//! into `config.json`, which a test compares with this table.

use super::Conditions;
use tierce_oci::runtime::{Action, ArgCondition, Operator};

/// Calls with what happens to them, where the conditions hold.
pub(super) struct Entry {
    pub(super) names: &'static [&'static str],
    pub(super) action: Action,
    pub(super) errno: Option<u32>,
    pub(super) args: &'static [ArgCondition],
    pub(super) includes: Conditions<'static, &'static str>,
    pub(super) excludes: Conditions<'static, &'static str>,
}

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// Error number of every call that no entry names.
pub(super) const DEFAULT_ERRNO: u32 = EPERM;

const ANYWHERE: Conditions<'static, &'static str> = Conditions {
    arches: &[],
    caps: &[],
    min_kernel: None,
};

const fn allow(names: &'static [&'static str]) -> Entry {
    Entry {
        names,
        action: Action::Allow,
        errno: None,
        args: &[],
        includes: ANYWHERE,
        excludes: ANYWHERE,
    }
}

const fn allow_if(names: &'static [&'static str], args: &'static [ArgCondition]) -> Entry {
    Entry { args, ..allow(names) }
}

const fn with_capability(caps: &'static [&'static str], names: &'static [&'static str]) -> Entry {
    Entry {
        includes: Conditions { caps, ..ANYWHERE },
        ..allow(names)
    }
}

const fn on(arches: &'static [&'static str], names: &'static [&'static str]) -> Entry {
    Entry {
        includes: Conditions { arches, ..ANYWHERE },
        ..allow(names)
    }
}

const fn first_argument(op: Operator, value: u64) -> ArgCondition {
    ArgCondition {
        index: 0,
        value,
        value_two: 0,
        op,
    }
}

/// `AF_VSOCK` would lead to the hypervisor past the network namespace.
const AF_VSOCK: u64 = 40;
/// `CLONE_NEWNS | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET | NEWCGROUP`
const NEW_NAMESPACES: u64 = 0x7e02_0000;
/// The execution domains of personality(2) that change no security: `PER_LINUX`, `PER_LINUX32`, `UNAME26` with either,
/// and the question for the present one.
const PERSONALITIES: [ArgCondition; 5] = [
    first_argument(Operator::Equal, 0),
    first_argument(Operator::Equal, 0x8),
    first_argument(Operator::Equal, 0x2_0000),
    first_argument(Operator::Equal, 0x2_0008),
    first_argument(Operator::Equal, 0xffff_ffff),
];

/// In the order in which dockerd lists them.
pub(super) static ENTRIES: &[Entry] = &[
    allow(ALWAYS),
    Entry {
        // Before 4.8, ptrace could undo the filter.
        includes: Conditions {
            min_kernel: Some(super::KernelVersion::new(4, 8)),
            ..ANYWHERE
        },
        ..allow(&["process_vm_readv", "process_vm_writev", "ptrace"])
    },
    allow_if(&["socket"], &[first_argument(Operator::NotEqual, AF_VSOCK)]),
    allow_if(&["personality"], &[PERSONALITIES[0]]),
    allow_if(&["personality"], &[PERSONALITIES[1]]),
    allow_if(&["personality"], &[PERSONALITIES[2]]),
    allow_if(&["personality"], &[PERSONALITIES[3]]),
    allow_if(&["personality"], &[PERSONALITIES[4]]),
    on(
        &["arm", "arm64"],
        &[
            "arm_fadvise64_64",
            "arm_sync_file_range",
            "sync_file_range2",
            "breakpoint",
            "cacheflush",
            "set_tls",
        ],
    ),
    on(&["amd64", "x32"], &["arch_prctl"]),
    on(&["amd64", "x32", "x86"], &["modify_ldt"]),
    with_capability(&["CAP_DAC_READ_SEARCH"], &["open_by_handle_at"]),
    with_capability(&["CAP_SYS_ADMIN"], ADMINISTRATOR),
    Entry {
        excludes: Conditions {
            caps: &["CAP_SYS_ADMIN"],
            ..ANYWHERE
        },
        ..allow_if(&["clone"], &[first_argument(Operator::MaskedEqual, NEW_NAMESPACES)])
    },
    Entry {
        // Its flags stand in memory, out of a filter's sight; told that it does not exist, libraries fall back to clone.
        action: Action::Errno,
        errno: Some(ENOSYS),
        excludes: Conditions {
            caps: &["CAP_SYS_ADMIN"],
            ..ANYWHERE
        },
        ..allow(&["clone3"])
    },
    with_capability(&["CAP_SYS_BOOT"], &["reboot"]),
    with_capability(&["CAP_SYS_CHROOT"], &["chroot"]),
    with_capability(&["CAP_SYS_MODULE"], &["delete_module", "init_module", "finit_module"]),
    with_capability(&["CAP_SYS_PACCT"], &["acct"]),
    with_capability(
        &["CAP_SYS_PTRACE"],
        &[
            "kcmp",
            "pidfd_getfd",
            "process_madvise",
            "process_vm_readv",
            "process_vm_writev",
            "ptrace",
        ],
    ),
    with_capability(&["CAP_SYS_RAWIO"], &["iopl", "ioperm"]),
    with_capability(
        &["CAP_SYS_TIME"],
        &["settimeofday", "stime", "clock_settime", "clock_settime64"],
    ),
    with_capability(&["CAP_SYS_TTY_CONFIG"], &["vhangup"]),
    with_capability(
        &["CAP_SYS_NICE"],
        &["get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node"],
    ),
    with_capability(&["CAP_SYSLOG"], &["syslog"]),
    with_capability(&["CAP_BPF"], &["bpf"]),
    with_capability(&["CAP_PERFMON"], &["perf_event_open"]),
];

#[rustfmt::skip]
const ADMINISTRATOR: &[&str] = &[
    "bpf", "clone", "clone3", "fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick", "lookup_dcookie",
    "lsm_get_self_attr", "lsm_list_modules", "lsm_set_self_attr", "mount", "mount_setattr", "move_mount",
    "open_tree", "perf_event_open", "quotactl", "quotactl_fd", "setdomainname", "sethostname", "setns",
    "syslog", "umount", "umount2", "unshare",
];

#[rustfmt::skip]
const ALWAYS: &[&str] = &[
    "accept", "accept4", "access", "adjtimex", "alarm", "bind", "brk", "cachestat", "capget", "capset",
    "chdir", "chmod", "chown", "chown32", "clock_adjtime", "clock_adjtime64", "clock_getres",
    "clock_getres_time64", "clock_gettime", "clock_gettime64", "clock_nanosleep", "clock_nanosleep_time64",
    "close", "close_range", "connect", "copy_file_range", "creat", "dup", "dup2", "dup3", "epoll_create",
    "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait", "epoll_pwait2", "epoll_wait",
    "epoll_wait_old", "eventfd", "eventfd2", "execve", "execveat", "exit", "exit_group", "faccessat",
    "faccessat2", "fadvise64", "fadvise64_64", "fallocate", "fanotify_mark", "fchdir", "fchmod", "fchmodat",
    "fchmodat2", "fchown", "fchown32", "fchownat", "fcntl", "fcntl64", "fdatasync", "fgetxattr", "flistxattr",
    "flock", "fork", "fremovexattr", "fsetxattr", "fstat", "fstat64", "fstatat64", "fstatfs", "fstatfs64",
    "fsync", "ftruncate", "ftruncate64", "futex", "futex_requeue", "futex_time64", "futex_wait", "futex_waitv",
    "futex_wake", "futimesat", "getcpu", "getcwd", "getdents", "getdents64", "getegid", "getegid32", "geteuid",
    "geteuid32", "getgid", "getgid32", "getgroups", "getgroups32", "getitimer", "getpeername", "getpgid",
    "getpgrp", "getpid", "getppid", "getpriority", "getrandom", "getresgid", "getresgid32", "getresuid",
    "getresuid32", "getrlimit", "get_robust_list", "getrusage", "getsid", "getsockname", "getsockopt",
    "get_thread_area", "gettid", "gettimeofday", "getuid", "getuid32", "getxattr", "getxattrat",
    "inotify_add_watch", "inotify_init", "inotify_init1", "inotify_rm_watch", "io_cancel", "ioctl",
    "io_destroy", "io_getevents", "io_pgetevents", "io_pgetevents_time64", "ioprio_get", "ioprio_set",
    "io_setup", "io_submit", "ipc", "kill", "landlock_add_rule", "landlock_create_ruleset",
    "landlock_restrict_self", "lchown", "lchown32", "lgetxattr", "link", "linkat", "listen", "listmount",
    "listxattr", "listxattrat", "llistxattr", "_llseek", "lremovexattr", "lseek", "lsetxattr", "lstat",
    "lstat64", "madvise", "map_shadow_stack", "membarrier", "memfd_create", "memfd_secret", "mincore", "mkdir",
    "mkdirat", "mknod", "mknodat", "mlock", "mlock2", "mlockall", "mmap", "mmap2", "mprotect", "mq_getsetattr",
    "mq_notify", "mq_open", "mq_timedreceive", "mq_timedreceive_time64", "mq_timedsend", "mq_timedsend_time64",
    "mq_unlink", "mremap", "mseal", "msgctl", "msgget", "msgrcv", "msgsnd", "msync", "munlock", "munlockall",
    "munmap", "name_to_handle_at", "nanosleep", "newfstatat", "_newselect", "open", "openat", "openat2",
    "pause", "pidfd_open", "pidfd_send_signal", "pipe", "pipe2", "pkey_alloc", "pkey_free", "pkey_mprotect",
    "poll", "ppoll", "ppoll_time64", "prctl", "pread64", "preadv", "preadv2", "prlimit64", "process_mrelease",
    "pselect6", "pselect6_time64", "pwrite64", "pwritev", "pwritev2", "read", "readahead", "readlink",
    "readlinkat", "readv", "recv", "recvfrom", "recvmmsg", "recvmmsg_time64", "recvmsg", "remap_file_pages",
    "removexattr", "removexattrat", "rename", "renameat", "renameat2", "restart_syscall", "riscv_hwprobe",
    "rmdir", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn",
    "rt_sigsuspend", "rt_sigtimedwait", "rt_sigtimedwait_time64", "rt_tgsigqueueinfo", "sched_getaffinity",
    "sched_getattr", "sched_getparam", "sched_get_priority_max", "sched_get_priority_min",
    "sched_getscheduler", "sched_rr_get_interval", "sched_rr_get_interval_time64", "sched_setaffinity",
    "sched_setattr", "sched_setparam", "sched_setscheduler", "sched_yield", "seccomp", "select", "semctl",
    "semget", "semop", "semtimedop", "semtimedop_time64", "send", "sendfile", "sendfile64", "sendmmsg",
    "sendmsg", "sendto", "setfsgid", "setfsgid32", "setfsuid", "setfsuid32", "setgid", "setgid32", "setgroups",
    "setgroups32", "setitimer", "setpgid", "setpriority", "setregid", "setregid32", "setresgid", "setresgid32",
    "setresuid", "setresuid32", "setreuid", "setreuid32", "setrlimit", "set_robust_list", "setsid",
    "setsockopt", "set_thread_area", "set_tid_address", "setuid", "setuid32", "setxattr", "setxattrat",
    "shmat", "shmctl", "shmdt", "shmget", "shutdown", "sigaltstack", "signalfd", "signalfd4", "sigprocmask",
    "sigreturn", "socketcall", "socketpair", "splice", "stat", "stat64", "statfs", "statfs64", "statmount",
    "statx", "symlink", "symlinkat", "sync", "sync_file_range", "syncfs", "sysinfo", "tee", "tgkill", "time",
    "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_gettime64", "timer_settime",
    "timer_settime64", "timerfd_create", "timerfd_gettime", "timerfd_gettime64", "timerfd_settime",
    "timerfd_settime64", "times", "tkill", "truncate", "truncate64", "ugetrlimit", "umask", "uname", "unlink",
    "unlinkat", "uretprobe", "utime", "utimensat", "utimensat_time64", "utimes", "vfork", "vmsplice", "wait4",
    "waitid", "waitpid", "write", "writev",
];
