//! The state of a container and its legal changes, decided by a pure function.
//!
//! ```text
//!              Started                 Paused
//!   created ───────────────▶ running ◀───────▶ paused
//!      │  StartFailed ⟲         │    Unpaused     │
//!      │                        │ Exited          │ Exited
//!      │                        ▼                 │
//!      │          ┌── restarting ◀── (policy) ────┤
//!      │  Started │     │ RestartCancelled        │
//!      │          ▼     ▼                         │
//!      │       running  exited ◀──────────────────┘
//!      │                  │ ▲
//!      │ Removing         │ │ RemovalFailed (the state before comes back; `dead` if its parts are half gone)
//!      └──────▶ removing ◀┘─┘ ───▶ (gone)
//! ```
//!
//! A `restarting` container has `Running` set too, as Docker has it: it will run again without being asked. Every other
//! status excludes the others. Property tests below hold the invariants over random histories.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::health::Health;

/// Go's zero time, which stands for "never" in Docker's documents.
pub const NEVER: Timestamp = Timestamp::constant(-62_135_596_800, 0);

/// The persisted state. Source: moby `daemon/container/state.go`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct State {
    /// It runs, is paused, or will be restarted.
    pub running: bool,
    /// Frozen.
    pub paused: bool,
    /// Waiting for its restart policy's delay.
    pub restarting: bool,
    /// The kernel killed it (or a process of it) for lack of memory.
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    /// Being removed; not persisted, since a removal that a crash cut short starts again from its record.
    #[serde(skip)]
    pub removal_in_progress: bool,
    /// A removal failed half-way.
    pub dead: bool,
    /// Host process id of its first process, 0 when it does not run.
    pub pid: u32,
    /// How it last ended.
    pub exit_code: i32,
    /// Why it could not be started.
    pub error: String,
    /// When it last started.
    pub started_at: Timestamp,
    /// When it last ended.
    pub finished_at: Timestamp,
    /// Outcome of its health probes.
    pub health: Option<Health>,
    /// Members that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            running: false,
            paused: false,
            restarting: false,
            oom_killed: false,
            removal_in_progress: false,
            dead: false,
            pid: 0,
            exit_code: 0,
            error: String::new(),
            started_at: NEVER,
            finished_at: NEVER,
            health: None,
            extra: Map::new(),
        }
    }
}

/// One word for the state, as `docker ps` and `inspect` say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Made, never started.
    Created,
    /// Runs.
    Running,
    /// Frozen.
    Paused,
    /// Waiting to be started again by its policy.
    Restarting,
    /// Ended.
    Exited,
    /// Being removed.
    Removing,
    /// Its removal failed half-way.
    Dead,
}

impl Status {
    /// Every status, in Docker's order.
    pub const ALL: [Self; 7] = [
        Self::Created,
        Self::Running,
        Self::Paused,
        Self::Restarting,
        Self::Removing,
        Self::Exited,
        Self::Dead,
    ];

    /// Docker's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Exited => "exited",
            Self::Removing => "removing",
            Self::Dead => "dead",
        }
    }
}

/// Something that happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Its process was started.
    Started {
        /// Host process id.
        pid: u32,
        /// When.
        at: Timestamp,
    },
    /// Its process could not be started.
    StartFailed {
        /// 126, 127 or 128.
        exit_code: i32,
        /// What the user is told.
        error: String,
        /// When.
        at: Timestamp,
    },
    /// Frozen.
    Paused,
    /// Thawed.
    Unpaused,
    /// Its process ended.
    Exited {
        /// As a shell shows it.
        exit_code: i32,
        /// When.
        at: Timestamp,
        /// For lack of memory.
        oom_killed: bool,
        /// Whether its policy will start it again.
        restarting: bool,
    },
    /// The awaited restart will not come.
    RestartCancelled,
    /// Its removal began.
    Removing,
    /// Its removal failed; `dead` when parts of it are gone already.
    RemovalFailed {
        /// Whether it can never run again.
        dead: bool,
    },
}

/// A change that the present state does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a container that is {} cannot become so: {change:?}", from.as_str())]
pub struct Illegal {
    /// The state it is in.
    pub from: Status,
    /// What was to happen.
    pub change: Change,
}

impl State {
    /// The state in one word.
    pub fn status(&self) -> Status {
        if self.removal_in_progress {
            Status::Removing
        } else if self.dead {
            Status::Dead
        } else if self.restarting {
            Status::Restarting
        } else if self.paused {
            Status::Paused
        } else if self.running {
            Status::Running
        } else if self.started_at == NEVER && self.finished_at == NEVER {
            Status::Created
        } else {
            Status::Exited
        }
    }

    /// Whether a process of it exists (running or paused; not while it waits to be restarted).
    pub fn is_alive(&self) -> bool {
        self.running && !self.restarting
    }

