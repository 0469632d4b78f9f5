//! Failpoints: named places between two steps where a test ends this process, to see what is left.
//!
//! `TIERCE_FAILPOINT=NAME=kill` in the environment of a debug build names the place. A unit test arms its own thread
//! instead, which then panics there. Release builds have neither.

macro_rules! points {
    ($($list:ident: $($point:ident = $name:literal),+;)+) => {
        /// A place in the code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        CreateRecorded = "create/recorded",
        CreateMade = "create/made",
        CreateDone = "create/done";
    JOIN:
        JoinClaimed = "join/claimed",
        JoinPlanned = "join/planned",
        JoinReserved = "join/reserved",
        JoinPinned = "join/pinned",
        JoinAttached = "join/attached",
        JoinLedOut = "join/led out",
        JoinPublished = "join/published",
        NamesTold = "join/names told",
        JoinNamed = "join/named",
        JoinRecorded = "join/recorded";
    LEAVE:
        LeaveUnpublished = "leave/unpublished",
        LeaveUnnamed = "leave/unnamed",
        LeaveCutOff = "leave/cut off",
        LeaveUnpinned = "leave/unpinned",
        LeaveForgotten = "leave/forgotten";
    REMOVE:
        RemoveUnruled = "remove/unruled",
        RemoveGivenUp = "remove/given up",
        RemoveDone = "remove/done";
    CONNECT:
        ConnectPlanned = "connect/planned",
        ConnectRecorded = "connect/recorded",
        ConnectAttached = "connect/attached",
        ConnectLedOut = "connect/led out",
        ConnectPublished = "connect/published",
        ConnectNamed = "connect/named";
    DISCONNECT:
        DisconnectRecorded = "disconnect/recorded",
        DisconnectCutOff = "disconnect/cut off",
        DisconnectTakenOut = "disconnect/taken out",
        DisconnectLedOut = "disconnect/led out",
        DisconnectPublished = "disconnect/published",
        DisconnectNamed = "disconnect/named";
    DONE:
        ConnectDone = "connect/done",
        DisconnectDone = "disconnect/done";
}

/// A place between two steps.
#[cfg(debug_assertions)]
pub(crate) fn reach(point: Point) {
    #[cfg(test)]
    tests::reach(point.name());
    let wanted = std::env::var("TIERCE_FAILPOINT").unwrap_or_default();
    if wanted.split_once('=') == Some((point.name(), "kill")) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

/// Nothing, in release builds.
#[cfg(not(debug_assertions))]
#[inline(always)]
#[allow(clippy::inline_always)] // it is to vanish
pub(crate) fn reach(_: Point) {}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::RefCell;

    type Armed = (&'static str, Box<dyn FnOnce()>);

    thread_local! {
        static ARMED: RefCell<Option<Armed>> = const { RefCell::new(None) };
    }

    /// What this thread does dies at the place of that name.
    pub(crate) fn arm(name: &'static str) {
        stop(name, move || panic!("failpoint {name}"));
    }

    /// This thread does something else at the place of that name, once.
    pub(crate) fn stop(name: &'static str, act: impl FnOnce() + 'static) {
        ARMED.replace(Some((name, Box::new(act))));
    }

    pub(super) fn reach(name: &str) {
        let armed = ARMED.take();
        match armed {
            Some((at, act)) if at == name => act(),
            other => drop(ARMED.replace(other)),
        }
    }
}
