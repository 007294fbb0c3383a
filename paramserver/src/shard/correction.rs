use howdah_proto::settings::StalenessScale;

use crate::rules::{OutOfMemory, Weights, zeros};

const KEPT: f32 = 0.95;
const EPSILON: f32 = 1e-7;

/// By how much a push is scaled that is so stale.
pub(super) fn scale(scale: StalenessScale, staleness: u64) -> f32 {
    match scale {
        StalenessScale::None => 1.0,
        StalenessScale::Inverse => 1.0 / staleness.max(1) as f32,
        StalenessScale::InversePlusOne => 1.0 / staleness.saturating_add(1) as f32,
    }
}

/// Scales a push.
pub(super) fn scale_push(push: &mut [f32], scale: f32) {
    if scale != 1.0 {
        push.iter_mut().for_each(|pushed| *pushed *= scale);
    }
}

/// How large a push is made, compared with a gradient of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Factor(f32);

impl Factor {
    /// The factor of a push that is the sum over `steps` gradients, scaled by `scale`.
    pub(super) fn new(steps: u64, scale: f32) -> Self {
        Self(steps.max(1) as f32 * scale)
    }
}

/// Delay compensation with an adaptive factor (Zheng et al. 2017, "Asynchronous stochastic gradient descent with delay
/// compensation", equation 10 and section 6, DC-ASGD-a).
///
/// `g' = g + l / sqrt(s + e) g^2 (w - w_bak)`, where `w_bak` are the weights that `g` was computed on, `s` is the moving
/// mean of squares `0.95 s' + 0.05 g^2` and `e` = 1e-7. `g` is the mean gradient of the push; the scale of a stale push
/// comes after.
///
/// One thing is not as in the paper: what `s'` becomes for the next push is taken from `g'`, not `g`. A standby is sent
/// what the rule is given, and so can keep the same moving mean as its primary.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MeanSquare(Box<[f32]>);

impl MeanSquare {
    pub(super) fn new(values: usize) -> Result<Self, OutOfMemory> {
        zeros(values).map(Self)
    }

    pub(super) fn of(array: Box<[f32]>) -> Self {
        Self(array)
    }

    pub(super) fn array(&self) -> &[f32] {
        &self.0
    }

    pub(super) fn into_array(self) -> Box<[f32]> {
        self.0
    }

    /// Compensates and scales a push of `steps` steps in place.
    pub(super) fn compensate(
        &self,
        lambda: f32,
        push: &mut [f32],
        (steps, factor): (u64, Factor),
        weights: &Weights,
        pulled: &[f32],
    ) {
        let to_mean = 1.0 / steps.max(1) as f32;
        for (range, weights) in weights.pieces() {
            let moved = weights.iter().zip(&pulled[range.clone()]);
            let pushed = push[range.clone()].iter_mut().zip(&self.0[range]);
            // Compiled for each vector width and chosen at run time; the arithmetic is the same in all.
            pulp::Arch::new().dispatch(|| {
                for ((pushed, mean), (weight, pulled)) in pushed.zip(moved) {
                    let gradient = *pushed * to_mean;
                    let square = gradient * gradient;
                    let spread = (KEPT * mean + (1.0 - KEPT) * square + EPSILON).sqrt();
                    *pushed = factor.0 * (gradient + lambda / spread * square * (weight - pulled));
                }
            });
        }
    }

    /// Takes a push into the mean that has been compensated and scaled.
    pub(super) fn follow(&mut self, push: &[f32], factor: Factor) {
        let to_gradient = 1.0 / factor.0;
        // Compiled for each vector width and chosen at run time; the arithmetic is the same in all.
        pulp::Arch::new().dispatch(|| {
            for (mean, pushed) in self.0.iter_mut().zip(push) {
                let gradient = pushed * to_gradient;
                *mean = KEPT * *mean + (1.0 - KEPT) * gradient * gradient;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_stale_push_is_scaled_by_one_over_its_staleness_or_one_more() {
        let scales = |kind| [0, 1, 2, 4].map(|staleness| scale(kind, staleness));
        assert_eq!(scales(StalenessScale::None), [1.0; 4]);
        assert_eq!(scales(StalenessScale::Inverse), [1.0, 1.0, 0.5, 0.25]);
        assert_eq!(scales(StalenessScale::InversePlusOne), [1.0, 0.5, 1.0 / 3.0, 0.2]);
    }

    proptest! {
        #[test]
        fn compensation_follows_an_oracle_in_double_precision(
            pushes in prop::collection::vec((-1f32..1.0, -1f32..1.0, -1f32..1.0, 1u64..5, 0u64..6), 1..20),
            lambda in 0.1f32..2.0,
        ) {
            let mut mean = MeanSquare::new(1).unwrap();
            let mut expected_mean = 0f64;
            for (gradient, weight, pulled, steps, staleness) in pushes {
                let scale = scale(StalenessScale::InversePlusOne, staleness);
                let factor = Factor::new(steps, scale);
                let mut push = [gradient * steps as f32];
                mean.compensate(lambda, &mut push, (steps, factor), &Weights::of(&[weight]).unwrap(), &[pulled]);
                mean.follow(&push, factor);

                let [g, w, bak, l] = [gradient, weight, pulled, lambda].map(f64::from);
                let adapted = l / (0.95 * expected_mean + 0.05 * g * g + 1e-7).sqrt();
                let compensated = g + adapted * g * g * (w - bak);
                expected_mean = 0.95 * expected_mean + 0.05 * compensated * compensated;
                let expected = steps as f64 * compensated / (staleness + 1) as f64;
                prop_assert!((f64::from(push[0]) - expected).abs() < 1e-4 * (1.0 + expected.abs()));
                prop_assert!((f64::from(mean.array()[0]) - expected_mean).abs() < 1e-4 * (1.0 + expected_mean));
            }
        }

        #[test]
        fn a_gradient_of_the_newest_weights_stays_as_it_is(gradient in -1f32..1.0, weight in -1f32..1.0) {
            let mean = MeanSquare::new(1).unwrap();
            let mut push = [gradient];
            mean.compensate(0.5, &mut push, (1, Factor::new(1, 1.0)), &Weights::of(&[weight]).unwrap(), &[weight]);
            prop_assert_eq!(push, [gradient]);
        }
    }
}
