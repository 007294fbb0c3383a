//! What parameter servers do among themselves, with files and with their clients, over real sockets.

#![allow(clippy::unwrap_used, clippy::panic)]

mod exchange;
mod failover;
mod fixture;
mod join;
mod replica;
mod replication;
mod shards;
mod snapshots;
mod terms;
