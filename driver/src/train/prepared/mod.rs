//! A job whose pictures were prepared before, and one that does nothing but prepare them.

mod describe;
mod save;
mod take;
mod work;

pub(super) use save::Saved;
