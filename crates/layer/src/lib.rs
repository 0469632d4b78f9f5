//! Layers: tar to file system and back, tar-split, compression, and Docker's layer database.
