use super::Objective;

/// What a batch came to.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BatchReport {
    /// The losses of the samples, summed.
    pub loss_sum: f64,
    /// The samples that were classified right.
    pub correct: u64,
}

/// A gradient below it moves no weight, and its products would be denormal numbers, which are slow.
const TINY: f64 = 1e-20;

/// Computes the cross-entropy of logits [rows, outputs] against `labels`, and the gradient of its mean.
///
/// One output is the logit z of class 1, with loss max(z, 0) - z y + ln(1 + e^-|z|); more outputs are one logit
/// per class, with softmax. Neither form overflows. The objective smooths the targets and weighs the samples.
/// The labels must be classes of the network.
pub(super) fn cross_entropy(
    logits: &[f32],
    labels: &[u32],
    outputs: usize,
    objective: &Objective,
) -> (BatchReport, Vec<f32>) {
    let mean = 1.0 / labels.len().max(1) as f64;
    let (own, other) = objective.targets(outputs.max(2));
    let mut report = BatchReport::default();
    let mut gradient = Vec::with_capacity(logits.len());
    for (row, &label) in logits.chunks_exact(outputs).zip(labels) {
        let weight = objective.weight(label);
        let target = |class: u32| if class == label { own } else { other };
        report.loss_sum += weight * loss(row, target);
        report.correct += u64::from(predicted(row) == label);
        gradient.extend(probabilities(row).iter().zip(first_class(outputs)..).map(|(p, class)| {
            let slope = mean * weight * (p - target(class));
            if slope.abs() < TINY { 0.0 } else { slope as f32 }
        }));
    }
    (report, gradient)
}

/// The class that logits name: 1 if a single one is above 0, else the largest, the first of equals.
pub(super) fn predicted(row: &[f32]) -> u32 {
    if let [logit] = row {
        return u32::from(*logit > 0.0);
    }
    let better = |best: usize, class: usize| if row[class] > row[best] { class } else { best };
    (0..row.len()).fold(0, better) as u32
}

/// The probability of every class, [1 - p, p] for a single logit.
pub(super) fn class_probabilities(row: &[f32]) -> Vec<f32> {
    let probabilities = probabilities(row);
    match probabilities.as_slice() {
        [p] => vec![(1.0 - p) as f32, *p as f32],
        all => all.iter().map(|p| *p as f32).collect(),
    }
}

/// The class of the first output: a single logit speaks of class 1.
fn first_class(outputs: usize) -> u32 {
    u32::from(outputs == 1)
}

/// The cross-entropy of a row against the targets of its classes, which add up to 1.
fn loss(row: &[f32], target: impl Fn(u32) -> f64) -> f64 {
    if let [logit] = row {
        let z = f64::from(*logit);
        return z.max(0.0) - z * target(1) + (-z.abs()).exp().ln_1p();
    }
    let largest = largest(row);
    let sum: f64 = row.iter().map(|z| (f64::from(*z) - largest).exp()).sum();
    let aimed = |(class, z): (u32, &f32)| match target(class) {
        0.0 => 0.0,
        share => share * (f64::from(*z) - largest),
    };
    sum.ln() - (0..).zip(row).map(aimed).sum::<f64>()
}

fn probabilities(row: &[f32]) -> Vec<f64> {
    if let [logit] = row {
        return vec![1.0 / (1.0 + (-f64::from(*logit)).exp())];
    }
    let largest = largest(row);
    let shares: Vec<f64> = row.iter().map(|z| (f64::from(*z) - largest).exp()).collect();
    let sum: f64 = shares.iter().sum();
    shares.iter().map(|share| share / sum).collect()
}

fn largest(row: &[f32]) -> f64 {
    row.iter().fold(f64::NEG_INFINITY, |largest, z| largest.max(f64::from(*z)))
}

#[cfg(test)]
mod tests {
    use super::{cross_entropy as full, *};

    fn cross_entropy(logits: &[f32], labels: &[u32], outputs: usize) -> (BatchReport, Vec<f32>) {
        full(logits, labels, outputs, &Objective::PLAIN)
    }

