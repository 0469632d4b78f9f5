//! Failpoints: named places between two steps where a test makes this process fail, to see what is left.
//!
//! `TIERCE_FAILPOINT=NAME=ACTION` in the environment of a debug build names one place and what happens there: `kill` (as
//! by SIGKILL), `error` (the step fails), `panic`, or `sleep` (for ever: somebody else does the killing). Release builds
//! have neither the variable nor the check.
//!
//! The lists below are what the code and the test of crashes share: a place is a member of an enum made from its list,
//! and every step of [`crate::init`] is one by itself, so that none can be added which the test does not visit.

macro_rules! points {
    ($($list:ident: $($point:ident = $name:literal),+;)+) => {
        /// A place in the code of a verb.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs)] // their names say where they are
        pub(crate) enum Point { $($($point,)+)+ }

        impl Point {
            #[cfg(debug_assertions)]
            fn name(self) -> &'static str {
                match self { $($(Self::$point => $name,)+)+ }
            }
        }

        $(
            /// Names of the places that this verb passes, in order.
            #[cfg(debug_assertions)]
            pub const $list: &[&str] = &[$($name),+];
        )+
    };
}

points! {
    CREATE:
        Decided = "create/decided",
        Directory = "create/directory",
        Recorded = "create/recorded",
        Cloned = "create/cloned",
        Mapped = "create/mapped",
        Saved = "create/saved",
        Grouped = "create/grouped",
        Gone = "create/gone",
        Kept = "create/kept",
        BeforeHooks = "create/before hooks",
        AfterHooks = "create/after hooks",
        Ready = "create/ready",
        PidFile = "create/pid file";
    MIDDLE:
        Joined = "middle/joined",
        Sibling = "middle/sibling";
    START:
        Loaded = "start/loaded",
        FifoOpened = "start/fifo opened",
        FifoWritten = "start/fifo written",
        Released = "start/released";
    RUN:
        Made = "run/made",
        Started = "run/started",
        Waited = "run/waited";
    EXEC:
        Further = "exec/cloned",
        FurtherGone = "exec/gone",
        FurtherReady = "exec/ready",
        FurtherPidFile = "exec/pid file";
    DELETE:
        Ended = "delete/ended",
        GroupDeleted = "delete/group deleted",
        DirectoryRemoved = "delete/directory removed";
}

#[cfg(debug_assertions)]
pub use armed::{further_steps, init_steps};
pub(crate) use armed::{reach, step};

#[cfg(debug_assertions)]
mod armed {
    use super::Point;
    use crate::error::Error;
    use crate::init::{FIRST, FURTHER, Step};
    use std::sync::OnceLock;

    const VARIABLE: &str = "TIERCE_FAILPOINT";

    /// Names of the places behind each step of a container's first process.
    pub fn init_steps() -> impl Iterator<Item = String> {
        FIRST.iter().map(|step| name("init", step))
    }

    /// Names of the places behind each step of a further process.
    pub fn further_steps() -> impl Iterator<Item = String> {
        FURTHER.iter().map(|step| name("further", step))
    }

    fn name(prefix: &str, step: &Step) -> String {
        format!("{prefix}/{}", step.name)
    }

    /// A place in a verb.
    ///
    /// # Errors
    /// When a test wants it.
    pub(crate) fn reach(point: Point) -> Result<(), Error> {
        match armed() {
            Some((place, action)) if place == point.name() => act(place, action),
            _ => Ok(()),
        }
    }

    /// The place behind a step of the child.
    ///
    /// # Errors
    /// When a test wants it.
    pub(crate) fn step(first: bool, step: &Step) -> Result<(), Error> {
        match armed() {
            Some((place, action)) if *place == name(if first { "init" } else { "further" }, step) => act(place, action),
            _ => Ok(()),
        }
    }

    /// The place and the action, read once: behind a filter the child may not even ask for memory.
    fn armed() -> Option<&'static (String, String)> {
        static ARMED: OnceLock<Option<(String, String)>> = OnceLock::new();
        let read = || {
            let wanted = std::env::var(VARIABLE).ok()?;
            wanted
                .split_once('=')
                .map(|(place, action)| (place.to_owned(), action.to_owned()))
        };
        ARMED.get_or_init(read).as_ref()
    }

    fn act(place: &str, action: &str) -> Result<(), Error> {
        let failure = || Error::Step {
            kind: tierce_fault::Kind::Internal,
            text: format!("failpoint {place}"),
        };
        match action {
            "kill" => {
                let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
                // The first process of a pid namespace is immune to its own signals.
                tierce_sys::exec::exit_now(137)
            }
            "panic" => std::panic::panic_any(failure().to_string()),
            "sleep" => loop {
                std::thread::park();
            },
            _ => Err(failure()),
        }
    }
}

#[cfg(not(debug_assertions))]
mod armed {
    use super::Point;
    use crate::error::Error;
    use crate::init::Step;

    /// Nothing, in release builds.
    #[inline(always)]
    #[allow(clippy::inline_always, clippy::unnecessary_wraps)] // it is to vanish, and has the shape of its armed twin
    pub(crate) fn reach(_: Point) -> Result<(), Error> {
        Ok(())
    }

    /// Nothing, in release builds.
    #[inline(always)]
    #[allow(clippy::inline_always, clippy::unnecessary_wraps)] // the same
    pub(crate) fn step(_: bool, _: &Step) -> Result<(), Error> {
        Ok(())
    }
}
