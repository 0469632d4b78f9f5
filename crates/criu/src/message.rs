//! The messages of CRIU's `images/rpc.proto` that are needed here.

use crate::wire::{Malformed, Reader, Value, Writer};
use std::os::fd::{AsRawFd, BorrowedFd};

/// What is asked, and what an answer answers (`criu_req_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Write processes to files.
    Dump,
    /// Make processes from files.
    Restore,
    /// Write the memory only; the processes go on.
    PreDump,
    /// Something happened on the way, to be confirmed.
    Notify,
    /// Which features the kernel and CRIU have.
    FeatureCheck,
    /// Which CRIU it is.
    Version,
}

const KINDS: [(Kind, u64, &str); 6] = [
    (Kind::Dump, 1, "DUMP"),
    (Kind::Restore, 2, "RESTORE"),
    (Kind::PreDump, 4, "PRE_DUMP"),
    (Kind::Notify, 6, "NOTIFY"),
    (Kind::FeatureCheck, 9, "FEATURE_CHECK"),
    (Kind::Version, 10, "VERSION"),
];

impl Kind {
    fn number(self) -> i64 {
        KINDS
            .iter()
            .find(|(kind, ..)| *kind == self)
            .map_or(0, |(_, number, _)| *number as i64)
    }

    fn of(number: u64) -> Option<Self> {
        KINDS
            .iter()
            .find(|(_, known, _)| *known == number)
            .map(|(kind, ..)| *kind)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            KINDS
                .iter()
                .find(|(kind, ..)| kind == self)
                .map_or("?", |(.., name)| name),
        )
    }
}

/// Switches of `criu_opts`; the value is the field's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// The processes go on after the dump.
    LeaveRunning = 3,
    /// Unix sockets may lead out of the container.
    ExternalUnixSockets = 4,
    /// TCP connections may be open.
    TcpEstablished = 5,
    /// Devices may be reached by other paths than when they were dumped.
    EvasiveDevices = 6,
    /// The container's terminal belongs to a shell's job outside.
    ShellJob = 7,
    /// File locks are kept.
    FileLocks = 8,
    /// Notifications are wanted.
    NotifyScripts = 12,
    /// Memory that changes is tracked.
    TrackMemory = 15,
    /// Pages that a later dump has are dropped from earlier ones.
    AutoDeduplication = 16,
    /// Unlinked files are linked back where possible.
    LinkRemap = 18,
    /// Control groups are handled; older versions look here, newer ones at the mode.
    ManageCgroups = 24,
    /// The restored process is our child, not CRIU's.
    RestoreSibling = 26,
    /// Connections that are being made are left out.
    TcpSkipInFlight = 46,
    /// Memory is restored when it is needed.
    LazyPages = 48,
    /// A terminal whose master is outside is dumped, and its new master is handed over.
    OrphanTerminal = 50,
}

/// Texts of `criu_opts`; the value is the field's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// Name of the log file.
    LogFile = 10,
    /// The root file system.
    Root = 13,
    /// ImageSettings of the dump before, relative.
    ParentImage = 14,
    /// Something outside the container (repeated).
    External = 37,
    /// The group whose freezer stops the processes.
    FreezeCgroup = 44,
    /// A file of CRIU's own configuration.
    ConfigFile = 51,
    /// Profile of the security module.
    LsmProfile = 53,
    /// Label of mounts.
    LsmMountContext = 63,
}

/// What becomes of control groups (`criu_cg_mode`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CgroupsMode {
    /// Nothing.
    Ignore = 0,
    /// Groups are made and their settings restored where they are not there.
    Soft = 3,
    /// Settings are restored in any case.
    Full = 4,
    /// Groups must not be there.
    Strict = 5,
    /// CRIU's own choice.
    #[default]
    Default = 6,
}

/// `criu_opts` under construction.
#[derive(Debug, Clone, Default)]
pub struct Options {
    writer: Writer,
}

impl Options {
    /// Options with the directory of the images. CRIU opens descriptors through this process's `/proc/PID/fd`.
    pub fn new(images: BorrowedFd<'_>) -> Self {
        let mut options = Self::default();
        options.writer.number(1, images.as_raw_fd().into());
        options
    }

    /// Sets a switch on.
    pub fn switch(&mut self, switch: Switch) {
        self.writer.number(switch as u32, 1);
    }

    /// Sets a text; a repeated one is added.
    pub fn text(&mut self, text: Text, value: &str) {
        self.writer.bytes(text as u32, value.as_bytes());
    }

