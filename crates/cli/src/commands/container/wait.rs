//! `tierce wait`

use crate::context::Context;
use crate::error::Error;
use clap::Args;
use tierce_api_types::container::WaitCondition;

#[derive(Args)]
pub(crate) struct Wait {
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Wait {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let mut failures = Vec::new();
        for name in &self.containers {
            match status(context, name).await {
                Ok(code) => println!("{code}"),
                Err(error) => failures.push(error.to_string()),
            }
        }
        if failures.is_empty() {
            Ok(())
        } else {
            Err(Error::failed(failures.join("\n")))
        }
    }
}

async fn status(context: &Context, name: &str) -> Result<i64, Error> {
    let mut answers = context
        .client
        .containers()
        .wait(name, WaitCondition::NotRunning)
        .await?;
    let answer = answers
        .next()
        .await?
        .ok_or_else(|| Error::failed(format!("wait for container {name}: the daemon closed the connection")))?;
    match answer.error {
        Some(error) => Err(Error::failed(error.message)),
        None => Ok(answer.status_code),
    }
}
