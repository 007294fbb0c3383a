//! The way from a picture file to the features of a network.

mod chance;
mod decode;
mod denoise;
mod flatten;
mod flip;
mod gaussian;
mod grayscale;
mod normalise;
mod pipeline;
mod resize;
mod rotate;
mod standardise;
pub mod synthetic;
mod take;
#[cfg(test)]
pub(crate) mod testing;

pub use decode::{Color, Decode, MAX_PIXELS};
pub use denoise::{Denoise, MAX_SIGMA};
pub use flatten::Flatten;
pub use flip::Flip;
pub use grayscale::Grayscale;
pub use normalise::Normalise;
pub use pipeline::{Augment, seed_pipeline};
pub use resize::{MAX_SIDE, Resize};
pub use rotate::Rotate;
pub use standardise::Standardise;

use crate::rdd::Registry;

/// Registers every operator of this folder.
pub fn register(registry: &mut Registry) {
    registry
        .register::<Decode>()
        .register::<Denoise>()
        .register::<Flatten>()
        .register::<Flip>()
        .register::<Grayscale>()
        .register::<Normalise>()
        .register::<Resize>()
        .register::<Rotate>()
        .register::<Standardise>();
}
