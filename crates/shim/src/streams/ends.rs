//! Making the pipes between the shim and a process.

use std::os::fd::OwnedFd;

use rustix::io::ioctl_fionbio;
use rustix::pipe::{PipeFlags, pipe_with};
use tierce_runtime::Stdio;

use crate::error::{Doing, Result};

/// The shim's ends.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) outputs: [Option<OwnedFd>; 2],
}

/// Makes pipes for a process without a terminal. Without `stdin` it reads end-of-file at once; without `outputs` nobody
/// hears it.
pub(crate) fn pipes(stdin: bool, outputs: bool) -> Result<(Ends, Stdio)> {
    let what = || "make pipes for the standard streams".to_owned();
    let pipe = || -> Result<(OwnedFd, OwnedFd)> { pipe_with(PipeFlags::CLOEXEC).doing(what) };
    let null = || -> Result<OwnedFd> {
        let opened = std::fs::File::options().read(true).write(true).open("/dev/null");
        Ok(opened.doing(|| "open /dev/null".into())?.into())
    };
    let (their_stdin, our_stdin) = if stdin {
        let (read, write) = pipe()?;
        (read, Some(write))
    } else {
        (null()?, None)
    };
    let output = || -> Result<(Option<OwnedFd>, OwnedFd)> {
        if outputs {
            pipe().map(|(ours, theirs)| (Some(ours), theirs))
        } else {
            Ok((None, null()?))
        }
    };
    let ((our_stdout, their_stdout), (our_stderr, their_stderr)) = (output()?, output()?);
    let ends = Ends {
        stdin: our_stdin,
        outputs: [our_stdout, our_stderr],
    };
    for ours in ends.stdin.iter().chain(ends.outputs.iter().flatten()) {
        ioctl_fionbio(ours, true).doing(what)?;
    }
    let theirs = Stdio {
        stdin: Some(their_stdin),
        stdout: Some(their_stdout),
        stderr: Some(their_stderr),
    };
    Ok((ends, theirs))
}

/// The shim's ends of a terminal, from its master side. Input has a descriptor of its own, to be watched apart.
pub(crate) fn terminal(master: OwnedFd, stdin: bool) -> Result<Ends> {
    let what = || "prepare the terminal".to_owned();
    ioctl_fionbio(&master, true).doing(what)?;
    let input = stdin
        .then(|| rustix::io::fcntl_dupfd_cloexec(&master, 3))
        .transpose()
        .doing(what)?;
    Ok(Ends {
        stdin: input,
        outputs: [Some(master), None],
    })
}

/// The ends of a process that reads nothing and writes both of its outputs into one pipe.
#[derive(Debug)]
pub(crate) struct OneOutput {
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// Makes the pipe for such a process; gives the shim's end of it.
pub(crate) fn one_output() -> Result<(OwnedFd, OneOutput)> {
    let what = || "make a pipe for the output of a probe".to_owned();
    let (ours, stdout) = pipe_with(PipeFlags::CLOEXEC).doing(what)?;
    ioctl_fionbio(&ours, true).doing(what)?;
    let stderr = rustix::io::fcntl_dupfd_cloexec(&stdout, 3).doing(what)?;
    let stdin = std::fs::File::open("/dev/null").doing(|| "open /dev/null".into())?;
    let theirs = OneOutput {
        stdin: stdin.into(),
        stdout,
        stderr,
    };
    Ok((ours, theirs))
}
