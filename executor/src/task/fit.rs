use howdah_proto::{WireError, pb};

use super::{
    Outcome, Run, TaskError,
    block::{self, Plan},
    pictures::{REPORT_EVERY_PICTURES, each_picture},
    spec::FitWork,
};
use crate::{
    random::Random,
    rdd::{Chain, Fit, GatherContext, MAX_SUMMARY_BYTES, OperatorError, Record, RecordContext, Unfitted},
};

/// Gathers from a partition what an operator needs to be fitted: from its pictures if the operator prepares them, else
/// from its block.
pub(super) fn run(run: &Run<'_>, work: &FitWork) -> Result<Outcome, TaskError> {
    let plan = Plan::to(&run.job.lineage, work.node)?;
    let registry = &run.environment.registry;
    let whole = Chain::build(registry, plan.prepare.iter().chain(&plan.feed).copied())?;
    let unfitted = whole.into_unfitted().filter(|unfitted| unfitted.place == work.operator as usize);
    let Some(Unfitted { place, before, fit, .. }) = unfitted else {
        return Err(WireError::invalid("fit.operator", "it is not the next one to be fitted").into());
    };
    let mut gathering = Gathering { fit, work, gathered: 0 };
    let mut stored = None;
    if place < plan.prepare.len() {
        let pictures = work.pictures as usize;
        each_picture(run, before, pictures, run.progress, |_, views| {
            (0..).zip(views).try_for_each(|(view, record)| Ok(gathering.take(view, record)?))
        })?;
    } else {
        let found = block::find(run, &plan)?;
        let mut before = Chain::build(registry, plan.feed.iter().copied().take(place - plan.prepare.len()))?;
        let pictures = found.samples.len().min(work.pictures as usize);
        for picture in 0..pictures {
            run.cancel.check()?;
            for view in 0..found.samples.views() {
                let row = found.samples.row(picture, view).ok_or(TaskError::Missing("row of that number"))?;
                let record = before.apply_to_row(&row, &RecordContext::PLAIN)?;
                gathering.take(view, &record)?;
                before.keep(record);
            }
            let done = picture as u64 + 1;
            if done.is_multiple_of(REPORT_EVERY_PICTURES) {
                (run.progress)(done, pictures as u64);
            }
        }
        stored = found.stored;
    }
    let summary = gathering.fit.summary();
    if summary.len() > MAX_SUMMARY_BYTES {
        return Err(TaskError::Lineage(work.node, "what an operator gathers to be fitted is too large"));
    }
    Ok(Outcome {
        result: pb::attempt_succeeded::Result::Gathered(pb::FitGathered {
            summary: summary.into(),
            records: gathering.gathered,
        }),
        stored: stored.into_iter().collect(),
    })
}

struct Gathering<'a> {
    fit: Box<dyn Fit>,
    work: &'a FitWork,
    gathered: u64,
}

impl Gathering<'_> {
    fn take(&mut self, view: u32, record: &Record) -> Result<(), OperatorError> {
        let FitWork { seed, operator, records, .. } = *self.work;
        let parts = [seed, u64::from(operator), record.meta().key, u64::from(view)];
        let context = GatherContext { seed: Random::new(&parts).next_u64(), records };
        match self.fit.gather(record, &context) {
            // It will be named when its block is prepared.
            Err(OperatorError::Unusable(_)) => Ok(()),
            other => other.map(|()| self.gathered += 1),
        }
    }
}
