//! What the command line, or a caller of the library, says of a checkpoint.

use crate::argv::Arguments;
use crate::error::{Doing, Error};
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use tierce_criu::{CgroupsMode, Options, Switch, Text};

/// `CLONE_NEWNET`: network devices are not the runtime's, so CRIU never cares for what is in the namespace.
const NEW_NET: u32 = 0x4000_0000;

/// Where images are when nobody says so, below the working directory.
const DEFAULT_IMAGES: &str = "checkpoint";

/// CRIU's own configuration for containers of a runtime, as runc's.
const DEFAULT_CONFIGURATION: &str = "/etc/criu/runc.conf";

/// How much CRIU logs: everything, for its log is all there is when it fails.
const LOG_LEVEL: i64 = 4;

/// Settings that checkpoint and restore share.
#[derive(Debug, Clone)]
pub struct ImageSettings {
    /// Directory of the images.
    pub directory: PathBuf,
    /// Directory of logs; `None` is that of the images.
    pub work: Option<PathBuf>,
    /// What is switched on.
    pub switches: Vec<Switch>,
    /// What becomes of control groups.
    pub cgroups: CgroupsMode,
}

impl Default for ImageSettings {
    fn default() -> Self {
        Self {
            directory: DEFAULT_IMAGES.into(),
            work: None,
            switches: Vec::new(),
            cgroups: CgroupsMode::default(),
        }
    }
}

/// Opens a directory; one that is missing is made.
fn open(path: &Path, make: bool) -> Result<OwnedFd, Error> {
    if make {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(path).doing(|| format!("mkdir {}", path.display()))?;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).doing(|| format!("open {}", path.display()))
}

/// The directories of a checkpoint, open while CRIU works.
#[derive(Debug)]
pub(crate) struct Directories {
    images: OwnedFd,
    work: Option<OwnedFd>,
}

