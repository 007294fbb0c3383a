//! What jobs have prepared and fitted, for others that need the same: each block is computed once, and each operator
//! fitted once, however many jobs want it, one after the other or at the same time.

use std::collections::{BTreeMap, BTreeSet};

use howdah_proto::{
    ContextId, JobId, Partition,
    event::{Event, StageKind},
    lineage::OperatorSpec,
    pb::{self, attempt_succeeded::Result as TaskResult, task_command},
};

use super::Engine;
use crate::{
    scheduler::Millis,
    train::{FitKey, StageTask},
};

/// So many contexts of blocks are kept that no job uses, those that were used last; executors drop blocks of them
/// sooner if they need the memory.
const UNUSED_KEPT: usize = 8;

/// So many fitted operators are kept.
const FITS_KEPT: usize = 64;

/// What jobs share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    blocks: BTreeMap<ContextId, Blocks>,
    fits: BTreeMap<FitKey, Fit>,
    /// Counts uses, to find what was used longest ago.
    uses: u64,
}

/// The blocks of a context, wherever they are.
#[derive(Debug, Default)]
struct Blocks {
    /// What the tasks that prepared them reported. It stays true when a block is lost, which is computed again then.
    prepared: BTreeMap<Partition, pb::BlockComputed>,
    /// The job whose tasks prepare what is missing.
    owner: Option<JobId>,
    /// Jobs that wait for it, and the tasks that they would need.
    waiting: BTreeMap<JobId, Vec<StageTask>>,
    users: BTreeSet<JobId>,
    used: u64,
}

#[derive(Debug, Default)]
struct Fit {
    fitted: Option<OperatorSpec>,
    owner: Option<JobId>,
    /// Jobs that wait for it, the place of the operator in their pipelines, and the tasks that they would need.
    waiting: BTreeMap<JobId, (u32, Vec<StageTask>)>,
    used: u64,
}

impl Shared {
    fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }
}

impl Engine {
    /// A job needs its partitions prepared: it gets what others have prepared, waits for what they are preparing, and
    /// prepares the rest itself.
    pub(super) fn prepare_shared(&mut self, job: JobId, tasks: Vec<StageTask>, now: Millis) {
        let Some(state) = self.jobs.get(&job) else { return };
        let context = state.train.blocks_context();
        let used = self.shared.next_use();
        let blocks = self.shared.blocks.entry(context).or_default();
        blocks.used = used;
        blocks.users.insert(job);
        let known: Vec<(Partition, pb::BlockComputed)> = tasks
            .iter()
            .filter_map(|task| Some((task.partition, blocks.prepared.get(&task.partition)?.clone())))
            .collect();
        let missing: Vec<StageTask> =
            tasks.into_iter().filter(|task| !blocks.prepared.contains_key(&task.partition)).collect();
        let is_owned = blocks.owner.is_some();
        if !missing.is_empty() && is_owned {
            blocks.waiting.insert(job, missing.clone());
        } else if !missing.is_empty() {
            blocks.owner = Some(job);
        }
        if !known.is_empty() || (is_owned && !missing.is_empty()) {
            let (partitions, awaited) = (known.len() as u32, if is_owned { missing.len() as u32 } else { 0 });
            self.emit(job, Event::BlocksShared { partitions, awaited });
        }
        for (partition, block) in known {
            self.give_block(job, partition, block, now);
        }
        if missing.is_empty() {
            self.all_prepared(job, now);
        } else if !is_owned && self.jobs.contains_key(&job) {
            self.submit_stage(job, StageKind::Prepare, &missing, false, now);
        }
    }

    /// A job has prepared a partition: those that wait for it get it, too.
    pub(super) fn note_prepared(
        &mut self,
        job: JobId,
        partition: Partition,
        block: &pb::BlockComputed,
        now: Millis,
    ) {
        let Some(state) = self.jobs.get(&job) else { return };
        let Some(blocks) = self.shared.blocks.get_mut(&state.train.blocks_context()) else { return };
        if blocks.owner != Some(job) {
            return;
        }
        blocks.prepared.insert(partition, block.clone());
        let waiting: Vec<JobId> = blocks.waiting.keys().copied().collect();
        for waiting in waiting {
            self.give_block(waiting, partition, block.clone(), now);
        }
    }

    /// A job has prepared all that was missing.
    pub(super) fn note_all_prepared(&mut self, job: JobId, now: Millis) {
        let owned = |blocks: &&mut Blocks| blocks.owner == Some(job);
        let Some(blocks) = self.shared.blocks.values_mut().find(owned) else { return };
        blocks.owner = None;
        for waiting in std::mem::take(&mut blocks.waiting).into_keys() {
            self.all_prepared(waiting, now);
        }
    }

    fn give_block(&mut self, job: JobId, partition: Partition, block: pb::BlockComputed, now: Millis) {
        let view = self.view();
        let Some(state) = self.jobs.get_mut(&job) else { return };
        let result = TaskResult::Computed(block);
        let commands = state.train.on_task_done(StageKind::Prepare, partition, &result, &view, now);
        self.do_for_job(job, commands, now);
    }

