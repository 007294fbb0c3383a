use howdah_paramserver::client::Wanted;
use howdah_proto::{NodeId, pb};

use super::{
    Outcome, Run, Slot, TaskError,
    block::{self, Plan},
    wait::wait,
};
use crate::{
    learn::{Average, Confusion},
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
    let mut confusion = Confusion::new(context.classes as usize);
    let mut loss_sum = 0.0;
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
                feed.feed(&row, context, replica.input_row(place)?)?;
            }
            average.add(replica, batch.len())?;
        }
        let labels: Vec<u32> = batch.iter().map(|picture| found.samples.labels()[*picture]).collect();
        labels.iter().zip(0..).try_for_each(|(label, place)| replica.set_label(place, *label))?;
        let evaluation = average.evaluate(&labels);
        loss_sum += evaluation.report.loss_sum;
        for (truth, predicted) in labels.into_iter().zip(evaluation.predictions) {
            confusion.add(truth, predicted)?;
        }
    }
    Ok(Outcome {
        result: pb::attempt_succeeded::Result::Evaluated(pb::BlockEvaluated {
            loss_sum,
            confusion: confusion.rows().concat(),
        }),
        stored: found.stored.into_iter().collect(),
        evicted: found.evicted,
    })
}
