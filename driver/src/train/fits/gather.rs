use std::collections::BTreeMap;

use howdah_executor::rdd::Wanted;
use howdah_proto::{
    NodeId, Partition,
    event::{Event, StageKind},
    lineage::{NodeKind, OperatorSpec},
    pb,
    settings::Pipeline,
};

use super::{FitRequest, ToFit, state::UnderWay};
use crate::{
    scheduler::Millis,
    train::{JobCommand, PartitionUse, StageTask, TrainJob, job::Phase},
};

/// The most bytes that all summaries of an operator may take together.
const MAX_SUMMARIES_BYTES: u64 = 1 << 30;

/// The most bytes of the parameters of all operators together, as JSON: they travel in one message.
const MAX_PIPELINE_BYTES: usize = 32 << 20;

impl TrainJob {
    /// Sets which operators lack parameters, before the job has begun.
    pub fn fit_first(&mut self, to_fit: Vec<ToFit>) {
        self.fits.waiting = to_fit.into();
    }

    /// The pipeline with the parameters that were found so far.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// The pipeline, if parameters of it were found.
    pub(in crate::train) fn fitted_pipeline(&self) -> Option<Pipeline> {
        self.fits.done.then(|| self.pipeline.clone())
    }

    /// Takes the pipeline that an earlier run has fitted.
    pub(in crate::train) fn take_fitted(&mut self, pipeline: &Pipeline) {
        self.fits.waiting.clear();
        self.fits.done = true;
        let specs = pipeline.prepare.iter().chain(&pipeline.feed).cloned();
        for (place, spec) in (0..).zip(specs) {
            self.put_spec(place, spec);
        }
    }

    /// Fits the next operator that prepares pictures, or prepares them.
    pub(in crate::train) fn fit_or_prepare(&mut self, now: Millis) -> Vec<JobCommand> {
        let prepares = self.pipeline.prepare.len() as u32;
        if self.fits.waiting.front().is_some_and(|next| next.place < prepares) {
            return self.begin_fit(now);
        }
        vec![JobCommand::Stage { kind: StageKind::Prepare, tasks: self.prepare_tasks() }]
    }

    /// Fits the next operator of the feed, or trains, or writes what is prepared.
    pub(in crate::train) fn fit_or_train(&mut self, now: Millis) -> Vec<JobCommand> {
        if !self.fits.waiting.is_empty() {
            return self.begin_fit(now);
        }
        self.tally.prepared = Some(now);
        if self.settings.prepare.is_some() {
            return self.begin_save(now);
        }
        if let Phase::Preparing { prepared, .. } = &mut self.phase {
            *prepared = true;
        }
        self.train_when_ready(now)
    }

    fn begin_fit(&mut self, now: Millis) -> Vec<JobCommand> {
        let Some(next) = self.fits.waiting.front() else { return Vec::new() };
        let kind = StageKind::Fit { operator: next.place };
        let views = u64::from(self.pipeline.views.max(1));
        let sizes = self.training_pictures();
        let all: u64 = sizes.iter().map(|(_, size)| size).sum();
        let wanted = match next.wanted {
            Wanted::All => all,
            Wanted::Records(records) => records.div_ceil(views).min(all),
        };
        let pictures = spread(&sizes, wanted);
        let prefers = (!self.pictures.samples.is_empty()).then_some(self.block);
        let tasks = pictures.keys().map(|partition| StageTask { partition: *partition, prefers }).collect();
        let expected = wanted.saturating_mul(views);
        let (records, summaries) = (0, BTreeMap::new());
        self.fits.under_way = Some(UnderWay { since: now, pictures, expected, records, summaries });
        vec![JobCommand::Stage { kind, tasks }]
    }

    /// The training partitions with the pictures they have: those that can be used, once that is known.
    fn training_pictures(&self) -> Vec<(Partition, u64)> {
        if !self.pictures.samples.is_empty() {
            let samples = |partition| self.pictures.samples.get(&partition).copied().unwrap_or(0);
            let tasks = self.tasks_of(PartitionUse::Train);
            return tasks.iter().map(|task| (task.partition, samples(task.partition))).collect();
        }
        self.listed_to_train().collect()
    }

    /// What a task gathers for the operator at a place.
    pub(in crate::train) fn fit_task(&self, operator: u32, partition: Partition) -> pb::FitOperator {
        let under_way = self.fits.under_way.as_ref();
        pb::FitOperator {
            node: self.features.0,
            operator,
            pictures: self.fit_pictures(partition),
            records: under_way.map_or(0, |under_way| under_way.expected),
            seed: self.settings.selection_seed(),
        }
    }

    /// How many pictures of a partition are looked at.
    pub(in crate::train) fn fit_pictures(&self, partition: Partition) -> u64 {
        let under_way = self.fits.under_way.as_ref();
        under_way.and_then(|under_way| under_way.pictures.get(&partition)).copied().unwrap_or(0)
    }

