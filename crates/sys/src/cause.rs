//! Error numbers in words.

use rustix::io::Errno;
use std::fmt;

/// An error number in the words of Go's runtime, which the users of Docker and runc know, and which their programs match
/// on: lower case, without the number (`no such file or directory`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause(pub Errno);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = std::io::Error::from(self.0).to_string();
        let text = text.split(" (os error").next().unwrap_or(&text);
        let mut characters = text.chars();
        if let Some(first) = characters.next() {
            write!(f, "{}{}", first.to_ascii_lowercase(), characters.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_read_like_gos() {
        assert_eq!(Cause(Errno::NOENT).to_string(), "no such file or directory");
        assert_eq!(Cause(Errno::ACCESS).to_string(), "permission denied");
        assert_eq!(Cause(Errno::PERM).to_string(), "operation not permitted");
    }
}
