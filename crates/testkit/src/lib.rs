//! Helpers of the tests: temporary roots, a registry, images, leak checks.
