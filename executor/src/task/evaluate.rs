use howdah_paramserver::client::Wanted;
use howdah_proto::{NodeId, pb};

use super::{
    Outcome, Run, Slot, TaskError,
    block::{self, Plan},
    wait::wait,
};
use crate::{
    learn::{Average, Summary},
    rdd::{Chain, Views},
};

/// Classifies a partition with the weights that the shards keep under a tag.
pub(super) fn run(run: &Run<'_>, node: NodeId, tag: u64, slot: &mut Slot) -> Result<Outcome, TaskError> {
    let context = run.job.train.as_ref().ok_or(TaskError::Missing("parameters"))?;
    let plan = Plan::to(&run.job.lineage, node)?;
    let found = block::find(run, &plan)?;
    let mut feed = Chain::build(&run.environment.registry, plan.feed)?;
    let first = found.samples.row(0, 0).ok_or(TaskError::Missing("samples in this partition"))?;
    let features = feed.width(&first)?;
    let kept = slot.replica(run.job.job, context, features)?;
    let replica = &mut kept.replica;
    let pull = context.parameters.pull(replica.weights_mut(), Wanted::Tag(tag));
    wait(&run.environment.runtime, run.cancel, pull)??;
    let mut summary = Summary::new(context.classes as usize);
    let contexts = Views::to_classify_row(&context.settings.pipeline);
    let views = found.samples.views();
    let passes: Vec<_> =
        (0..views).flat_map(|view| contexts.iter().map(move |context| (view, context))).collect();
    let rows: Vec<usize> = (0..found.samples.len()).collect();
    for batch in rows.chunks(replica.batch()) {
        run.cancel.check()?;
        let mut average = Average::default();
        for (view, context) in &passes {
            for (place, picture) in batch.iter().enumerate() {
                let row =
                    found.samples.row(*picture, *view).ok_or(TaskError::Missing("row of that number"))?;
                feed.feed(&row, context, replica.samples_mut().input_row(place)?)?;
            }
            // Products of another number of rows may be computed in another order: with rows of zeros they always have as
            // many, and what a picture gives doesn't depend on how the pictures were cut.
            for place in batch.len()..replica.batch() {
                replica.samples_mut().input_row(place)?.fill(0.0);
            }
            average.add(replica, replica.batch())?;
        }
        let labels = batch.iter().map(|picture| found.samples.labels()[*picture]);
        for (truth, probabilities) in labels.zip(average.probabilities(replica.batch())) {
            summary.add(truth, &probabilities)?;
        }
    }
    Ok(Outcome {
        result: pb::attempt_succeeded::Result::Evaluated(pb::BlockEvaluated {
            summary: Some((&summary).into()),
        }),
        stored: found.stored.into_iter().collect(),
    })
}
