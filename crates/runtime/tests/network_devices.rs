//! Network devices that are moved into a container.

mod bed;

use bed::{Bed, Said, bed};
use serde_json::json;
use std::process::Command;

/// A veth pair in a network namespace of its own, the first with addresses, a size and a hardware address.
const DEVICES: &str = "ip link add td0 type veth peer name td1 && ip addr add 10.9.8.7/24 dev td0 && \
    ip -6 addr add fd00:9::7/64 dev td0 nodad && ip link set td0 mtu 1400 address 02:00:00:00:00:42 up && \
    ip link set td1 up";

/// Runs the container from a network namespace that has the devices.
fn run(bed: &mut Bed, script: &str) -> Option<Said> {
    bed.script(script).write();
    let mut command = Command::new("unshare");
    let call = format!("{DEVICES} || exit 77; \"$@\"; code=$?; ip -o link show >&2; exit $code");
    command.args(["--net", "sh", "-c", &call, "sh"]);
    command.arg(bed::program()).arg("--root").arg(bed.path().join("state"));
    command.args(["run", &bed.id]).current_dir(bed.path().join("bundle"));
    let said: Said = command.output().expect("unshare").into();
    if said.code == 77 {
        println!("skipped: no veth devices here: {}", said.err);
        return None;
    }
    Some(said)
}

#[test]
fn row_116_a_device_moves_with_its_addresses_and_gets_its_name() {
    let Some(mut bed) = bed() else { return };
    bed.config["linux"]["netDevices"] = json!({"td0": {"name": "eth7"}});
    let Some(said) = run(
        &mut bed,
        "busybox ip -o addr show dev eth7; cat /sys/class/net/eth7/mtu /sys/class/net/eth7/address",
    ) else {
        return;
    };
    assert_eq!(said.code, 0, "{said:?}");
    for word in ["10.9.8.7/24", "fd00:9::7/64", "1400\n02:00:00:00:00:42\n"] {
        assert!(said.out.contains(word), "{word}: {said:?}");
    }
    // What is left behind is not what moved.
    assert!(!said.err.contains("td0:"), "{said:?}");
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn row_116_devices_that_cannot_move_are_named() {
    let Some(mut bed) = bed() else { return };
    let good = bed.config.clone();
    bed.config["linux"]["netDevices"] = json!({"td9": {}});
    let Some(said) = run(&mut bed, "true") else { return };
    assert!(
        said.code == 1 && said.err.contains("\"td9\": link not found for interface"),
        "{said:?}"
    );
    bed.config["linux"]["netDevices"] = json!({"td0": {"name": "lo"}});
    let said = run(&mut bed, "true").expect("devices");
    assert!(
        said.code == 1 && said.err.contains("td0") && said.err.contains("exists"),
        "{said:?}"
    );
    bed.config["linux"]["netDevices"] = json!({"td0": {"name": "a/b"}});
    let said = run(&mut bed, "true").expect("devices");
    assert!(said.err.contains("invalid network device name \"a/b\""), "{said:?}");
    bed.config["linux"]["netDevices"] = json!({"td0": {"name": "x"}, "td1": {"name": "x"}});
    let said = run(&mut bed, "true").expect("devices");
    assert!(said.err.contains("two devices are to be named \"x\""), "{said:?}");
    bed.config = good;
    bed.config["linux"]["netDevices"] = json!({"td0": {}});
    bed.config["linux"]["namespaces"]
        .as_array_mut()
        .expect("a list")
        .retain(|namespace| namespace["type"] != "network");
    let said = run(&mut bed, "true").expect("devices");
    assert!(said.err.contains("without a NET namespace"), "{said:?}");
    assert_eq!(bed.traces(), Vec::<String>::new());
}
