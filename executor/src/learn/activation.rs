use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};

use super::buffer::values;

/// Which features and hidden units of a step are dropped (inverted dropout; Srivastava et al. 2014, section 10).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Dropout {
    /// None are.
    Off,
    /// A unit is dropped with a probability, and the others are scaled by 1 / (1 - that).
    On {
        /// The probability for hidden units, from 0 to below 1.
        rate: f32,
        /// The probability for features, from 0 to below 1.
        input_rate: f32,
        /// Decides the masks of the step, one per layer.
        seed: u64,
    },
}

/// The dropout of features.
#[derive(Debug, Clone, Copy)]
pub(super) struct InputDropout {
    mask: Mask,
}

impl InputDropout {
    /// Makes it; none if no feature is dropped.
    pub fn new(dropout: Dropout) -> Option<Self> {
        match dropout {
            Dropout::On { input_rate, seed, .. } if input_rate > 0.0 => {
                Some(Self { mask: Mask::of(input_rate, seed, INPUT) })
            }
            Dropout::On { .. } | Dropout::Off => None,
        }
    }
}

impl CustomOp1 for InputDropout {
    fn name(&self) -> &'static str {
        "input-dropout"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, mask) = (values(x, layout)?, self.mask);
        let mut y = vec![0.0; x.len()];
        // Compiled for each vector width and chosen at run time: a batch has more features than hidden units.
        pulp::Arch::new().dispatch(|| {
            for (unit, (y, x)) in y.iter_mut().zip(x).enumerate() {
                *y = x * mask.factor(unit);
            }
        });
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }
}

/// What stands for the features where layers are numbered.
const INPUT: u64 = u64::MAX - 1;

/// ReLU and the dropout after it, in one pass. A NaN stays a NaN, so that divergence shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Activation {
    mask: Mask,
}

impl Activation {
    /// Makes the activation after hidden layer `layer`.
    pub fn new(dropout: Dropout, layer: usize) -> Self {
        Self { mask: Mask::new(dropout, layer) }
    }
}

impl CustomOp1 for Activation {
    fn name(&self) -> &'static str {
        "relu-dropout"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(x, layout)?;
        let y = x.iter().enumerate().map(|(i, &x)| if x < 0.0 { 0.0 } else { x * self.mask.factor(i) });
        Ok((CpuStorage::F32(y.collect()), layout.shape().clone()))
    }

    fn bwd(&self, _x: &Tensor, y: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(gradient.contiguous()?.apply_op2_no_bwd(y, &ActivationGradient { scale: self.mask.scale })?))
    }
}

/// The gradient at the input: that at the output, times the scale where a unit let something through.
struct ActivationGradient {
    scale: f32,
}

impl CustomOp2 for ActivationGradient {
    fn name(&self) -> &'static str {
        "relu-dropout-gradient"
    }

    fn cpu_fwd(
        &self,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
        y: &CpuStorage,
        y_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (gradient, y) = (values(gradient, gradient_layout)?, values(y, y_layout)?);
        let x = gradient.iter().zip(y).map(|(g, &y)| if y > 0.0 { g * self.scale } else { 0.0 });
        Ok((CpuStorage::F32(x.collect()), gradient_layout.shape().clone()))
    }
}

/// The masks as a function of a key and a counter, so that nothing is kept between forward and backward.
#[derive(Debug, Clone, Copy)]
struct Mask {
    key: u64,
    /// Units whose 32 random bits lie below it are dropped.
    threshold: u32,
    scale: f32,
}

impl Mask {
    fn new(dropout: Dropout, layer: usize) -> Self {
        match dropout {
            Dropout::Off => Self { key: 0, threshold: 0, scale: 1.0 },
            Dropout::On { rate, seed, .. } => Self::of(rate, seed, layer as u64),
        }
    }

    fn of(rate: f32, seed: u64, layer: u64) -> Self {
        Self {
            key: mix(seed ^ mix(layer + 1)),
            threshold: (f64::from(rate) * 2f64.powi(32)) as u32,
            scale: 1.0 / (1.0 - rate),
        }
    }

    #[inline(always)]
    fn factor(&self, unit: usize) -> f32 {
        if self.threshold == 0 {
            return 1.0;
        }
        let bits = (mix(self.key.wrapping_add((unit as u64).wrapping_mul(GOLDEN))) >> 32) as u32;
        if bits < self.threshold { 0.0 } else { self.scale }
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64 (Steele, Lea and Flood 2014).
#[inline(always)]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(rate: f32, seed: u64, layer: usize) -> Vec<f32> {
        let mask = Mask::new(Dropout::On { rate, input_rate: 0.0, seed }, layer);
        (0..100_000).map(|unit| mask.factor(unit)).collect()
    }

    #[test]
    fn a_mask_drops_its_share_and_keeps_the_mean() {
        for rate in [0.1f32, 0.5, 0.9] {
            let factors = factors(rate, 3, 0);
            let dropped = factors.iter().filter(|f| **f == 0.0).count() as f32 / factors.len() as f32;
            assert!((dropped - rate).abs() < 0.01, "{dropped} of {rate}");
            let mean = factors.iter().sum::<f32>() / factors.len() as f32;
            assert!((mean - 1.0).abs() < 0.05, "{mean}");
        }
    }

    #[test]
    fn masks_differ_by_seed_and_layer_and_by_nothing_else() {
        assert_eq!(factors(0.3, 1, 0), factors(0.3, 1, 0));
        assert_ne!(factors(0.3, 1, 0), factors(0.3, 2, 0));
        assert_ne!(factors(0.3, 1, 0), factors(0.3, 1, 1));
    }

    #[test]
    fn without_dropout_nothing_is_scaled() {
        let mask = Mask::new(Dropout::Off, 0);
        assert!((0..100).all(|unit| mask.factor(unit) == 1.0));
    }
}
