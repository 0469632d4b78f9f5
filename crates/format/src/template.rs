//! Go templates with Docker's functions, over JSON. Source of the functions: docker/cli `templates/templates.go`.

use crate::Error;
use crate::functions::{self, functions};
use gotmpl::{MissingKey, TemplateError, Value as GoValue};
use serde_json::Value;
use std::sync::Arc;

/// A parsed `--format`.
pub struct Template {
    form: Form,
}

enum Form {
    Json,
    /// A template and its text.
    Go(gotmpl::Template, String),
}

impl Template {
    /// Parses a format; `None` when it is empty.
    ///
    /// # Errors
    /// When it is no template.
    pub fn parse(format: &str) -> Result<Option<Self>, Error> {
        Self::parse_with(format, functions)
    }

    /// Parses the format of a table to fill it with the heads of the columns, which Docker's functions do not change.
    ///
    /// # Errors
    /// When it is no template.
    pub fn parse_heads(format: &str) -> Result<Option<Self>, Error> {
        Self::parse_with(format, |template| functions::for_heads(functions(template)))
    }

    fn parse_with(
        format: &str,
        functions: impl Fn(gotmpl::Template) -> gotmpl::Template,
    ) -> Result<Option<Self>, Error> {
        let form = match format {
            "" => return Ok(None),
            "json" => Form::Json,
            text => {
                let parse = |text: &str| {
                    functions(gotmpl::Template::new(""))
                        .missing_key(MissingKey::Error)
                        .parse(text)
                };
                let called = with_calls(text);
                let template = parse(&called).map_err(|error| parse_error(text, &error))?;
                // The parser stops at an end that nothing began, and takes what is before it. So it does not see that
                // this is no template.
                if parse(&(called + "{{if}}{{end}}")).is_ok() {
                    return Err(Error::Template("template: :1: unexpected {{end}}".to_owned()));
                }
                Form::Go(template, text.to_owned())
            }
        };
        Ok(Some(Self { form }))
    }

    /// Fills it with an object that has a method besides its members: a function of one word.
    ///
    /// # Errors
    /// When it does not fit the object.
    pub fn render_with(
        &self,
        document: &Value,
        method: &str,
        call: impl Fn(&str) -> String + Send + Sync + 'static,
    ) -> Result<String, Error> {
        let (Form::Go(template, text), GoValue::Map(members)) = (&self.form, to_go(document)) else {
            return self.render(document);
        };
        let mut members = Arc::unwrap_or_clone(members);
        let call = move |words: &[GoValue]| {
            let word = words.first().map(ToString::to_string).unwrap_or_default();
            Ok(GoValue::String(call(&word).into()))
        };
        members.insert(method.into(), GoValue::Function(Arc::new(call)));
        execute(template, text, &GoValue::Map(Arc::new(members)))
    }

    /// Fills it with a document.
    ///
    /// # Errors
    /// When it does not fit the document.
    pub fn render(&self, document: &Value) -> Result<String, Error> {
        match &self.form {
            Form::Json => Ok(document.to_string()),
            Form::Go(template, text) => execute(template, text, &to_go(document)),
        }
    }
}

fn execute(template: &gotmpl::Template, text: &str, value: &GoValue) -> Result<String, Error> {
    template
        .execute_to_string(value)
        .map_err(|error| Error::Template(execution_error(text, &error)))
}

/// Writes `.Label "x"` in actions as `call .Label "x"`: Go calls methods so, the parser here wants the word.
fn with_calls(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let end = rest[start..].find("}}").map_or(rest.len(), |end| start + end);
        written.push_str(&rest[..start]);
        written.push_str(&rest[start..end].replace(".Label \"", "call .Label \""));
        rest = &rest[end..];
    }
    written + rest
}

/// Go's words for a template that is none.
fn parse_error(text: &str, error: &TemplateError) -> Error {
    let cause = match error {
        // Go's parser says it so, whatever of the action is missing.
        _ if text.matches("{{").count() > text.matches("}}").count() => "1: unclosed action".to_owned(),
        TemplateError::Parse { line, message, .. } | TemplateError::Lex { line, message, .. } => {
            format!("{line}: {message}")
        }
        other => format!("1: {other}"),
    };
    Error::Template(format!("template: :{cause}"))
}

/// Go's words for a template that does not fit the document.
fn execution_error(text: &str, error: &TemplateError) -> String {
    let TemplateError::MissingKey { key } = error else {
        return format!("template: :1: executing \"\": {error}");
    };
    let part = |character: char| character.is_alphanumeric() || character == '_' || character == '.';
    let field = format!(".{key}");
    let at = text.find(&field).unwrap_or(0);
    let start = text[..at]
        .rfind(|character| !part(character))
        .map_or(0, |index| index + 1);
    let end = at + text[at..].find(|character| !part(character)).unwrap_or(text.len() - at);
    format!(
        "template: :1:{at}: executing \"\" at <{}>: map has no entry for key {key:?}",
        &text[start..end]
    )
}

