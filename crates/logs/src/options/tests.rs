use super::*;
use crate::drivers::syslog::{Address, Format};

fn options(pairs: &[(&str, &str)]) -> Options {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn refusal(driver: &str, pairs: &[(&str, &str)]) -> String {
    check(driver, &options(pairs)).unwrap_err().to_string()
}

fn with_subject<T>(use_it: impl FnOnce(&Subject<'_>) -> T) -> T {
    let labels = BTreeMap::from([
        ("team".to_owned(), "red".to_owned()),
        ("com.x".to_owned(), "y".to_owned()),
    ]);
    let environment = ["LANG=C".to_owned(), "OTHER=1".to_owned()];
    let id = "0123456789abcdef".repeat(4);
    use_it(&Subject {
        directory: Path::new("/c"),
        id: &id,
        name: "web",
        image: "app:1",
        image_id: "sha256:fedcba9876543210",
        command: "httpd -f",
        labels: Some(&labels),
        environment: &environment,
        host: "host",
    })
}

#[test]
fn unknown_drivers_and_options_are_refused_in_dockers_words() {
    assert_eq!(
        refusal("nope", &[]),
        "error looking up logging plugin nope: plugin \"nope\" not found"
    );
    assert_eq!(
        refusal("json-file", &[("foo", "")]),
        "unknown log opt 'foo' for json-file log driver"
    );
    assert_eq!(
        refusal("local", &[("tag", "")]),
        "unknown log opt 'tag' for log driver local"
    );
    assert_eq!(
        refusal("syslog", &[("max-size", "1")]),
        "unknown log opt 'max-size' for syslog log driver"
    );
    assert_eq!(
        refusal("journald", &[("mode", "x")]),
        "logger: logging mode not supported: x"
    );
    assert_eq!(
        refusal("json-file", &[("max-buffer-size", "1m")]),
        "logger: max-buffer-size option is only supported with 'mode=non-blocking'"
    );
    assert!(check("none", &options(&[("whatever", "1")])).is_ok());
    assert!(
        check(
            "local",
            &options(&[("mode", "non-blocking"), ("max-buffer-size", "4m")])
        )
        .is_ok()
    );
}

#[test]
fn wrong_values_are_refused() {
    for (driver, name, value) in [
        ("json-file", "max-size", "x"),
        ("json-file", "max-size", "0"),
        ("json-file", "max-file", "0"),
        ("json-file", "compress", "true"),
        ("json-file", "labels-regex", "("),
        ("json-file", "tag", "{{.Nope}}"),
        ("json-file", "tag", "{{"),
        ("local", "compress", "maybe"),
        ("syslog", "syslog-facility", "x"),
        ("syslog", "syslog-format", "x"),
        ("syslog", "syslog-address", "host:1"),
        ("syslog", "syslog-address", "http://x"),
        ("syslog", "syslog-address", "unix:///nowhere"),
        ("syslog", "cache-disabled", "x"),
    ] {
        assert!(
            with_subject(|subject| target(driver, &options(&[(name, value)]), subject)).is_err(),
            "{driver} {name}={value}"
        );
    }
    assert_eq!(
        refusal("syslog", &[("syslog-address", "host:1")]),
        "unsupported scheme: 'host'"
    );
    let tag = options(&[("tag", "a {{.Nope}}")]);
    // When a container is made dockerd does not look at values yet.
    assert!(check("json-file", &tag).is_ok());
    assert_eq!(
        with_subject(|subject| target("json-file", &tag, subject))
            .unwrap_err()
            .to_string(),
        "template: log-tag:1:4: executing \"log-tag\" at <.Nope>: can't evaluate field Nope in type *logger.Info"
    );
}

#[test]
fn tags_are_templates_with_dockers_functions() {
    let of = |template: &str| {
        with_subject(|subject| super::tag::evaluate(template, subject)).unwrap_or_else(|error| error.to_string())
    };
    let name = with_subject(|subject| subject.name.to_owned());
    for (template, tag) in [
        ("json", "json".to_owned()),
        ("{{upper .Name}}", name.to_uppercase()),
        ("{{with .Name}}x{{.}}{{end}}", format!("x{name}")),
        ("{{if eq .Name \"nope\"}}1{{else}}2{{end}}", "2".to_owned()),
        ("{{truncate .Name 1}}", name[..1].to_owned()),
        ("{{json .Name}}", format!("\"{name}\"")),
        ("{{printf \"%s-%s\" .DaemonName .Name}}", format!("docker-{name}")),
        ("{{index .ContainerLabels \"nope\"}}", String::new()),
        ("{{", "template: log-tag:1: unclosed action".to_owned()),
    ] {
        assert_eq!(of(template), tag, "{template}");
    }
}

#[test]
fn ask_006_a_log_is_limited_unless_its_owner_wants_all_of_it() {
    let files = |pairs: &[(&str, &str)]| match with_subject(|subject| target("json-file", &options(pairs), subject)) {
        Ok(Target::JsonFile(parsed)) => (parsed.files.max_size, parsed.files.max_files, parsed.files.compress),
        other => panic!("{other:?}"),
    };
    assert_eq!(files(&[]), (Some(20_000_000), 5, true));
    assert_eq!(files(&[("max-size", "-1")]), (None, 1, false));
    assert_eq!(files(&[("max-size", "10m")]), (Some(10_000_000), 1, false));
    assert_eq!(files(&[("max-file", "3")]), (Some(20_000_000), 3, false));
    let given = [("max-size", "1.5k"), ("max-file", "3"), ("compress", "true")];
    assert_eq!(files(&given), (Some(1_500), 3, true));
}

#[test]
fn labels_variables_and_the_tag_become_attributes() {
    let given = options(&[
        ("labels", "team,none"),
        ("labels-regex", "^com\\."),
        ("env", "OTHER"),
        ("env-regex", "^LA"),
        (
            "tag",
            "{{.ImageName}}/{{ .Name }}/{{.ID}}/{{index .ContainerLabels \"team\"}}",
        ),
    ]);
    let Ok(Target::JsonFile(parsed)) = with_subject(|subject| target("json-file", &given, subject)) else {
        panic!("refused");
    };
    let expected = options(&[
        ("team", "red"),
        ("com.x", "y"),
        ("OTHER", "1"),
        ("LANG", "C"),
        ("tag", "app:1/web/0123456789ab/red"),
    ]);
    assert_eq!(parsed.attributes, expected);
}

#[test]
fn drivers_that_send_have_a_copy_that_is_read() {
    let given = options(&[
        ("syslog-address", "udp://[::1]"),
        ("syslog-format", "rfc5424"),
        ("tag", "x"),
    ]);
    let Ok(Target::Syslog(parsed)) = with_subject(|subject| target("syslog", &given, subject)) else {
        panic!("refused");
    };
    assert_eq!(parsed.options.address, Address::Udp("[::1]:514".into()));
    assert_eq!((parsed.options.format, parsed.options.facility), (Format::Rfc5424, 3));
    assert_eq!(parsed.copy.unwrap().path, Path::new("/c/container-cached.log"));
    assert_eq!(
        source("syslog", &given, Path::new("/c"), "id"),
        Some(Source::Local("/c/container-cached.log".into()))
    );
    let without = options(&[("cache-disabled", "true")]);
    assert_eq!(source("journald", &without, Path::new("/c"), "id"), None);
    assert_eq!(source("none", &without, Path::new("/c"), "id"), None);
    let Ok(Target::Journald(parsed)) = with_subject(|subject| target("journald", &without, subject)) else {
        panic!("refused");
    };
    assert_eq!(parsed.copy, None);
    assert_eq!(parsed.options.fields["SYSLOG_IDENTIFIER"], "0123456789ab");
    assert_eq!(parsed.options.fields["CONTAINER_NAME"], "web");
}

#[test]
fn a_target_survives_its_way_to_the_shim() {
    for driver in DRIVERS {
        let there = with_subject(|subject| target(driver, &Options::new(), subject)).unwrap();
        let text = serde_json::to_string(&there).unwrap();
        assert_eq!(serde_json::from_str::<Target>(&text).unwrap(), there, "{driver}");
    }
}
