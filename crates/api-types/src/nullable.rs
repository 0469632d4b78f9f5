//! Reading of `null` as the zero value, as Go's `encoding/json` does.

use serde::{Deserialize, Deserializer};

/// Deserialises a value whose `null` means its default; for use in `#[serde(deserialize_with = "…")]`.
pub fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Whether a number is zero; for Go's `omitempty`.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde's skip_serializing_if wants"
)]
pub(crate) fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Whether a flag is off; for Go's `omitempty`.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde's skip_serializing_if wants"
)]
pub(crate) fn is_false(flag: &bool) -> bool {
    !*flag
}
