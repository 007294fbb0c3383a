//! What every role of the cluster needs: its process, its settings, a place to listen, the way into the cluster, and the way
//! out of it.

pub mod config;
pub mod join;
pub mod lifeline;
pub mod listen;
pub mod logging;
pub mod memory;
pub mod notify;
pub mod process;
pub mod shutdown;

mod backoff;
mod nearest;

pub use nearest::nearest;
