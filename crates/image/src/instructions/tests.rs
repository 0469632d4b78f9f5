//! Every instruction, in both forms, and what is refused.

use super::apply;
use proptest::prelude::*;
use tierce_oci::container::Config;

fn applied(config: &Config, changes: &[&str]) -> Config {
    let mut config = config.clone();
    let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
    apply(&mut config, &changes).unwrap();
    config
}

fn refusal(change: &str) -> String {
    apply(&mut Config::default(), &[change.to_owned()])
        .unwrap_err()
        .to_string()
}

fn words(words: Option<&tierce_oci::container::StrSlice>) -> Vec<&str> {
    words
        .iter()
        .flat_map(|words| words.iter().map(String::as_str))
        .collect()
}

#[test]
fn commands_in_both_forms() {
    let config = applied(&Config::default(), &[r#"CMD ["a", "b c"]"#, "entrypoint run $HOME"]);
    assert_eq!(words(config.cmd.as_ref()), ["a", "b c"]);
    assert_eq!(words(config.entrypoint.as_ref()), ["/bin/sh", "-c", "run $HOME"]);
    // A new entry point takes an inherited command away.
    let inherited = applied(&Config::default(), &["CMD x"]);
    let config = applied(&inherited, &[r#"ENTRYPOINT ["e"]"#]);
    assert_eq!(
        (words(config.entrypoint.as_ref()), config.cmd.is_none()),
        (vec!["e"], true)
    );
}

#[test]
fn names_with_values_quotes_and_variables() {
    let base = applied(&Config::default(), &["ENV HOME /root of all"]);
    assert_eq!(base.env.as_deref().unwrap(), ["HOME=/root of all"]);
    let config = applied(
        &base,
        &[
            r#"ENV A="x y" B=\$HOME C='$HOME' D=${HOME}/d E=${NO:-e} F=${HOME:+f} G="$A""#,
            "ENV HOME=/home",
            "LABEL a=b \\\n  com.example.text=\"with blanks\"",
            "# a comment\nUSER ${HOME}er",
        ],
    );
    assert_eq!(
        config.env.unwrap(),
        [
            "HOME=/home",
            "A=x y",
            "B=$HOME",
            "C=$HOME",
            "D=/root of all/d",
            "E=e",
            "F=f",
            // The environment is that of before the instruction.
            "G="
        ]
    );
    let labels = config.labels.unwrap();
    assert_eq!((&*labels["a"], &*labels["com.example.text"]), ("b", "with blanks"));
    assert_eq!(config.user, "/homeer");
}

#[test]
fn ports_volumes_directories_signals_and_triggers() {
    let config = applied(
        &Config::default(),
        &[
            "EXPOSE 80 53/UDP 8000-8002/tcp",
            r#"VOLUME ["/data", "/a b"]"#,
            "VOLUME /x /y",
            "WORKDIR /a/./b",
            "WORKDIR ../c",
            "STOPSIGNAL SIGQUIT",
            "ONBUILD RUN make  it",
        ],
    );
    let ports: Vec<String> = config.exposed_ports.unwrap().into_keys().collect();
    assert_eq!(ports, ["53/udp", "80/tcp", "8000/tcp", "8001/tcp", "8002/tcp"]);
    let volumes: Vec<String> = config.volumes.unwrap().into_keys().collect();
    assert_eq!(volumes, ["/a b", "/data", "/x", "/y"]);
    assert_eq!((&*config.working_dir, &*config.stop_signal), ("/a/c", "SIGQUIT"));
    assert_eq!(config.on_build.unwrap(), ["RUN make  it"]);
}

#[test]
fn health_is_probed_or_not() {
    let test = |change: &str| applied(&Config::default(), &[change]).healthcheck.unwrap();
    assert_eq!(test("HEALTHCHECK NONE").test.unwrap(), ["NONE"]);
    let check = test("HEALTHCHECK --interval=1m30s --retries=3 CMD curl -f localhost");
    assert_eq!(check.test.unwrap(), ["CMD-SHELL", "curl -f localhost"]);
    assert_eq!((check.interval, check.retries), (90_000_000_000, 3));
    assert_eq!(test(r#"HEALTHCHECK CMD ["a", "b"]"#).test.unwrap(), ["CMD", "a", "b"]);
}

#[test]
fn what_is_refused_is_told_in_dockers_words() {
    assert_eq!(refusal("RUN make"), "RUN is not a valid change command");
    assert_eq!(refusal("FROM x"), "FROM is not a valid change command");
    assert_eq!(refusal("ENV"), "ENV requires at least one argument");
    assert_eq!(refusal("USER a b"), "USER requires exactly one argument");
    assert_eq!(refusal("ENV a"), "ENV must have two arguments");
    assert!(refusal("ENV a=b c").contains("can't find = in \"c\""));
    assert!(refusal("EXPOSE http").contains("invalid containerPort: http"));
    assert_eq!(refusal("EXPOSE 80/icmp"), "invalid proto: icmp");
    assert!(refusal("LABEL a=\"b").contains("matching quote"));
    assert!(refusal("HEALTHCHECK RUN x").contains("unknown type \"RUN\""));
    assert!(refusal("ONBUILD onbuild RUN x").contains("Chaining ONBUILD"));
}

proptest! {
    #[test]
    fn any_change_is_applied_or_refused(
        name in "(?i)(env|label|expose|volume|workdir|user|cmd|entrypoint|healthcheck|onbuild|stopsignal)",
        rest in "\\PC{0,60}"
    ) {
        let _ = apply(&mut Config { env: Some(vec!["A=b".to_owned()]), ..Config::default() }, &[format!("{name} {rest}")]);
    }
}
