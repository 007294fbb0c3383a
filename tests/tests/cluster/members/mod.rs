//! Executors and parameter servers come, go, and are told what they did wrong.

mod driver_restart;
mod local_cluster;
mod registration;
mod submit;
mod waiting;
