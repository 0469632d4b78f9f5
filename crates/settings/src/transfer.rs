//! A context as an archive, in Docker's form: `meta.json`, `tls/<endpoint>/<file>`; and the credentials alone, for a
//! container.

use crate::{ConfigFile, Context, Contexts, Error};
use std::collections::BTreeMap;
use std::io::Write;
use tierce_tar::{Entry, EntryKind, Reader, Writer};

/// Longest archive that is read; as Docker's client.
const LONGEST: usize = 10 << 20;
/// What a zip archive begins with.
const ZIP: &[u8] = b"PK\x03\x04";

/// Writes a context as an archive.
///
/// # Errors
/// [`Error::NoContext`]; when a file cannot be read; errors of the output.
pub fn export<W: Write>(contexts: &Contexts, context: &Context, output: W) -> Result<W, Error> {
    let written = |error: std::io::Error| Error::Archive(error.to_string());
    let document = serde_json::to_vec(context).map_err(|error| Error::Archive(error.to_string()))?;
    let mut writer = Writer::new(output);
    let mut put = |name: &str, mode: u32, content: Option<&[u8]>| -> Result<(), Error> {
        let kind = if content.is_some() {
            EntryKind::File
        } else {
            EntryKind::Directory
        };
        let mut entry = Entry::new(name.as_bytes().to_vec(), kind);
        entry.mode = mode;
        entry.size = content.map_or(0, |content| content.len() as u64);
        writer.begin(&entry).map_err(written)?;
        writer.write_content(content.unwrap_or_default()).map_err(written)
    };
    put("meta.json", 0o644, Some(&document))?;
    put("tls", 0o700, None)?;
    let mut last = String::new();
    for (endpoint, name, content) in contexts.tls_files(&context.name)? {
        if endpoint != last {
            put(&format!("tls/{endpoint}"), 0o700, None)?;
        }
        put(&format!("tls/{endpoint}/{name}"), 0o600, Some(&content))?;
        last = endpoint;
    }
    writer.finish().map_err(written)
}

/// An archive with a `config.json` of nothing but credentials, and the directories above it. `None` when there are none.
///
/// # Errors
/// When a helper fails.
pub fn credentials(file: &ConfigFile, directory: &str) -> Result<Option<Vec<u8>>, Error> {
    let document = file.credentials_alone()?;
    if document.is_empty() {
        return Ok(None);
    }
    let written = |error: std::io::Error| Error::Archive(error.to_string());
    let mut writer = Writer::new(Vec::new());
    let mut path = String::new();
    for part in directory.trim_matches('/').split('/') {
        path.push_str(part);
        path.push('/');
        let mut above = Entry::new(path.clone().into_bytes(), EntryKind::Directory);
        above.mode = 0o755;
        writer.begin(&above).map_err(written)?;
    }
    let mut entry = Entry::new(format!("{path}config.json").into_bytes(), EntryKind::File);
    (entry.mode, entry.size) = (0o600, document.len() as u64);
    writer.begin(&entry).map_err(written)?;
    writer.write_content(&document).map_err(written)?;
    writer.finish().map(Some).map_err(written)
}

