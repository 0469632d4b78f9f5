//! `tierce network diagnose`

use crate::context::Context;
use crate::error::Error;
use clap::Args;
use std::fmt::Write;
use tierce_api_types::reach::NetworkDiagnosis;

#[derive(Args)]
pub(crate) struct Diagnose {
    /// A container that runs: its networks, its default route and its DNS servers are looked at (default: all networks)
    #[arg(value_name = "CONTAINER")]
    container: Option<String>,
    /// Format output: 'json' prints the findings as JSON (fields: Container, Checked, Findings, NotJudged)
    #[arg(short, long, value_name = "string", default_value = "", hide_default_value = true)]
    format: String,
}

impl Diagnose {
    /// Ends with status 1 when something is wrong.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let diagnosis = context.client.networks().diagnose(self.container.as_deref()).await?;
        match self.format.as_str() {
            "" => print!("{}", text(&diagnosis)),
            "json" => println!("{}", serde_json::to_string(&diagnosis).unwrap_or_default()),
            other => return Err(Error::failed(format!("unknown format {other:?}: the only one is json"))),
        }
        if diagnosis.findings.is_empty() {
            Ok(())
        } else {
            Err(Error::Exit(1))
        }
    }
}

fn text(diagnosis: &NetworkDiagnosis) -> String {
    let checked = diagnosis.checked.join(", ");
    let mut text = String::new();
    if diagnosis.findings.is_empty() {
        text.push_str("Nothing is wrong. ");
    }
    for finding in &diagnosis.findings {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: {}", finding.subject, finding.what);
        for line in &finding.evidence {
            let _ = writeln!(text, "    {line}");
        }
        for line in &finding.mend {
            let _ = writeln!(text, "  → {line}");
        }
        text.push('\n');
    }
    let _ = writeln!(text, "Looked at: {checked}.");
    for line in &diagnosis.not_judged {
        let _ = writeln!(text, "Not judged: {line}.");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use tierce_api_types::reach::NetworkFinding;

    #[test]
    fn findings_are_shown_with_what_mends_them() {
        let diagnosis = NetworkDiagnosis {
            checked: vec!["forwarding".into(), "MTU".into()],
            findings: vec![NetworkFinding {
                subject: "forwarding".into(),
                what: "it is off".into(),
                evidence: vec!["net.ipv4.ip_forward = 0".into()],
                mend: vec!["sysctl -w net.ipv4.ip_forward=1".into()],
            }],
            not_judged: vec!["IPv6 beyond this host's neighbours: it has no default route".into()],
            ..NetworkDiagnosis::default()
        };
        assert_eq!(
            text(&diagnosis),
            "forwarding: it is off\n    net.ipv4.ip_forward = 0\n  → sysctl -w net.ipv4.ip_forward=1\n\nLooked at: forwarding, MTU.\n\
             Not judged: IPv6 beyond this host's neighbours: it has no default route.\n"
        );
        let sound = NetworkDiagnosis {
            checked: vec!["MTU".into()],
            ..NetworkDiagnosis::default()
        };
        assert_eq!(text(&sound), "Nothing is wrong. Looked at: MTU.\n");
    }
}
