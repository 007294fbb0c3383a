//! Programs that run actions on a whole engine, with executors that a test plays, kills and lets lie.

mod cluster;
mod compute;
mod lineages;
mod process;
mod trouble;
mod watched;

mod lies;
mod losses;
