//! The engine with executors and parameter servers that a test plays.

mod cluster;
mod content;
mod executor;
mod members;

mod ends;
mod fits;
mod leaving;
mod lies;
mod losses;
mod prepared;
mod programs;
mod resume;
mod servers;
mod shards;
mod sharing;
