//! Names and numbers of signals.

use crate::error::Error;

/// The names by number, from 1; where two names share one, the usual.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];
/// The first real-time signal that programs may use, as glibc counts (Go's and Docker's too).
const FIRST_REAL_TIME: i32 = 34;

/// Reads `15`, `TERM`, `SIGTERM`, `RTMIN+3`, in any case.
///
/// # Errors
/// [`Error::Usage`] for anything else.
pub(crate) fn parse(text: &str) -> Result<i32, Error> {
    let unknown = || Error::Usage(format!("unknown signal {text:?}"));
    if let Ok(number) = text.parse::<i32>() {
        return if (0..=tierce_sys::signals::HIGHEST).contains(&number) {
            Ok(number)
        } else {
            Err(unknown())
        };
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(position) = NAMES.iter().position(|known| *known == name) {
        return Ok(position as i32 + 1);
    }
    let offset = |text: &str| {
        if text.is_empty() {
            Some(0)
        } else {
            text.parse::<i32>().ok()
        }
    };
    let number = match name {
        "IOT" => 6,
        "POLL" => 29,
        "CLD" => 17,
        _ => {
            if let Some(rest) = name.strip_prefix("RTMIN") {
                FIRST_REAL_TIME + offset(rest).ok_or_else(unknown)?
            } else if let Some(rest) = name.strip_prefix("RTMAX") {
                tierce_sys::signals::HIGHEST + offset(rest).ok_or_else(unknown)?
            } else {
                return Err(unknown());
            }
        }
    };
    if (1..=tierce_sys::signals::HIGHEST).contains(&number) {
        Ok(number)
    } else {
        Err(unknown())
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn all_spellings() {
        for (text, number) in [
            ("9", 9),
            ("KILL", 9),
            ("sigterm", 15),
            ("SIGRTMIN", 34),
            ("RTMIN+3", 37),
            ("RTMAX-1", 63),
            ("SYS", 31),
        ] {
            assert_eq!(parse(text).expect("a signal"), number, "{text}");
        }
        for text in ["", "65", "-1", "NOPE", "RTMIN+99", "RTMAX+1"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
