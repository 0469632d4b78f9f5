//! tierced: reads the configuration, opens the parts, serves.

fn main() {}
