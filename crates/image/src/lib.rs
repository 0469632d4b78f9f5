//! Names to images: pull, tag, remove, list, history, on Docker's classic on-disk metadata.
