use super::{
    descriptors::Descriptors,
    fitted::Fitted,
    mixture::{Mixture, Sharing, share_out},
    projection::{Projection, places},
};
use crate::rdd::PictureView;

/// Computes Fisher vectors, in buffers that stay.
#[derive(Debug, Clone)]
pub(super) struct Encoder {
    descriptors: Descriptors,
    projection: Projection,
    scorer: Vec<f32>,
    /// Of each component and value.
    moments: Vec<Moments>,
    /// Values of a row.
    values: usize,
    reduced: Vec<f32>,
    rows: Vec<f32>,
    shares: Vec<f32>,
    sums: Vec<f32>,
}

/// What the sums of a component are compared with, and what a deviation counts.
#[derive(Debug, Clone, Copy)]
struct Moments {
    mean: f32,
    variance: f32,
    /// One over deviation and root of the weight.
    mean_scale: f32,
    /// One over the root of twice the weight.
    deviation_scale: f32,
}

impl Encoder {
    pub(super) fn new(cell: u32, fitted: &Fitted) -> Self {
        let mixture = fitted.mixture();
        let values = mixture.values();
        let components = 2 * mixture.weights.len();
        let moments = (0..components).flat_map(|number| {
            let (moments, weight) = mixture.component(number);
            moments.map(move |(mean, variance)| Moments {
                mean,
                variance,
                mean_scale: 1.0 / (variance * weight).sqrt(),
                deviation_scale: 1.0 / (2.0 * weight).sqrt(),
            })
        });
        Self {
            descriptors: Descriptors::new(cell),
            projection: fitted.projection(),
            scorer: mixture.scorer(),
            moments: moments.collect(),
            values,
            reduced: Vec::new(),
            rows: Vec::new(),
            shares: Vec::new(),
            sums: vec![0.0; components * Mixture::row(values)],
        }
    }

    /// Writes the Fisher vector of a picture to `out`: [means or deviations, components, values].
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn encode(&mut self, picture: PictureView<'_>, out: &mut [f32]) -> Result<(), String> {
        let (across, down) = self.descriptors.compute(picture)?;
        let row = Mixture::row(self.values);
        let places = places(across, down);
        self.projection.rows(self.descriptors.values(), places, &mut self.reduced, &mut self.rows)?;
        share_out(&self.scorer, row, &self.rows, Sharing::Soft, &mut self.shares, &mut self.sums)?;
        let half = out.len() / 2;
        let (means, deviations) = out.split_at_mut(half);
        let targets = means.chunks_exact_mut(self.values).zip(deviations.chunks_exact_mut(self.values));
        let moments = self.moments.chunks_exact(self.values);
        let each = 1.0 / (across * down) as f32;
        for ((sums, moments), (means, deviations)) in self.sums.chunks_exact(row).zip(moments).zip(targets) {
            let count = sums[2 * self.values];
            for (place, moments) in moments.iter().enumerate() {
                let (first, second) = (sums[place], sums[self.values + place]);
                let Moments { mean, variance, mean_scale, deviation_scale } = *moments;
                means[place] = root((first - count * mean) * mean_scale * each);
                let spread = (second - 2.0 * first * mean + count * mean * mean) / variance - count;
                deviations[place] = root(spread * deviation_scale * each);
            }
        }
        Ok(())
    }
}

/// The square root of a number's size, with its sign.
fn root(value: f32) -> f32 {
    value.abs().sqrt().copysign(value)
}
