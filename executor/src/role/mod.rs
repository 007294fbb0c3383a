//! The executor as a process: its settings, and its sessions with the driver.

mod args;
mod run;
mod session;

pub use args::{Args, Memory};
pub use run::{ExecutorError, run, serve};
