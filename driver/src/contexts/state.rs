use std::collections::BTreeMap;

use howdah_proto::{
    ContextId, MemberId, NodeId, Partition, WireError,
    lineage::{Lineage, Node, from_wire, to_wire},
    pb::{self, task_command::Command},
};

use prost::Message;

use super::{MapOutputs, told::Told};

/// A context of a program.
#[derive(Debug, Default)]
pub struct Context {
    /// What it is called.
    pub name: String,
    lineage: Lineage,
    /// The nodes in the order in which they were defined; one that was defined again stands here again.
    changes: Vec<NodeId>,
    outputs: BTreeMap<NodeId, MapOutputs>,
    told: BTreeMap<MemberId, Told>,
}

impl Context {
    /// Makes a context without a node.
    pub fn new(name: String) -> Self {
        Self { name, ..Self::default() }
    }

    /// The nodes.
    pub fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    /// Takes nodes that the program defines.
    ///
    /// # Errors
    /// [`WireError`]; the nodes before the wrong one stay.
    pub fn define(&mut self, nodes: Vec<pb::Node>) -> Result<(), WireError> {
        for node in nodes {
            let (id, node) = from_wire(node)?;
            self.define_one(id, node)?;
        }
        Ok(())
    }

    fn define_one(&mut self, id: NodeId, node: Node) -> Result<(), WireError> {
        if let Some(former) = self.lineage.get(id)
            && former.partitions != node.partitions
        {
            let (had, has) = (former.partitions, node.partitions);
            let reason = format!("node {id} had {had} partitions, and can't have {has} now");
            return Err(WireError::invalid("nodes.partitions", reason));
        }
        self.lineage.define(id, node)?;
        self.changes.push(id);
        Ok(())
    }

    /// Where the map outputs of a shuffle are.
    pub fn outputs(&self, shuffle: NodeId) -> Option<&MapOutputs> {
        self.outputs.get(&shuffle)
    }

    /// The same, to be changed; they are made if there are none.
    pub fn outputs_mut(&mut self, shuffle: NodeId) -> &mut MapOutputs {
        let parents = self.lineage.get(shuffle).map(|node| node.parents.clone()).unwrap_or_default();
        let maps =
            parents.first().and_then(|parent| self.lineage.get(*parent)).map_or(0, |node| node.partitions);
        self.outputs.entry(shuffle).or_insert_with(|| MapOutputs::new(maps))
    }

    /// The shuffles of which there are map outputs.
    pub fn shuffles(&self) -> impl Iterator<Item = (NodeId, &MapOutputs)> {
        self.outputs.iter().map(|(shuffle, outputs)| (*shuffle, outputs))
    }

    /// Who has the output of a map partition of a shuffle.
    pub fn holder(&self, shuffle: NodeId, partition: Partition) -> Option<MemberId> {
        self.outputs.get(&shuffle)?.holder(partition)
    }

    /// Forgets the output of a map partition of a shuffle, if it is this executor that had it.
    pub fn forget_output(&mut self, shuffle: NodeId, partition: Partition, executor: MemberId) {
        if let Some(outputs) = self.outputs.get_mut(&shuffle) {
            outputs.forget(partition, executor);
        }
    }

    /// Forgets the map outputs that an executor had.
    pub fn forget_outputs_at(&mut self, executor: MemberId) {
        self.outputs.values_mut().for_each(|outputs| outputs.forget_executor(executor));
    }

    /// Forgets what an executor had, and what it had been told.
    pub fn forget_executor(&mut self, executor: MemberId) {
        self.told.remove(&executor);
        self.forget_outputs_at(executor);
    }

    /// What an executor must be told before it runs a task that reads these shuffles.
    pub fn tell(
        &mut self,
        id: ContextId,
        executor: MemberId,
        shuffles: &[NodeId],
        address: impl Fn(MemberId) -> Option<String>,
    ) -> Vec<Command> {
        let mut commands = Vec::new();
        let told = self.told.entry(executor).or_default();
        let news = self.changes.get(told.changes..).unwrap_or_default();
        if !news.is_empty() {
            let nodes = news.iter().filter_map(|node| Some(to_wire(*node, self.lineage.get(*node)?)));
            let messages = in_messages(nodes).into_iter();
            commands
                .extend(messages.map(|nodes| Command::PutNodes(pb::PutNodes { context_id: id.0, nodes })));
            told.changes = self.changes.len();
        }
        for shuffle in shuffles {
            let Some(outputs) = self.outputs.get(shuffle) else { continue };
            if told.outputs.get(shuffle) != Some(&outputs.version()) {
                told.outputs.insert(*shuffle, outputs.version());
                commands.push(Command::PutMapOutputs(outputs.to_wire(id, *shuffle, &address)));
            }
        }
        commands
    }
}

/// A long lineage travels in several messages of about so many bytes.
const MESSAGE_BYTES: usize = 4 << 20;

fn in_messages(nodes: impl Iterator<Item = pb::Node>) -> Vec<Vec<pb::Node>> {
    let mut messages = Vec::new();
    let (mut message, mut bytes) = (Vec::new(), 0);
    for node in nodes {
        bytes += node.encoded_len();
        message.push(node);
        if bytes >= MESSAGE_BYTES {
            messages.push(std::mem::take(&mut message));
            bytes = 0;
        }
    }
    messages.extend((!message.is_empty()).then_some(message));
    messages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{Kind, lineage};

    fn context() -> Context {
        let mut context = Context::new("test".to_owned());
        let nodes = pb::Lineage::from(&lineage(&[(Kind::Source, &[]), (Kind::Shuffled, &[0])])).nodes;
        context.define(nodes).unwrap();
        context
    }

    fn told(context: &mut Context, executor: u64) -> Vec<String> {
        let commands =
            context.tell(ContextId(1), MemberId(executor), &[NodeId(1)], |member| Some(member.to_string()));
        let name = |command| match command {
            Command::PutNodes(put) => format!("{} nodes", put.nodes.len()),
            Command::PutMapOutputs(put) => format!("outputs {:?}", put.places),
            other => panic!("{other:?}"),
        };
        commands.into_iter().map(name).collect()
    }

    #[test]
    fn an_executor_is_told_once_and_again_after_a_change() {
        let mut context = context();
        assert_eq!(told(&mut context, 1), ["2 nodes"]);
        assert!(told(&mut context, 1).is_empty());
        context.outputs_mut(NodeId(1)).store(Partition(0), MemberId(1));
        assert_eq!(told(&mut context, 1), [format!("outputs {:?}", [0, u32::MAX])]);
        assert_eq!(told(&mut context, 2).len(), 2);
        context.forget_executor(MemberId(2));
        assert_eq!(told(&mut context, 2).len(), 2);
        let again = to_wire(NodeId(0), context.lineage().get(NodeId(0)).unwrap());
        context.define(vec![again]).unwrap();
        assert_eq!(told(&mut context, 1), ["1 nodes"]);
    }

    #[test]
    fn a_node_keeps_its_number_of_partitions() {
        let mut context = context();
        let mut node = to_wire(NodeId(0), context.lineage().get(NodeId(0)).unwrap());
        node.partitions = 3;
        assert!(context.define(vec![node]).is_err());
    }
}
