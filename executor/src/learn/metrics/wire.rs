//! Summaries on the wire.

use howdah_proto::pb;

use super::{Bin, CALIBRATION_BINS, Calibration, Confusion, ExactSum, Score, Scores, Summary, SummaryError};

impl From<&Summary> for pb::EvaluationSummary {
    fn from(summary: &Summary) -> Self {
        let bin = |bin: &Bin| pb::CalibrationBin {
            samples: bin.samples,
            correct: bin.correct,
            confidence: Some(bin.confidence.into()),
        };
        let table = |scores: &Vec<Score>| pb::ScoreTable {
            keys: scores.iter().map(|score| score.key).collect(),
            positives: scores.iter().map(|score| score.positives).collect(),
            negatives: scores.iter().map(|score| score.negatives).collect(),
        };
        Self {
            confusion: summary.confusion.rows().concat(),
            ranks: summary.ranks.clone(),
            loss: Some(summary.loss.into()),
            squared_loss: Some(summary.squared_loss.into()),
            calibration: summary.calibration.bins().iter().map(bin).collect(),
            score_bits_dropped: summary.scores.bits_dropped(),
            scores: summary.scores.tables().iter().map(table).collect(),
        }
    }
}

impl Summary {
    /// Reads the summary of an evaluation of so many classes, and checks that its parts tell of the same samples.
    ///
    /// # Errors
    /// [`SummaryError::Contradiction`], [`SummaryError::Full`].
    pub fn from_wire(classes: usize, wire: &pb::EvaluationSummary) -> Result<Self, SummaryError> {
        if classes == 0 || Some(wire.confusion.len()) != classes.checked_mul(classes) {
            return Err(SummaryError::Contradiction("its confusion matrix is of other classes"));
        }
        let samples = total(&wire.confusion).filter(|samples| *samples <= u64::from(u32::MAX));
        let samples = samples.ok_or(SummaryError::Full)?;
        let confusion =
            Confusion::try_from(wire.confusion.chunks(classes).map(<[u64]>::to_vec).collect::<Vec<_>>())?;
        let correct: u64 = wire.confusion.iter().step_by(classes + 1).sum();
        let told = |right: bool, part| if right { Ok(()) } else { Err(SummaryError::Contradiction(part)) };
        told(
            wire.ranks.len() == classes && total(&wire.ranks) == Some(samples) && wire.ranks[0] == correct,
            "its ranks are not those of its samples",
        )?;
        let (loss, squared_loss) = (sum(wire.loss), sum(wire.squared_loss));
        let most = samples as f64 * ExactSum::LARGEST;
        told(loss.value() <= most && squared_loss.value() <= most, "its losses are too large")?;
        let calibration = calibration(&wire.calibration, samples, correct)
            .ok_or(SummaryError::Contradiction("its calibration is not that of its samples"))?;
        let scores = scores(classes, wire, &confusion, samples)
            .ok_or(SummaryError::Contradiction("its scores are not those of its samples"))?;
        Ok(Self { confusion, ranks: wire.ranks.clone(), loss, squared_loss, calibration, scores })
    }
}

impl From<ExactSum> for pb::ExactSum {
    fn from(sum: ExactSum) -> Self {
        Self { high: (sum.units() >> 64) as u64, low: sum.units() as u64 }
    }
}

fn sum(wire: Option<pb::ExactSum>) -> ExactSum {
    let pb::ExactSum { high, low } = wire.unwrap_or_default();
    ExactSum::from_units(u128::from(high) << 64 | u128::from(low))
}

/// The sum, if it isn't too large.
fn total(counts: &[u64]) -> Option<u64> {
    counts.iter().try_fold(0u64, |sum, count| sum.checked_add(*count))
}

fn calibration(bins: &[pb::CalibrationBin], samples: u64, correct: u64) -> Option<Calibration> {
    let of = |bin: &pb::CalibrationBin| Bin {
        samples: bin.samples,
        correct: bin.correct,
        confidence: sum(bin.confidence),
    };
    let bins: [Bin; CALIBRATION_BINS] = bins.iter().map(of).collect::<Vec<_>>().try_into().ok()?;
    let sum_of = |count: fn(&Bin) -> u64| total(&bins.iter().map(count).collect::<Vec<_>>());
    let plausible = |bin: &Bin| bin.correct <= bin.samples && bin.confidence.value() <= bin.samples as f64;
    let right = bins.iter().all(plausible)
        && sum_of(|bin| bin.samples) == Some(samples)
        && sum_of(|bin| bin.correct) == Some(correct);
    right.then(|| Calibration::of(bins))
}

