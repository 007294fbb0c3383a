//! What the tests of RDDs share: functions, clusters that know them, and behaviours that hold on any cluster.

mod behaviour;
mod cluster;
pub mod functions;
pub mod marks;

pub use behaviour::{in_process, on_processes};
pub use cluster::RddCluster;
