use gemm::Parallelism;
use rayon::prelude::*;

use crate::learn::matmul::{Matrix, Target, multiply};

/// The least variance of a component.
const LEAST_VARIANCE: f32 = 0.01;

/// A mixture of Gaussians without covariances, each of which has a mirror image of half its weight.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mixture {
    /// Of each value 1 if mirroring keeps it, or -1 if it changes its sign.
    pub(super) signs: Vec<f32>,
    /// [components, values].
    pub(super) means: Vec<f32>,
    /// [components, values].
    pub(super) variances: Vec<f32>,
    /// The weight of each component and its mirror image together.
    pub(super) weights: Vec<f32>,
}

/// How rows share themselves out among the components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sharing {
    /// By the probability that they come from each: expectation maximisation.
    Soft,
    /// Each goes to the most probable: k-means.
    Hard,
}

impl Mixture {
    /// How many numbers a row has: its values, their squares, and 1.
    pub(super) fn row(values: usize) -> usize {
        2 * values + 1
    }

    /// Values of a row.
    pub(super) fn values(&self) -> usize {
        self.signs.len()
    }

    /// Components, mirror images not counted.
    fn half(&self) -> usize {
        self.weights.len()
    }

    /// A component's mean, variances and weight; the second half are the mirror images of the first.
    pub(super) fn component(&self, number: usize) -> (impl Iterator<Item = (f32, f32)> + '_, f32) {
        let (half, values) = (self.half(), self.values());
        let own = number % half * values..(number % half + 1) * values;
        let parts = self.means[own.clone()].iter().zip(&self.variances[own]).zip(&self.signs);
        let mirrored = number >= half;
        let moments = parts
            .map(move |((&mean, &variance), &sign)| (if mirrored { sign * mean } else { mean }, variance));
        (moments, self.weights[number % half] / 2.0)
    }

    /// What turns a row into the logarithms of its likelihoods: [2 x components, numbers of a row].
    pub(super) fn scorer(&self) -> Vec<f32> {
        let values = self.values();
        let mut scorer = vec![0.0; 2 * self.half() * Self::row(values)];
        for (number, target) in scorer.chunks_exact_mut(Self::row(values)).enumerate() {
            let (moments, weight) = self.component(number);
            let mut constant = f64::from(weight.max(f32::MIN_POSITIVE)).ln();
            for (place, (mean, variance)) in moments.enumerate() {
                target[place] = mean / variance;
                target[values + place] = -0.5 / variance;
                let (mean, variance) = (f64::from(mean), f64::from(variance));
                constant -= 0.5 * (variance.ln() + mean * mean / variance);
            }
            target[2 * values] = constant as f32;
        }
        scorer
    }

    /// One round of fitting to rows: k-means with hard sharing, which leaves variances and weights for later rounds. Batches
    /// are shared by all cores and added up in their order, so how many cores there are doesn't show.
    pub(super) fn improve(&mut self, rows: &[f32], sharing: Sharing) -> Result<(), String> {
        const BATCH: usize = 4_096;
        let (values, half) = (self.values(), self.half());
        let (scorer, row) = (self.scorer(), Self::row(values));
        let mut sums = vec![0.0f64; 2 * half * row];
        let batches = rows.par_chunks(BATCH * row).map_init(Vec::new, |shares, batch| {
            let mut part = vec![0.0; 2 * half * row];
            share_out(&scorer, row, batch, sharing, shares, &mut part).map(|()| part)
        });
        for part in batches.collect::<Result<Vec<_>, _>>()? {
            for (sum, part) in sums.iter_mut().zip(part) {
                *sum += f64::from(part);
            }
        }
        let total: f64 = (0..2 * half).map(|number| sums[number * row + 2 * values]).sum();
        for number in 0..half {
            let (own, image) =
                (&sums[number * row..(number + 1) * row], &sums[(half + number) * row..][..row]);
            let count = own[2 * values] + image[2 * values];
            // A component that nothing belongs to stays where it is.
            if count < 1e-3 {
                continue;
            }
            for place in 0..values {
                let at = number * values + place;
                let mean = (own[place] + f64::from(self.signs[place]) * image[place]) / count;
                self.means[at] = mean as f32;
                if sharing == Sharing::Soft {
                    let square = (own[values + place] + image[values + place]) / count;
                    self.variances[at] = ((square - mean * mean) as f32).max(LEAST_VARIANCE);
                }
            }
            if sharing == Sharing::Soft {
                self.weights[number] = (count / total) as f32;
            }
        }
        Ok(())
    }
}

