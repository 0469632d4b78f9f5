//! `tierce why`

use crate::context::Context;
use crate::error::Error;
use clap::Args;
use std::fmt::Write;
use tierce_api_types::container::WhyResponse;

#[derive(Args)]
pub(crate) struct Why {
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// Format output: 'json' prints the findings as JSON (fields: ID, Name, Status, Summary, Findings)
    #[arg(short, long, value_name = "string", default_value = "", hide_default_value = true)]
    format: String,
}

impl Why {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let answer = context.client.containers().why(&self.container).await?;
        match self.format.as_str() {
            "" => print!("{}", text(&answer)),
            "json" => println!("{}", serde_json::to_string(&answer).unwrap_or_default()),
            other => return Err(Error::failed(format!("unknown format {other:?}: the only one is json"))),
        }
        Ok(())
    }
}

/// What the program of a container printed shall not steer the terminal.
fn plain(text: &str) -> String {
    let shown = |letter: char| if letter.is_control() { '\u{fffd}' } else { letter };
    text.chars().map(shown).collect()
}

fn text(answer: &WhyResponse) -> String {
    let mut text = format!("{}\n", plain(&answer.summary));
    for finding in &answer.findings {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\n- {}", plain(&finding.what));
        for line in &finding.evidence {
            let _ = writeln!(text, "    {}", plain(line));
        }
        for line in &finding.advice {
            let _ = writeln!(text, "  → {}", plain(line));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use tierce_api_types::container::WhyFinding;

    #[test]
    fn findings_are_shown_with_evidence_and_advice_and_without_control_characters() {
        let answer = WhyResponse {
            summary: "web ended: it was killed".into(),
            findings: vec![WhyFinding {
                what: "it was killed".into(),
                evidence: vec!["log: \u{1b}[31mred".into()],
                advice: vec!["give it more".into()],
            }],
            ..WhyResponse::default()
        };
        assert_eq!(
            text(&answer),
            "web ended: it was killed\n\n- it was killed\n    log: \u{fffd}[31mred\n  → give it more\n"
        );
    }
}
