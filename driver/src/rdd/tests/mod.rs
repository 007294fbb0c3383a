//! Tests of what programs see: the nodes that transformations make, and actions against a driver that plays along.

mod actions;
mod fake;
mod lineage;
