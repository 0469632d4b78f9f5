//! The OCI runtime: from namespaces to exec.

fn main() {}