    fn all_prepared(&mut self, job: JobId, now: Millis) {
        let Some(state) = self.jobs.get_mut(&job) else { return };
        let commands = state.train.on_stage_finished(StageKind::Prepare, now);
        self.do_for_job(job, commands, now);
    }

    /// A job needs an operator fitted: it gets what others have fitted, or waits for it, or fits it.
    pub(super) fn fit_shared(&mut self, job: JobId, operator: u32, tasks: Vec<StageTask>, now: Millis) {
        let kind = StageKind::Fit { operator };
        let Some(key) = self.jobs.get(&job).and_then(|state| state.train.fit_key(operator)) else {
            return self.submit_stage(job, kind, &tasks, false, now);
        };
        let used = self.shared.next_use();
        let fit = self.shared.fits.entry(key).or_default();
        fit.used = used;
        match (&fit.fitted, fit.owner) {
            (Some(spec), _) => {
                let spec = spec.clone();
                self.give_fit(job, operator, spec, now);
            }
            (None, Some(_)) => drop(fit.waiting.insert(job, (operator, tasks))),
            (None, None) => {
                fit.owner = Some(job);
                self.submit_stage(job, kind, &tasks, false, now);
            }
        }
    }

    /// A job has fitted an operator: those that wait for it get it, too.
    pub(super) fn note_fitted(&mut self, job: JobId, spec: &OperatorSpec, now: Millis) {
        let Some(fit) = self.shared.fits.values_mut().find(|fit| fit.owner == Some(job)) else { return };
        fit.owner = None;
        fit.fitted = Some(spec.clone());
        for (waiting, (operator, _)) in std::mem::take(&mut fit.waiting) {
            self.give_fit(waiting, operator, spec.clone(), now);
        }
        let kept = self.shared.fits.iter().filter(|(_, fit)| fit.fitted.is_some());
        let oldest = kept.clone().min_by_key(|(_, fit)| fit.used).map(|(key, _)| *key);
        if let Some(oldest) = oldest.filter(|_| kept.count() > FITS_KEPT) {
            self.shared.fits.remove(&oldest);
        }
    }

    fn give_fit(&mut self, job: JobId, operator: u32, spec: OperatorSpec, now: Millis) {
        let Some(state) = self.jobs.get_mut(&job) else { return };
        let commands = state.train.on_fitted(operator, Ok(spec), now);
        self.do_for_job(job, commands, now);
    }

    /// A job has ended: what it was preparing or fitting is done by one of those that wait for it, and blocks that have
    /// not been used for long are dropped.
    pub(super) fn leave_shared(&mut self, job: JobId, now: Millis) {
        let mut stages = Vec::new();
        for blocks in self.shared.blocks.values_mut() {
            blocks.users.remove(&job);
            blocks.waiting.remove(&job);
            if blocks.users.is_empty() {
                // A picture that couldn't be read may be there when the next job comes.
                blocks.prepared.retain(|_, block| block.skipped.is_empty());
            }
            if blocks.owner != Some(job) {
                continue;
            }
            let heir = blocks.waiting.pop_first();
            blocks.owner = heir.as_ref().map(|(heir, _)| *heir);
            if let Some((heir, mut tasks)) = heir {
                tasks.retain(|task| !blocks.prepared.contains_key(&task.partition));
                stages.push((heir, StageKind::Prepare, tasks));
            }
        }
        self.shared.fits.retain(|_, fit| {
            fit.waiting.remove(&job);
            if fit.owner == Some(job) {
                let heir = fit.waiting.pop_first();
                fit.owner = heir.as_ref().map(|(heir, _)| *heir);
                if let Some((heir, (operator, tasks))) = heir {
                    stages.push((heir, StageKind::Fit { operator }, tasks));
                }
            }
            fit.owner.is_some() || fit.fitted.is_some()
        });
        for (heir, kind, tasks) in stages {
            if tasks.is_empty() && kind == StageKind::Prepare {
                self.note_all_prepared(heir, now);
                self.all_prepared(heir, now);
            } else {
                self.submit_stage(heir, kind, &tasks, false, now);
            }
        }
        self.drop_unused_blocks(UNUSED_KEPT, now);
    }

    /// Drops the blocks of contexts that no job uses, but for the `kept` that were used last.
    pub(super) fn drop_unused_blocks(&mut self, kept: usize, now: Millis) {
        let unused = self.shared.blocks.iter().filter(|(_, blocks)| blocks.users.is_empty());
        let mut unused: Vec<(u64, ContextId)> = unused.map(|(id, blocks)| (blocks.used, *id)).collect();
        unused.sort_unstable();
        let surplus = unused.len().saturating_sub(kept);
        for (_, context) in unused.into_iter().take(surplus) {
            self.shared.blocks.remove(&context);
            let commands = self.scheduler.on_context_closed(context, now);
            self.carry_out(commands, now);
            let executors: Vec<_> = self.attached.keys().copied().collect();
            for executor in executors {
                let drop = pb::DropContext { context_id: context.0 };
                self.send(executor, task_command::Command::DropContext(drop));
            }
        }
    }
}
