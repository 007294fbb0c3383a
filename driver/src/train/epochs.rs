use std::collections::BTreeMap;

use howdah_proto::{Epoch, event::EpochReport, pb};

use crate::{
    scheduler::Millis,
    snapshot::{Progress, TrainSums},
};

/// What the tasks of the epochs have reported so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Epochs {
    running: BTreeMap<Epoch, Running>,
    finished: Vec<EpochReport>,
    /// The confusion matrices of epochs that may be chosen.
    confusions: BTreeMap<Epoch, Vec<u64>>,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Running {
    started: Millis,
    trained_at: Option<Millis>,
    evaluated: bool,
    samples: u64,
    loss_sum: f64,
    correct: u64,
    test_loss_sum: f64,
    confusion: Vec<u64>,
    validation_loss_sum: f64,
    validation_confusion: Vec<u64>,
}

impl Epochs {
    pub(super) fn start(&mut self, epoch: Epoch, now: Millis) {
        if !self.is_reported(epoch) {
            self.running.entry(epoch).or_insert_with(|| Running { started: now, ..Running::default() });
        }
    }

    pub(super) fn add_trained(&mut self, epoch: Epoch, result: &pb::EpochTrained) {
        let Some(running) = self.running.get_mut(&epoch) else { return };
        running.samples = running.samples.saturating_add(result.samples);
        running.loss_sum += result.loss_sum;
        running.correct = running.correct.saturating_add(result.correct);
    }

    pub(super) fn add_evaluated(&mut self, epoch: Epoch, result: &pb::BlockEvaluated) {
        let Some(running) = self.running.get_mut(&epoch) else { return };
        running.test_loss_sum += result.loss_sum;
        add(&mut running.confusion, &result.confusion);
    }

    pub(super) fn add_validated(&mut self, epoch: Epoch, result: &pb::BlockEvaluated) {
        let Some(running) = self.running.get_mut(&epoch) else { return };
        running.validation_loss_sum += result.loss_sum;
        add(&mut running.validation_confusion, &result.confusion);
    }

    pub(super) fn trained(&mut self, epoch: Epoch, now: Millis) {
        if let Some(running) = self.running.get_mut(&epoch) {
            running.trained_at = Some(now);
        }
    }

    pub(super) fn evaluated(&mut self, epoch: Epoch) {
        if let Some(running) = self.running.get_mut(&epoch) {
            running.evaluated = true;
        }
    }

    /// Closes the first epoch that is not closed, if it has been trained on `pictures` and evaluated.
    pub(super) fn finish_next(&mut self, pictures: u64) -> Option<EpochReport> {
        let first = self.running.first_entry().filter(|first| first.get().evaluated)?;
        let trained_at = first.get().trained_at?;
        let (epoch, running) = first.remove_entry();
        let ms = trained_at.0.saturating_sub(running.started.0).max(1);
        let seconds = ms as f64 / 1e3;
        let count = |confusion: &[u64]| confusion.iter().sum::<u64>();
        let (tested, validated) = (count(&running.confusion), count(&running.validation_confusion));
        let ratio = |part: f64, whole: u64| if whole == 0 { 0.0 } else { part / whole as f64 };
        let mean = |sum: f64, whole: u64| (whole > 0).then(|| ratio(sum, whole));
        let report = EpochReport {
            epoch,
            train_loss: ratio(running.loss_sum, running.samples),
            train_accuracy: ratio(running.correct as f64, running.samples),
            test_loss: mean(running.test_loss_sum, tested),
            test_accuracy: mean(diagonal(&running.confusion) as f64, tested),
            validation_loss: mean(running.validation_loss_sum, validated),
            validation_accuracy: mean(diagonal(&running.validation_confusion) as f64, validated),
            images_per_second: pictures as f64 / seconds,
            seconds,
        };
        if tested > 0 {
            self.confusions.insert(epoch, running.confusion);
        }
        self.finished.push(report.clone());
        Some(report)
    }

    /// Whether an epoch is reported.
    pub(super) fn is_reported(&self, epoch: Epoch) -> bool {
        self.finished.last().is_some_and(|last| last.epoch >= epoch)
    }

    /// Forgets what the evaluation of an epoch gave, because it is evaluated again.
    pub(super) fn evaluate_again(&mut self, epoch: Epoch) {
        if let Some(running) = self.running.get_mut(&epoch) {
            (running.evaluated, running.test_loss_sum, running.validation_loss_sum) = (false, 0.0, 0.0);
            running.confusion.clear();
            running.validation_confusion.clear();
        }
    }

