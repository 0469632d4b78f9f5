//! Templates of tags: text with `{{.Name}}` and its like in it.

use super::{Subject, refuse};
use crate::error::Result;

/// The text that a template comes to.
pub(super) fn evaluate(template: &str, subject: &Subject<'_>) -> Result<String> {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((action, after)) = after.split_once("}}") else {
            return refuse("template: log-tag:1: unclosed action");
        };
        text.push_str(before);
        let Some(value) = value(action.trim(), subject) else {
            let column = template.len() - after.len() - "}}".len() - action.trim_start().len();
            return unknown(action.trim(), column);
        };
        text.push_str(&value);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

/// In Go's words.
fn unknown<T>(action: &str, column: usize) -> Result<T> {
    let field = action.trim_start_matches('.');
    refuse(format!(
        "template: log-tag:1:{column}: executing \"log-tag\" at <{action}>: can't evaluate field {field} in type \
         *logger.Info"
    ))
}

/// `None`: there is no such thing.
fn value(action: &str, subject: &Subject<'_>) -> Option<String> {
    let short = |id: &str| id.get(..12).unwrap_or(id).to_owned();
    let image = subject.image_id.strip_prefix("sha256:").unwrap_or(subject.image_id);
    Some(match action {
        ".ID" => short(subject.id),
        ".FullID" | ".ContainerID" => subject.id.to_owned(),
        ".Name" => subject.name.to_owned(),
        ".ContainerName" => format!("/{}", subject.name),
        ".ImageID" => short(image),
        ".ImageFullID" | ".ContainerImageID" => subject.image_id.to_owned(),
        ".ImageName" | ".ContainerImageName" => subject.image.to_owned(),
        ".DaemonName" => "docker".to_owned(),
        ".Hostname" => subject.host.to_owned(),
        ".Command" => subject.command.to_owned(),
        _ => return label(action, subject),
    })
}

/// `index .ContainerLabels "name"`; a label that is not there is empty, as in Go.
fn label(action: &str, subject: &Subject<'_>) -> Option<String> {
    let name = action
        .strip_prefix("index")?
        .trim_start()
        .strip_prefix(".ContainerLabels")?
        .trim();
    let name = name.strip_prefix('"')?.strip_suffix('"')?;
    let value = subject.labels.and_then(|labels| labels.get(name));
    Some(value.cloned().unwrap_or_default())
}
