use howdah_executor::{
    learn::{Summary, SummaryError},
    rdd::MAX_SUMMARY_BYTES,
};
use howdah_proto::{
    Partition,
    event::StageKind,
    pb::{self, attempt_succeeded::Result as TaskResult},
};

use super::TrainJob;

/// A task's result that can't be true.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Implausible {
    /// There is none, or it is that of another kind of task.
    #[error("the task on partition {0} gave no result of its kind")]
    Kind(Partition),
    /// It accounts for more or fewer pictures than there are.
    #[error("partition {partition} has {pictures} pictures, and its result accounts for {counted}")]
    Pictures {
        /// The partition.
        partition: Partition,
        /// How many pictures it has.
        pictures: u64,
        /// How many are in the result.
        counted: u64,
    },
    /// Its samples have no features.
    #[error("the samples of partition {0} have no features")]
    Features(Partition),
    /// What it gathered is too large.
    #[error("what partition {partition} gathered to fit an operator takes {bytes} bytes")]
    Summary {
        /// The partition.
        partition: Partition,
        /// The bytes.
        bytes: usize,
    },
    /// A shard that it has written can't be.
    #[error("the shard {file:?} that partition {partition} was written to can't be what it is said to be")]
    Shard {
        /// The partition.
        partition: Partition,
        /// The name of the file.
        file: String,
    },
    /// It leaves out pictures that aren't its own, or one twice.
    #[error("partition {0} leaves out pictures that it doesn't have")]
    LeftOut(Partition),
    /// It is not about all steps of the task.
    #[error("training on partition {partition} ends with step {wanted}, and its result with {got}")]
    Steps {
        /// The partition.
        partition: Partition,
        /// The last step of the task.
        wanted: u64,
        /// The last step in the result.
        got: u64,
    },
    /// A sum in it is no sum of losses, or more were right than there were.
    #[error("the losses or hits in the result on partition {0} make no sense")]
    Sums(Partition),
    /// Its summary is none.
    #[error("the evaluation of partition {partition} gave {error}")]
    Evaluation {
        /// The partition.
        partition: Partition,
        /// What is wrong with it.
        error: SummaryError,
    },
}

impl TrainJob {
    /// Checks what an executor reports of a task before it is believed.
    ///
    /// # Errors
    /// [`Implausible`], naming the partition.
    pub fn check(
        &self,
        kind: StageKind,
        partition: Partition,
        result: Option<&TaskResult>,
    ) -> Result<(), Implausible> {
        match (kind, result) {
            (StageKind::Prepare, Some(TaskResult::Computed(block))) => self.check_block(partition, block),
            (StageKind::Fit { .. }, Some(TaskResult::Gathered(gathered))) => {
                let pictures = self.work(kind, partition);
                let views = u64::from(self.pipeline.views.max(1));
                if gathered.records > pictures.saturating_mul(views) {
                    let counted = gathered.records;
                    return Err(Implausible::Pictures { partition, pictures, counted });
                }
                let bytes = gathered.summary.len();
                if bytes > MAX_SUMMARY_BYTES {
                    return Err(Implausible::Summary { partition, bytes });
                }
                Ok(())
            }
            (StageKind::Save, Some(TaskResult::Saved(saved))) => self.check_saved(partition, saved),
            (StageKind::Train { .. }, Some(TaskResult::Trained(trained))) => {
                let (wanted, got) = (self.work(kind, partition), trained.last_step);
                if got != wanted {
                    return Err(Implausible::Steps { partition, wanted, got });
                }
                // Steps that are taken again, or were taken by an earlier attempt, make the samples more or fewer.
                if trained.correct > trained.samples || !trained.loss_sum.is_finite() {
                    return Err(Implausible::Sums(partition));
                }
                Ok(())
            }
            (StageKind::Evaluate { .. }, Some(TaskResult::Evaluated(evaluated))) => {
                self.check_evaluated(partition, evaluated)
            }
            _ => Err(Implausible::Kind(partition)),
        }
    }

