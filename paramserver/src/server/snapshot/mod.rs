//! Snapshots on disk or in an object store: a file for each shard.
//!
//! A file is the image of a shard. It appears under its name when it is whole, and whoever reads it knows its size
//! and SHA-256 from the snapshot's manifest, which the driver writes last.

mod error;
mod folder;
mod pieces;

pub(super) use folder::{Folder, SavedFile};
pub(super) use pieces::pieces;
