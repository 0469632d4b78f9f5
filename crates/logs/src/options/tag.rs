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
        text.push_str(&value(action.trim(), subject)?);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

fn value(action: &str, subject: &Subject<'_>) -> Result<String> {
    let short = |id: &str| id.get(..12).unwrap_or(id).to_owned();
    let image = subject.image_id.strip_prefix("sha256:").unwrap_or(subject.image_id);
    Ok(match action {
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
        _ => match label(action, subject) {
            Some(value) => value,
            None => {
                return refuse(format!(
                    "template: log-tag: cannot evaluate {{{{{action}}}}}: known are .ID .FullID .Name .ImageID .ImageFullID \
                     .ImageName .DaemonName .Hostname .Command and index .ContainerLabels \"NAME\""
                ));
            }
        },
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
