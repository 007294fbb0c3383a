use std::sync::Arc;

use howdah_executor::rdd::{Kind, Registry};
use howdah_proto::{
    NodeId,
    lineage::{MAX_PARTITIONS, Node, NodeKind, OperatorSpec, Order, Partitioner, Reshape, Shuffle},
};

use super::{By, Graph, Layout, Target};
use crate::rdd::ContextError;

/// A node, and what is known of its records.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::rdd) struct Plan {
    pub(in crate::rdd) node: NodeId,
    pub(in crate::rdd) partitions: u32,
    pub(in crate::rdd) layout: Layout,
    pub(in crate::rdd) shape: Shape,
    /// Into how many partitions later shuffles go, if the user said so.
    pub(in crate::rdd) wished: Option<u32>,
}

/// What is known of the form of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rdd) enum Shape {
    /// It is known where the key of a pair ends; other records are all key.
    Marked,
    /// Pairs may be taken for records that are all key.
    Unmarked,
}

/// What becomes of a node's records.
#[derive(Debug, Clone)]
pub(in crate::rdd) struct Made {
    pub(in crate::rdd) partitions: u32,
    pub(in crate::rdd) layout: Layout,
    pub(in crate::rdd) shape: Shape,
}

impl Made {
    /// Records whose form is known, and their places not.
    pub(in crate::rdd) fn new(partitions: u32) -> Self {
        Self { partitions, layout: Layout::Unknown, shape: Shape::Marked }
    }

    /// The same records, or some of them, where they were.
    pub(in crate::rdd) fn like(plan: &Plan) -> Self {
        Self { partitions: plan.partitions, layout: plan.layout.clone(), shape: plan.shape }
    }

    pub(in crate::rdd) fn laid(self, layout: Layout) -> Self {
        Self { layout, ..self }
    }

    pub(in crate::rdd) fn unmarked(self) -> Self {
        Self { shape: Shape::Unmarked, ..self }
    }
}

/// Builds the nodes of one transformation.
pub(in crate::rdd) struct Build<'a> {
    pub(in crate::rdd) graph: &'a mut Graph,
    pub(in crate::rdd) registry: &'a Registry,
    /// What the transformation is called.
    pub(in crate::rdd) what: &'static str,
}

impl Build<'_> {
    /// Adds a node.
    pub(in crate::rdd) fn add(
        &mut self,
        kind: NodeKind,
        parents: &[&Plan],
        made: Made,
    ) -> Result<Plan, ContextError> {
        let Made { partitions, layout, shape } = made;
        let node =
            Node { kind, parents: parents.iter().map(|plan| plan.node).collect(), partitions, persist: None };
        let node = self.graph.add(node).map_err(|error| ContextError::lineage(self.what, &error))?;
        let wished = parents.iter().filter_map(|plan| plan.wished).max();
        Ok(Plan { node, partitions, layout, shape, wished })
    }

    /// Says why the transformation can't be done.
    pub(in crate::rdd) fn wrong(&self, reason: impl ToString) -> ContextError {
        ContextError::bad(self.what, reason)
    }

    /// Checks that a number of partitions is one that can be had.
    pub(in crate::rdd) fn partitions(&self, partitions: u64) -> Result<u32, ContextError> {
        u32::try_from(partitions)
            .ok()
            .filter(|partitions| *partitions <= MAX_PARTITIONS)
            .ok_or_else(|| self.wrong(format!("{partitions} partitions are more than {MAX_PARTITIONS}")))
    }

    /// Checks that a function is registered.
    pub(in crate::rdd) fn registered(&self, function: &OperatorSpec, kind: Kind) -> Result<(), ContextError> {
        self.registry
            .expect(function, kind)
            .map_err(|reason| ContextError::Unregistered { transformation: self.what, reason })
    }

    /// Adds a function over the records of a node.
    pub(in crate::rdd) fn function(
        &mut self,
        plan: &Plan,
        function: OperatorSpec,
        kind: Kind,
        made: Made,
    ) -> Result<Plan, ContextError> {
        self.registered(&function, kind)?;
        self.add(NodeKind::Operator(function), &[plan], made)
    }

    /// Makes sure that it is known where keys end.
    pub(in crate::rdd) fn pairs(&mut self, plan: &Plan) -> Result<Plan, ContextError> {
        if plan.shape == Shape::Marked {
            return Ok(plan.clone());
        }
        let layout = match &plan.layout {
            Layout::Keyed { by: By::Key, .. } => plan.layout.clone(),
            _ => Layout::Unknown,
        };
        self.add(NodeKind::Reshape(Reshape::Pairs), &[plan], Made::new(plan.partitions).laid(layout))
    }

    /// Makes each record a key.
    pub(in crate::rdd) fn records(&mut self, plan: &Plan) -> Result<Plan, ContextError> {
        let layout = match &plan.layout {
            Layout::Keyed { by: By::Record, .. } => plan.layout.clone(),
            _ => Layout::Unknown,
        };
        let made = Made::new(plan.partitions).laid(layout).unmarked();
        self.add(NodeKind::Reshape(Reshape::WholeAsKey), &[plan], made)
    }

    /// Sends records to partitions.
    pub(in crate::rdd) fn shuffle(
        &mut self,
        plan: &Plan,
        by: By,
        target: &Target,
        order: Order,
        combiner: Option<OperatorSpec>,
    ) -> Result<Plan, ContextError> {
        let partitioner = Partitioner::clone(&target.partitioner);
        let layout = Layout::shuffled(by, target.partitioner.clone(), order);
        let made = Made { partitions: target.partitions, layout, shape: plan.shape };
        self.add(NodeKind::Shuffle(Shuffle { partitioner, combiner, order }), &[plan], made)
    }

    /// Brings the records of each key of several nodes to the same places, in the order of keys; those that are there
    /// already stay.
    pub(in crate::rdd) fn meet(&mut self, by: By, plans: &[Plan]) -> Result<Vec<Plan>, ContextError> {
        let lies: Vec<_> = plans.iter().map(|plan| (&plan.layout, plan.partitions)).collect();
        let wished = plans.iter().filter_map(|plan| plan.wished).max();
        let target = Target::choose(by, wished, &lies);
        let mut met: Vec<(NodeId, Plan)> = Vec::new();
        for plan in plans {
            let placed = if target.is_met(by, &plan.layout, plan.partitions) {
                plan.clone()
            } else if let Some((_, same)) = met.iter().find(|(from, _)| *from == plan.node) {
                same.clone()
            } else {
                self.shuffle(plan, by, &target, Order::KeyAscending, None)?
            };
            met.push((plan.node, placed));
        }
        Ok(met.into_iter().map(|(_, plan)| plan).collect())
    }

    /// Deals records out evenly.
    pub(in crate::rdd) fn deal(&mut self, plan: &Plan, partitions: u32) -> Result<Plan, ContextError> {
        // The node tells one deal from another, and the same program always deals alike.
        let partitioner = Arc::new(Partitioner::RoundRobin { seed: u64::from(plan.node.0) });
        self.shuffle(plan, By::Record, &Target { partitioner, partitions }, Order::Arrival, None)
    }
}
