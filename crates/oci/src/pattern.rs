//! Patterns that references are looked for by. Source: Go's `path.Match`, distribution's `reference.FamiliarMatch`.
//!
//! ```text
//! *       any text without a slash          [abc]  [a-z]  [^a]   one letter of a class, or none of it
//! ?       one letter that is no slash       \x                   the letter itself
//! ```

use crate::Error;

/// A pattern that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Letter(char),
    AnyText,
    AnyLetter,
    Class { without: bool, ranges: Vec<(char, char)> },
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`Error::Pattern`] in Go's words when a class or an escape is not complete.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bad = || Error::Pattern;
        let mut letters = text.chars().peekable();
        let mut parts = Vec::new();
        while let Some(letter) = letters.next() {
            parts.push(match letter {
                // Several in a row mean no more than one.
                '*' if parts.last() == Some(&Part::AnyText) => continue,
                '*' => Part::AnyText,
                '?' => Part::AnyLetter,
                '\\' => Part::Letter(letters.next().ok_or_else(bad)?),
                '[' => class(&mut letters).ok_or_else(bad)?,
                letter => Part::Letter(letter),
            });
        }
        Ok(Self(parts))
    }

    /// Whether it fits a name (`repository:tag`, `repository@digest`), or the repository alone.
    pub fn fits_name(&self, name: &str) -> bool {
        let bare = name.split('@').next().unwrap_or(name);
        let bare = match bare.rsplit_once(':') {
            Some((before, tag)) if !tag.contains('/') => before,
            _ => bare,
        };
        self.fits(name) || self.fits(bare)
    }

    /// Whether it fits the whole text. Costs at most pattern times text, however many stars there are.
    fn fits(&self, text: &str) -> bool {
        let letters: Vec<char> = text.chars().collect();
        let (mut part, mut at) = (0, 0);
        // Where to go on when what follows the last star does not fit: one letter further.
        let mut retry: Option<(usize, usize)> = None;
        loop {
            let fits = match (self.0.get(part), letters.get(at)) {
                (None, None) => return true,
                (Some(Part::AnyText), _) => {
                    retry = Some((part, at));
                    part += 1;
                    continue;
                }
                (Some(wanted), Some(letter)) => wanted.takes(*letter),
                (None, Some(_)) | (Some(_), None) => false,
            };
            if fits {
                part += 1;
                at += 1;
                continue;
            }
            let Some((star, from)) = retry else { return false };
            // A star does not reach over a slash.
            if letters.get(from).is_none_or(|letter| *letter == '/') {
                return false;
            }
            retry = Some((star, from + 1));
            (part, at) = (star + 1, from + 1);
        }
    }
}

impl Part {
    fn takes(&self, letter: char) -> bool {
        match self {
            Self::Letter(wanted) => *wanted == letter,
            Self::AnyText => false,
            Self::AnyLetter => letter != '/',
            Self::Class { without, ranges } => {
                letter != '/' && ranges.iter().any(|(low, high)| (*low..=*high).contains(&letter)) != *without
            }
        }
    }
}

/// The rest of a class, after its bracket; `None` when it does not end or is empty.
fn class(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Part> {
    let without = letters.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if letters.next_if_eq(&']').is_some() {
            return (!ranges.is_empty()).then_some(Part::Class { without, ranges });
        }
        let low = class_letter(letters)?;
        let high = match letters.next_if_eq(&'-') {
            Some(_) => class_letter(letters)?,
            None => low,
        };
        ranges.push((low, high));
    }
}

fn class_letter(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    match letters.next()? {
        '-' | ']' => None,
        '\\' => letters.next(),
        letter => Some(letter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_are_those_of_go() {
        for (pattern, text, expected) in [
            ("busybox", "busybox", true),
            ("busy*", "busybox", true),
            ("*", "a/b", false),
            ("*/*", "a/b", true),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("*:1", "abc:1", true),
            ("*a*b", "xaxbxab", true),
            ("a*/b", "axx/b", true),
            ("a*b", "a/b", false),
            ("[ab]*", "base", true),
            ("[^a]*", "base", true),
            ("[^a-c]*", "base", false),
            ("\\*", "*", true),
            ("", "a", false),
        ] {
            assert_eq!(
                Pattern::parse(pattern).unwrap().fits(text),
                expected,
                "{pattern} {text}"
            );
        }
        for pattern in ["[", "[]", "[a", "[-a]", "[a-]", "x\\"] {
            let error = Pattern::parse(pattern).unwrap_err();
            assert_eq!(error.to_string(), "syntax error in pattern", "{pattern}");
        }
    }

    #[test]
    fn names_fit_with_and_without_their_tag() {
        let fits = |pattern: &str, name: &str| Pattern::parse(pattern).unwrap().fits_name(name);
        assert!(fits("h:5000/a", "h:5000/a:1") && fits("h:5000/a:1", "h:5000/a:1") && fits("h:5000/a", "h:5000/a"));
        assert!(fits("a", "a@sha256:12") && !fits("a:1", "a:2"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_pattern_or_refused(pattern in "[a-b*?\\[\\]^\\\\/-]{0,12}", text in "[a-b/]{0,12}") {
            if let Ok(pattern) = Pattern::parse(&pattern) {
                let _ = pattern.fits(&text);
            }
        }

        #[test]
        fn a_star_stands_for_any_part_of_a_name(name in "[a-z0-9]{1,8}", at in 0usize..8) {
            let at = at.min(name.len());
            for pattern in [name[..at].to_owned() + "*", "*".to_owned() + &name[at..]] {
                prop_assert!(Pattern::parse(&pattern).unwrap().fits(&name), "{}", pattern);
            }
        }
    }
}
