use howdah_paramserver::client::Wanted;
use howdah_proto::{NodeId, pb};

use super::{
    Outcome, Run, Slot, TaskError,
    block::{self, Plan},
    compute::features_of,
    fill::fill,
    wait::wait,
};
use crate::{
    learn::Confusion,
    rdd::{Chain, RecordContext},
};

/// Classifies a partition with the weights that the shards keep under a tag.
pub(super) fn run(run: &Run<'_>, node: NodeId, tag: u64, slot: &mut Slot) -> Result<Outcome, TaskError> {
    let context = run.job.train.as_ref().ok_or(TaskError::Missing("parameters"))?;
    let plan = Plan::to(&run.job.lineage, node)?;
    let found = block::find(run, &plan)?;
    let plain = RecordContext::default();
    let mut feed = Chain::build(&run.environment.registry, plan.feed)?;
    let features = match found.samples.row(0) {
        Some(row) => features_of(&mut feed, &found.samples, row, &plain)?.len(),
        None => return Err(TaskError::Missing("samples in this partition")),
    };
    let kept = slot.replica(run.job.job, context, features)?;
    let replica = &mut kept.replica;
    let pull = context.parameters.pull(replica.weights_mut(), Wanted::Tag(tag));
    wait(&run.environment.runtime, run.cancel, pull)??;
    let mut confusion = Confusion::new(context.classes as usize);
    let mut loss_sum = 0.0;
    let rows: Vec<usize> = (0..found.samples.len()).collect();
    for batch in rows.chunks(replica.batch()) {
        run.cancel.check()?;
        let mut labels = Vec::with_capacity(batch.len());
        for (place, row) in batch.iter().enumerate() {
            let row = found.samples.row(*row).ok_or(TaskError::Missing("row of that number"))?;
            let values = features_of(&mut feed, &found.samples, row, &plain)?;
            fill(replica.input_row(place)?, &values)?;
            replica.set_label(place, row.1)?;
            labels.push(row.1);
        }
        let evaluation = replica.evaluate(batch.len())?;
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
