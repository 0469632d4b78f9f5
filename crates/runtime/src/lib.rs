//! The OCI runtime: from namespaces to exec.
