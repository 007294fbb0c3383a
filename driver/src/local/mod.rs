//! A whole cluster on this machine: the driver in this process, the other roles as its children.

mod child;
mod cluster;

pub use child::{ChildError, Restart};
pub use cluster::{LocalCluster, LocalError, LocalOptions};
