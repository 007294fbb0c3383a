//! Fisher vectors of dense gradient descriptors.

mod descriptors;
mod encode;
mod fit;
mod fitted;
mod mixture;
mod projection;

use serde::{Deserialize, Serialize};

use self::{encode::Encoder, fitted::Fitted};
use super::Features;
use crate::rdd::PictureView;

pub(super) use self::fit::{FITTED_PICTURES, FisherFit};

/// The most that descriptors may be reduced to: what they have.
const MOST_DIMENSIONS: u32 = descriptors::LENGTH as u32;
const MOST_COMPONENTS: u32 = 4_096;
const MOST_CELL: u32 = 256;

/// How the gradients of a picture differ from what is usual in the training pictures: a Fisher vector (Perronnin, Sanchez
/// and Mensink 2010, "Improving the Fisher kernel for large-scale image classification").
///
/// Dense descriptors of 4 x 4 cells with 8 directions each (Lowe 2004; square roots of shares, Arandjelovic and
/// Zisserman 2012) are whitened and reduced to `dimensions`, and their place in the picture is added (Sanchez, Perronnin
/// and de Campos 2012). A mixture of `components` Gaussians tells what is usual. The features are, for each component, the
/// gradient of the log likelihood with respect to its means, then to its deviations; of each the signed square root.
///
/// Projection and mixture are fitted to descriptors of training pictures and of their mirror images, so that each
/// component has one that is its mirror image.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fisher {
    /// Pixels in a side of a cell; descriptors are a cell apart.
    pub cell: u32,
    /// What descriptors are reduced to, at most 128.
    pub dimensions: u32,
    /// How many Gaussians there are, an even number.
    pub components: u32,
    /// What was found from the training pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fitted: Option<Box<Fitted>>,
    #[serde(skip)]
    encoder: Option<Box<Encoder>>,
}

impl Fisher {
    /// Makes features that are yet to be fitted.
    pub fn new(cell: u32, dimensions: u32, components: u32) -> Self {
        Self { cell, dimensions, components, fitted: None, encoder: None }
    }

    /// Begins to fit it; none if it is fitted.
    pub(super) fn fit(&self) -> Option<FisherFit> {
        self.fitted.is_none().then(|| FisherFit::new(self.clone()))
    }

    fn fitted_to(&self, fitted: Fitted) -> Self {
        Self { fitted: Some(Box::new(fitted)), encoder: None, ..*self }
    }
}

impl Features for Fisher {
    fn validate(&self) -> Result<(), String> {
        let Self { cell, dimensions, components, .. } = self;
        if !(1..=MOST_CELL).contains(cell) {
            Err(format!("fisher: cell is {cell}, it must be from 1 to {MOST_CELL} pixels"))
        } else if !(1..=MOST_DIMENSIONS).contains(dimensions) {
            Err(format!("fisher: dimensions is {dimensions}, it must be from 1 to {MOST_DIMENSIONS}"))
        } else if !(2..=MOST_COMPONENTS).contains(components) || components % 2 != 0 {
            Err(format!("fisher: components is {components}, it must be even, from 2 to {MOST_COMPONENTS}"))
        } else {
            let fitted = self.fitted.as_ref();
            fitted.map_or(Ok(()), |fitted| fitted.validate(*dimensions as usize, *components as usize))
        }
    }

    fn count(&self, width: u32, height: u32, _: u32) -> Result<usize, String> {
        descriptors::count(self.cell, width, height)?;
        Ok(2 * self.components as usize * (self.dimensions as usize + projection::PLACES))
    }

    fn is_fitted(&self) -> bool {
        self.fitted.is_some()
    }

    fn compute(&mut self, picture: PictureView<'_>, out: &mut [f32]) -> Result<(), String> {
        let fitted = self.fitted.as_ref().ok_or("fisher: it has not been fitted")?;
        let encoder = self.encoder.get_or_insert_with(|| Box::new(Encoder::new(self.cell, fitted)));
        encoder.encode(picture, out)
    }

    fn mirror(&self, _: PictureView<'_>, features: &[f32], out: &mut [f32]) -> bool {
        let Some(fitted) = &self.fitted else { return false };
        fitted.mirror(features, out);
        true
    }
}
