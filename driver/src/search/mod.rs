//! Several trainings that share a cluster: searches for good settings, and cross-validations.
//!
//! What is trained next is decided by a [`Strategy`], which is pure; [`Trials`] keeps what became of it, and [`Journal`]
//! writes it down, so that a study that is killed goes on where it was.

mod asha;
mod every;
mod hyperband;
mod journal;
mod space;
mod state;
mod strategy;
mod study;

pub use asha::Asha;
pub use every::Every;
pub use hyperband::Hyperband;
pub use journal::{Entry, Journal, JournalError, Recorded};
pub use space::{Flags, Range, Space, SpaceError};
pub use state::{Judged, Measured, Outcome, ReplayError, Trials};
pub use strategy::{Assignment, Next, Score, Strategy, TrialId};
pub use study::{Algorithm, MAX_MEMBERS, MAX_TRIALS, Objective, Study};
