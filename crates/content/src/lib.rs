//! Blobs in flight: ingest with resume, verify, hand over.
