//! Packet filter rule sets as values, and the back ends that apply them.
