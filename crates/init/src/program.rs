//! The program to run: where it is, and how it is started. The rules are those of `execvp(3)`.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::io::Errno;
use tierce_sys::exec::{StringArray, execve};

/// Where programs are looked for without `PATH`.
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";
/// Runs scripts that do not name their interpreter.
const SHELL: &std::ffi::CStr = c"/bin/sh";

/// A program with its arguments; made before the fork, so that little is left to do after it.
#[derive(Debug)]
pub(crate) struct Program {
    /// Name as given, then the arguments.
    arguments: Vec<CString>,
    environment: Vec<CString>,
    /// Paths to try in order.
    candidates: Vec<CString>,
}

impl Program {
    /// From a command line; `None` where it is empty.
    pub(crate) fn new(arguments: Vec<OsString>) -> Option<Self> {
        let arguments: Vec<_> = arguments.into_iter().filter_map(text).collect();
        let name = arguments.first()?.as_bytes();
        let path = std::env::var_os("PATH").map_or_else(|| DEFAULT_PATH.to_vec(), OsString::into_vec);
        Some(Self {
            candidates: candidates(name, &path),
            environment: std::env::vars_os().filter_map(variable).collect(),
            arguments,
        })
    }

    /// As the command line names it.
    pub(crate) fn name(&self) -> String {
        self.arguments
            .first()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    /// Becomes the program; returns only when none of the candidates can be executed. A candidate that may not be
    /// executed says more than one that is not there.
    pub(crate) fn execute(&self) -> Errno {
        let arguments = StringArray::new(&self.arguments);
        let environment = StringArray::new(&self.environment);
        let mut worst = Errno::NOENT;
        for candidate in &self.candidates {
            match execve(candidate, &arguments, &environment) {
                Errno::NOENT | Errno::NOTDIR => {}
                Errno::ACCESS => worst = Errno::ACCESS,
                Errno::NOEXEC => return self.interpret(candidate),
                error => return error,
            }
        }
        worst
    }

    fn interpret(&self, script: &CString) -> Errno {
        let rest = self.arguments.iter().skip(1).cloned();
        let arguments: Vec<_> = [SHELL.to_owned(), script.clone()].into_iter().chain(rest).collect();
        execve(
            SHELL,
            &StringArray::new(&arguments),
            &StringArray::new(&self.environment),
        )
    }
}

/// A name with a slash is a path; any other is looked for in every folder of `path`, an empty one of which is the
/// working directory.
fn candidates(name: &[u8], path: &[u8]) -> Vec<CString> {
    if name.is_empty() {
        return Vec::new();
    }
    if name.contains(&b'/') {
        return CString::new(name).into_iter().collect();
    }
    path.split(|byte| *byte == b':')
        .filter_map(|folder| {
            let folder = if folder.is_empty() { b"." } else { folder };
            CString::new([folder, b"/", name].concat()).ok()
        })
        .collect()
}

/// The kernel's strings contain no NUL.
fn text(value: OsString) -> Option<CString> {
    CString::new(value.into_vec()).ok()
}

fn variable((name, value): (OsString, OsString)) -> Option<CString> {
    CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, path: &str) -> Vec<String> {
        let all = candidates(name.as_bytes(), path.as_bytes());
        all.into_iter().map(|path| path.into_string().unwrap()).collect()
    }

    #[test]
    fn a_path_is_taken_as_it_is_and_a_name_looked_for() {
        assert_eq!(found("/bin/a", "/x:/y"), ["/bin/a"]);
        assert_eq!(found("./a", "/x:/y"), ["./a"]);
        assert_eq!(found("a", "/x:/y"), ["/x/a", "/y/a"]);
        assert_eq!(found("a", ":/y:"), ["./a", "/y/a", "./a"]);
        assert!(found("", "/x").is_empty());
    }

    #[test]
    fn nothing_is_no_program() {
        assert!(Program::new(Vec::new()).is_none());
        assert_eq!(Program::new(vec!["a".into(), "b".into()]).unwrap().name(), "a");
    }
}
