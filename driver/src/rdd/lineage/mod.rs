//! What a context knows of its lineage: pure. Transformations build nodes here, and nothing travels.

mod build;
mod graph;
mod layout;

pub(in crate::rdd) use build::{Build, Made, Plan, Shape};
pub(in crate::rdd) use graph::{Graph, Parcel};
pub(in crate::rdd) use layout::{By, Layout, Target};