/// Shares rows out among components, and sums each component's up: `shares` becomes [components, rows], with scratch of two
/// more lines behind, and `sums` [components, numbers of a row], each number times the row's share.
///
/// # Errors
/// What doesn't fit.
pub(super) fn share_out(
    scorer: &[f32],
    row: usize,
    rows: &[f32],
    sharing: Sharing,
    shares: &mut Vec<f32>,
    sums: &mut [f32],
) -> Result<(), String> {
    let wrong = |error: candle_core::Error| error.to_string();
    let (components, count) = (scorer.len() / row, rows.len() / row);
    shares.resize((components + 2) * count, 0.0);
    let (shares, scratch) = shares.split_at_mut(components * count);
    let rows = Matrix::row_major(rows, count, row).map_err(wrong)?;
    let scorer = Matrix::row_major(scorer, components, row).map_err(wrong)?;
    multiply(shares, Target::Overwrite, scorer, rows.transposed(), Parallelism::None).map_err(wrong)?;
    match sharing {
        Sharing::Soft => softmax(shares, scratch, count),
        Sharing::Hard => winner(shares, count),
    }
    let shares = Matrix::row_major(shares, components, count).map_err(wrong)?;
    multiply(sums, Target::Overwrite, shares, rows, Parallelism::None).map_err(wrong)
}

/// Turns logarithms of likelihoods, [components, rows], into probabilities; `scratch` has room for two lines.
fn softmax(scores: &mut [f32], scratch: &mut [f32], rows: usize) {
    let (most, total) = scratch.split_at_mut(rows);
    most.fill(f32::MIN);
    total.fill(0.0);
    pulp::Arch::new().dispatch(|| {
        for line in scores.chunks_exact(rows) {
            for (most, &score) in most.iter_mut().zip(line) {
                *most = if score > *most { score } else { *most };
            }
        }
        for line in scores.chunks_exact_mut(rows) {
            for ((score, &most), total) in line.iter_mut().zip(most.iter()).zip(total.iter_mut()) {
                *score = exp(*score - most);
                *total += *score;
            }
        }
        for total in total.iter_mut() {
            *total = 1.0 / *total;
        }
        for line in scores.chunks_exact_mut(rows) {
            for (score, scale) in line.iter_mut().zip(total.iter()) {
                *score *= scale;
            }
        }
    });
}

/// Turns scores, [components, rows], into 1 for the first component that has the highest, and 0 for the others.
fn winner(scores: &mut [f32], rows: usize) {
    for place in 0..rows {
        let column = scores.iter().skip(place).step_by(rows).enumerate();
        let best = column.fold(
            (0, f32::MIN),
            |best, (number, &score)| {
                if score > best.1 { (number, score) } else { best }
            },
        );
        for (number, score) in scores.iter_mut().skip(place).step_by(rows).enumerate() {
            *score = if number == best.0 { 1.0 } else { 0.0 };
        }
    }
}