impl ImageSettings {
    /// Takes a flag that both verbs have; false for another.
    pub(crate) fn flag(&mut self, flag: &str, arguments: &mut Arguments) -> Result<bool, Error> {
        match flag {
            "image-path" => self.directory = arguments.path()?,
            "work-path" => self.work = Some(arguments.path()?).filter(|path| !path.as_os_str().is_empty()),
            "tcp-established" => self.switch(Switch::TcpEstablished, arguments)?,
            "ext-unix-sk" => self.switch(Switch::ExternalUnixSockets, arguments)?,
            "shell-job" => self.switch(Switch::ShellJob, arguments)?,
            "file-locks" => self.switch(Switch::FileLocks, arguments)?,
            "auto-dedup" => self.switch(Switch::AutoDeduplication, arguments)?,
            "lazy-pages" => self.switch(Switch::LazyPages, arguments)?,
            "manage-cgroups-mode" => self.cgroups = cgroups_mode(&arguments.value()?)?,
            "empty-ns" => match arguments.value()?.as_str() {
                "network" => {}
                other => return Err(Error::Usage(format!("namespace {other:?} is not supported"))),
            },
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes the value of a switch.
    pub(crate) fn switch(&mut self, switch: Switch, arguments: &mut Arguments) -> Result<(), Error> {
        self.switches.retain(|known| *known != switch);
        if arguments.truth()? {
            self.switches.push(switch);
        }
        Ok(())
    }

    /// Whether something is switched on.
    pub(crate) fn has(&self, switch: Switch) -> bool {
        self.switches.contains(&switch)
    }

    /// Where CRIU's log file of that name is.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.work.as_ref().unwrap_or(&self.directory).join(name)
    }

    /// Opens the directories; for a dump they are made.
    pub(crate) fn open(&self, dump: bool) -> Result<Directories, Error> {
        Ok(Directories {
            images: open(&self.directory, dump)?,
            work: self.work.as_ref().map(|work| open(work, true)).transpose()?,
        })
    }

    /// Options with all that both requests need. A configuration file of CRIU's is what the annotation
    /// `org.criu.config` says: absent the default one, empty none.
    pub(crate) fn options(&self, directories: &Directories, log: &str, configuration: Option<&str>) -> Options {
        let mut options = Options::new(directories.images.as_fd());
        options.log_level(LOG_LEVEL);
        options.text(Text::LogFile, log);
        if let Some(work) = &directories.work {
            options.work_directory(work.as_fd());
        }
        options.cgroups(self.cgroups);
        options.empty_namespaces(NEW_NET);
        let always = [Switch::ManageCgroups, Switch::NotifyScripts, Switch::OrphanTerminal];
        for switch in always.iter().chain(&self.switches) {
            options.switch(*switch);
        }
        match configuration {
            None => options.text(Text::ConfigFile, DEFAULT_CONFIGURATION),
            Some("") => {}
            Some(file) => options.text(Text::ConfigFile, file),
        }
        options
    }
}

fn cgroups_mode(word: &str) -> Result<CgroupsMode, Error> {
    Ok(match word {
        "" => CgroupsMode::Default,
        "soft" => CgroupsMode::Soft,
        "full" => CgroupsMode::Full,
        "strict" => CgroupsMode::Strict,
        "ignore" => CgroupsMode::Ignore,
        _ => return Err(Error::Usage("invalid manage-cgroups-mode value".into())),
    })
}

/// Reads `ADDRESS:PORT`, with an IPv6 address in brackets.
///
/// # Errors
/// [`Error::Usage`] in runc's words.
pub(crate) fn page_server(text: &str) -> Result<(String, u16), Error> {
    let wrong = || Error::Usage("Use --page-server ADDRESS:PORT to specify page server".into());
    let (address, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let address = match address.strip_prefix('[') {
        Some(address) => address.strip_suffix(']').ok_or_else(wrong)?,
        None if address.contains(':') => return Err(wrong()),
        None => address,
    };
    if address.is_empty() || port.is_empty() {
        return Err(wrong());
    }
    let port = port.parse().map_err(|_| Error::Usage("Invalid port number".into()))?;
    Ok((address.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argv::Piece;

    fn read(words: &[&str]) -> Result<ImageSettings, String> {
        let mut arguments = Arguments::new(words.iter().map(std::ffi::OsString::from));
        let mut images = ImageSettings::default();
        while let Some(piece) = arguments.next().map_err(|error| error.to_string())? {
            if let Piece::Flag(flag) = piece {
                assert!(
                    images.flag(&flag, &mut arguments).map_err(|error| error.to_string())?,
                    "{flag}"
                );
            }
        }
        Ok(images)
    }

    #[test]
    fn flags_are_read() {
        let images = read(&[
            "--tcp-established",
            "--file-locks=false",
            "--work-path",
            "w",
            "--empty-ns=network",
        ]);
        let images = images.expect("settings");
        assert_eq!(images.switches, [Switch::TcpEstablished]);
        assert_eq!(images.directory, Path::new("checkpoint"));
        assert_eq!(images.log("dump.log"), Path::new("w/dump.log"));
    }

    #[test]
    fn wrong_values_are_named() {
        let refused = |words: &[&str]| read(words).map(drop).expect_err("refused");
        assert_eq!(refused(&["--empty-ns", "pid"]), "namespace \"pid\" is not supported");
        assert_eq!(
            refused(&["--manage-cgroups-mode=some"]),
            "invalid manage-cgroups-mode value"
        );
    }

    #[test]
    fn page_servers_have_an_address_and_a_port() {
        let read = |text| page_server(text).map_err(|error| error.to_string());
        assert_eq!(read("0.0.0.0:27277"), Ok(("0.0.0.0".into(), 27277)));
        assert_eq!(read("[::1]:1"), Ok(("::1".into(), 1)));
        let usage = "Use --page-server ADDRESS:PORT to specify page server";
        for text in ["", ":", "a:", ":1", "a", "::1", "[::1:1"] {
            assert_eq!(read(text), Err(usage.into()), "{text}");
        }
        for text in ["a:b", "a:70000", "a:-1"] {
            assert_eq!(read(text), Err("Invalid port number".into()), "{text}");
        }
    }
}
