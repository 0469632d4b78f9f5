//! Log formats and drivers: the writer for the shim, the reader for the engine.
