use serde::{Deserialize, Serialize};

use super::{
    descriptors::LENGTH,
    mixture::Mixture,
    projection::{PLACES, Projection},
};
use crate::rdd::Packed;

/// What was found from training pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fitted {
    /// The mean descriptor.
    pub(super) mean: Packed,
    /// What descriptors are reduced by: [descriptor, dimensions].
    pub(super) basis: Packed,
    /// Of each dimension and place 1 if mirroring keeps it, or -1 if it changes its sign.
    pub(super) signs: Packed,
    /// [components / 2, dimensions and places].
    pub(super) means: Packed,
    /// [components / 2, dimensions and places].
    pub(super) variances: Packed,
    /// Of each component and its mirror image together.
    pub(super) weights: Packed,
}

impl Fitted {
    /// Checks that all is there, and can be divided by.
    pub(super) fn validate(&self, dimensions: usize, components: usize) -> Result<(), String> {
        let (half, values) = (components / 2, dimensions + PLACES);
        for (name, numbers, wanted) in [
            ("mean", &self.mean, LENGTH),
            ("basis", &self.basis, LENGTH * dimensions),
            ("signs", &self.signs, values),
            ("means", &self.means, half * values),
            ("variances", &self.variances, half * values),
            ("weights", &self.weights, half),
        ] {
            if numbers.len() != wanted {
                let got = numbers.len();
                return Err(format!("fisher: fitted {name} are {got} numbers instead of {wanted}"));
            }
        }
        let positive = |numbers: &[f32]| numbers.iter().all(|&number| number > 0.0);
        if !positive(&self.variances) || !positive(&self.weights) {
            return Err("fisher: fitted variances and weights must be above 0".to_owned());
        }
        if self.signs.iter().any(|sign| sign.abs() != 1.0) {
            return Err("fisher: fitted signs must be 1 or -1".to_owned());
        }
        Ok(())
    }

    /// Writes the Fisher vector of a picture's mirror image, given that of the picture: of each component it has what the
    /// picture has of the component's mirror image, and the signs of its gradients with respect to means are those of mirroring.
    pub(super) fn mirror(&self, vector: &[f32], out: &mut [f32]) {
        let (half, values) = (vector.len() / 2, self.signs.len());
        let swapped = |part: &[f32], out: &mut [f32]| {
            let (first, second) = out.split_at_mut(half / 2);
            first.copy_from_slice(&part[half / 2..]);
            second.copy_from_slice(&part[..half / 2]);
        };
        let (means, deviations) = out.split_at_mut(half);
        swapped(&vector[..half], means);
        swapped(&vector[half..], deviations);
        for component in means.chunks_exact_mut(values) {
            component.iter_mut().zip(self.signs.iter()).for_each(|(value, sign)| *value *= sign);
        }
    }

    pub(super) fn projection(&self) -> Projection {
        Projection::new(&self.mean, &self.basis)
    }

    pub(super) fn mixture(&self) -> Mixture {
        Mixture {
            signs: self.signs.to_vec(),
            means: self.means.to_vec(),
            variances: self.variances.to_vec(),
            weights: self.weights.to_vec(),
        }
    }
}
