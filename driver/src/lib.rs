//! The driver of Howdah: it lists and cuts the pictures, schedules tasks on executors, and leads a training job
//! to its model.
//!
//! [`engine`] brings the pure state machines of [`membership`], [`scheduler`] and [`train`] together; [`service`]
//! is its gRPC side, [`mod@driver`] puts both on a socket, and [`local`] adds the other roles as child processes.
//! [`client`] talks to a driver, and [`cli`] is the command line over all of it.

pub mod actions;
pub mod board;
pub mod cli;
pub mod client;
pub mod contexts;
pub mod dataset;
pub mod driver;
pub mod engine;
pub mod inference;
mod lines;
pub mod local;
pub mod membership;
pub mod objects;
pub mod output;
pub mod plan;
pub mod predictions;
pub mod prepared;
pub mod rdd;
pub mod scheduler;
pub mod search;
pub mod service;
pub mod snapshot;
pub mod train;
