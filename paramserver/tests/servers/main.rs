//! What parameter servers do among themselves, with files and with their clients, over real sockets.

#![allow(clippy::unwrap_used, clippy::panic)]

mod broken_off;
mod exchange;
mod failover;
mod feedback;
mod fixture;
mod join;
mod replica;
mod replication;
mod shards;
mod silence;
mod snapshots;
mod terms;
