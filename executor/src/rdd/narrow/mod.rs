//! What a partition is computed from others by, without knowing the types of records: on their bytes.

mod cartesian;
mod combine;
mod draw;
mod glom;
mod group;
mod partial;
mod poisson;
mod reshape;
#[cfg(test)]
pub(crate) mod testing;
mod zip;
mod zip_with_index;

pub use cartesian::{Cartesian, Open};
pub use combine::Combined;
pub use draw::Draw;
pub use glom::Glom;
pub use group::{KeyOrder, group};
pub use partial::Partial;
pub use poisson::PoissonSample;
pub use reshape::Reshaped;
pub use zip::Zip;
pub use zip_with_index::Indexed;

use super::{RddError, Row};

/// Takes a record as a pair.
fn pair<'a>(row: Row<'a>, operator: &str) -> Result<Row<'a>, RddError> {
    if row.is_pair() {
        Ok(row)
    } else {
        Err(RddError::Codec { function: operator.to_owned(), reason: "a record is no pair".to_owned() })
    }
}

/// The length of a key as it stands at the end of a pair. A key comes from a batch, so its length fits.
fn trailer(key: &[u8]) -> [u8; 4] {
    (key.len() as u32).to_be_bytes()
}
