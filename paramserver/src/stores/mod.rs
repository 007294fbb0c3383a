//! Object stores and local folders, opened alike by every role.

mod folder;
mod open;
mod refusal;

pub use folder::{Folder, FolderError};
pub use open::{open_folder, open_url};
pub use refusal::Refusal;
