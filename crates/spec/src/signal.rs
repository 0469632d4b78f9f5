//! Signals by name and number. Source: signal(7); moby/sys `signal/signal_linux.go`.

use crate::error::{Error, Result};

/// SIGTERM.
pub const TERM: i32 = 15;
/// SIGKILL.
pub const KILL: i32 = 9;
/// First and last real-time signal as the C library numbers them.
const REAL_TIME: (i32, i32) = (34, 64);

const NAMES: [(&str, i32); 35] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
    ("UNUSED", 31),
];

/// Reads `SIGTERM`, `term`, `15`, `RTMIN+3`.
pub fn parse(text: &str) -> Result<i32> {
    let invalid = || Error::Invalid(format!("invalid signal: {text}"));
    if let Ok(number) = text.parse::<i32>() {
        // 0 would only probe.
        return if (1..=REAL_TIME.1).contains(&number) {
            Ok(number)
        } else {
            Err(invalid())
        };
    }
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some((_, number)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Ok(*number);
    }
    let (base, offset) = if let Some(rest) = name.strip_prefix("RTMIN") {
        (REAL_TIME.0, rest)
    } else if let Some(rest) = name.strip_prefix("RTMAX") {
        (REAL_TIME.1, rest)
    } else {
        return Err(invalid());
    };
    let offset: i32 = if offset.is_empty() {
        0
    } else {
        offset.parse().map_err(|_| invalid())?
    };
    let number = base.checked_add(offset).ok_or_else(invalid)?;
    if (REAL_TIME.0..=REAL_TIME.1).contains(&number) {
        Ok(number)
    } else {
        Err(invalid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_and_numbers() {
        for (text, number) in [
            ("SIGTERM", 15),
            ("kill", 9),
            ("1", 1),
            ("RTMIN+3", 37),
            ("SIGRTMAX-1", 63),
        ] {
            assert_eq!(parse(text).unwrap(), number, "{text}");
        }
        for bad in ["", "0", "65", "-1", "FOO", "RTMIN+99", "RTMAX+2147483647"] {
            assert_eq!(parse(bad).unwrap_err().to_string(), format!("invalid signal: {bad}"));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_a_signal(text in ".{0,12}") {
            if let Ok(number) = parse(&text) {
                prop_assert!((1..=64).contains(&number));
            }
        }
    }
}
