use std::collections::BTreeMap;

use howdah_proto::{BlockId, ContextId, JobId, MemberId, NodeId, Partition, pb};

use crate::{contexts::Context, engine::Engine, train::TrainJob};

impl Engine {
    /// Describes a context or training job, or all of them: what they are made of, and what is kept where.
    pub fn describe(&self, id: Option<ContextId>) -> pb::Description {
        let wanted = |context: ContextId| id.is_none_or(|id| id == context);
        let jobs = self.jobs.iter().filter(|(job, _)| wanted((**job).into()));
        let jobs = jobs.map(|(job, state)| self.describe_training(*job, &state.train));
        let contexts = self.rdds.contexts.iter().filter(|(context, _)| wanted(**context));
        let contexts = contexts.map(|(id, context)| self.describe_one(*id, context));
        pb::Description { contexts: jobs.chain(contexts).collect() }
    }

    fn describe_training(&self, job: JobId, train: &TrainJob) -> pb::ContextDescription {
        let (context, node, partitions) = (ContextId::from(job), train.block(), train.partitions());
        let kept = self.kept_node(node, partitions, self.holders(context, node, partitions));
        pb::ContextDescription {
            context_id: context.0,
            name: "a training job".to_owned(),
            lineage: Some(train.lineage().into()),
            kept: vec![kept],
            outputs: Vec::new(),
        }
    }

    fn describe_one(&self, id: ContextId, context: &Context) -> pb::ContextDescription {
        let lineage = context.lineage();
        let nodes = (0..lineage.len() as u32).map(NodeId);
        let persisted = nodes.filter(|node| lineage.get(*node).is_some_and(|node| node.persist.is_some()));
        let kept = persisted.map(|node| {
            let partitions = lineage.get(node).map_or(0, |node| node.partitions);
            self.kept_node(node, partitions, self.holders(id, node, partitions))
        });
        let kept = kept.collect();
        let outputs = context
            .shuffles()
            .map(|(shuffle, outputs)| self.kept_node(shuffle, outputs.partitions(), outputs.counts()));
        let outputs = outputs.collect();
        let name = context.name.clone();
        pb::ContextDescription { context_id: id.0, name, lineage: Some(lineage.into()), kept, outputs }
    }

    /// How many partitions of a node each executor keeps.
    fn holders(&self, context: ContextId, node: NodeId, partitions: u32) -> BTreeMap<MemberId, u32> {
        let mut counts = BTreeMap::new();
        for partition in (0..partitions).map(Partition) {
            for holder in self.scheduler.holders(BlockId { context, node, partition }) {
                *counts.entry(holder).or_default() += 1;
            }
        }
        counts
    }

    fn kept_node(&self, node: NodeId, partitions: u32, counts: BTreeMap<MemberId, u32>) -> pb::KeptNode {
        let at = counts.into_iter().map(|(id, partitions)| {
            let name = self.members.get(id).map_or_else(|| id.to_string(), |member| member.name.clone());
            pb::KeptAt { executor: name, partitions }
        });
        pb::KeptNode { node: node.0, at: at.collect(), partitions }
    }
}
