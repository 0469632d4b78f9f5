//! The readings that containerd itself understands: `io.containerd.cgroups.v1.Metrics` and `…v2.Metrics`, as far as we
//! fill them in (containerd/cgroups `cgroup1/stats/metrics.proto`, `cgroup2/stats/metrics.proto`).

/// Type name of [`v1::Metrics`] in an `Any`.
pub const V1_METRICS: &str = "io.containerd.cgroups.v1.Metrics";
/// Type name of [`v2::Metrics`] in an `Any`.
pub const V2_METRICS: &str = "io.containerd.cgroups.v2.Metrics";

/// Messages of cgroup version 1.
pub mod v1 {
    /// A reading.
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub struct Metrics {
        /// Processes.
        #[prost(message, optional, tag = "2")]
        pub pids: Option<Pids>,
        /// Processor time.
        #[prost(message, optional, tag = "3")]
        pub cpu: Option<Cpu>,
        /// Memory.
        #[prost(message, optional, tag = "4")]
        pub memory: Option<Memory>,
    }

    /// `PidsStat`.
    #[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
    pub struct Pids {
        /// How many there are.
        #[prost(uint64, tag = "1")]
        pub current: u64,
        /// How many there may be.
        #[prost(uint64, tag = "2")]
        pub limit: u64,
    }

    /// `CPUStat`.
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub struct Cpu {
        /// Time used.
        #[prost(message, optional, tag = "1")]
        pub usage: Option<CpuUsage>,
        /// Quota.
        #[prost(message, optional, tag = "2")]
        pub throttling: Option<Throttle>,
    }

    /// `CPUUsage`, in nanoseconds.
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub struct CpuUsage {
        /// All of it.
        #[prost(uint64, tag = "1")]
        pub total: u64,
        /// In the kernel.
        #[prost(uint64, tag = "2")]
        pub kernel: u64,
        /// In user mode.
        #[prost(uint64, tag = "3")]
        pub user: u64,
        /// By processor.
        #[prost(uint64, repeated, tag = "4")]
        pub per_cpu: Vec<u64>,
    }

    /// `Throttle`.
    #[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
    pub struct Throttle {
        /// Periods with a quota in force.
        #[prost(uint64, tag = "1")]
        pub periods: u64,
        /// Periods in which it was used up.
        #[prost(uint64, tag = "2")]
        pub throttled_periods: u64,
        /// Nanoseconds spent throttled.
        #[prost(uint64, tag = "3")]
        pub throttled_time: u64,
    }

    /// `MemoryStat`; the lines of `memory.stat` that callers of containerd read.
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub struct Memory {
        /// Page cache.
        #[prost(uint64, tag = "1")]
        pub cache: u64,
        /// Anonymous memory.
        #[prost(uint64, tag = "2")]
        pub rss: u64,
        /// `total_inactive_file`.
        #[prost(uint64, tag = "30")]
        pub total_inactive_file: u64,
        /// Usage and limit.
        #[prost(message, optional, tag = "33")]
        pub usage: Option<MemoryEntry>,
    }

    /// `MemoryEntry`.
    #[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
    pub struct MemoryEntry {
        /// The limit.
        #[prost(uint64, tag = "1")]
        pub limit: u64,
        /// In use.
        #[prost(uint64, tag = "2")]
        pub usage: u64,
        /// The most there ever was.
        #[prost(uint64, tag = "3")]
        pub max: u64,
        /// How often the limit was hit.
        #[prost(uint64, tag = "4")]
        pub failcnt: u64,
    }
}

/// Messages of cgroup version 2.
pub mod v2 {
    /// A reading.
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub struct Metrics {
        /// Processes.
        #[prost(message, optional, tag = "1")]
        pub pids: Option<super::v1::Pids>,
        /// Processor time.
        #[prost(message, optional, tag = "2")]
        pub cpu: Option<Cpu>,
        /// Memory.
        #[prost(message, optional, tag = "4")]
        pub memory: Option<Memory>,
    }

    /// `CPUStat`, in microseconds.
    #[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
    pub struct Cpu {
        /// All of it.
        #[prost(uint64, tag = "1")]
        pub usage_usec: u64,
        /// In user mode.
        #[prost(uint64, tag = "2")]
        pub user_usec: u64,
        /// In the kernel.
        #[prost(uint64, tag = "3")]
        pub system_usec: u64,
        /// Periods with a quota in force.
        #[prost(uint64, tag = "4")]
        pub nr_periods: u64,
        /// Periods in which it was used up.
        #[prost(uint64, tag = "5")]
        pub nr_throttled: u64,
        /// Time spent throttled.
        #[prost(uint64, tag = "6")]
        pub throttled_usec: u64,
    }

    /// `MemoryStat`; the lines that callers of containerd read.
    #[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
    pub struct Memory {
        /// Anonymous memory.
        #[prost(uint64, tag = "1")]
        pub anon: u64,
        /// Page cache.
        #[prost(uint64, tag = "2")]
        pub file: u64,
        /// Inactive page cache.
        #[prost(uint64, tag = "13")]
        pub inactive_file: u64,
        /// In use.
        #[prost(uint64, tag = "32")]
        pub usage: u64,
        /// The limit.
        #[prost(uint64, tag = "33")]
        pub usage_limit: u64,
    }
}