    /// The process whose tree is dumped.
    pub fn pid(&mut self, pid: i32) {
        self.writer.number(2, pid.into());
    }

    /// How much is logged: 1 errors, 2 warnings, 3 information, 4 all.
    pub fn log_level(&mut self, level: i64) {
        self.writer.number(9, level);
    }

    /// Where memory is sent to instead of files.
    pub fn page_server(&mut self, address: &str, port: u16) {
        let mut server = Writer::default();
        server.bytes(1, address.as_bytes());
        server.number(2, port.into());
        self.writer.message(11, &server);
    }

    /// The directory of logs and statistics.
    pub fn work_directory(&mut self, directory: BorrowedFd<'_>) {
        self.writer.number(17, directory.as_raw_fd().into());
    }

    fn pair(&mut self, field: u32, first: &str, second: &str) {
        let mut pair = Writer::default();
        pair.bytes(1, first.as_bytes());
        pair.bytes(2, second.as_bytes());
        self.writer.message(field, &pair);
    }

    /// A mount that is not the container's own: on dump its place and its name, on restore its name and its source.
    pub fn external_mount(&mut self, key: &str, value: &str) {
        self.pair(23, key, value);
    }

    /// The group that a hierarchy's groups are restored beneath.
    pub fn cgroup_root(&mut self, controller: &str, path: &str) {
        self.pair(25, controller, path);
    }

    /// A descriptor of CRIU's that takes the place of what the dump knew by this key.
    pub fn inherit(&mut self, key: &str, descriptor: i32) {
        let mut inherited = Writer::default();
        inherited.bytes(1, key.as_bytes());
        inherited.number(2, descriptor.into());
        self.writer.message(27, &inherited);
    }

    /// What becomes of control groups.
    pub fn cgroups(&mut self, mode: CgroupsMode) {
        self.writer.number(34, mode as i64);
    }

    /// Namespaces (`CLONE_NEW…`) that are made without what was in them.
    pub fn empty_namespaces(&mut self, mask: u32) {
        self.writer.number(38, mask.into());
    }

    /// A namespace that is joined instead of made.
    pub fn join(&mut self, kind: &str, file: &str) {
        self.pair(39, kind, file);
    }

    /// A descriptor of ours that gets a byte when lazy pages can be served; for CRIU before 3.15.
    pub fn status_descriptor(&mut self, descriptor: i32) {
        self.writer.number(49, descriptor.into());
    }
}

/// Features that can be asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Features {
    /// Changed memory can be tracked.
    pub memory_tracking: Option<bool>,
    /// Memory can be restored when it is needed.
    pub lazy_pages: Option<bool>,
}

/// A request as bytes.
pub fn request(kind: Kind, options: Option<&Options>) -> Vec<u8> {
    let mut request = Writer::default();
    request.number(1, kind.number());
    if let Some(options) = options {
        request.message(2, &options.writer);
    }
    request.finish()
}

/// The confirmation of a notification.
pub fn confirmation() -> Vec<u8> {
    let mut request = Writer::default();
    request.number(1, Kind::Notify.number());
    request.number(3, 1);
    request.finish()
}

/// The question for features.
pub fn feature_question(features: Features) -> Vec<u8> {
    let mut wanted = Writer::default();
    for (field, feature) in [(1, features.memory_tracking), (2, features.lazy_pages)] {
        if let Some(value) = feature {
            wanted.number(field, value.into());
        }
    }
    let mut request = Writer::default();
    request.number(1, Kind::FeatureCheck.number());
    request.message(5, &wanted);
    request.finish()
}

/// An answer (`criu_resp`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// What it answers; `None` for a kind that is not known here.
    pub kind: Option<Kind>,
    /// Whether it succeeded.
    pub success: bool,
    /// The error number.
    pub error: i32,
    /// What happened, and the pid it is about.
    pub notice: Option<(String, i32)>,
    /// What there is of the features that were asked for.
    pub features: Features,
    /// The version as one number: 31700 is 3.17.
    pub version: Option<u32>,
}

fn text(value: Value<'_>) -> String {
    match value {
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Number(_) => String::new(),
    }
}

impl Response {
    /// Reads an answer.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut response = Self::default();
        let mut reader = Reader::new(bytes);
        while let Some((field, value)) = reader.next()? {
            match (field, value) {
                (1, Value::Number(number)) => response.kind = Kind::of(number),
                (2, Value::Number(number)) => response.success = number != 0,
                (5, Value::Bytes(bytes)) => response.notice = Some(notice(bytes)?),
                (7, Value::Number(number)) => response.error = number as i32,
                (8, Value::Bytes(bytes)) => response.features = features(bytes)?,
                (10, Value::Bytes(bytes)) => response.version = Some(version(bytes)?),
                _ => {}
            }
        }
        Ok(response)
    }
}

