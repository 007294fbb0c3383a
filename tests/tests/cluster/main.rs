//! Tests of whole clusters: they start, kill and restart the real binaries.
//!
//! One binary, as each would link the whole workspace again.

#![allow(clippy::unwrap_used, clippy::panic)]

mod members;
mod pictures;
mod rdd;
mod training;
