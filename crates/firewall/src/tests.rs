//! Against the kernel, each test in a network namespace of its own; `nft` is the judge.

use std::net::Ipv4Addr;
use std::process::Command;

use tierce_sys::namespaces::{Kinds, unshare};

use crate::*;

pub(crate) fn in_own_network(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || match unshare(Kinds::NETWORK) {
        Ok(()) => test(),
        Err(error) => println!("skipped: no network namespace: {error}"),
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Rules as in a file.
pub(crate) fn nft_script(script: &str) {
    if !script.is_empty() {
        nft(&[script]);
    }
}

fn nft(arguments: &[&str]) -> String {
    let output = Command::new("nft").args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "nft {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn example() -> Table {
    Table {
        family: Family::Ip,
        name: "example".into(),
        sets: example_sets(),
        chains: example_chains(),
        kept: vec![],
    }
}

fn example_sets() -> Vec<Set> {
    let key = vec![Type::Protocol, Type::Port];
    vec![
        Set {
            name: "bridges".into(),
            key: vec![Type::Interface],
            value: vec![],
            interval: false,
            elements: vec![Element::member(vec![Value::Interface("docker0".into())])],
        },
        Set {
            name: "publish".into(),
            key: key.clone(),
            value: vec![Type::Ipv4, Type::Port],
            interval: false,
            elements: vec![port_element(8080)],
        },
        Set {
            name: "spans".into(),
            key,
            value: vec![Type::Ipv4],
            interval: true,
            elements: vec![],
        },
        Set {
            name: "pairs".into(),
            key: vec![Type::Interface, Type::Interface],
            value: vec![],
            interval: false,
            elements: vec![Element::member(vec![
                Value::Interface("a".into()),
                Value::Interface("b".into()),
            ])],
        },
    ]
}

fn example_chains() -> Vec<Chain> {
    let rule = |comment, statements| Rule { comment, statements };
    let selectors = vec![Selector::Protocol, Selector::DestinationPort];
    vec![
        Chain {
            name: "prerouting".into(),
            hook: Some(Hook {
                kind: ChainKind::Nat,
                point: Point::Prerouting,
                priority: -100,
            }),
            rules: vec![
                rule("local", vec![Statement::ForThisHost, Statement::Jump("dnat".into())]),
                rule(
                    "loopback",
                    vec![
                        Statement::Is {
                            selector: Selector::InterfaceIn,
                            equal: false,
                            value: Value::Interface("lo".into()),
                        },
                        Statement::Within {
                            selector: Selector::Destination,
                            network: Ipv4Addr::new(127, 0, 0, 0).into(),
                            length: 8,
                            member: true,
                        },
                        Statement::Counter,
                        Statement::Drop,
                    ],
                ),
            ],
        },
        Chain {
            name: "dnat".into(),
            hook: None,
            rules: vec![
                rule(
                    "ports",
                    vec![Statement::DestinationNat {
                        family: Family::Ip,
                        selectors: selectors.clone(),
                        map: "publish".into(),
                        port: true,
                    }],
                ),
                rule(
                    "spans",
                    vec![Statement::DestinationNat {
                        family: Family::Ip,
                        selectors,
                        map: "spans".into(),
                        port: false,
                    }],
                ),
            ],
        },
        Chain {
            name: "forward".into(),
            hook: Some(Hook {
                kind: ChainKind::Filter,
                point: Point::Forward,
                priority: 0,
            }),
            rules: vec![
                rule("answers", vec![Statement::Established, Statement::Accept]),
                rule("published", vec![Statement::DestinationRewritten, Statement::Accept]),
                rule(
                    "pairs",
                    vec![
                        Statement::In {
                            selectors: vec![Selector::InterfaceIn, Selector::InterfaceOut],
                            member: true,
                            set: "pairs".into(),
                        },
                        Statement::Return,
                    ],
                ),
                rule(
                    "others",
                    vec![
                        Statement::In {
                            selectors: vec![Selector::InterfaceOut],
                            member: false,
                            set: "bridges".into(),
                        },
                        Statement::Accept,
                    ],
                ),
            ],
        },
        Chain {
            name: "postrouting".into(),
            hook: Some(Hook {
                kind: ChainKind::Nat,
                point: Point::Postrouting,
                priority: 100,
            }),
            rules: vec![rule("out", vec![Statement::Masquerade])],
        },
    ]
}

fn port_element(port: u16) -> Element {
    Element {
        key: vec![Value::Protocol(6), Value::Port(port)],
        key_end: None,
        value: vec![Value::Ipv4(Ipv4Addr::new(172, 17, 0, 2)), Value::Port(80)],
    }
}

fn elements(set: &str, interval: bool, elements: Vec<Element>) -> Elements {
    Elements {
        family: Family::Ip,
        table: "example".into(),
        set: set.into(),
        interval,
        elements,
    }
}

#[test]
fn row_142_rules_are_created_listed_and_removed() {
    in_own_network(|| {
        let backend = open(Choice::Nft);
        assert!(!backend.has_table(Family::Ip, "example").unwrap());
        backend.apply(&[Change::Replace(example())]).unwrap();
        assert!(backend.has_table(Family::Ip, "example").unwrap());
        // A second time: replaced as a whole, nothing doubled.
        backend.apply(&[Change::Replace(example())]).unwrap();
        let listing = nft(&["list", "ruleset"]);
        for part in [
            "fib daddr type local jump dnat",
            "iifname != \"lo\" ip daddr 127.0.0.0/8 counter packets 0 bytes 0 drop",
            "dnat ip to meta l4proto . th dport map @publish",
            "dnat to meta l4proto . th dport map @spans",
            "ct state established,related accept",
            "ct status dnat accept",
            "iifname . oifname @pairs return",
            "oifname != @bridges accept",
            "masquerade",
            "type filter hook forward priority filter; policy accept;",
            "elements = { tcp . 8080 : 172.17.0.2 . 80 }",
            "\"a\" . \"b\"",
            "elements = { \"docker0\" }",
        ] {
            assert!(listing.contains(part), "{part} is missing in\n{listing}");
        }
        assert_eq!(listing.matches("masquerade").count(), 1);
        backend
            .apply(&[Change::RemoveTable {
                family: Family::Ip,
                name: "example".into(),
            }])
            .unwrap();
        backend
            .apply(&[Change::RemoveTable {
                family: Family::Ip,
                name: "example".into(),
            }])
            .unwrap();
        assert_eq!(nft(&["list", "ruleset"]), "");
    });
}

#[test]
fn elements_come_and_go_in_thousands_and_ranges_are_one() {
    in_own_network(|| {
        let backend = open(Choice::Nft);
        backend.apply(&[Change::Replace(example())]).unwrap();
        let many = elements("publish", false, (10_000..20_000).map(port_element).collect());
        backend.apply(&[Change::Add(many.clone())]).unwrap();
        let span = Element {
            key: vec![Value::Protocol(17), Value::Port(5000)],
            key_end: Some(vec![Value::Protocol(17), Value::Port(5999)]),
            value: vec![Value::Ipv4(Ipv4Addr::new(172, 17, 0, 3))],
        };
        backend
            .apply(&[Change::Add(elements("spans", true, vec![span.clone()]))])
            .unwrap();
        let listing = nft(&["list", "ruleset"]);
        assert!(listing.contains("udp . 5000-5999 : 172.17.0.3"), "{listing}");
        assert!(listing.contains("tcp . 19999 : 172.17.0.2 . 80"));
        backend
            .apply(&[
                Change::Remove(many),
                Change::Remove(elements("spans", true, vec![span])),
            ])
            .unwrap();
        let listing = nft(&["list", "ruleset"]);
        assert!(!listing.contains("19999") && !listing.contains("5999"), "{listing}");
    });
}

#[test]
fn a_refusal_names_the_object_and_undoes_everything() {
    in_own_network(|| {
        let backend = open(Choice::Nft);
        backend.apply(&[Change::Replace(example())]).unwrap();
        let mut other = port_element(8080);
        other.value[1] = Value::Port(81);
        let error = backend
            .apply(&[
                Change::Add(elements("publish", false, vec![port_element(9090)])),
                Change::Add(elements("publish", false, vec![other])),
            ])
            .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("add element [Protocol(6), Port(8080)] of set example publish: File exists"),
            "{error}"
        );
        assert!(!nft(&["list", "ruleset"]).contains("9090"));
        let error = backend
            .apply(&[Change::Add(elements("nosuch", false, vec![port_element(1)]))])
            .unwrap_err();
        assert!(
            error.to_string().contains("of set example nosuch: No such file"),
            "{error}"
        );
    });
}

#[test]
fn what_is_gone_cannot_be_removed_and_nothing_else_is() {
    in_own_network(|| {
        let backend = open(Choice::Nft);
        backend.apply(&[Change::Replace(example())]).unwrap();
        let refused = |ports: &[u16]| {
            let gone = ports.iter().copied().map(port_element).collect();
            let refusal = backend.apply(&[Change::Remove(elements("publish", false, gone))]);
            matches!(refusal, Err(Error::Refused { cause, .. }) if cause.is(rustix::io::Errno::NOENT))
        };
        assert!(refused(&[1, 8080]));
        assert!(nft(&["list", "ruleset"]).contains("8080"));
        backend
            .apply(&[Change::RemoveTable {
                family: Family::Ip,
                name: "example".into(),
            }])
            .unwrap();
        assert!(refused(&[8080]));
    });
}

#[test]
fn foreign_drop_policies_are_found() {
    in_own_network(|| {
        let backend = open(Choice::Nft);
        backend.apply(&[Change::Replace(example())]).unwrap();
        assert_eq!(backend.foreign_forward_drops("example").unwrap(), Vec::<String>::new());
        nft(&[
            "add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }",
        ]);
        assert_eq!(backend.foreign_forward_drops("example").unwrap(), ["ip filter FORWARD"]);
        nft(&["add table ip6 f; add chain ip6 f f { type filter hook forward priority 0; policy drop; }"]);
        assert_eq!(
            backend.foreign_forward_drops("example").unwrap(),
            ["ip filter FORWARD", "ip6 f f"]
        );
    });
}

#[test]
fn one_socket_serves_all_calls_and_refusals_leave_nothing_behind_in_it() {
    in_own_network(|| {
        let backend = open(Choice::Nft);
        let table = example();
        let add = |element| Change::Add(elements("publish", false, vec![element]));
        for _ in 0..3 {
            // The kernel answers every element that has no set to go to; one answer ends the exchange.
            assert!(backend.apply(&[add(port_element(1)), add(port_element(2))]).is_err());
            assert!(!backend.has_table(Family::Ip, "example").unwrap());
        }
        backend.apply(&[Change::Replace(table)]).unwrap();
        assert!(backend.has_table(Family::Ip, "example").unwrap());
        // The socket decides on the network, not the thread.
        std::thread::scope(|scope| {
            let elsewhere = scope.spawn(|| {
                unshare(Kinds::NETWORK).unwrap();
                backend.apply(&[add(port_element(9))])
            });
            elsewhere.join().unwrap().unwrap();
        });
        assert!(nft(&["list", "map", "ip", "example", "publish"]).contains(". 9 "));
    });
}

fn with_a_kept_chain() -> Table {
    let mut table = example();
    table.chains.push(Chain {
        name: "admin".into(),
        hook: None,
        rules: vec![],
    });
    table.kept.push("admin".into());
    table
}

#[test]
fn kept_chains_outlive_replacement_and_withdrawal() {
    in_own_network(|| {
        let backend = open(Choice::Nft);
        // Somebody may have filled the chain before we are there.
        nft(&["add", "table", "ip", "example"]);
        nft(&["add", "chain", "ip", "example", "admin"]);
        nft(&[
            "add",
            "rule",
            "ip",
            "example",
            "admin",
            "tcp",
            "dport",
            "{ 22, 80 }",
            "accept",
        ]);
        nft(&["add", "chain", "ip", "example", "mine"]);
        nft(&[
            "add",
            "chain",
            "ip",
            "example",
            "old",
            "{ type filter hook input priority 0; }",
        ]);
        nft(&["add", "rule", "ip", "example", "old", "drop"]);
        backend.apply(&[Change::Replace(with_a_kept_chain())]).unwrap();
        nft(&[
            "add", "rule", "ip", "example", "admin", "iifname", "@bridges", "jump", "mine",
        ]);
        let all = Elements {
            family: Family::Ip,
            table: "example".into(),
            set: "publish".into(),
            interval: false,
            elements: (1..1000).map(port_element).collect(),
        };
        backend.apply(&[Change::Add(all)]).unwrap();
        for _ in 0..2 {
            backend.apply(&[Change::Replace(with_a_kept_chain())]).unwrap();
            let rules = nft(&["list", "table", "ip", "example"]);
            assert!(rules.contains("tcp dport { 22, 80 } accept"), "{rules}");
            assert!(rules.contains("iifname @bridges jump mine"), "{rules}");
            assert!(rules.contains("8080") && !rules.contains("tcp . 999 :"), "{rules}");
            assert!(!rules.contains("chain old"), "{rules}");
            assert_eq!(rules.matches("comment \"answers\"").count(), 1, "{rules}");
        }
        backend.apply(&[Change::Withdraw(with_a_kept_chain())]).unwrap();
        let rules = nft(&["list", "table", "ip", "example"]);
        assert!(
            rules.contains("iifname @bridges jump mine") && !rules.contains("hook"),
            "{rules}"
        );
        assert!(!rules.contains("8080"), "{rules}");
        nft(&["flush", "chain", "ip", "example", "admin"]);
        backend.apply(&[Change::Withdraw(with_a_kept_chain())]).unwrap();
        assert_eq!(nft(&["list", "ruleset"]), "");
        backend.apply(&[Change::Withdraw(with_a_kept_chain())]).unwrap();
    });
}

#[test]
fn a_watch_tells_what_others_do_and_not_what_we_do() {
    in_own_network(|| {
        let backend = open(Choice::Nft);
        backend.apply(&[Change::Replace(with_a_kept_chain())]).unwrap();
        let watch = backend.watch().unwrap().unwrap();
        let heard = || {
            let mut all = Touched::default();
            let mut waiting = [rustix::event::PollFd::new(&watch, rustix::event::PollFlags::IN)];
            let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
            while rustix::event::poll(&mut waiting, Some(&now)).unwrap() > 0 {
                let touched = watch.read("example", &["admin"]).unwrap();
                all.table |= touched.table;
                all.by = touched.by.or(all.by);
            }
            all
        };
        backend.apply(&[Change::Replace(with_a_kept_chain())]).unwrap();
        assert_eq!(heard(), Touched::default());
        nft(&["add", "rule", "ip", "example", "admin", "accept"]);
        assert!(!heard().table, "the chain is theirs");
        nft(&["add", "table", "ip", "other"]);
        assert!(!heard().table, "the table is theirs");
        nft(&["flush", "chain", "ip", "example", "forward"]);
        let touched = heard();
        assert!(
            touched.table && touched.by.as_ref().unwrap().starts_with("nft ("),
            "{touched:?}"
        );
        nft(&["flush", "ruleset"]);
        assert!(heard().table);
    });
}

#[test]
fn row_142_ipv6_is_translated_both_ways() {
    in_own_network(|| {
        let rule = |comment, statements| Rule { comment, statements };
        let set = |name: &str, key: Vec<Type>, value, elements| Set {
            name: name.into(),
            key,
            value,
            interval: false,
            elements,
        };
        let address = |text: &str| Value::Ipv6(text.parse().unwrap());
        let mut port = Element::member(vec![Value::Protocol(6), Value::Port(8080)]);
        port.value = vec![address("fd00::2"), Value::Port(80)];
        let mut source = Element::member(vec![Value::Interface("br0".into())]);
        source.value = vec![address("fd00::77")];
        let within = |selector, network: &str, length, member| Statement::Within {
            selector,
            network: network.parse().unwrap(),
            length,
            member,
        };
        let chain = |name: &str, point, rules| Chain {
            name: name.into(),
            hook: Some(Hook {
                kind: ChainKind::Nat,
                point,
                priority: 0,
            }),
            rules,
        };
        let table = Table {
            family: Family::Ip6,
            name: "example".into(),
            sets: vec![
                set(
                    "publish",
                    vec![Type::Protocol, Type::Port],
                    vec![Type::Ipv6, Type::Port],
                    vec![port],
                ),
                set("source", vec![Type::Interface], vec![Type::Ipv6], vec![source]),
            ],
            chains: vec![
                chain(
                    "in",
                    Point::Prerouting,
                    vec![rule(
                        "ports",
                        vec![
                            within(Selector::Source6, "fe80::1", 10, false),
                            Statement::DestinationNat {
                                family: Family::Ip6,
                                selectors: vec![Selector::Protocol, Selector::DestinationPort],
                                map: "publish".into(),
                                port: true,
                            },
                        ],
                    )],
                ),
                chain(
                    "out",
                    Point::Postrouting,
                    vec![rule(
                        "source",
                        vec![
                            within(Selector::Destination6, "2001:db8::5", 32, true),
                            Statement::SourceNat {
                                family: Family::Ip6,
                                selectors: vec![Selector::InterfaceIn],
                                map: "source".into(),
                            },
                        ],
                    )],
                ),
            ],
            kept: vec![],
        };
        open(Choice::Nft).apply(&[Change::Replace(table)]).unwrap();
        let listing = nft(&["list", "ruleset"]);
        for part in [
            "table ip6 example",
            "ip6 saddr != fe80::/10 dnat ip6 to meta l4proto . th dport map @publish",
            "ip6 daddr 2001:db8::/32 snat to iifname map @source",
            "elements = { tcp . 8080 : fd00::2 . 80 }",
            "elements = { \"br0\" : fd00::77 }",
        ] {
            assert!(listing.contains(part), "{part} is missing in\n{listing}");
        }
    });
}
