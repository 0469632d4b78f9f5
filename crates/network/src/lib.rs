//! The container network model: networks, endpoints, sandboxes, drivers, address pools, published ports.
