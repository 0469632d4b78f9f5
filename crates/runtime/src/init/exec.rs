//! The last steps: find the program, report, wait, execute.

use super::{Hold, Init, Launch};
use crate::error::{Doing, Error};
use crate::process::message::Message;
use rustix::fs::{Access, AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::io::Read;
use tierce_fault::Kind;
use tierce_sys::Cause;
use tierce_sys::exec::StringArray;

/// The most of `/etc/passwd` that is read to find a home directory.
const LONGEST_PASSWD: u64 = 1 << 20;

/// Finds the program as a shell would, before the container counts as created, so that `create` can say what is missing.
pub(super) fn find(init: &mut Init<'_>) -> Result<(), Error> {
    if init.program.absent {
        return Ok(());
    }
    let name = init.program.arguments[0].as_c_str();
    let path = look_up(name, init.program.variable("PATH"))?;
    let environment = if init.program.variable("HOME").is_none_or(str::is_empty) {
        let mut environment = init.program.environment.clone();
        environment.extend(CString::new(format!("HOME={}", home(init.program.process.user.uid))).ok());
        StringArray::owning(environment)
    } else {
        StringArray::new(&init.program.environment)
    };
    init.launch = Some(Launch {
        path,
        arguments: StringArray::new(&init.program.arguments),
        environment,
    });
    Ok(())
}

fn look_up(name: &CStr, path: Option<&str>) -> Result<CString, Error> {
    let shown = name.to_string_lossy();
    let failed = |error: Errno, cause: String| Error::Program {
        program: shown.clone().into_owned(),
        cause,
        kind: tierce_fault::kind_of_io(&error.into()),
    };
    if shown.contains('/') {
        return match executable(name) {
            Ok(()) => Ok(name.to_owned()),
            Err(Errno::NOENT) => Err(failed(Errno::NOENT, format!("stat {shown}: {}", Cause(Errno::NOENT)))),
            Err(error) => Err(failed(error, Cause(error).to_string())),
        };
    }
    for directory in path
        .unwrap_or_default()
        .split(':')
        .filter(|directory| directory.starts_with('/'))
    {
        let candidate = [directory.as_bytes(), b"/", name.to_bytes()].concat();
        if let Ok(candidate) = CString::new(candidate)
            && executable(&candidate).is_ok()
        {
            return Ok(candidate);
        }
    }
    Err(failed(Errno::NOENT, "executable file not found in $PATH".into()))
}

fn executable(path: &CStr) -> Result<(), Errno> {
    let stat = rustix::fs::stat(path)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        return Err(Errno::ISDIR);
    }
    match rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS) {
        // faccessat2(2) may be unknown to a filter that is loaded already; the mode will do.
        Err(Errno::NOSYS | Errno::PERM) if stat.st_mode & 0o111 != 0 => Ok(()),
        result => result,
    }
}

/// Reports that all is prepared and waits for the word to go.
pub(super) fn wait(init: &mut Init<'_>) -> Result<(), Error> {
    init.await_go()?;
    init.channel.send(&Message::Ready)?;
    match &init.hold {
        Hold::Channel => init.channel.await_plain(&Message::Start),
        Hold::Fifo { fifo, .. } => rustix::io::retry_on_intr(|| rustix::io::read(fifo, &mut [0u8]))
            .doing(|| "wait for start".into())
            .map(drop),
    }
}

/// Becomes the program. Returns only its failure.
pub(super) fn execute(init: &Init<'_>) -> Error {
    if init.program.absent {
        tierce_sys::exec::exit_now(0);
    }
    let Some(launch) = &init.launch else {
        return Error::Invalid("the program has not been looked up".into());
    };
    let error = tierce_sys::exec::execve(&launch.path, &launch.arguments, &launch.environment);
    let kind = match error {
        Errno::NOENT => Kind::NotFound,
        Errno::ACCESS | Errno::PERM => Kind::Forbidden,
        _ => Kind::Invalid,
    };
    Error::Step {
        kind,
        text: format!("exec {}: {}", launch.path.to_string_lossy(), Cause(error)),
    }
}

/// The user's home directory by the container's own `/etc/passwd`, or `/`.
fn home(uid: u32) -> String {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    // Not open(2), which a filter written for today's C library need not know.
    let Ok(file) = rustix::fs::openat(CWD, "/etc/passwd", flags, Mode::empty()) else {
        return "/".into();
    };
    let regular =
        rustix::fs::fstat(&file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
    let mut text = Vec::new();
    if !regular
        || std::fs::File::from(file)
            .take(LONGEST_PASSWD)
            .read_to_end(&mut text)
            .is_err()
    {
        return "/".into();
    }
    home_in(&String::from_utf8_lossy(&text), uid)
}

fn home_in(passwd: &str, uid: u32) -> String {
    passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.get(2).is_some_and(|field| field.parse() == Ok(uid)))
        .and_then(|fields| fields.get(5).copied())
        .filter(|home| home.starts_with('/'))
        .unwrap_or("/")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_come_from_passwd() {
        let passwd = "root:x:0:0::/root:/bin/sh\nweb:x:33:33::/var/www:/bin/false\nbad:x:34\n";
        assert_eq!(
            (
                home_in(passwd, 33).as_str(),
                home_in(passwd, 34).as_str(),
                home_in(passwd, 7).as_str()
            ),
            ("/var/www", "/", "/")
        );
    }

    #[test]
    fn lookups_fail_in_gos_words() {
        let text = |name: &CStr| look_up(name, Some("/nowhere")).map_err(|error| error.to_string());
        assert_eq!(
            text(c"foo"),
            Err("exec: \"foo\": executable file not found in $PATH".into())
        );
        assert_eq!(
            text(c"/nofile"),
            Err("exec: \"/nofile\": stat /nofile: no such file or directory".into())
        );
        assert_eq!(
            text(c"/etc/passwd"),
            Err("exec: \"/etc/passwd\": permission denied".into())
        );
        assert_eq!(text(c"/etc"), Err("exec: \"/etc\": is a directory".into()));
    }
}
