//! Parent of one container: stdio, terminal, logs, exit status.

fn main() {}
