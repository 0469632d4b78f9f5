//! End-to-end tests over the built programs only; see `tests/`.
