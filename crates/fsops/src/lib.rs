//! File operations whose errors carry the path: atomic replace, locks, opening beneath a root.
