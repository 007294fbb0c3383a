use std::mem;

/// A separable Gaussian on bytes. Past the edge, the edge pixel goes on.
///
/// Written out because the libraries' own take several times as long for small pictures: each tap runs over a
/// whole row here, which the compiler turns into vector instructions.
#[derive(Debug, Clone, Default)]
pub(super) struct Gaussian {
    /// The weight of the middle, then of its neighbours outwards; both sides are alike.
    weights: Vec<f32>,
    padded: Vec<f32>,
    across: Vec<f32>,
    row: Vec<f32>,
}

impl Gaussian {
    /// Makes the filter of standard deviation `sigma` pixels, cut off at two sigmas.
    pub(super) fn new(sigma: f32) -> Self {
        let radius = (2.0 * sigma).ceil();
        let weights =
            (0..=radius as u32).map(|place| (-((place * place) as f32) / (2.0 * sigma * sigma)).exp());
        let mut weights: Vec<f32> = weights.collect();
        let total = weights.iter().sum::<f32>() * 2.0 - 1.0;
        weights.iter_mut().for_each(|weight| *weight /= total);
        Self { weights, ..Self::default() }
    }

    /// Blurs rows of `width * channels` bytes in place.
    pub(super) fn blur(&mut self, pixels: &mut [u8], width: usize, channels: usize) {
        let stride = width * channels;
        if pixels.is_empty() || stride == 0 {
            return;
        }
        let rows = pixels.len() / stride;
        self.across.resize(rows * stride, 0.0);
        self.row.resize(stride, 0.0);
        let mut across = mem::take(&mut self.across);
        for (from, to) in pixels.chunks_exact(stride).zip(across.chunks_exact_mut(stride)) {
            self.blur_row(from, to, channels);
        }
        for (y, to) in pixels.chunks_exact_mut(stride).enumerate() {
            let row = |y: usize| &across[y * stride..(y + 1) * stride];
            weigh(&mut self.row, row(y), self.weights[0]);
            for (reach, &weight) in self.weights.iter().enumerate().skip(1) {
                add(&mut self.row, row(y.saturating_sub(reach)), row((y + reach).min(rows - 1)), weight);
            }
            for (to, &sum) in to.iter_mut().zip(&self.row) {
                *to = (sum + 0.5) as u8;
            }
        }
        self.across = across;
    }

    fn blur_row(&mut self, from: &[u8], to: &mut [f32], channels: usize) {
        let radius = (self.weights.len() - 1) * channels;
        let stride = from.len();
        self.padded.resize(stride + 2 * radius, 0.0);
        for (place, padded) in self.padded[..radius].iter_mut().enumerate() {
            *padded = f32::from(from[place % channels]);
        }
        for (padded, &byte) in self.padded[radius..].iter_mut().zip(from) {
            *padded = f32::from(byte);
        }
        for (place, padded) in self.padded[radius + stride..].iter_mut().enumerate() {
            *padded = f32::from(from[stride - channels + place % channels]);
        }
        weigh(to, &self.padded[radius..radius + stride], self.weights[0]);
        for (reach, &weight) in self.weights.iter().enumerate().skip(1) {
            let reach = reach * channels;
            let left = &self.padded[radius - reach..radius - reach + stride];
            let right = &self.padded[radius + reach..radius + reach + stride];
            add(to, left, right, weight);
        }
    }
}

fn weigh(to: &mut [f32], from: &[f32], weight: f32) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = weight * from;
    }
}

fn add(to: &mut [f32], one: &[f32], other: &[f32], weight: f32) {
    for ((to, one), other) in to.iter_mut().zip(one).zip(other) {
        *to += weight * (one + other);
    }
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Luma, Rgb, RgbImage};
    use imageproc::filter::gaussian_blur_f32;

    use super::*;

    fn assert_close(ours: &[u8], theirs: &[u8]) {
        // The library cuts fractions off twice, once per direction; here they are rounded once.
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert!(ours.abs_diff(*theirs) <= 2, "{ours} here, {theirs} in imageproc");
        }
    }

    #[test]
    fn the_result_is_that_of_imageproc() {
        for sigma in [0.5, 1.0, 2.3] {
            let gray = GrayImage::from_fn(37, 21, |x, y| Luma([(x * 71 + y * 113 + x * y * 7) as u8]));
            let mut ours = gray.clone().into_raw();
            Gaussian::new(sigma).blur(&mut ours, 37, 1);
            assert_close(&ours, gaussian_blur_f32(&gray, sigma).as_raw());

            let colour =
                RgbImage::from_fn(13, 9, |x, y| Rgb([(x * 50) as u8, (y * 90) as u8, (x * y) as u8]));
            let mut ours = colour.clone().into_raw();
            Gaussian::new(sigma).blur(&mut ours, 13, 3);
            assert_close(&ours, gaussian_blur_f32(&colour, sigma).as_raw());
        }
    }

    #[test]
    fn a_picture_smaller_than_the_filter_is_blurred_too() {
        let mut pixels = [90];
        Gaussian::new(5.0).blur(&mut pixels, 1, 1);
        assert_eq!(pixels, [90]);
    }
}