    #[test]
    fn the_loss_of_an_undecided_network_is_the_logarithm_of_the_classes() {
        let (report, _) = cross_entropy(&[0.0, 0.0], &[0, 1], 1);
        assert!((report.loss_sum - 2.0 * 2f64.ln()).abs() < 1e-12);
        let (report, _) = cross_entropy(&[5.0; 4], &[3], 4);
        assert!((report.loss_sum - 4f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn huge_logits_overflow_nothing() {
        for (logits, outputs) in [(vec![1e38f32, -1e38], 1), (vec![3e38f32, -3e38, 0.0, 1.0], 2)] {
            let (report, gradient) = cross_entropy(&logits, &[0, 1], outputs);
            assert!(report.loss_sum.is_finite() && gradient.iter().all(|g| g.is_finite()));
        }
    }

    #[test]
    fn smoothed_targets_are_a_mixture_of_the_class_and_all_classes() {
        let smooth = Objective { label_smoothing: 0.2, ..Objective::PLAIN };
        for (row, outputs) in [(vec![0.7f32], 1), (vec![0.3, -1.2, 2.0], 3)] {
            let losses = |label: u32| cross_entropy(&row, &[label], outputs).0.loss_sum;
            let classes = outputs.max(2) as u32;
            let all = (0..classes).map(losses).sum::<f64>() / f64::from(classes);
            let (report, _) = full(&row, &[1], outputs, &smooth);
            assert!((report.loss_sum - (0.8 * losses(1) + 0.2 * all)).abs() < 1e-6);
        }
    }

    #[test]
    fn the_weight_of_its_class_scales_the_loss_and_the_slope_of_a_sample() {
        let weighed = Objective { class_weights: vec![0.5, 3.0], ..Objective::PLAIN };
        let (plain, slopes) = cross_entropy(&[0.4, -0.9], &[1, 0], 1);
        let (report, steeper) = full(&[0.4, -0.9], &[1, 0], 1, &weighed);
        assert_eq!((steeper[0], steeper[1]), (3.0 * slopes[0], 0.5 * slopes[1]));
        let alone = |logit: f32, label| cross_entropy(&[logit], &[label], 1).0.loss_sum;
        assert!((report.loss_sum - 3.0 * alone(0.4, 1) - 0.5 * alone(-0.9, 0)).abs() < 1e-9);
        assert_eq!(report.correct, plain.correct);
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_mean_loss() {
        let objectives = [
            Objective::PLAIN,
            Objective { label_smoothing: 0.1, class_weights: vec![0.5, 2.0, 1.0], ..Objective::PLAIN },
        ];
        objectives.iter().for_each(check_slopes);
    }

    fn check_slopes(objective: &Objective) {
        for (logits, labels, outputs) in [
            (vec![0.3f32, -1.2, 2.0], vec![1, 0, 0], 1),
            (vec![0.3f32, -1.2, 2.0, 0.1, 0.2, -0.7], vec![2, 0], 3),
        ] {
            let (_, gradient) = full(&logits, &labels, outputs, objective);
            for at in 0..logits.len() {
                let moved = |by: f32| {
                    let mut logits = logits.clone();
                    logits[at] += by;
                    full(&logits, &labels, outputs, objective).0.loss_sum / labels.len() as f64
                };
                let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
                assert!((slope - f64::from(gradient[at])).abs() < 1e-4, "{slope} {}", gradient[at]);
            }
        }
    }

    #[test]
    fn predictions_and_probabilities_agree() {
        assert_eq!((predicted(&[0.0]), predicted(&[0.1])), (0, 1));
        assert_eq!(predicted(&[1.0, 3.0, 3.0]), 1);
        assert_eq!(class_probabilities(&[0.0]), [0.5, 0.5]);
        let three = class_probabilities(&[0.0, 0.0, f32::MAX]);
        assert_eq!(three, [0.0, 0.0, 1.0]);
    }
}
