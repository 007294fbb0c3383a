use std::collections::BTreeMap;

use howdah_executor::learn::{Summary, SummaryError};
use howdah_proto::{
    Epoch,
    event::{EpochReport, Metrics},
    pb,
};

use crate::{
    scheduler::Millis,
    snapshot::{Evaluated, Progress, TrainSums},
};

/// What the tasks of the epochs have reported so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Epochs {
    running: BTreeMap<Epoch, Running>,
    finished: Vec<EpochReport>,
    /// What the evaluations gave of epochs that may be chosen.
    evaluations: BTreeMap<Epoch, Evaluated>,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Running {
    started: Millis,
    trained_at: Option<Millis>,
    evaluated: bool,
    samples: u64,
    loss_sum: f64,
    correct: u64,
    test: Option<Summary>,
    validation: Option<Summary>,
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

    pub(super) fn add_evaluated(&mut self, epoch: Epoch, summary: Summary) -> Result<(), SummaryError> {
        self.running.get_mut(&epoch).map_or(Ok(()), |running| add(&mut running.test, summary))
    }

    pub(super) fn add_validated(&mut self, epoch: Epoch, summary: Summary) -> Result<(), SummaryError> {
        self.running.get_mut(&epoch).map_or(Ok(()), |running| add(&mut running.validation, summary))
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
        // A snapshot may have the last steps of all tasks and not what they reported: nobody reports it again.
        let mean = |sum: f64| (running.samples > 0).then(|| sum / running.samples as f64);
        let metrics = |summary: &Option<Summary>| summary.as_ref().and_then(Summary::metrics);
        let evaluated = Evaluated { test: metrics(&running.test), validation: metrics(&running.validation) };
        let loss = |metrics: &Option<Metrics>| metrics.as_ref().map(|metrics| metrics.loss);
        let accuracy = |metrics: &Option<Metrics>| metrics.as_ref().map(|metrics| metrics.accuracy);
        let report = EpochReport {
            epoch,
            train_loss: mean(running.loss_sum),
            train_accuracy: mean(running.correct as f64),
            test_loss: loss(&evaluated.test),
            test_accuracy: accuracy(&evaluated.test),
            validation_loss: loss(&evaluated.validation),
            validation_accuracy: accuracy(&evaluated.validation),
            images_per_second: pictures as f64 / seconds,
            seconds,
        };
        self.evaluations.insert(epoch, evaluated);
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
            (running.evaluated, running.test, running.validation) = (false, None, None);
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
            evaluated: self.finished.last().map(|last| self.evaluation(last.epoch)).unwrap_or_default(),
            running: self.running.iter().map(sums).collect(),
        }
    }

    /// Goes back to what a snapshot kept: what was reported since stays, as it will be the same again.
    pub(super) fn go_back(&mut self, progress: &Progress, now: Millis) {
        if self.finished.len() < progress.finished.len() {
            self.finished.clone_from(&progress.finished);
            let last = progress.finished.last().map(|last| last.epoch);
            self.evaluations = last.map(|last| (last, progress.evaluated.clone())).into_iter().collect();
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

    /// Gives up evaluating an epoch, whose weights are gone.
    pub(super) fn cannot_evaluate(&mut self, epoch: Epoch) {
        if let Some(running) = self.running.get_mut(&epoch) {
            (running.evaluated, running.test, running.validation) = (true, None, None);
        }
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

    /// Forgets what the evaluations gave of epochs that are not wanted.
    pub(super) fn keep_evaluations(&mut self, is_wanted: impl Fn(&[EpochReport], Epoch) -> bool) {
        let Self { finished, evaluations, .. } = self;
        evaluations.retain(|epoch, _| is_wanted(finished, *epoch));
    }

    /// What the evaluation of an epoch gave.
    pub(super) fn evaluation(&self, epoch: Epoch) -> Evaluated {
        self.evaluations.get(&epoch).cloned().unwrap_or_default()
    }
}

fn add(sum: &mut Option<Summary>, summary: Summary) -> Result<(), SummaryError> {
    match sum {
        Some(sum) => sum.merge(&summary),
        None => {
            *sum = Some(summary);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::fixture::summary;

    #[test]
    fn an_epoch_adds_up_what_its_tasks_report() {
        let mut epochs = Epochs::default();
        let epoch = Epoch(1);
        epochs.start(epoch, Millis(1_000));
        for _ in 0..2 {
            let trained = pb::EpochTrained { samples: 50, loss_sum: 25.0, correct: 40, ..Default::default() };
            epochs.add_trained(epoch, &trained);
            epochs.add_evaluated(epoch, summary([[4, 1], [2, 3]], 0.25)).unwrap();
        }
        epochs.trained(epoch, Millis(3_000));
        assert_eq!(epochs.finish_next(100), None);
        epochs.evaluated(epoch);
        let report = epochs.finish_next(100).unwrap();
        assert_eq!((report.train_loss, report.train_accuracy), (Some(0.5), Some(0.8)));
        assert_eq!(report.test_accuracy, Some(0.7));
        let loss = -(0.7 * 0.75f64.ln() + 0.3 * 0.25f64.ln());
        assert!((report.test_loss.unwrap() - loss).abs() < 1e-12);
        assert_eq!((report.images_per_second, report.seconds), (50.0, 2.0));
        assert_eq!(epochs.evaluation(epoch).test.unwrap().confusion, [[8, 2], [4, 6]]);
    }

    #[test]
    fn an_epoch_without_held_out_pictures_reports_none() {
        let mut epochs = Epochs::default();
        epochs.start(Epoch(1), Millis(0));
        epochs.trained(Epoch(1), Millis(0));
        epochs.evaluated(Epoch(1));
        let report = epochs.finish_next(0).unwrap();
        assert_eq!((report.test_loss, report.test_accuracy), (None, None));
        assert_eq!(epochs.evaluation(Epoch(1)), Evaluated::default());
    }

    #[test]
    fn an_epoch_of_which_no_task_has_reported_has_no_loss() {
        let mut epochs = Epochs::default();
        epochs.start(Epoch(1), Millis(0));
        let progress = epochs.progress();
        epochs.go_back(&progress, Millis(0));
        epochs.trained(Epoch(1), Millis(0));
        epochs.evaluated(Epoch(1));
        let report = epochs.finish_next(10).unwrap();
        assert_eq!((report.train_loss, report.train_accuracy), (None, None));
    }
}
