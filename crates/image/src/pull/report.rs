//! From the states of a transfer to the lines that a client sees.

use super::transfer::{State, Watch};
use crate::{Error, Message, Progress};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Docker tells the same of one layer at most so often.
const INTERVAL: Duration = Duration::from_millis(100);

/// Tells what happens to a layer until it is there.
pub(crate) async fn follow(watch: Arc<Watch>, short: String, progress: Arc<dyn Progress>) -> Result<(), Error> {
    let mut state = watch.state.clone();
    let mut teller = Teller {
        short,
        total: watch.total,
        progress,
        stage: Stage::Nothing,
        told: None,
    };
    loop {
        let now = state.borrow_and_update().clone();
        if let Some(end) = teller.tell(now) {
            return end;
        }
        if state.changed().await.is_err() {
            return Err(Error::Cancelled);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Nothing,
    Waiting,
    Downloading,
    Downloaded,
    Extracted,
    Complete,
}

struct Teller {
    short: String,
    total: u64,
    progress: Arc<dyn Progress>,
    stage: Stage,
    told: Option<Instant>,
}

impl Teller {
    /// Tells of a state, and of the milestones before it that went by too fast to be seen. Returns the end.
    fn tell(&mut self, state: State) -> Option<Result<(), Error>> {
        match state {
            // Told once there is something to tell of.
            State::New | State::Fetching(0) => {}
            State::Queued => self.milestone(Stage::Waiting, "Waiting"),
            State::Fetching(bytes) => {
                self.stage = self.stage.max(Stage::Downloading);
                if self.told.is_none_or(|told| told.elapsed() >= INTERVAL) {
                    self.told = Some(Instant::now());
                    self.amount("Downloading", bytes);
                }
            }
            State::Fetched => self.fetched(),
            State::Ended(Ok(())) => {
                self.fetched();
                if self.stage < Stage::Extracted {
                    self.stage = Stage::Extracted;
                    self.amount("Extracting", self.total);
                }
                self.milestone(Stage::Complete, "Pull complete");
                return Some(Ok(()));
            }
            State::Ended(Err(error)) => return Some(Err(Error::Shared(error))),
        }
        None
    }

    fn fetched(&mut self) {
        if self.stage < Stage::Downloaded {
            self.stage = Stage::Downloaded;
            self.amount("Downloading", self.total);
            self.progress
                .report(Message::milestone(&self.short, "Verifying Checksum"));
            self.progress
                .report(Message::milestone(&self.short, "Download complete"));
        }
    }

    fn milestone(&mut self, stage: Stage, status: &'static str) {
        if self.stage < stage {
            self.stage = stage;
            self.progress.report(Message::milestone(&self.short, status));
        }
    }

    fn amount(&self, status: &'static str, current: u64) {
        self.progress
            .report(Message::amount(&self.short, status, current, self.total));
    }
}
