//! What each event does to the state.

mod attempts;
mod executors;
mod jobs;
mod ticks;
