//! `tierce top`

use crate::context::Context;
use crate::error::Error;
use clap::Args;
use tierce_format::table;

#[derive(Args)]
pub(crate) struct Top {
    container: String,
    /// Options of ps
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ps OPTIONS")]
    options: Vec<String>,
}

impl Top {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let answer = context
            .client
            .containers()
            .top(&self.container, &self.options.join(" "))
            .await?;
        let rows = std::iter::once(answer.titles).chain(answer.processes);
        table::print_padded(rows, 20);
        Ok(())
    }
}
