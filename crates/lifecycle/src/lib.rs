//! The life of a container as pure functions: its state and the legal changes, whether and when its restart policy starts it
//! again, and what its health probes came to. No I/O: the engine asks, and does.
//!
//! ```
//! use tierce_lifecycle::{Backoff, FIRST_DELAY, Policy, State, Status};
//! assert_eq!(State::default().status(), Status::Created);
//! assert!(Policy::OnFailure(3).restarts(1, false, 2));
//! assert_eq!(Backoff::default().next(std::time::Duration::ZERO), FIRST_DELAY);
//! ```

mod health;
mod restart_policy;
mod state;

pub use health::{Health, Probe};
pub use restart_policy::{Backoff, CALM_AFTER, FIRST_DELAY, LONGEST_DELAY, Policy};
pub use state::{Change, Illegal, NEVER, State, Status};
