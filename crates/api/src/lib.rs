//! The Engine API: routes, conversion between wire and domain, hijacked streams.
