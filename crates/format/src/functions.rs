//! The functions that Docker adds to Go's. Source: docker/cli `templates/templates.go`.

use crate::template::from_go;
use gotmpl::Value as GoValue;
use serde_json::Value;

/// Widest filling, as Go's own functions have a bound: a template may come over the API.
const WIDEST: i64 = 65_535;

/// Adds them to a template.
pub(crate) fn functions(template: gotmpl::Template) -> gotmpl::Template {
    let text = |value: Option<&GoValue>| value.map(ToString::to_string).unwrap_or_default();
    let number =
        |value: Option<&GoValue>| value.and_then(GoValue::as_int).unwrap_or_default().clamp(0, WIDEST) as usize;
    let string = |text: String| Ok(GoValue::String(text.into()));
    template
        .func("json", move |words| {
            // Docker's function does not write Go's escapes for HTML.
            string(words.first().map_or(Value::Null, from_go).to_string())
        })
        .func("split", move |words| {
            let (text, separator) = (text(words.first()), text(words.get(1)));
            let parts: Vec<GoValue> = text
                .split(separator.as_str())
                .map(|part| GoValue::String(part.into()))
                .collect();
            Ok(GoValue::List(parts.into()))
        })
        .func("join", move |words| {
            let parts: Vec<String> = match words.first() {
                Some(GoValue::List(items)) => items.iter().map(ToString::to_string).collect(),
                other => other.map(ToString::to_string).into_iter().collect(),
            };
            string(parts.join(&text(words.get(1))))
        })
        .func("lower", move |words| string(text(words.first()).to_lowercase()))
        .func("upper", move |words| string(text(words.first()).to_uppercase()))
        .func("title", move |words| string(title(&text(words.first()))))
        .func("pad", move |words| {
            let text = text(words.first());
            if text.is_empty() {
                return string(text);
            }
            string(format!(
                "{}{text}{}",
                " ".repeat(number(words.get(1))),
                " ".repeat(number(words.get(2)))
            ))
        })
        .func("truncate", move |words| {
            string(text(words.first()).chars().take(number(words.get(1))).collect())
        })
}

fn title(text: &str) -> String {
    let mut start = true;
    text.chars()
        .flat_map(|character| {
            let upper = start;
            start = character.is_whitespace();
            if upper {
                character.to_uppercase().collect::<Vec<_>>()
            } else {
                vec![character]
            }
        })
        .collect()
}

/// Leaves the heads of a table as they are, whatever is done to the values below. Filling up with `pad` stays.
pub(crate) fn for_heads(template: gotmpl::Template) -> gotmpl::Template {
    let same = |words: &[GoValue]| Ok(words.first().cloned().unwrap_or(GoValue::Nil));
    ["json", "title", "lower", "upper", "truncate"]
        .into_iter()
        .fold(template, |template, name| template.func(name, same))
}
