//! Doors for the fuzz targets (`fuzz/`): lines of a log that a container filled. Not part of the library's interface.

/// A line of a json-file log; what is written for its entry is read back as the same.
pub fn json_line(bytes: &[u8]) {
    crate::drivers::json_file::read_line(bytes);
}

/// A time as clients and logs write it.
pub fn time(text: &str) {
    let _ = crate::time::parse(text);
}
