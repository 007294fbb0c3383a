//! Which epoch's weights become the model, and whether training stops before the last one.

use howdah_proto::{
    Epoch,
    event::{EpochReport, Event},
    settings::{Monitor, Validation},
};

use super::{JobCommand, TrainJob, training::tag_of};

/// What is known of the weights that the shards keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    /// The first epoch that can be chosen: the weights of those before it went with a shard, or with an earlier run.
    pub(super) from: Epoch,
    /// The last epoch whose weights the shards were told to keep.
    pub(super) last: Epoch,
}

impl Default for Kept {
    fn default() -> Self {
        Self { from: Epoch(1), last: Epoch(0) }
    }
}

/// The best epoch from `from` on; the first of equals. Epochs that were not validated are not chosen.
pub(super) fn best(reports: &[EpochReport], from: Epoch, monitor: Monitor) -> Option<Epoch> {
    let candidates = reports.iter().filter(|report| report.epoch >= from);
    let mut best: Option<(f64, Epoch)> = None;
    for (score, epoch) in candidates.filter_map(|report| Some((score(report, monitor)?, report.epoch))) {
        if best.is_none_or(|(highest, _)| score > highest) {
            best = Some((score, epoch));
        }
    }
    best.map(|(_, epoch)| epoch)
}

/// Whether an epoch's weights may become the model, whichever weights are lost and however bad the epochs to come are.
pub(super) fn may_be_chosen(reports: &[EpochReport], epoch: Epoch, monitor: Option<Monitor>) -> bool {
    let is_last = reports.last().is_some_and(|last| last.epoch == epoch);
    is_last || monitor.is_some_and(|monitor| best(reports, epoch, monitor) == Some(epoch))
}

/// The epoch after which training stops: the first that ends `patience` epochs in a row without improvement.
pub(super) fn stops_after(reports: &[EpochReport], validation: &Validation) -> Option<Epoch> {
    let patience = validation.patience?;
    let (mut highest, mut waited) = (f64::NEG_INFINITY, 0);
    for report in reports {
        let Some(score) = score(report, validation.monitor) else { continue };
        if score > highest {
            (highest, waited) = (score, 0);
        } else {
            waited += 1;
        }
        if waited >= patience {
            return Some(report.epoch);
        }
    }
    None
}

/// How good an epoch was: more is better.
fn score(report: &EpochReport, monitor: Monitor) -> Option<f64> {
    let score = match monitor {
        Monitor::Loss => report.validation_loss.map(|loss| -loss),
        Monitor::Accuracy => report.validation_accuracy,
    };
    score.filter(|score| score.is_finite())
}

impl TrainJob {
    /// The last epoch that is trained, as far as is known now.
    ///
    /// An earlier run that had more patience, or looked at something else, may have gone beyond where this one would have
    /// stopped: its shards have what it trained, so the epoch that it was at is the last one then.
    pub(super) fn last_epoch(&self) -> Epoch {
        let last = Epoch(self.settings.epochs);
        let stops = |validation| stops_after(self.epochs.reports(), validation);
        let stop = self.settings.validation.as_ref().and_then(stops);
        stop.map_or(last, |stop| stop.max(self.position.epoch).min(last))
    }

    pub(super) fn is_last(&self, epoch: Epoch) -> bool {
        epoch >= self.last_epoch()
    }

    /// Whether the next epoch begins only when it is known whether there is one.
    pub(super) fn waits_for_validation(&self) -> bool {
        self.settings.validation.is_some_and(|validation| validation.patience.is_some())
    }

    /// The best epoch so far whose weights are kept, if pictures are kept for validation.
    pub(super) fn best_epoch(&self) -> Option<Epoch> {
        let validation = self.settings.validation.as_ref()?;
        best(self.epochs.reports(), self.kept.from, validation.monitor)
    }

    /// The epoch whose weights become the model.
    pub(super) fn model_epoch(&self) -> Epoch {
        self.best_epoch().unwrap_or_else(|| self.last_epoch())
    }

    /// A shard lost the weights that it kept: only epochs whose weights are kept from now on can be chosen.
    ///
    /// A closed epoch is kept anew when it ends again; one that is trained has not been kept yet.
    pub(super) fn kept_weights_are_lost(&mut self) -> Vec<JobCommand> {
        let here = self.position.epoch;
        let before = self.best_epoch();
        let from = if self.closed { here } else { here.max(Epoch(self.kept.last.0 + 1)) };
        self.kept.from = self.kept.from.max(from);
        let Some(lost) = before.filter(|epoch| *epoch < self.kept.from) else { return Vec::new() };
        vec![JobCommand::Untag(tag_of(lost)), JobCommand::Emit(Event::BestEpochLost { epoch: lost })]
    }

    /// All shards go back to the job's position, and what they kept is kept anew from there on.
    pub(super) fn kept_weights_go_back(&mut self) -> Vec<JobCommand> {
        let before = self.best_epoch();
        self.kept = Kept { from: self.position.epoch, last: Epoch(0) };
        let lost = before.filter(|epoch| *epoch < self.kept.from);
        lost.map(|epoch| JobCommand::Emit(Event::BestEpochLost { epoch })).into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
