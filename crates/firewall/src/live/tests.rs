//! Rules as administrators write them, put in force by `nft` and read back.

use super::*;
use crate::tests::{in_own_network, nft_script};
use crate::{Choice, open};

fn packet() -> Packet {
    Packet {
        interface_in: "eth0".into(),
        number_in: Some(7),
        interface_out: "docker0".into(),
        protocol: 6,
        source: None,
        destination: "172.17.0.2".parse().unwrap(),
        port: 80,
        original_port: Some(8080),
    }
}

fn packet6() -> Packet {
    Packet {
        destination: "fd00:17::2".parse().unwrap(),
        ..packet()
    }
}

fn judged(script: &'static str, expected: Passage) {
    judged_of(packet(), script, expected);
}

fn judged6(script: &'static str, expected: Passage) {
    judged_of(packet6(), script, expected);
}

fn judged_of(packet: Packet, script: &'static str, expected: Passage) {
    in_own_network(move || {
        nft_script(script);
        let live = open(Choice::Nft).live().unwrap();
        assert_eq!(live.forwarded(&packet), expected, "{script}\n{live:#?}");
    });
}

fn blocked(by: &str) -> Passage {
    Passage::Blocked(by.into())
}

const FORWARD: &str = "ip filter FORWARD";

#[test]
fn policies_and_verdicts_decide() {
    judged("", Passage::Open);
    judged(
        "table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }",
        blocked(FORWARD),
    );
    judged(
        "table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; oifname \"docker0\" accept; }; }",
        Passage::Open,
    );
    judged(
        "table ip filter { chain FORWARD { type filter hook forward priority 0; iifname \"eth*\" tcp dport 80 reject; }; }",
        blocked(FORWARD),
    );
    // Loopback is number 1 everywhere.
    judged(
        "table ip f { chain f { type filter hook forward priority 0; policy drop; iif lo accept; }; }",
        blocked("ip f f"),
    );
    // What another table accepts is not accepted here.
    judged(
        "table inet a { chain f { type filter hook forward priority -10; accept; }; }
         table inet b { chain f { type filter hook forward priority 10; policy drop; ct state established,related accept; }; }",
        blocked("inet b f"),
    );
    // Rules of IPv6 and of other hooks are not about this packet.
    judged(
        "table ip6 a { chain f { type filter hook forward priority 0; policy drop; }; }",
        Passage::Open,
    );
    judged(
        "table ip a { chain f { type filter hook input priority 0; policy drop; }; }",
        Passage::Open,
    );
}

#[test]
fn jumps_sets_and_maps_are_followed() {
    judged(
        "table inet firewalld {
            chain zone { ct status dnat accept; }
            chain f { type filter hook forward priority 10; policy drop; iifname vmap { \"eth0\" : goto zone, \"eth1\" : drop }; }
        }",
        Passage::Open,
    );
    judged(
        "table inet f { chain f { type filter hook forward priority 0; policy drop; tcp dport { 22, 80-90 } accept; }; }",
        Passage::Open,
    );
    judged(
        "table inet f { chain f { type filter hook forward priority 0; policy drop; tcp dport { 22, 81-90 } accept; }; }",
        blocked("inet f f"),
    );
    judged(
        "table inet f {
            set ports { type inet_service; elements = { 8080 }; }
            chain g { meta l4proto tcp ct original proto-dst @ports drop; }
            chain f { type filter hook forward priority 0; jump g; accept; }; }",
        blocked("inet f f"),
    );
    judged(
        "table ip f { chain g { return; drop; }; chain f { type filter hook forward priority 0; jump g; ip daddr 172.17.0.0/16 drop; }; }",
        blocked("ip f f"),
    );
}

#[test]
fn packets_of_ipv6_are_judged_by_rules_that_see_them() {
    judged6(
        "table ip f { chain f { type filter hook forward priority 0; policy drop; }; }",
        Passage::Open,
    );
    judged6(
        "table ip6 f { chain f { type filter hook forward priority 0; policy drop; }; }",
        blocked("ip6 f f"),
    );
    judged6(
        "table inet f { chain f { type filter hook forward priority 0; policy drop; meta nfproto ipv4 accept; }; }",
        blocked("inet f f"),
    );
    judged6(
        "table inet f { chain f { type filter hook forward priority 0; policy drop; ip6 daddr fd00:17::/64 accept; }; }",
        Passage::Open,
    );
    judged6(
        "table inet f { chain f { type filter hook forward priority 0; ip daddr 0.0.0.0/0 drop; meta protocol ip6 accept; drop; }; }",
        Passage::Open,
    );
    judged6(
        "table ip6 f {
            set inside { type ipv6_addr; flags interval; elements = { fd00:16::/64, fd00:17::/64 }; }
            chain f { type filter hook forward priority 0; ip6 daddr @inside tcp dport . ip6 daddr { 80 . fd00:17::2 } drop; }; }",
        blocked("ip6 f f"),
    );
    judged6(
        "table ip6 f { chain f { type filter hook forward priority 0; policy drop; ip6 saddr fd00::/8 accept; }; }",
        Passage::Depends(vec!["ip6 f f".into()]),
    );
}

