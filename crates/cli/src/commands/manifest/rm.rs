//! `tierce manifest rm`

use super::parse;
use super::store::Store;
use crate::error::Error;
use clap::Args;
use tierce_settings::Settings;

#[derive(Args)]
pub(crate) struct Rm {
    #[arg(required = true, value_name = "MANIFEST_LIST")]
    lists: Vec<String>,
}

impl Rm {
    pub(crate) fn run(self, settings: &Settings) -> Result<(), Error> {
        let store = Store::open(settings);
        let remove = |name: &String| {
            let list = parse(name)?;
            match store.list(&list)? {
                Some(_) => store.remove(&list),
                None => Err(Error::failed(format!("No such manifest: {list}"))),
            }
        };
        let failures: Vec<String> = self
            .lists
            .iter()
            .filter_map(|name| remove(name).err().map(|error| error.to_string()))
            .collect();
        if failures.is_empty() {
            Ok(())
        } else {
            Err(Error::failed(failures.join("\n")))
        }
    }
}
