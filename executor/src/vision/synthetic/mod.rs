//! Cats and dogs that the program draws itself, so that everything can be tried without a download.
//!
//! They vary in place, size, tilt, coat and light, with clutter behind them, things before them, and noise; what
//! tells them apart is their shape: ears, face and tail.

mod animal;
mod brush;
mod cat;
mod class;
mod dog;
mod scene;
mod write;

pub use animal::draw;
pub use class::Class;
pub use write::{SyntheticError, SyntheticSet, encode, write_set};
