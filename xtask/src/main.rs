//! Project tasks: `cargo xtask tidy|bench|demo`.
fn main() {}
