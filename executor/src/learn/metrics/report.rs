use howdah_proto::event::{CalibrationBin, ClassIntervals, ClassMetrics, Interval, Intervals, Metrics, TopK};

use super::{Summary, calibration::Bin, interval};

/// How many classes are looked at, at most, in top-k accuracies.
const MOST_K: usize = 10;

impl Summary {
    /// The metrics of the evaluation; none if there are no samples.
    pub fn metrics(&self) -> Option<Metrics> {
        let pictures = self.samples();
        let (accuracy, loss) = (share(self.top(1), pictures)?, self.loss()?);
        let classes = self.class_metrics();
        let with_pictures: Vec<&ClassMetrics> = classes.iter().filter(|class| class.pictures > 0).collect();
        let mean = |value: fn(&ClassMetrics) -> Option<f64>| {
            let sum: f64 = with_pictures.iter().map(|class| value(class).unwrap_or(0.0)).sum();
            sum / with_pictures.len() as f64
        };
        let recalls: Vec<(f64, Interval)> =
            with_pictures.iter().filter_map(|class| Some((class.recall?, class.intervals.recall?))).collect();
        let areas: Vec<f64> = classes.iter().filter_map(|class| class.roc_auc).collect();
        Some(Metrics {
            pictures,
            accuracy,
            balanced_accuracy: mean(|class| class.recall),
            precision: mean(|class| class.precision),
            f1: mean(|class| class.f1),
            roc_auc: (!areas.is_empty()).then(|| areas.iter().sum::<f64>() / areas.len() as f64),
            loss,
            calibration_error: self.calibration.error().unwrap_or_default(),
            top_k: (2..self.classes().min(MOST_K + 1)).filter_map(|k| self.top_k(k)).collect(),
            intervals: Intervals {
                accuracy: interval::wilson(self.top(1), pictures),
                balanced_accuracy: interval::mean_of_shares(&recalls),
                roc_auc: classes.first().filter(|_| classes.len() == 2).and_then(|c| c.intervals.roc_auc),
                loss: interval::mean(self.loss.value(), self.squared_loss.value(), pictures),
            },
            classes,
            calibration: self.calibration.bins().iter().map(bin).collect(),
            confusion: self.confusion.rows().to_vec(),
            score_bits_dropped: self.scores.bits_dropped(),
        })
    }

    /// How often the class of a picture was among the `k` most probable ones; none if there are no samples.
    pub fn top_k(&self, k: usize) -> Option<TopK> {
        let (hits, pictures) = (self.top(k), self.samples());
        let interval = interval::wilson(hits, pictures)?;
        Some(TopK { k: k as u32, accuracy: share(hits, pictures)?, interval })
    }

    fn class_metrics(&self) -> Vec<ClassMetrics> {
        let (areas, totals) = (self.scores.areas(), self.scores.totals());
        let rows = self.confusion.rows();
        let of = |(class, row): (usize, &Vec<u64>)| {
            // The curve of two classes is one and the same, seen from both sides.
            let table = class.min(areas.len().saturating_sub(1));
            let roc_auc = areas.get(table).copied().flatten();
            let (positives, negatives) = totals.get(table).copied().unwrap_or_default();
            let hits = row.get(class).copied().unwrap_or_default();
            let pictures: u64 = row.iter().sum();
            let predicted: u64 = rows.iter().filter_map(|row| row.get(class)).sum();
            ClassMetrics {
                pictures,
                predicted,
                recall: share(hits, pictures),
                precision: share(hits, predicted),
                f1: share(2 * hits, pictures + predicted),
                roc_auc,
                intervals: ClassIntervals {
                    recall: interval::wilson(hits, pictures),
                    precision: interval::wilson(hits, predicted),
                    f1: interval::f1(hits, pictures, predicted),
                    roc_auc: roc_auc.and_then(|area| interval::area(area, positives, negatives)),
                },
            }
        };
        rows.iter().enumerate().map(of).collect()
    }
}