/// JSON as Go's encoder writes it on one line.
pub fn compact(document: &Value) -> String {
    escape_html(&document.to_string())
}

/// Go's encoder writes these three as escapes; they occur in strings only.
fn escape_html(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

pub(crate) fn to_go(document: &Value) -> GoValue {
    match document {
        Value::Null => GoValue::Nil,
        Value::Bool(value) => GoValue::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => GoValue::Int(value),
            (None, Some(value)) => GoValue::Uint(value),
            (None, None) => GoValue::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => GoValue::String(text.as_str().into()),
        Value::Array(items) => GoValue::List(items.iter().map(to_go).collect()),
        Value::Object(members) => GoValue::Map(Arc::new(
            members
                .iter()
                .map(|(name, value)| (name.as_str().into(), to_go(value)))
                .collect(),
        )),
    }
}

pub(crate) fn from_go(value: &GoValue) -> Value {
    match value {
        GoValue::Bool(value) => Value::from(*value),
        GoValue::Int(value) => Value::from(*value),
        GoValue::Uint(value) => Value::from(*value),
        GoValue::Float(value) => Value::from(*value),
        GoValue::String(text) => Value::from(&**text),
        GoValue::List(items) => Value::Array(items.iter().map(from_go).collect()),
        GoValue::Map(members) => Value::Object(
            members
                .iter()
                .map(|(name, value)| (name.to_string(), from_go(value)))
                .collect(),
        ),
        GoValue::Nil | GoValue::Function(_) => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn render(format: &str) -> String {
        let document = serde_json::json!({
            "State": {"Running": true, "Pid": 7},
            "Names": ["a", "b"],
            "Args": [],
            "Text": "a<b",
            "Null": null,
        });
        Template::parse(format).unwrap().unwrap().render(&document).unwrap()
    }

    #[test]
    fn row_093_dockers_functions_and_forms_work() {
        assert_eq!(render("{{.State.Running}} {{.State.Pid}}"), "true 7");
        assert_eq!(render("{{json .Names}}"), r#"["a","b"]"#);
        assert_eq!(render("{{json .Text}}"), r#""a<b""#);
        assert_eq!(render("{{join .Names \", \"}}"), "a, b");
        assert_eq!(render("{{range .Names}}<{{.}}>{{end}}"), "<a><b>");
        assert_eq!(
            render("{{upper \"x\"}}{{title \"ab cd\"}}{{truncate \"abc\" 2}}"),
            "XAb Cdab"
        );
        assert_eq!(render("{{index .Names 1}}"), "b");
        assert_eq!(render("{{.Null}}"), "<no value>");
    }

    #[test]
    fn a_missing_field_is_an_error_and_not_an_empty_text() {
        let template = Template::parse("{{.Nope}}").unwrap().unwrap();
        let error = template.render(&serde_json::json!({})).unwrap_err();
        assert_eq!(
            error.to_string(),
            "template parsing error: template: :1:2: executing \"\" at <.Nope>: map has no entry for key \"Nope\""
        );
        let nested = Template::parse("{{.A.B}}").unwrap().unwrap();
        let error = nested.render(&serde_json::json!({"A": {}})).unwrap_err().to_string();
        assert!(
            error.contains(":1:4: executing \"\" at <.A.B>: map has no entry"),
            "{error}"
        );
        for stray in ["{{end}}", "a{{end}}{{.x}}", "{{if .x}}{{end}}{{end}}"] {
            let Err(error) = Template::parse(stray) else {
                panic!("parsed {stray}")
            };
            assert!(error.to_string().ends_with("unexpected {{end}}"), "{error}");
        }
        let Err(error) = Template::parse("{{.x") else {
            panic!("parsed")
        };
        assert_eq!(
            error.to_string(),
            "template parsing error: template: :1: unclosed action"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_a_template_or_none_and_ends(
            parts in proptest::collection::vec(
                "\\{\\{|\\}\\}|\\.[A-Z][a-z]*| \\||if |range |with |end|else|define \"a\"|template \"a\"|\\$x|:=|printf \"%d\"|json |\\(|\\)|[0-9]{1,3}|\"|`|-|/\\*|\\*/|.",
                0..12,
            )
        ) {
            let text = parts.concat();
            if let Ok(Some(template)) = Template::parse(&text) {
                let document = serde_json::json!({ "A": "a<b", "B": { "C": [1, 2.5, null, true] } });
                let _ = template.render(&document);
            }
        }

        #[test]
        fn a_text_without_braces_is_itself(text in "[^{}]{1,40}") {
            prop_assume!(text != "json");
            let template = Template::parse(&text).unwrap().unwrap();
            prop_assert_eq!(template.render(&serde_json::json!({})).unwrap(), text);
        }
    }
}
