//! `tierce tag`

use crate::context::Context;
use crate::error::Error;
use clap::Args;
use tierce_oci::Reference;

#[derive(Args)]
pub(crate) struct Tag {
    #[arg(value_name = "SOURCE_IMAGE[:TAG]")]
    source: String,
    #[arg(value_name = "TARGET_IMAGE[:TAG]")]
    target: String,
}

impl Tag {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let invalid = |error| {
            let target = &self.target;
            Error::failed(format!(
                "Error parsing reference: {target:?} is not a valid repository/tag: {error}"
            ))
        };
        let target = Reference::parse(&self.target).map_err(invalid)?.with_default_tag();
        if target.digest().is_some() {
            return Err(Error::failed("refusing to create a tag with a digest reference"));
        }
        let tag = target.tag().unwrap_or_default();
        Ok(context
            .client
            .images()
            .tag(&self.source, &target.familiar_name(), tag)
            .await?)
    }
}
