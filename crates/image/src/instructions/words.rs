//! Words as a shell sees them: quotes, escapes, variables; names with values.
//!
//! Source: BuildKit `frontend/dockerfile/shell/lex.go`.

use super::bad;
use crate::Error;

/// The environment that variables are taken from: `NAME=value` each.
pub(super) struct Variables<'a>(pub(super) &'a [String]);

impl Variables<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter_map(|entry| entry.split_once('='));
        values.find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

/// The words of a text, unquoted and with variables replaced. What comes out of a variable is not split again.
pub(super) fn split(text: &str, variables: &Variables<'_>) -> Result<Vec<String>, Error> {
    raw_words(text)?
        .iter()
        .map(|word| Lexer::new(word, variables).run())
        .collect()
}

/// `name=value name2=value2`, or the older `name value to the end`.
pub(super) fn pairs(instruction: &str, text: &str, variables: &Variables<'_>) -> Result<Vec<(String, String)>, Error> {
    let words = raw_words(text)?;
    let value = |text: &str| Lexer::new(text, variables).run();
    if words.first().is_some_and(|word| !word.contains('=')) {
        let (name, rest) = text
            .split_once(char::is_whitespace)
            .ok_or_else(|| bad(format!("{instruction} must have two arguments")))?;
        return Ok(vec![(value(name)?, value(rest.trim_start())?)]);
    }
    words
        .iter()
        .map(|word| {
            let (name, text) = word.split_once('=').ok_or_else(|| {
                bad(format!(
                    "Syntax error - can't find = in {word:?}. Must be of the form: name=value"
                ))
            })?;
            Ok((value(name)?, value(text)?))
        })
        .collect()
}

/// Splits at blanks outside quotes; quotes and escapes stay.
fn raw_words(text: &str) -> Result<Vec<String>, Error> {
    let mut words = Vec::new();
    let (mut word, mut quote) = (String::new(), None);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            (blank, None) if blank.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            ('\'' | '"', None) => quote = Some(character),
            (end, Some(begun)) if end == begun => quote = None,
            _ => {}
        }
        word.push(character);
        if character == '\\' && quote != Some('\'') {
            word.extend(characters.next());
        }
    }
    if quote.is_some() {
        return Err(bad(format!(
            "unexpected end of statement while looking for matching quote in {text:.200?}"
        )));
    }
    if !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

/// Takes one word apart.
struct Lexer<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    variables: &'a Variables<'a>,
    whole: &'a str,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str, variables: &'a Variables<'a>) -> Self {
        Self {
            rest: text.chars().peekable(),
            variables,
            whole: text,
        }
    }

    fn run(&mut self) -> Result<String, Error> {
        self.until(None)
    }

    /// Reads to the end, or to an unquoted `end`, which is taken.
    fn until(&mut self, end: Option<char>) -> Result<String, Error> {
        let mut out = String::new();
        while let Some(character) = self.rest.next() {
            match character {
                _ if Some(character) == end => return Ok(out),
                '\'' => out.push_str(&self.single_quoted()?),
                '"' => out.push_str(&self.double_quoted()?),
                '\\' => out.extend(self.rest.next()),
                '$' => out.push_str(&self.variable()?),
                other => out.push(other),
            }
        }
        match end {
            None => Ok(out),
            Some(_) => Err(self.unfinished()),
        }
    }

    fn unfinished(&self) -> Error {
        bad(format!(
            "failed to process {:.200?}: syntax error: missing end",
            self.whole
        ))
    }

    fn single_quoted(&mut self) -> Result<String, Error> {
        let mut out = String::new();
        loop {
            match self.rest.next().ok_or_else(|| self.unfinished())? {
                '\'' => return Ok(out),
                other => out.push(other),
            }
        }
    }

    fn double_quoted(&mut self) -> Result<String, Error> {
        let mut out = String::new();
        loop {
            match self.rest.next().ok_or_else(|| self.unfinished())? {
                '"' => return Ok(out),
                '$' => out.push_str(&self.variable()?),
                '\\' => match self.rest.next() {
                    Some(escaped @ ('"' | '$' | '\\')) => out.push(escaped),
                    other => {
                        out.push('\\');
                        out.extend(other);
                    }
                },
                other => out.push(other),
            }
        }
    }

    /// What follows a dollar sign: `NAME`, `{NAME}`, `{NAME:-word}`, `{NAME-word}`, `{NAME:+word}`, `{NAME+word}`.
    fn variable(&mut self) -> Result<String, Error> {
        if self.rest.next_if_eq(&'{').is_none() {
            let name = self.name();
            return Ok(match name.as_str() {
                "" => "$".to_owned(),
                name => self.variables.get(name).unwrap_or_default().to_owned(),
            });
        }
        let name = self.name();
        if name.is_empty() {
            return Err(bad(format!("failed to process {:.200?}: bad substitution", self.whole)));
        }
        let also_empty = self.rest.next_if_eq(&':').is_some();
        let value = self.variables.get(&name);
        let set = value.filter(|value| !also_empty || !value.is_empty());
        match self.rest.next() {
            Some('}') if !also_empty => Ok(value.unwrap_or_default().to_owned()),
            Some('-') => {
                let other = self.until(Some('}'))?;
                Ok(set.map_or(other, str::to_owned))
            }
            Some('+') => {
                let other = self.until(Some('}'))?;
                Ok(set.map_or_else(String::new, |_| other))
            }
            Some('?') => {
                let text = self.until(Some('}'))?;
                set.map(str::to_owned).ok_or_else(|| {
                    let text = if text.is_empty() {
                        "is not allowed to be unset"
                    } else {
                        &text
                    };
                    bad(format!("failed to process {:.200?}: {name}: {text}", self.whole))
                })
            }
            _ => Err(bad(format!(
                "failed to process {:.200?}: unsupported modifier in substitution",
                self.whole
            ))),
        }
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(character) = self
            .rest
            .next_if(|character| character.is_ascii_alphanumeric() || *character == '_')
        {
            // A name does not begin with a digit; `$1` is the variable named 1, which nobody sets.
            name.push(character);
        }
        name
    }
}
