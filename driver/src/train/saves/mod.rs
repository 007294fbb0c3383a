//! When snapshots are taken, what is in them, and what becomes of those that are durable.

mod place;
mod state;
mod take;
mod taken;

pub(super) use state::Saves;
pub use state::{CutKind, Durable, Position, SnapshotFault, SnapshotRequest};
