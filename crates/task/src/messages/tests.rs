use std::time::{Duration, UNIX_EPOCH};

use prost::Message;

use super::*;

#[test]
fn a_create_request_has_the_bytes_that_protoc_gives() {
    let request = CreateTaskRequest {
        id: "c".into(),
        bundle: "/b".into(),
        rootfs: vec![MountMessage {
            kind: "overlay".into(),
            ..MountMessage::default()
        }],
        terminal: true,
        options: Some(Any {
            type_url: "t".into(),
            value: vec![1],
        }),
        ..CreateTaskRequest::default()
    };
    let expected = b"\x0a\x01c\x12\x02/b\x1a\x09\x0a\x07overlay\x20\x01\x52\x06\x0a\x01t\x12\x01\x01";
    assert_eq!(request.encode_to_vec(), expected);
    assert_eq!(CreateTaskRequest::decode(&expected[..]).unwrap(), request);
}

#[test]
fn readers_of_containerd_skip_our_fields() {
    /// What containerd knows of it.
    #[derive(Clone, PartialEq, prost::Message)]
    struct Theirs {
        #[prost(uint32, tag = "1")]
        exit_status: u32,
    }
    let ours = WaitResponse {
        exit_status: 137,
        exited_at: None,
        oom_killed: true,
        memory_peak: 1,
    };
    assert_eq!(Theirs::decode(&ours.encode_to_vec()[..]).unwrap().exit_status, 137);
}

#[test]
fn timestamps_survive_and_nonsense_becomes_the_epoch() {
    let time = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
    assert_eq!(std::time::SystemTime::from(Timestamp::from(time)), time);
    let nonsense = Timestamp {
        seconds: i64::MIN,
        nanos: -5,
    };
    assert_eq!(std::time::SystemTime::from(nonsense), UNIX_EPOCH);
}

#[test]
fn a_type_url_may_have_a_prefix() {
    let any = Any {
        type_url: "type.googleapis.com/containerd.runc.v1.Options".into(),
        value: vec![],
    };
    assert_eq!(any.name(), "containerd.runc.v1.Options");
}