/// The exponential of a number that is not positive, to 2e-7 of itself; written out so that the compiler turns it into vector
/// instructions (the polynomial is that of Cephes' `expf`).
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// Adding it leaves no fraction.
    const ROUND: f32 = 12_582_912.0;
    let x = if x < -87.0 { -87.0 } else { x };
    let twos = x * std::f32::consts::LOG2_E + ROUND - ROUND;
    let rest = x - twos * 0.693_359_4 + twos * 2.121_944_4e-4;
    let series = 1.987_569_1e-4;
    let series = series * rest + 1.398_2e-3;
    let series = series * rest + 8.333_452e-3;
    let series = series * rest + 4.166_579_6e-2;
    let series = series * rest + 1.666_666_5e-1;
    let series = series * rest + 0.5;
    let series = series * rest * rest + rest + 1.0;
    series * f32::from_bits(((twos as i32 + 127) as u32) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::chance::Chance;

    #[test]
    fn the_exponential_is_right_to_a_few_bits() {
        for step in 0..87_000 {
            let x = -(step as f32) / 1_000.0;
            let (ours, theirs) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((ours / theirs - 1.0).abs() < 4e-7, "{x}: {ours} instead of {theirs}");
        }
        assert!(exp(-1e30) < 1e-37 && exp(f32::NEG_INFINITY) < 1e-37);
    }

    fn rows(values: &[[f32; 2]]) -> Vec<f32> {
        values.iter().flat_map(|&[a, b]| [a, b, a * a, b * b, 1.0]).collect()
    }

    /// Around (3, 1) with deviations of 0.5 and 0.25, around (1.5, -2) with 0.3 and 0.5, and around their mirror images.
    fn clusters(count: usize) -> Vec<f32> {
        let mut chance = Chance::new(&[8]);
        // The sum of twelve even draws is nearly Gaussian.
        let mut normal = move || (0..12).map(|_| chance.between(-0.5, 0.5)).sum::<f32>();
        let points: Vec<[f32; 2]> = (0..count)
            .map(|number| match number % 4 {
                0 => [3.0 + 0.5 * normal(), 1.0 + 0.25 * normal()],
                1 => [-3.0 + 0.5 * normal(), 1.0 + 0.25 * normal()],
                2 => [1.5 + 0.3 * normal(), -2.0 + 0.5 * normal()],
                _ => [-1.5 + 0.3 * normal(), -2.0 + 0.5 * normal()],
            })
            .collect();
        rows(&points)
    }

    fn close(values: &[f32], expected: &[f32], by: f32) {
        assert!(values.iter().zip(expected).all(|(a, b)| (a - b).abs() < by), "{values:?} {expected:?}");
    }

    #[test]
    fn the_clusters_of_which_points_were_drawn_are_found() {
        let mut mixture = Mixture {
            signs: vec![-1.0, 1.0],
            means: vec![1.0, 0.5, 0.5, -1.0],
            variances: vec![1.0; 4],
            weights: vec![0.5; 2],
        };
        let rows = clusters(8_000);
        for _ in 0..5 {
            mixture.improve(&rows, Sharing::Hard).unwrap();
        }
        for _ in 0..30 {
            mixture.improve(&rows, Sharing::Soft).unwrap();
        }
        close(&mixture.means, &[3.0, 1.0, 1.5, -2.0], 0.05);
        close(&mixture.variances, &[0.25, 0.0625, 0.09, 0.25], 0.02);
        close(&mixture.weights, &[0.5, 0.5], 0.02);
    }

    #[test]
    fn shares_are_posterior_probabilities() {
        let mixture = Mixture {
            signs: vec![-1.0, 1.0],
            means: vec![1.0, 0.5, 0.1, -1.0],
            variances: vec![1.0, 2.0, 0.5, 1.0],
            weights: vec![0.25, 0.75],
        };
        let points = [[0.3f32, -0.2], [5.0, 1.0], [-40.0, 3.0]];
        let (mut shares, mut sums) = (Vec::new(), vec![0.0; 4 * 5]);
        share_out(&mixture.scorer(), 5, &rows(&points), Sharing::Soft, &mut shares, &mut sums).unwrap();
        for (place, point) in points.iter().enumerate() {
            let likelihoods: Vec<f64> = (0..4)
                .map(|number| {
                    let (moments, weight) = mixture.component(number);
                    let log: f64 = moments
                        .zip(point)
                        .map(|((mean, variance), x)| {
                            let (mean, variance) = (f64::from(mean), f64::from(variance));
                            -0.5 * (variance.ln() + (f64::from(*x) - mean).powi(2) / variance)
                        })
                        .sum();
                    f64::from(weight).ln() + log
                })
                .collect();
            let most = likelihoods.iter().copied().fold(f64::MIN, f64::max);
            let total: f64 = likelihoods.iter().map(|log| (log - most).exp()).sum();
            for (number, log) in likelihoods.iter().enumerate() {
                let expected = (log - most).exp() / total;
                let got = f64::from(shares[number * 3 + place]);
                assert!((got - expected).abs() < 1e-4, "{got} {expected}");
            }
        }
        for number in 0..4 {
            let own: f32 = (0..3).map(|place| shares[number * 3 + place] * points[place][0]).sum();
            close(
                &[sums[number * 5], sums[number * 5 + 4]],
                &[own, shares[number * 3..][..3].iter().sum()],
                1e-4,
            );
        }
    }

    #[test]
    fn a_component_without_points_stays_where_it_is() {
        let start = Mixture {
            signs: vec![1.0, 1.0],
            means: vec![0.0, 0.0, 900.0, 900.0],
            variances: vec![1.0; 4],
            weights: vec![0.5; 2],
        };
        let mut mixture = start.clone();
        mixture.improve(&rows(&[[0.5, 0.5], [-0.5, 0.5]]), Sharing::Soft).unwrap();
        assert_eq!(mixture.means[2..], start.means[2..]);
        assert!(mixture.variances.iter().all(|variance| *variance > 0.0));
    }
}
