//! Templates of tags: Go templates with Docker's functions (decision 0019).

use serde_json::json;
use tierce_format::template::Template;

use super::{Subject, refuse};
use crate::error::Result;

/// The text that a template comes to.
pub(super) fn evaluate(template: &str, subject: &Subject<'_>) -> Result<String> {
    // Also words that mean something else as a format.
    if !template.contains("{{") {
        return Ok(template.to_owned());
    }
    let short = |id: &str| id.get(..12).unwrap_or(id).to_owned();
    // An image's id is cut with the name of its algorithm, as dockerd does.
    let members = json!({
        "ID": short(subject.id),
        "FullID": subject.id,
        "ContainerID": subject.id,
        "Name": subject.name,
        "ContainerName": format!("/{}", subject.name),
        "ImageID": short(subject.image_id),
        "ImageFullID": subject.image_id,
        "ContainerImageID": subject.image_id,
        "ImageName": subject.image,
        "ContainerImageName": subject.image,
        "DaemonName": "docker",
        "Hostname": subject.host,
        "Command": subject.command,
        "ContainerLabels": subject.labels,
    });
    let evaluated = Template::parse(template).and_then(|parsed| match parsed {
        Some(parsed) => parsed.render(&members),
        None => Ok(String::new()),
    });
    // A label that is not there is an empty text in Go, whose map has nothing but texts.
    let evaluated = evaluated.map(|text| text.replace("<no value>", ""));
    evaluated.or_else(|error| refuse(in_words_of_tags(&error.to_string())))
}

/// What Go says of a template named `log-tag` over a struct, where it said it of a nameless one over a map.
fn in_words_of_tags(text: &str) -> String {
    let text = text.strip_prefix("template parsing error: ").unwrap_or(text);
    let text = text.replacen("template: :", "template: log-tag:", 1);
    let text = text.replacen("executing \"\"", "executing \"log-tag\"", 1);
    match text.split_once("map has no entry for key \"") {
        Some((before, field)) => {
            let field = field.trim_end_matches('"');
            format!("{before}can't evaluate field {field} in type *logger.Info")
        }
        None => text,
    }
}
