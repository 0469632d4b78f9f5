//! `--disable-content-trust`: Docker's flag for signatures that nobody checks any more unless asked to.

use crate::error::Error;
use clap::Args;

/// The flag of a pull.
#[derive(Args)]
pub(super) struct Verification {
    /// Skip image verification
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true")]
    disable_content_trust: bool,
}

/// The flag of a push.
#[derive(Args)]
pub(super) struct Signing {
    /// Skip image signing
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true")]
    disable_content_trust: bool,
}

impl Verification {
    /// Refuses to promise what is not done.
    pub(super) fn check(&self) -> Result<(), Error> {
        check(self.disable_content_trust, "verify")
    }
}

impl Signing {
    /// Refuses to promise what is not done.
    pub(super) fn check(&self) -> Result<(), Error> {
        check(self.disable_content_trust, "sign")
    }
}

fn check(disabled: bool, verb: &str) -> Result<(), Error> {
    if disabled {
        return Ok(());
    }
    Err(Error::failed(format!(
        "cannot {verb} the image: content trust is not supported; leave out --disable-content-trust=false"
    )))
}
