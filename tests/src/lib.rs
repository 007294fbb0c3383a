//! What the whole-cluster tests share: they start, signal and watch the real binaries on this machine.
//!
//! The binaries must be those of the same build: `cargo test --workspace` sees to it.

#![allow(clippy::expect_used, clippy::panic, reason = "a harness that fails is a test that fails")]

pub mod binaries;
pub mod cluster;
pub mod deadline;
pub mod evaluation;
pub mod family;
pub mod job;
pub mod log;
pub mod model;
pub mod pictures;
pub mod process;
pub mod rdd;
pub mod settings;
pub mod store;
