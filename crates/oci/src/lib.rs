//! Digests, references, platforms, and the image, runtime and container documents; parse and check, no I/O.
