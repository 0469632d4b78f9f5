//! Fuzz targets: what each hostile parser of the house makes of any bytes. A target must return, in time and memory that
//! the length of its input bounds, and may assert what must hold of what it read.
//!
//! ```text
//!   src/lib.rs       TARGETS, the list; src/archives.rs, whole archives
//!   seeds/<target>/  inputs to start from, and every input that was found to break something
//!   tests/seeds.rs   runs every target on its seeds, in every `make test`
//!   engine/          libFuzzer around the same list: `make fuzz`; not of the workspace, since it takes a C++ compiler
//! ```
//!
//! An input that breaks a target is written to `seeds/<target>/crash-…`; it stays there when it is mended.

mod archives;

use prost::Message as _;
use tierce_seccomp::Architecture;

/// A target: its name, which is also its directory of seeds, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("runtime-config", tierce_runtime::fuzzing::config),
    ("runtime-process", tierce_runtime::fuzzing::process),
    ("runtime-state", tierce_runtime::fuzzing::state),
    ("runtime-resources", tierce_runtime::fuzzing::resources),
    ("runtime-message", tierce_runtime::fuzzing::message),
    ("runtime-criu", tierce_runtime::fuzzing::criu),
    ("runtime-command-line", tierce_runtime::fuzzing::command_line),
    ("seccomp-profile", seccomp_profile),
    ("seccomp-docker", seccomp_docker),
    ("cgroup-texts", |bytes| tierce_cgroup::fuzzing::texts(&text(bytes))),
    ("cgroup-dbus", tierce_cgroup::fuzzing::dbus),
    ("image-documents", image_documents),
    ("image-names", image_names),
    ("image-load", archives::load),
    ("layer-apply", archives::layer),
    ("layer-tar", tierce_layer::fuzzing::tar),
    ("layer-tar-split", tierce_layer::fuzzing::tar_split_line),
    ("layer-compressed", tierce_layer::fuzzing::compressed),
    ("registry-header", |bytes| {
        tierce_registry::fuzzing::header(&text(bytes));
    }),
    ("registry-manifest", tierce_registry::fuzzing::manifest),
    ("registry-refusal", tierce_registry::fuzzing::refusal),
    ("hub-request", |bytes| tierce_hub::fuzzing::request(&text(bytes))),
    ("hub-manifest", tierce_hub::fuzzing::manifest),
    ("task-frames", task_frames),
    ("client-frames", client_frames),
    ("copy-unpack", archives::copy),
    ("format-template", |bytes| format_template(&text(bytes))),
    ("logs-line", tierce_logs::fuzzing::json_line),
    ("logs-time", |bytes| tierce_logs::fuzzing::time(&text(bytes))),
    ("engine-filters", |bytes| tierce_engine::fuzzing::filters(&text(bytes))),
    ("engine-words", |bytes| tierce_engine::fuzzing::words(&text(bytes))),
    ("netlink-attributes", netlink_attributes),
];

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// A user's template over a document: it is one or none, and what it gives is bounded by what it says.
fn format_template(text: &str) {
    let document = serde_json::json!({ "Name": "a<b", "List": [1, 2.5, null, true], "Map": { "k": "v" } });
    // Templates are the user's own; a short one is enough to find what breaks the reader.
    if text.len() <= 512
        && let Ok(Some(template)) = tierce_format::template::Template::parse(text)
    {
        let _ = template.render(&document);
    }
}

/// A profile of the runtime's document: it compiles to a program that the kernel takes, or is refused.
fn seccomp_profile(bytes: &[u8]) {
    const MOST: usize = 4096;
    if let Ok(profile) = tierce_oci::json::parse("profile", bytes) {
        for native in [Architecture::X86_64, Architecture::Aarch64] {
            if let Ok(program) = tierce_seccomp::compile(&profile, native) {
                assert!(!program.filter.is_empty() && program.filter.len() <= MOST);
            }
        }
    }
    let _ = tierce_seccomp::Program::from_bytes(bytes);
}

/// A profile of Docker's form.
fn seccomp_docker(bytes: &[u8]) {
    let Some(kernel) = tierce_seccomp::KernelVersion::from_release("6.12.1") else {
        return;
    };
    if let Ok(Some(profile)) =
        tierce_seccomp::docker::load(&text(bytes), &["CAP_SYS_ADMIN"], Architecture::X86_64, kernel)
    {
        let _ = tierce_seccomp::compile(&profile, Architecture::X86_64);
    }
}

fn image_documents(bytes: &[u8]) {
    let _ = tierce_oci::Manifest::from_json(bytes);
    let _ = tierce_oci::ImageConfig::from_json(bytes);
    if let Ok(index) = tierce_oci::Index::from_json(bytes) {
        let _ = index.choose(&tierce_oci::Platform::host());
    }
}

/// Names of images, digests and platforms; what is accepted is accepted again as it prints itself.
fn image_names(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(reference) = tierce_oci::Reference::parse(&text) {
        let again = tierce_oci::Reference::parse(&reference.to_string());
        assert!(again.is_ok_and(|again| again == reference), "{reference}");
        // The short form is for people only: as under Docker, that of `docker.io/a.b/c` reads as a host's.
        let _ = reference.familiar();
    }
    if let Ok(digest) = text.parse::<tierce_oci::Digest>() {
        assert_eq!(digest.as_str(), text);
    }
    let _ = text.parse::<tierce_oci::Platform>();
}

/// Frames of the shim's protocol, in two pieces, and the messages in them.
fn task_frames(bytes: &[u8]) {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let mut decoder = tierce_task::frame::Decoder::new();
    for piece in [first, second] {
        decoder.push(piece);
        while let Ok(Some(frame)) = decoder.next_frame() {
            let _ = tierce_task::messages::Request::decode(frame.payload.as_slice());
            let _ = tierce_task::messages::CreateTaskRequest::decode(frame.payload.as_slice());
        }
    }
    let text = text(bytes);
    let _ = tierce_task::bootstrap::Bootstrap::parse(&text);
    let _ = tierce_task::attach::Attach::parse(bytes);
}

/// Docker's multiplexed output: no byte of it is handed on twice.
fn client_frames(bytes: &[u8]) {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let (mut demultiplexer, mut out) = (tierce_client::Demultiplexer::new(), 0);
    for piece in [first, second] {
        demultiplexer.push(piece);
        while let Ok(Some(frame)) = demultiplexer.next_frame() {
            out += frame.payload.len();
        }
    }
    assert!(out <= bytes.len());
}

fn netlink_attributes(bytes: &[u8]) {
    use tierce_sys::netlink::Attributes;
    for (kind, value) in Attributes::new(bytes) {
        let _ = Attributes::find(value, kind);
    }
}
