//! Where pictures come from, and what is made of bad ones.

mod bad_pictures;
mod classes;
mod files_from_driver;
mod hostile;
mod prepared;
mod real_pictures;
mod sources;
mod stores;
