//! Durable JSON records and leases: who holds what.
