//! The connection of a context to its driver, and what comes back over it.

mod connection;
mod gather;
mod ship;

pub(super) use connection::{Connection, Replies};
pub(super) use gather::{Gathered, Outcome};
