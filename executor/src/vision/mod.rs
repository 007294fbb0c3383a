//! The way from a picture file to the features of a network.

mod affine;
mod chance;
mod decode;
mod denoise;
mod features;
mod flatten;
mod flip;
mod gaussian;
mod grayscale;
mod jitter;
mod normalise;
mod pad;
pub mod pipeline;
pub mod preview;
mod resize;
mod standardise;
pub mod synthetic;
mod take;
#[cfg(test)]
pub(crate) mod testing;

pub use affine::Affine;
pub use decode::{Color, Decode, MAX_PIXELS};
pub use denoise::{Denoise, MAX_SIGMA};
pub use features::{ColorGrid, Describe, Fisher, GradientOf, Hog, MAX_FEATURES, Part, Pixels};
pub use flatten::Flatten;
pub use flip::Flip;
pub use grayscale::Grayscale;
pub use jitter::Jitter;
pub use normalise::Normalise;
pub use pipeline::{Augment, seed_pipeline};
pub use resize::{Filter, Fit, MAX_SIDE, Resize};
pub use standardise::Standardise;

use crate::rdd::Registry;

/// Registers every operator of this folder.
pub fn register(registry: &mut Registry) {
    registry
        .register::<Affine>()
        .register::<Decode>()
        .register::<Denoise>()
        .register::<Describe>()
        .register::<Flatten>()
        .register::<Flip>()
        .register::<Grayscale>()
        .register::<Jitter>()
        .register::<Normalise>()
        .register::<Resize>()
        .register::<Standardise>();
}