fn bin(bin: &Bin) -> CalibrationBin {
    let mean = |sum: f64| (bin.samples > 0).then(|| sum / bin.samples as f64);
    CalibrationBin {
        pictures: bin.samples,
        confidence: mean(bin.confidence.value()),
        accuracy: mean(bin.correct as f64),
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The summary of samples by class and probabilities in 64ths.
    fn summary<const CLASSES: usize>(truths: &[u32], parts: &[[u8; CLASSES]]) -> Summary {
        let mut summary = Summary::new(CLASSES);
        for (truth, parts) in truths.iter().zip(parts) {
            let probabilities: Vec<f32> = parts.iter().map(|part| f32::from(*part) / 64.0).collect();
            summary.add(*truth, &probabilities).unwrap();
        }
        summary
    }

    fn assert_near(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-9, "{got} instead of {expected}");
    }

    fn assert_between(got: Option<Interval>, low: f64, high: f64) {
        let got = got.unwrap();
        assert_near(got.low, low);
        assert_near(got.high, high);
    }

    // Where no other source is named, expected values are those of scikit-learn 1.9.1 (`accuracy_score`,
    // `balanced_accuracy_score`, `precision_recall_fscore_support` with zero_division=0, `roc_auc_score` with
    // multi_class="ovr", `log_loss`, `top_k_accuracy_score`). It has no intervals and no calibration error: those
    // were computed with NumPy and SciPy from the equations that the functions name.

    #[test]
    fn metrics_of_three_classes_are_those_of_scikit_learn() {
        let truths = [0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2];
        let parts = [
            [40, 16, 8],
            [10, 30, 24],
            [50, 4, 10],
            [33, 20, 11],
            [8, 48, 8],
            [12, 40, 12],
            [30, 26, 8],
            [20, 33, 11],
            [2, 60, 2],
            [6, 18, 40],
            [24, 12, 28],
            [36, 8, 20],
        ];
        let metrics = summary(&truths, &parts).metrics().unwrap();
        assert_eq!(metrics.confusion, [[3, 1, 0], [1, 4, 0], [1, 0, 2]]);
        assert_eq!((metrics.pictures, metrics.accuracy), (12, 0.75));
        assert_near(metrics.balanced_accuracy, 0.738_888_888_888_888_9);
        assert_near(metrics.precision, 0.8);
        assert_near(metrics.f1, 0.755_555_555_555_555_5);
        assert_near(metrics.roc_auc.unwrap(), 0.915_630_511_463_844_8);
        assert_near(metrics.loss, 0.673_396_376_811_536_1);
        assert_near(metrics.calibration_error, 0.234_375);
        assert_eq!((metrics.top_k.len(), metrics.top_k[0].k), (1, 2));
        assert_near(metrics.top_k[0].accuracy, 11.0 / 12.0);
        assert_between(metrics.intervals.accuracy, 0.467_694_665_066_434_3, 0.911_058_331_605_945_2);
        assert_between(metrics.intervals.balanced_accuracy, 0.482_247_961_460_394, 0.864_721_604_604_606_5);
        assert_between(metrics.intervals.loss, 0.401_511_497_000_512, 0.945_281_256_622_560_1);
        assert_eq!(metrics.intervals.roc_auc, None);
        let [first, second, third] = metrics.classes.try_into().unwrap();
        assert_eq!(
            (first.pictures, first.predicted, first.recall, first.precision),
            (4, 5, Some(0.75), Some(0.6))
        );
        assert_near(first.f1.unwrap(), 2.0 / 3.0);
        for (class, area) in
            [(&first, 0.8125), (&second, 0.971_428_571_428_571_5), (&third, 0.962_962_962_962_963)]
        {
            assert_near(class.roc_auc.unwrap(), area);
        }
        assert_between(first.intervals.precision, 0.230_724_281_276_012_8, 0.882_379_225_867_352);
        assert_between(first.intervals.recall, 0.300_641_842_582_401_8, 0.954_412_739_190_299_5);
        assert_between(first.intervals.f1, 0.315_954_412_984_293_8, 0.896_480_912_317_999_4);
        assert_between(second.intervals.roc_auc, 0.643_458_302_112_241_2, 0.998_142_511_625_405_5);
    }

    #[test]
    fn metrics_of_two_classes_are_those_of_scikit_learn() {
        let truths = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1];
        let parts = [60, 50, 40, 30, 44, 56, 10, 30, 40, 20].map(|first| [first, 64 - first]);
        let metrics = summary(&truths, &parts).metrics().unwrap();
        assert_eq!(metrics.confusion, [[5, 1], [1, 3]]);
        assert_near(metrics.balanced_accuracy, 0.791_666_666_666_666_7);
        assert_near(metrics.roc_auc.unwrap(), 0.916_666_666_666_666_6);
        assert_near(metrics.loss, 0.420_525_707_007_032_8);
        assert_near(metrics.calibration_error, 0.15);
        assert_between(metrics.intervals.balanced_accuracy, 0.491_916_067_015_274_6, 0.914_597_298_364_166_6);
        assert_between(metrics.intervals.roc_auc, 0.534_695_167_316_944_1, 0.989_077_367_575_692_5);
        assert_between(metrics.intervals.loss, 0.237_913_929_818_199_62, 0.603_137_484_195_866);
        assert_between(metrics.classes[0].intervals.f1, 0.528_258_668_177_219, 0.957_128_097_136_239_3);
        assert_eq!(metrics.classes[0].roc_auc, metrics.classes[1].roc_auc);
        assert!(metrics.top_k.is_empty(), "of two classes, the two most probable ones are all");
    }

    #[test]
    fn classes_without_pictures_or_predictions_have_no_share() {
        let metrics = summary(&[0, 0, 1], &[[64, 0, 0], [0, 0, 64], [40, 24, 0]]).metrics().unwrap();
        let shares = metrics.classes.iter().map(|class| (class.recall, class.precision, class.f1));
        let expected =
            [(Some(0.5), Some(0.5), Some(0.5)), (Some(0.0), None, Some(0.0)), (None, Some(0.0), Some(0.0))];
        assert_eq!(shares.collect::<Vec<_>>(), expected);
        // The third class has no pictures: it counts in no mean.
        assert_eq!((metrics.balanced_accuracy, metrics.precision, metrics.f1), (0.25, 0.25, 0.25));
        assert_eq!(metrics.classes[2].roc_auc, None);
        assert_eq!(Summary::new(3).metrics(), None);
    }
}
