//! Files as Docker writes them, and a helper.

use crate::{ConfigFile, HUB, Stored, address_of};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tierce_api_types::auth::AuthConfig;

/// A directory of its own that goes with the test.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tierce-credentials-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.0.join("config.json");
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn credentials(address: &str) -> AuthConfig {
    AuthConfig {
        username: "user".to_owned(),
        password: "pass:word".to_owned(),
        server_address: address.to_owned(),
        ..AuthConfig::default()
    }
}

#[test]
fn row_032_the_file_is_dockers_and_private_and_keeps_what_is_not_known() {
    let place = Place::new("file");
    let path = place.file(r#"{"auths":{"https://old.example/v1/":{"auth":"YTpi"}},"psFormat":"x"}"#);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let mut file = ConfigFile::load(&path).unwrap();
    assert_eq!(file.store(&credentials("127.0.0.1:5000")).unwrap(), Stored::File);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(file.store(&credentials("127.0.0.1:5000")).unwrap(), Stored::Unchanged);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"auth\": \"dXNlcjpwYXNzOndvcmQ=\""), "{text}");
    assert!(
        text.contains("\"psFormat\": \"x\"") && text.starts_with("{\n\t\""),
        "{text}"
    );
    let mut file = ConfigFile::load(&path).unwrap();
    assert_eq!(file.get("127.0.0.1:5000").unwrap(), Some(credentials("127.0.0.1:5000")));
    let old = file.get("old.example").unwrap().unwrap();
    assert_eq!((&*old.username, &*old.password), ("a", "b"));
    assert_eq!(file.get(HUB).unwrap(), None);
    assert!(file.erase("127.0.0.1:5000").unwrap() && !file.erase("127.0.0.1:5000").unwrap());
    assert_eq!(ConfigFile::load(&path).unwrap().get("127.0.0.1:5000").unwrap(), None);
    assert_eq!(address_of("docker.io"), HUB);
    let alone = ConfigFile::load(&path).unwrap().credentials_alone().unwrap();
    assert_eq!(
        String::from_utf8(alone).unwrap(),
        r#"{"auths":{"https://old.example/v1/":{"auth":"YTpi"}}}"#
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_its_secrets_are_not() {
    let place = Place::new("damaged");
    let path = place.file(r#"{"auths":{"x":{"auth":"hunter2"}"#);
    let error = ConfigFile::load(&path).unwrap_err().to_string();
    assert!(error.contains("config.json") && !error.contains("hunter2"), "{error}");
    assert!(
        ConfigFile::load(&place.0.join("absent"))
            .unwrap()
            .get("x")
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_helper_that_is_not_there_or_is_a_path_is_an_error() {
    let place = Place::new("helper");
    let path = place.file(r#"{"credHelpers":{"a.example":"tierce-test-absent","b.example":"../x"}}"#);
    let file = ConfigFile::load(&path).unwrap();
    for address in ["a.example", "b.example"] {
        let error = file.get(address).unwrap_err().to_string();
        assert!(
            error.starts_with("error getting credentials - docker-credential-"),
            "{error}"
        );
    }
    assert_eq!(file.get("c.example").unwrap(), None);
}
