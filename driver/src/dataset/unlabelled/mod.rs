//! Pictures whose classes nobody asks for: they are found one after the other, and never all held.

mod finder;
mod name;
mod walk;

pub use finder::{Finder, Patterns};
pub use name::shown_name;
