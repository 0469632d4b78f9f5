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

fn judged(script: &'static str, expected: Passage) {
    in_own_network(move || {
        nft_script(script);
        let live = open(Choice::Nft).live().unwrap();
        assert_eq!(live.forwarded(&packet()), expected, "{script}\n{live:#?}");
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
            iptables(rule);
        }
        let live = || open(Choice::Nft).live().unwrap();
        assert_eq!(live().forwarded(&packet()), blocked(FORWARD), "{:#?}", live());
        iptables("-I FORWARD -m conntrack --ctstate DNAT -j ACCEPT");
        assert_eq!(live().forwarded(&packet()), Passage::Open, "{:#?}", live());
    });
}

fn iptables(arguments: &str) {
    let status = std::process::Command::new("iptables-nft")
        .args(arguments.split(' '))
        .status()
        .unwrap();
    assert!(status.success(), "iptables-nft {arguments}");
}

fn missing(program: &str) -> Option<String> {
    let found = std::process::Command::new(program).arg("--version").output();
    found.err().map(|error| format!("{program}: {error}"))
}
