//! tierce: the command line.

fn main() {}
