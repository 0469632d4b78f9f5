//! `tierce context inspect`

use crate::commands::container::show;
use crate::context::Choice;
use crate::error::Error;
use crate::help::INSPECT_FORMAT;
use clap::Args;
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use tierce_format::template;
use tierce_settings::DEFAULT;

#[derive(Args)]
pub(crate) struct Inspect {
    #[arg(short, long, default_value = "", hide_default_value = true, help = INSPECT_FORMAT)]
    format: String,
    #[arg(value_names = ["CONTEXT", "CONTEXT"], num_args = 0..)]
    names: Vec<String>,
}

impl Inspect {
    pub(crate) fn run(self, choice: &Choice) -> Result<(), Error> {
        let names = if self.names.is_empty() {
            vec![choice.name.clone()]
        } else {
            self.names
        };
        let found = names.iter().map(|name| document(choice, name)).collect();
        show(found, &self.format)
    }
}

/// A context in Docker's order of members.
fn document(choice: &Choice, name: &str) -> Result<Box<RawValue>, Error> {
    let contexts = choice.settings.contexts();
    let (metadata, endpoints, files, paths) = if name == DEFAULT {
        let endpoint = json!({ "docker": { "Host": choice.default_host(), "SkipTLSVerify": false } });
        let place = "<IN MEMORY>".to_owned();
        (json!({}), endpoint, json!({}), [place.clone(), place])
    } else {
        let context = contexts.get(name)?;
        let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (endpoint, file, _) in contexts.tls_files(name)? {
            files.entry(endpoint).or_default().push(file);
        }
        let path = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
        let paths = [
            path(contexts.metadata_directory(name)),
            path(contexts.tls_directory(name)),
        ];
        (json!(context.metadata), json!(context.endpoints), json!(files), paths)
    };
    let [metadata_path, tls_path] = paths.map(|path| template::compact(&json!(path)));
    let text = format!(
        r#"{{"Name":{},"Metadata":{metadata},"Endpoints":{endpoints},"TLSMaterial":{files},"Storage":{{"MetadataPath":{metadata_path},"TLSPath":{tls_path}}}}}"#,
        json!(name)
    );
    RawValue::from_string(text).map_err(|error| Error::failed(format!("encode the context: {error}")))
}
