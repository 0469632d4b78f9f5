//! File system snapshots behind one trait; drivers return mounts, they never mount.
