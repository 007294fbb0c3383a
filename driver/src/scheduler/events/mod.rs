//! What each event does to the state.

mod attempts;
mod contexts;
mod drops;
mod executors;
mod fetches;
mod jobs;
mod stages;
mod ticks;