/// Reads a context from an archive and keeps it under a name. Nothing is kept of an archive that is refused.
///
/// # Errors
/// [`Error::Archive`].
pub fn import(contexts: &Contexts, name: &str, archive: &[u8]) -> Result<(), Error> {
    Contexts::check_name(name)?;
    if archive.len() > LONGEST {
        return Err(Error::Archive("it is larger than 10 MiB".to_owned()));
    }
    if archive.starts_with(ZIP) {
        return Err(Error::Archive(
            "zip archives are not read here; unzip it, and import what `tar -c meta.json tls` makes of it".to_owned(),
        ));
    }
    let mut reader = Reader::new(archive);
    let mut context: Option<Context> = None;
    let mut keys: BTreeMap<String, Vec<(String, Vec<u8>)>> = BTreeMap::new();
    while let Some(entry) = reader.next_entry()? {
        reader.raw().clear();
        if entry.kind != EntryKind::File {
            continue;
        }
        let mut content = Vec::new();
        loop {
            let piece = reader.content()?;
            if piece.is_empty() {
                break;
            }
            let count = piece.len();
            content.extend_from_slice(piece);
            reader.consume(count);
        }
        let path = String::from_utf8_lossy(&entry.name).into_owned();
        let refuse = |why: &dyn std::fmt::Display| Error::Archive(format!("{path}: {why}"));
        let parts: Vec<&str> = path.split('/').collect();
        match parts.as_slice() {
            ["meta.json"] => context = Some(serde_json::from_slice(&content).map_err(|error| refuse(&error))?),
            ["tls", endpoint, file] if [endpoint, file].iter().all(|part| is_name(part)) => {
                let files = keys.entry((*endpoint).to_owned()).or_default();
                files.push(((*file).to_owned(), content));
            }
            _ => return Err(refuse(&"unexpected context file")),
        }
    }
    let mut context = context.ok_or_else(|| Error::Archive("invalid context: no metadata found".to_owned()))?;
    name.clone_into(&mut context.name);
    contexts.remove(name)?;
    for (endpoint, files) in &keys {
        contexts.set_tls_files(name, endpoint, files)?;
    }
    contexts.save(&context)
}

/// One part of a path that stays where it is.
fn is_name(part: &str) -> bool {
    !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DOCKER, Endpoint, Settings};

    fn archive(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for (name, content) in entries {
            let mut entry = Entry::new(name.as_bytes().to_vec(), EntryKind::File);
            entry.size = content.len() as u64;
            writer.begin(&entry).unwrap();
            writer.write_content(content.as_bytes()).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn row_085_a_context_goes_through_an_archive() {
        let directory = tempfile::tempdir().unwrap();
        let contexts = Settings::at(directory.path()).contexts();
        let mut context = Context {
            name: "one".to_owned(),
            ..Context::default()
        };
        context.set_endpoint(&Endpoint {
            host: "tcp://h:1".to_owned(),
            skip_tls_verify: true,
        });
        contexts.save(&context).unwrap();
        let files = [
            ("ca.pem".to_owned(), b"authority".to_vec()),
            ("key.pem".to_owned(), b"k".to_vec()),
        ];
        contexts.set_tls_files("one", DOCKER, &files).unwrap();
        let archive = export(&contexts, &context, Vec::new()).unwrap();
        import(&contexts, "two", &archive).unwrap();
        let two = contexts.get("two").unwrap();
        assert_eq!((&*two.name, two.endpoint()), ("two", context.endpoint()));
        assert_eq!(contexts.tls_files("two").unwrap(), contexts.tls_files("one").unwrap());
    }

    #[test]
    fn strange_archives_are_refused_and_leave_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let contexts = Settings::at(directory.path()).contexts();
        for entries in [
            &[][..],
            &[("tls/docker/ca.pem", "x")],
            &[("meta.json", "{")],
            &[("meta.json", "{}"), ("../escaped", "x")],
            &[("meta.json", "{}"), ("tls/../../escaped", "x")],
            &[("meta.json", "{}"), ("tls/docker/..", "x")],
            &[("meta.json", "{}"), ("tls/docker/a/b", "x")],
            &[("meta.json", "{}"), ("other", "x")],
        ] {
            assert!(import(&contexts, "name", &archive(entries)).is_err(), "{entries:?}");
            assert!(!contexts.contains("name"), "{entries:?}");
        }
        assert!(
            import(&contexts, "name", b"PK\x03\x04")
                .unwrap_err()
                .to_string()
                .contains("unzip")
        );
        assert!(import(&contexts, "default", &archive(&[("meta.json", "{}")])).is_err());
    }
}
