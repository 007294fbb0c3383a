use std::collections::BTreeSet;

use howdah_proto::{
    ContextId, NodeId, WireError,
    lineage::{NodeKind, to_wire},
    pb::{self, task_command::Command},
};

use crate::{
    contexts::Context,
    engine::{Effect, Engine},
    plan::Goal,
    scheduler::Millis,
};

impl Engine {
    /// A program opens a context.
    pub fn on_context_opened(&mut self, name: String) -> (ContextId, Vec<Effect>) {
        // Jobs and contexts are counted together: a training job is a context, too.
        let context = ContextId(self.next_job);
        self.next_job += 1;
        self.rdds.contexts.insert(context, Context::new(name));
        (context, std::mem::take(&mut self.effects))
    }

    /// A program is gone, or needs its context no longer: its jobs are cancelled, and nothing of it is kept.
    pub fn on_context_closed(&mut self, id: ContextId, now: Millis) -> Vec<Effect> {
        let jobs: Vec<_> =
            self.rdds.jobs.iter().filter(|(_, job)| job.context == id).map(|(job, _)| *job).collect();
        for job in jobs {
            let commands = self.scheduler.on_job_cancelled(job, "its context was closed", now);
            self.carry_out(commands, now);
        }
        if self.rdds.contexts.remove(&id).is_some() {
            let commands = self.scheduler.on_context_closed(id, now);
            self.carry_out(commands, now);
            self.effects.push(Effect::DropObjects { context: id });
            self.send_to_all(&Command::DropContext(pb::DropContext { context_id: id.0 }));
        }
        std::mem::take(&mut self.effects)
    }

    /// A program defines nodes of its lineage.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn on_define(
        &mut self,
        id: ContextId,
        nodes: Vec<pb::Node>,
        now: Millis,
    ) -> Result<Vec<Effect>, WireError> {
        self.define(id, nodes, now)?;
        Ok(std::mem::take(&mut self.effects))
    }

    /// Takes nodes; jobs that are to leave map outputs of a node that is no shuffle any more go another way.
    pub(super) fn define(
        &mut self,
        id: ContextId,
        nodes: Vec<pb::Node>,
        now: Millis,
    ) -> Result<(), WireError> {
        let defined = self.context_mut(id)?.define(nodes);
        let Some(context) = self.rdds.contexts.get(&id) else { return defined };
        let is_shuffle = |node: NodeId| {
            context.lineage().get(node).is_some_and(|node| matches!(node.kind, NodeKind::Shuffle(_)))
        };
        let of_context = self.rdds.stages.values().filter(|stage| stage.context == id);
        let astray = of_context.filter(|stage| match stage.goal {
            Goal::Shuffle(shuffle) => !is_shuffle(shuffle),
            Goal::Result => false,
        });
        for job in astray.map(|stage| stage.job).collect::<BTreeSet<_>>() {
            if let Some(action) = self.rdds.jobs.get_mut(&job) {
                action.plans = 0;
            }
            self.plan_again(job, now);
        }
        defined
    }

    /// A program needs the kept partitions of a node no longer.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn on_unpersist(
        &mut self,
        id: ContextId,
        node: NodeId,
        now: Millis,
    ) -> Result<Vec<Effect>, WireError> {
        let context = self.context_mut(id)?;
        let Some(former) = context.lineage().get(node) else {
            return Err(WireError::invalid("node", format!("context {id} has no node {node}")));
        };
        let mut changed = to_wire(node, former);
        changed.persist = None;
        context.define(vec![changed])?;
        let commands = self.scheduler.on_blocks_forgotten(id, node, now);
        self.carry_out(commands, now);
        let forget = pb::ForgetNode { context_id: id.0, node: node.0 };
        self.send_to_all(&Command::ForgetNode(forget));
        Ok(std::mem::take(&mut self.effects))
    }

    pub(super) fn context_mut(&mut self, id: ContextId) -> Result<&mut Context, WireError> {
        let unknown = || WireError::invalid("context_id", format!("context {id} is not open"));
        self.rdds.contexts.get_mut(&id).ok_or_else(unknown)
    }

    /// Sends something to all executors: one that was told nothing may have got second copies from others.
    fn send_to_all(&mut self, command: &Command) {
        for executor in self.attached.keys().copied().collect::<Vec<_>>() {
            self.send(executor, command.clone());
        }
    }
}