    /// The state after `change`.
    ///
    /// # Errors
    /// [`Illegal`] when the drawing above has no such arrow.
    pub fn apply(&self, change: Change) -> Result<Self, Illegal> {
        use Status::{Created, Dead, Exited, Paused, Removing, Restarting, Running};
        let from = self.status();
        let allowed = matches!(
            (&change, from),
            (
                Change::Started { .. } | Change::StartFailed { .. },
                Created | Exited | Restarting
            ) | (Change::Paused, Running)
                | (Change::Unpaused, Paused)
                | (Change::Exited { .. }, Running | Paused)
                | (Change::RestartCancelled, Restarting)
                | (Change::Removing, Created | Exited | Dead)
                | (Change::RemovalFailed { .. }, Removing)
        );
        if !allowed {
            return Err(Illegal { from, change });
        }
        let mut next = self.clone();
        match change {
            Change::Started { pid, at } => {
                next.running = true;
                next.restarting = false;
                next.paused = false;
                next.oom_killed = false;
                next.pid = pid;
                next.exit_code = 0;
                next.error.clear();
                next.started_at = at;
            }
            Change::StartFailed { exit_code, error, at } => {
                next.running = false;
                next.restarting = false;
                next.pid = 0;
                next.exit_code = exit_code;
                next.error = error;
                if from != Created {
                    next.finished_at = at;
                }
            }
            Change::Paused => {
                next.paused = true;
                Health::suspend(&mut next.health);
            }
            Change::Unpaused => next.paused = false,
            Change::Exited {
                exit_code,
                at,
                oom_killed,
                restarting,
            } => {
                next.running = restarting;
                next.restarting = restarting;
                next.paused = false;
                next.pid = 0;
                next.exit_code = exit_code;
                next.oom_killed = oom_killed;
                next.finished_at = at;
                Health::suspend(&mut next.health);
            }
            Change::RestartCancelled => {
                next.running = false;
                next.restarting = false;
            }
            Change::Removing => next.removal_in_progress = true,
            Change::RemovalFailed { dead } => {
                next.removal_in_progress = false;
                next.dead = self.dead || dead;
            }
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn started() -> Change {
        Change::Started { pid: 7, at: at(10) }
    }

    fn exited(restarting: bool) -> Change {
        Change::Exited {
            exit_code: 3,
            at: at(20),
            oom_killed: false,
            restarting,
        }
    }

    #[test]
    fn row_072_the_usual_life() {
        let state = State::default();
        assert_eq!(state.status(), Status::Created);
        let state = state.apply(started()).unwrap();
        assert_eq!((state.status(), state.pid), (Status::Running, 7));
        let state = state.apply(Change::Paused).unwrap();
        assert_eq!(state.status(), Status::Paused);
        let state = state.apply(Change::Unpaused).unwrap().apply(exited(false)).unwrap();
        assert_eq!((state.status(), state.exit_code, state.pid), (Status::Exited, 3, 0));
        assert_eq!(state.apply(Change::Removing).unwrap().status(), Status::Removing);
    }

    #[test]
    fn row_072_wrong_transitions_are_refused() {
        let created = State::default();
        assert!(created.apply(Change::Paused).is_err());
        assert!(created.apply(exited(false)).is_err());
        let running = created.apply(started()).unwrap();
        assert!(running.apply(started()).is_err());
        assert!(running.apply(Change::Removing).is_err());
        assert!(running.apply(Change::Unpaused).is_err());
    }

    #[test]
    fn a_failed_first_start_leaves_it_created() {
        let failed = Change::StartFailed {
            exit_code: 127,
            error: "no".into(),
            at: at(5),
        };
        let state = State::default().apply(failed).unwrap();
        assert_eq!((state.status(), state.exit_code), (Status::Created, 127));
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            (1u32..9, 1i64..9).prop_map(|(pid, s)| Change::Started { pid, at: at(s) }),
            (1i64..9).prop_map(|s| Change::StartFailed {
                exit_code: 127,
                error: "x".into(),
                at: at(s)
            }),
            Just(Change::Paused),
            Just(Change::Unpaused),
            (0i32..256, any::<bool>(), any::<bool>()).prop_map(|(exit_code, oom_killed, restarting)| Change::Exited {
                exit_code,
                at: at(30),
                oom_killed,
                restarting
            }),
            Just(Change::RestartCancelled),
            Just(Change::Removing),
            any::<bool>().prop_map(|dead| Change::RemovalFailed { dead }),
        ]
    }

    proptest! {
        #[test]
        fn invariants_hold_over_any_history(changes in proptest::collection::vec(change(), 0..40)) {
            let mut state = State::default();
            for change in changes {
                if let Ok(next) = state.apply(change) {
                    state = next;
                }
                prop_assert_eq!(state.pid != 0, state.is_alive());
                prop_assert!(!state.paused || state.running);
                prop_assert!(!state.restarting || state.running);
                prop_assert!(!state.removal_in_progress || !state.running);
                let json = serde_json::to_string(&state).unwrap();
                let back: State = serde_json::from_str(&json).unwrap();
                prop_assert_eq!(State { removal_in_progress: state.removal_in_progress, ..back }, state.clone());
            }
        }
    }
}
