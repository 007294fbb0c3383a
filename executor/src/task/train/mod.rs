//! Training tasks: an epoch of a partition that pushes as it goes, or the part of a partition in one round.

mod exchange;
mod gate;
mod lesson;
mod loader;
mod round;
mod stream;

use super::{Outcome, Run, Slot, TaskError};

pub(super) use exchange::Exchange;
pub(super) use gate::Turns;
pub(super) use lesson::Input;
pub(super) use round::round;
pub(super) use stream::stream;

#[cfg(test)]
mod tests;