    /// A partition has gathered.
    pub(in crate::train) fn on_gathered(
        &mut self,
        partition: Partition,
        gathered: &pb::FitGathered,
    ) -> Vec<JobCommand> {
        let Some(under_way) = &mut self.fits.under_way else { return Vec::new() };
        under_way.records = under_way.records.saturating_add(gathered.records);
        under_way.summaries.insert(partition, gathered.summary.clone());
        let bytes: u64 = under_way.summaries.values().map(|summary| summary.len() as u64).sum();
        if bytes > MAX_SUMMARIES_BYTES {
            let partitions = under_way.summaries.len();
            return self.fail(
                format!("what {partitions} partitions gathered to fit an operator takes {bytes} bytes"),
                Some("cut the pictures into fewer partitions with --partitions".to_owned()),
            );
        }
        Vec::new()
    }

    /// All partitions have gathered: the parameters are found from that.
    pub(in crate::train) fn all_gathered(&mut self) -> Vec<JobCommand> {
        let (Some(next), Some(under_way)) = (self.fits.waiting.front(), &mut self.fits.under_way) else {
            return Vec::new();
        };
        let summaries = std::mem::take(&mut under_way.summaries).into_iter().collect();
        let nothing = under_way.records == 0;
        let (place, seed) = (next.place, self.settings.selection_seed());
        let Some(spec) = self.spec(place).cloned() else { return Vec::new() };
        if nothing {
            let error = format!("no training picture can be used to fit operator `{}`", spec.name);
            return self
                .fail(error, Some("howdah-driver preview says what is wrong with a picture".to_owned()));
        }
        vec![JobCommand::Fit(Box::new(FitRequest { spec, place, seed, summaries }))]
    }

    /// The parameters of an operator were found, or can't be.
    pub fn on_fitted(
        &mut self,
        place: u32,
        fitted: Result<OperatorSpec, String>,
        now: Millis,
    ) -> Vec<JobCommand> {
        if self.phase == Phase::Over {
            return Vec::new();
        }
        if self.fits.waiting.front().is_none_or(|next| next.place != place) {
            return Vec::new();
        }
        let (Some(next), Some(under_way)) = (self.fits.waiting.pop_front(), self.fits.under_way.take())
        else {
            return Vec::new();
        };
        let operator = next.operator;
        let spec = match fitted {
            Ok(spec) => spec,
            Err(error) => return self.fail(format!("operator `{operator}` can't be fitted: {error}"), None),
        };
        let bytes = spec.params.to_string().len() as u64;
        self.put_spec(place, spec);
        self.fits.done = true;
        let all = self.pipeline.prepare.iter().chain(&self.pipeline.feed);
        let total: usize = all.map(|spec| spec.params.to_string().len()).sum();
        if total > MAX_PIPELINE_BYTES {
            return self.fail(format!("the parameters of the pipeline take {total} bytes"), None);
        }
        let seconds = now.since(under_way.since).as_secs_f64();
        let records = under_way.records;
        let mut commands = Vec::new();
        if records > 0 {
            // Else another job has fitted it.
            commands.push(JobCommand::Emit(Event::OperatorFitted { operator, records, bytes, seconds }));
        }
        commands.push(self.share(None));
        let is_prepared = place >= self.pipeline.prepare.len() as u32;
        commands.extend(if is_prepared { self.fit_or_train(now) } else { self.fit_or_prepare(now) });
        commands
    }

    fn spec(&self, place: u32) -> Option<&OperatorSpec> {
        self.pipeline.prepare.iter().chain(&self.pipeline.feed).nth(place as usize)
    }

    /// Puts an operator with its parameters in the place of the one without, in the pipeline and the lineage.
    fn put_spec(&mut self, place: u32, spec: OperatorSpec) {
        // The source is node 0, and an operator at each that follows.
        let id = NodeId(place + 1);
        if let Some(mut node) = self.lineage.get(id).cloned() {
            node.kind = NodeKind::Operator(spec.clone());
            // The node stands where it stood, with the same parent.
            let _ = self.lineage.define(id, node);
        }
        let mut all = self.pipeline.prepare.iter_mut().chain(&mut self.pipeline.feed);
        if let Some(old) = all.nth(place as usize) {
            *old = spec;
        }
        self.find_blocks_context();
    }
}

/// Spreads `wanted` pictures over partitions in the ratio of their sizes; those that get none are left out.
fn spread(sizes: &[(Partition, u64)], wanted: u64) -> BTreeMap<Partition, u64> {
    let all = sizes.iter().map(|(_, size)| size).sum::<u64>().max(1);
    let share = |before: u64| (u128::from(wanted) * u128::from(before) / u128::from(all)) as u64;
    let mut before = 0;
    let shares = sizes.iter().map(|(partition, size)| {
        let from = share(before);
        before += size;
        (*partition, share(before) - from)
    });
    shares.filter(|(_, share)| *share > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_spread_in_the_ratio_of_the_partitions() {
        let sizes: Vec<(Partition, u64)> =
            [100, 0, 50, 51].iter().zip(0..).map(|(size, id)| (Partition(id), *size)).collect();
        let shares = |wanted| {
            spread(&sizes, wanted)
                .into_iter()
                .map(|(partition, share)| (partition.0, share))
                .collect::<Vec<_>>()
        };
        assert_eq!(shares(201), [(0, 100), (2, 50), (3, 51)]);
        assert_eq!(shares(20), [(0, 9), (2, 5), (3, 6)]);
        assert_eq!(shares(1), [(3, 1)]);
        assert_eq!(shares(0), []);
        assert_eq!(spread(&[], 5), BTreeMap::new());
    }
}
