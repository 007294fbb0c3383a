//! A whole cluster on this machine: the driver in this process, the other roles as its children, or executors as its
//! tasks.

mod child;
mod cluster;
mod in_process;
mod processes;

pub use child::{ChildError, Restart};
pub use cluster::{LocalCluster, LocalError, LocalOptions, Placement};
pub use processes::{Processes, Stopped};