fn notice(bytes: &[u8]) -> Result<(String, i32), Malformed> {
    let (mut script, mut pid) = (String::new(), 0);
    let mut reader = Reader::new(bytes);
    while let Some((field, value)) = reader.next()? {
        match (field, value) {
            (1, value) => script = text(value),
            (2, Value::Number(number)) => pid = number as i32,
            _ => {}
        }
    }
    Ok((script, pid))
}

fn features(bytes: &[u8]) -> Result<Features, Malformed> {
    let mut features = Features::default();
    let mut reader = Reader::new(bytes);
    while let Some((field, value)) = reader.next()? {
        match (field, value) {
            (1, Value::Number(number)) => features.memory_tracking = Some(number != 0),
            (2, Value::Number(number)) => features.lazy_pages = Some(number != 0),
            _ => {}
        }
    }
    Ok(features)
}

/// `criu_version` as one number; one that is built between releases counts as the next minor release.
fn version(bytes: &[u8]) -> Result<u32, Malformed> {
    let (mut major, mut minor, mut sublevel, mut between) = (0, 0, 0, false);
    let mut reader = Reader::new(bytes);
    while let Some((field, value)) = reader.next()? {
        match (field, value) {
            (1, Value::Number(number)) => major = number.min(1000),
            (2, Value::Number(number)) => minor = number.min(98),
            (3, _) => between = true,
            (4, Value::Number(number)) => sublevel = number.min(99),
            _ => {}
        }
    }
    if between {
        (minor, sublevel) = (minor + 1, 0);
    }
    u32::try_from(major * 10_000 + minor * 100 + sublevel).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn requests_have_the_bytes_of_the_protocol() {
        assert_eq!(request(Kind::Version, None), [0x08, 10]);
        assert_eq!(confirmation(), [0x08, 6, 0x18, 1]);
        let question = Features {
            memory_tracking: Some(true),
            lazy_pages: None,
        };
        assert_eq!(feature_question(question), [0x08, 9, 0x2a, 2, 0x08, 1]);
        let directory = std::fs::File::open("/").expect("open");
        let mut options = Options::new(directory.as_fd());
        let number = directory.as_raw_fd() as u8;
        options.switch(Switch::OrphanTerminal);
        options.external_mount("a", "bc");
        options.cgroups(CgroupsMode::Ignore);
        let inner = [
            0x08, number, 0x90, 0x03, 1, 0xba, 0x01, 7, 0x0a, 1, b'a', 0x12, 2, b'b', b'c', 0x90, 0x02, 0,
        ];
        let mut wanted = vec![0x08, 1, 0x12, inner.len() as u8];
        wanted.extend(inner);
        assert_eq!(request(Kind::Dump, Some(&options)), wanted);
    }

    #[test]
    fn answers_are_read() {
        let mut inner = Writer::default();
        inner.bytes(1, b"post-restore");
        inner.number(2, 77);
        let mut writer = Writer::default();
        writer.number(1, 6);
        writer.number(2, 1);
        writer.message(5, &inner);
        let response = Response::read(&writer.finish()).expect("an answer");
        assert_eq!(
            (response.kind, response.success, response.notice),
            (Some(Kind::Notify), true, Some(("post-restore".into(), 77)))
        );
        let mut writer = Writer::default();
        writer.number(1, 1);
        writer.number(2, 0);
        writer.number(7, 3);
        writer.bytes(9, b"no luck");
        let response = Response::read(&writer.finish()).expect("an answer");
        assert_eq!((response.success, response.error), (false, 3));
    }

    #[test]
    fn versions_are_one_number() {
        let of = |parts: &[(u32, i64)], git: bool| {
            let mut writer = Writer::default();
            for (field, number) in parts {
                writer.number(*field, *number);
            }
            if git {
                writer.bytes(3, b"v4.1-2");
            }
            version(&writer.finish())
        };
        assert_eq!(of(&[(1, 3), (2, 17), (4, 1)], false), Ok(31701));
        assert_eq!(of(&[(1, 4), (2, 2)], false), Ok(40200));
        assert_eq!(of(&[(1, 4), (2, 1), (4, 1)], true), Ok(40200));
    }

    proptest::proptest! {
        #[test]
        fn no_answer_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64)) {
            let _ = Response::read(&bytes);
        }
    }
}