fn scores(
    classes: usize,
    wire: &pb::EvaluationSummary,
    confusion: &Confusion,
    samples: u64,
) -> Option<Scores> {
    let tables = wire.scores.iter().map(|table| {
        let same = table.keys.len() == table.positives.len() && table.keys.len() == table.negatives.len();
        let counts = table.keys.iter().zip(&table.positives).zip(&table.negatives);
        let score = |((key, positives), negatives): ((&u32, &u32), &u32)| Score {
            key: *key,
            positives: *positives,
            negatives: *negatives,
        };
        same.then(|| counts.map(score).collect())
    });
    let scores = Scores::from_tables(classes, tables.collect::<Option<_>>()?, wire.score_bits_dropped)?;
    let of_class = confusion.rows().iter().map(|row| row.iter().sum::<u64>());
    let skipped = classes - scores.totals().len();
    let expected = of_class.skip(skipped).map(|positives| (positives, samples - positives));
    scores.totals().into_iter().eq(expected).then_some(scores)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn summary(classes: usize, samples: u16) -> Summary {
        let mut summary = Summary::new(classes);
        for sample in 0..samples {
            let shares = (0..classes as u16).map(|class| f32::from((sample * 7 + class * 5) % 11));
            let sum = shares.clone().sum::<f32>().max(1.0);
            let probabilities: Vec<f32> = shares.map(|share| share / sum).collect();
            summary.add(u32::from(sample) % classes as u32, &probabilities).unwrap();
        }
        summary
    }

    #[test]
    fn a_summary_survives_the_wire() {
        for (classes, samples) in [(2, 0), (1, 3), (2, 40), (5, 40)] {
            let summary = summary(classes, samples);
            let wire = pb::EvaluationSummary::from(&summary);
            assert_eq!(Summary::from_wire(classes, &wire), Ok(summary));
            assert!(Summary::from_wire(classes + 1, &wire).is_err());
        }
        assert!(Summary::from_wire(0, &pb::EvaluationSummary::default()).is_err());
    }

    #[test]
    fn a_summary_that_contradicts_itself_is_refused() {
        type Lie = fn(&mut pb::EvaluationSummary);
        let lies: [(Lie, &str); 9] = [
            (|wire| wire.confusion[1] = u64::MAX, "more than"),
            (|wire| wire.confusion[1] += 1, "ranks"),
            (|wire| wire.ranks.push(0), "ranks"),
            (|wire| (wire.ranks[0], wire.ranks[1]) = (wire.ranks[0] - 1, wire.ranks[1] + 1), "ranks"),
            (|wire| wire.loss = Some(pb::ExactSum { high: u64::MAX, low: 0 }), "losses"),
            (|wire| wire.calibration.truncate(14), "calibration"),
            (|wire| wire.calibration[0].samples = u64::MAX, "calibration"),
            (|wire| wire.scores[0].positives[0] += 1, "scores"),
            (|wire| wire.scores[0].keys.truncate(1), "scores"),
        ];
        for (lie, text) in lies {
            let mut wire = pb::EvaluationSummary::from(&summary(3, 30));
            lie(&mut wire);
            let error = Summary::from_wire(3, &wire).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_summary_from_the_wire_makes_anything_panic(
            confusion in prop::collection::vec(any::<u64>(), 0..5),
            ranks in prop::collection::vec(any::<u64>(), 0..3),
            keys in prop::collection::vec(any::<u32>(), 0..4),
            score_bits_dropped in any::<u32>(),
        ) {
            let counts = vec![1; keys.len()];
            let table = pb::ScoreTable { keys, positives: counts.clone(), negatives: counts };
            let wire = pb::EvaluationSummary {
                confusion, ranks, scores: vec![table], score_bits_dropped, ..Default::default()
            };
            if let Ok(summary) = Summary::from_wire(2, &wire) {
                summary.metrics();
            }
        }
    }
}