    /// What a snapshot keeps of the epochs.
    pub(super) fn progress(&self) -> Progress {
        let sums = |(epoch, running): (&Epoch, &Running)| TrainSums {
            epoch: *epoch,
            samples: running.samples,
            loss_sum: running.loss_sum,
            correct: running.correct,
        };
        Progress {
            finished: self.finished.clone(),
            confusion: self.finished.last().and_then(|last| self.confusions.get(&last.epoch)).cloned(),
            running: self.running.iter().map(sums).collect(),
        }
    }

    /// Goes back to what a snapshot kept: what was reported since stays, as it will be the same again.
    pub(super) fn go_back(&mut self, progress: &Progress, now: Millis) {
        if self.finished.len() < progress.finished.len() {
            self.finished.clone_from(&progress.finished);
            let last = progress.finished.last().map(|last| last.epoch);
            self.confusions = last.zip(progress.confusion.clone()).into_iter().collect();
        }
        let started = |epoch| self.running.get(&epoch).map_or(now, |running: &Running| running.started);
        let restored = progress.running.iter().map(|sums| {
            let running = Running {
                started: started(sums.epoch),
                samples: sums.samples,
                loss_sum: sums.loss_sum,
                correct: sums.correct,
                ..Running::default()
            };
            (sums.epoch, running)
        });
        let restored: BTreeMap<Epoch, Running> = restored.collect();
        self.running = restored;
        let reported = self.finished.last().map_or(Epoch(0), |last| last.epoch);
        self.running.retain(|epoch, _| *epoch > reported);
    }

    /// Gives up evaluating the epochs before `epoch`: their weights are gone.
    pub(super) fn cannot_evaluate_before(&mut self, epoch: Epoch, now: Millis) {
        for (_, running) in self.running.range_mut(..epoch) {
            running.trained_at.get_or_insert(now);
            running.evaluated = true;
        }
    }

    pub(super) fn reports(&self) -> &[EpochReport] {
        &self.finished
    }

    /// Forgets the confusion matrices of epochs that are not wanted.
    pub(super) fn keep_confusions(&mut self, is_wanted: impl Fn(&[EpochReport], Epoch) -> bool) {
        let Self { finished, confusions, .. } = self;
        confusions.retain(|epoch, _| is_wanted(finished, *epoch));
    }

    /// The confusion matrix of an epoch that was evaluated, by rows of `classes`.
    pub(super) fn confusion(&self, epoch: Epoch, classes: usize) -> Option<Vec<Vec<u64>>> {
        let flat = self.confusions.get(&epoch)?;
        Some(flat.chunks(classes.max(1)).map(<[u64]>::to_vec).collect())
    }
}

fn add(sums: &mut Vec<u64>, counts: &[u64]) {
    sums.resize(sums.len().max(counts.len()), 0);
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum = sum.saturating_add(*count);
    }
}

/// The sum of the diagonal of a square matrix in rows.
fn diagonal(flat: &[u64]) -> u64 {
    let side = flat.len().isqrt();
    flat.iter().step_by(side + 1).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_adds_up_what_its_tasks_report() {
        let mut epochs = Epochs::default();
        let epoch = Epoch(1);
        epochs.start(epoch, Millis(1_000));
        for _ in 0..2 {
            let trained = pb::EpochTrained { samples: 50, loss_sum: 25.0, correct: 40, ..Default::default() };
            epochs.add_trained(epoch, &trained);
            epochs.add_evaluated(epoch, &pb::BlockEvaluated { loss_sum: 3.0, confusion: vec![4, 1, 2, 3] });
        }
        epochs.trained(epoch, Millis(3_000));
        assert_eq!(epochs.finish_next(100), None);
        epochs.evaluated(epoch);
        let report = epochs.finish_next(100).unwrap();
        assert_eq!((report.train_loss, report.train_accuracy), (0.5, 0.8));
        assert_eq!((report.test_loss, report.test_accuracy), (Some(0.3), Some(0.7)));
        assert_eq!((report.images_per_second, report.seconds), (50.0, 2.0));
        assert_eq!(epochs.confusion(epoch, 2), Some(vec![vec![8, 2], vec![4, 6]]));
    }

    #[test]
    fn an_epoch_without_held_out_pictures_reports_none() {
        let mut epochs = Epochs::default();
        epochs.start(Epoch(1), Millis(0));
        epochs.trained(Epoch(1), Millis(0));
        epochs.evaluated(Epoch(1));
        let report = epochs.finish_next(0).unwrap();
        assert_eq!(
            (report.test_loss, report.test_accuracy, epochs.confusion(Epoch(1), 2)),
            (None, None, None)
        );
    }
}