    fn check_block(&self, partition: Partition, block: &pb::BlockComputed) -> Result<(), Implausible> {
        let pictures = self.work(StageKind::Prepare, partition);
        let counted = block.samples.saturating_add(block.skipped.len() as u64);
        if counted != pictures {
            return Err(Implausible::Pictures { partition, pictures, counted });
        }
        let range = self.pictures.cut.as_ref().map_or(0..0, |cut| cut.files(partition));
        let indexes: Vec<u32> = block.skipped.iter().map(|file| file.index).collect();
        let own = indexes.iter().all(|index| range.contains(&(*index as usize)));
        if !own || !indexes.is_sorted_by(|a, b| a < b) {
            return Err(Implausible::LeftOut(partition));
        }
        if block.samples > 0 && block.features == 0 {
            return Err(Implausible::Features(partition));
        }
        Ok(())
    }

    fn check_evaluated(
        &self,
        partition: Partition,
        evaluated: &pb::BlockEvaluated,
    ) -> Result<(), Implausible> {
        let summary =
            self.summary(evaluated).map_err(|error| Implausible::Evaluation { partition, error })?;
        let pictures = self.pictures.samples.get(&partition).copied().unwrap_or(0);
        let counted = summary.samples();
        if counted != pictures {
            return Err(Implausible::Pictures { partition, pictures, counted });
        }
        Ok(())
    }

    /// The summary of a partition, as its executor reports it.
    pub(super) fn summary(&self, evaluated: &pb::BlockEvaluated) -> Result<Summary, SummaryError> {
        let none = || SummaryError::Contradiction("there is none");
        Summary::from_wire(self.pictures.classes.len(), evaluated.summary.as_ref().ok_or_else(none)?)
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::Epoch;

    use super::*;
    use crate::train::fixture::*;

    const FIT: StageKind = StageKind::Fit { operator: 0 };

    fn gathered(records: u64, bytes: usize) -> TaskResult {
        TaskResult::Gathered(pb::FitGathered { summary: vec![0; bytes].into(), records })
    }

    const EVALUATE_1: StageKind = StageKind::Evaluate { epoch: Epoch(1) };

    #[test]
    fn right_results_are_believed() {
        let job = training(settings(1), 20);
        let right =
            [(StageKind::Prepare, computed(8, 2)), (TRAIN_1, trained(10, 10)), (EVALUATE_1, evaluated(10))];
        for (kind, result) in right {
            let partition = Partition(if kind == EVALUATE_1 { 2 } else { 0 });
            assert_eq!(job.check(kind, partition, Some(&result)), Ok(()));
        }
    }

    #[test]
    fn results_that_cannot_be_true_are_found() {
        let job = training(settings(1), 20);
        let confusion = |confusion| {
            let summary = pb::EvaluationSummary { confusion, ..Default::default() };
            TaskResult::Evaluated(pb::BlockEvaluated { summary: Some(summary) })
        };
        let epoch = |correct, loss_sum| {
            let report =
                pb::EpochTrained { last_step: 1, samples: 10, correct, loss_sum, ..Default::default() };
            TaskResult::Trained(report)
        };
        let wrong = [
            (StageKind::Prepare, None, "no result of its kind"),
            (StageKind::Prepare, Some(evaluated(10)), "no result of its kind"),
            (StageKind::Prepare, Some(computed(u64::MAX, 1)), "accounts for 18446744073709551615"),
            (StageKind::Prepare, Some(computed(9, 0)), "has 10 pictures"),
            (FIT, Some(gathered(1, 1)), "has 0 pictures"),
            (FIT, Some(gathered(0, MAX_SUMMARY_BYTES + 1)), "takes 33554433 bytes"),
            (FIT, Some(evaluated(10)), "no result of its kind"),
            (TRAIN_1, Some(trained(11, 10)), "ends with step 1, and its result with 2"),
            (TRAIN_1, Some(epoch(11, 1.0)), "make no sense"),
            (TRAIN_1, Some(epoch(1, f64::NAN)), "make no sense"),
            (EVALUATE_1, Some(evaluated(11)), "has 10 pictures"),
            (EVALUATE_1, Some(TaskResult::Evaluated(pb::BlockEvaluated { summary: None })), "there is none"),
            (EVALUATE_1, Some(confusion(vec![10])), "its confusion matrix is of other classes"),
            (EVALUATE_1, Some(confusion(vec![u64::MAX, 11, 0, 0])), "can't count more than"),
            (EVALUATE_1, Some(confusion(vec![5, 0, 0, 5])), "its ranks are not those of its samples"),
        ];
        for (kind, result, text) in wrong {
            let partition = Partition(if kind == EVALUATE_1 { 2 } else { 0 });
            let error = job.check(kind, partition, result.as_ref()).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}
