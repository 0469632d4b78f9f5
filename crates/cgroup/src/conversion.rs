//! The specification's numbers, which are those of v1, in the measures of v2.

use crate::{Error, Result};

/// The specification counts swap and memory together, v2 counts swap alone. `None`: leave it.
pub(crate) fn swap_alone(together: i64, limit: i64) -> Result<Option<i64>> {
    match (together, limit) {
        // Unlimited memory without a word on swap: both unlimited, as v1 has it.
        (0, -1) | (-1, _) => Ok(Some(-1)),
        (0, _) => Ok(None),
        (swap, -1) => Ok(Some(swap)),
        (_, 0) => Err(Error::Invalid(
            "unable to set swap limit without memory limit".to_owned(),
        )),
        (_, limit) if limit < 0 => Err(Error::Invalid(format!("invalid memory value: {limit}"))),
        (swap, limit) if swap < limit => Err(Error::Invalid("memory+swap limit should be >= memory limit".to_owned())),
        (swap, limit) => Ok(Some(swap - limit)),
    }
}

/// v1 shares (2 to 262144, default 1024) → v2 weight (1 to 10000, default 100), so that least, default and greatest meet.
/// The quadratic fit in logarithms is the one of runc since 1.3.2, crun and systemd's neighbours.
pub(crate) fn weight_of_shares(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        _ => {
            let log = (shares as f64).log2();
            10_f64.powf((log * log + 125.0 * log) / 612.0 - 7.0 / 34.0).ceil() as u64
        }
    }
}

/// v1 block weight (10 to 1000) → `io.weight` (1 to 10000), linearly.
pub(crate) fn io_weight(weight: u16) -> u64 {
    1 + u64::from(weight.saturating_sub(10)) * 9999 / 990
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Least, default and greatest of both scales meet, and the scale is monotonous.
    #[test]
    fn shares_become_weights() {
        assert_eq!([2, 1024, 262_144].map(weight_of_shares), [1, 100, 10_000]);
        assert_eq!([512, 2048, 4].map(weight_of_shares), [59, 174, 2]);
        assert!((2..262_144).step_by(97).map(weight_of_shares).is_sorted());
        assert_eq!([10, 500, 1000].map(io_weight), [1, 4950, 10_000]);
    }

    #[test]
    fn swap_is_counted_alone() {
        assert_eq!(swap_alone(300, 100).unwrap(), Some(200));
        assert_eq!(swap_alone(100, 100).unwrap(), Some(0));
        assert_eq!(swap_alone(-1, 100).unwrap(), Some(-1));
        assert_eq!(swap_alone(0, -1).unwrap(), Some(-1));
        assert_eq!(swap_alone(0, 100).unwrap(), None);
        for (swap, limit) in [(100, 0), (50, 100), (100, -5)] {
            assert!(swap_alone(swap, limit).is_err());
        }
    }
}
