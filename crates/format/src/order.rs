//! The order in which people expect names: numbers inside them count as numbers. Source: `fvbommel/sortorder`, which
//! docker/cli sorts names with.

use std::cmp::Ordering;

/// Compares names so that `v9` stands before `v10`.
pub fn natural(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    loop {
        let (Some(a), Some(b)) = (one.first(), other.first()) else {
            return one.len().cmp(&other.len());
        };
        if a.is_ascii_digit() && b.is_ascii_digit() {
            let ((left, rest), (right, others)) = (number(one), number(other));
            // Without their zeroes, the longer number is the larger one.
            let order = left.len().cmp(&right.len()).then_with(|| left.cmp(right));
            if order != Ordering::Equal {
                return order;
            }
            (one, other) = (rest, others);
        } else if a == b {
            (one, other) = (&one[1..], &other[1..]);
        } else {
            return a.cmp(b);
        }
    }
}

/// The digits at the beginning, without leading zeroes, and what follows them.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let zeroes = digits.iter().position(|digit| *digit != b'0').unwrap_or(digits.len());
    (&digits[zeroes..], rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_count_as_numbers() {
        let mut names = ["v10", "v9", "a", "v9a", "", "v09b", "b2"];
        names.sort_by(|one, other| natural(one, other));
        assert_eq!(names, ["", "a", "b2", "v9", "v9a", "v09b", "v10"]);
    }

    proptest! {
        #[test]
        fn it_is_an_order(one in "[a-b0-2]{0,6}", other in "[a-b0-2]{0,6}") {
            prop_assert_eq!(natural(&one, &other), natural(&other, &one).reverse());
        }
    }
}