#[test]
fn tables_that_cannot_be_read_make_every_answer_doubtful() {
    let live = LiveRules {
        unread: vec!["ip6 filter".to_owned()],
        ..LiveRules::default()
    };
    assert_eq!(live.forwarded(&packet()), Passage::Open);
    let doubtful = Passage::Depends(vec!["ip6 filter (ip6tables-legacy)".into()]);
    assert_eq!(live.forwarded(&packet6()), doubtful);
    assert_eq!(live.incoming(&packet6()), doubtful);
    assert_eq!(live.forwarded_by_others(&packet6(), "tierce"), Passage::Open);
}

#[test]
fn what_is_not_known_is_said() {
    let depends = Passage::Depends(vec!["ip f f".into()]);
    judged(
        "table ip f { chain f { type filter hook forward priority 0; policy drop; ip saddr 10.0.0.0/8 accept; }; }",
        depends.clone(),
    );
    judged(
        "table ip f { chain f { type filter hook forward priority 0; limit rate 5/second accept; drop; }; }",
        depends,
    );
    // Either way the packet passes.
    judged(
        "table ip f { chain f { type filter hook forward priority 0; policy drop; ip saddr 10.0.0.1 accept; accept; }; }",
        Passage::Open,
    );
}

#[test]
fn rules_of_iptables_are_understood() {
    if let Some(reason) = missing("iptables-nft") {
        println!("skipped: {reason}");
        return;
    }
    in_own_network(|| {
        for rule in [
            "-P FORWARD DROP",
            "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "-A FORWARD -m comment --comment hello -p tcp --dport 443 -j ACCEPT",
        ] {
            iptables("iptables-nft", rule);
        }
        let live = || open(Choice::Nft).live().unwrap();
        assert_eq!(live().forwarded(&packet()), blocked(FORWARD), "{:#?}", live());
        iptables("iptables-nft", "-I FORWARD -m conntrack --ctstate DNAT -j ACCEPT");
        assert_eq!(live().forwarded(&packet()), Passage::Open, "{:#?}", live());
        // What ufw has for IPv6.
        iptables("ip6tables-nft", "-A FORWARD -m rt --rt-type 0 -j DROP");
        assert_eq!(live().forwarded(&packet6()), Passage::Open, "{:#?}", live());
        iptables(
            "ip6tables-nft",
            "-A FORWARD -d fd00:17::/64 -p tcp --dport 80 -j REJECT",
        );
        assert_eq!(
            live().forwarded(&packet6()),
            blocked("ip6 filter FORWARD"),
            "{:#?}",
            live()
        );
    });
}

#[test]
fn rules_of_before_nf_tables_are_said_to_be_unread() {
    if let Some(reason) = missing("iptables-legacy") {
        println!("skipped: {reason}");
        return;
    }
    in_own_network(|| {
        let judged = |packet: &Packet| open(Choice::Nft).live().unwrap().forwarded(packet);
        assert_eq!(judged(&packet()), Passage::Open);
        iptables("iptables-legacy", "-P FORWARD DROP");
        let doubtful = |table: &str| Passage::Depends(vec![table.to_owned()]);
        assert_eq!(judged(&packet()), doubtful("ip filter (iptables-legacy)"));
        assert_eq!(judged(&packet6()), Passage::Open);
        iptables("ip6tables-legacy", "-A FORWARD -j ACCEPT");
        assert_eq!(judged(&packet6()), doubtful("ip6 filter (ip6tables-legacy)"));
    });
}

fn iptables(program: &str, arguments: &str) {
    let status = std::process::Command::new(program)
        .args(arguments.split(' '))
        .status()
        .unwrap();
    assert!(status.success(), "{program} {arguments}");
}

fn missing(program: &str) -> Option<String> {
    let found = std::process::Command::new(program).arg("--version").output();
    found.err().map(|error| format!("{program}: {error}"))
}
