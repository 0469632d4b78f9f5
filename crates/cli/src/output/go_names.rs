//! Templates over the daemon's documents, whose members go by two names.

use crate::error::Error;
use serde_json::Value;
use tierce_format::template::Template;

/// Members that Docker's Go programs call otherwise than its JSON does; a template may use either name.
const GO_NAMES: [(&str, &str); 19] = [
    ("ApiVersion", "APIVersion"),
    ("Id", "ID"),
    ("from", "From"),
    ("id", "ID"),
    ("scope", "Scope"),
    ("status", "Status"),
    ("time", "Time"),
    ("timeNano", "TimeNano"),
    ("CpuCount", "CPUCount"),
    ("CpuPercent", "CPUPercent"),
    ("CpuPeriod", "CPUPeriod"),
    ("CpuQuota", "CPUQuota"),
    ("CpuRealtimePeriod", "CPURealtimePeriod"),
    ("CpuRealtimeRuntime", "CPURealtimeRuntime"),
    ("CpuShares", "CPUShares"),
    ("Dns", "DNS"),
    ("DnsOptions", "DNSOptions"),
    ("DnsSearch", "DNSSearch"),
    ("HostIp", "HostIP"),
];

/// Fills a template with the document as the daemon wrote it, and where that does not fit, as Docker's programs call its
/// members.
pub(crate) fn render(template: &Template, document: &Value) -> Result<String, Error> {
    match template.render(document) {
        Ok(line) => Ok(line),
        // What the first try says is about the names that the user sees.
        Err(error) => template.render(&renamed(document)).map_err(|_| error.into()),
    }
}

fn renamed(document: &Value) -> Value {
    match document {
        Value::Array(items) => items.iter().map(renamed).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let other = GO_NAMES.iter().find(|(json, _)| json == name);
                (other.map_or(name.as_str(), |(_, go)| go).to_owned(), renamed(value))
            })
            .collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_093_members_go_by_either_name() {
        let document = serde_json::json!({ "Id": "a", "HostConfig": { "CpuShares": 2 }, "timeNano": 3 });
        let told = |format| render(&Template::parse(format).unwrap().unwrap(), &document);
        assert_eq!(
            told("{{.Id}} {{.HostConfig.CpuShares}} {{.timeNano}}").unwrap(),
            "a 2 3"
        );
        assert_eq!(
            told("{{.ID}} {{.HostConfig.CPUShares}} {{.TimeNano}}").unwrap(),
            "a 2 3"
        );
        assert_eq!(
            told("{{json .}}").unwrap(),
            r#"{"HostConfig":{"CpuShares":2},"Id":"a","timeNano":3}"#
        );
        assert!(told("{{.Nope}}").unwrap_err().to_string().contains("\"Nope\""));
    }
}
