//! The engine with executors and parameter servers that a test plays.

mod cluster;
mod executor;

mod ends;
mod leaving;
mod lies;
mod losses;
mod programs;
