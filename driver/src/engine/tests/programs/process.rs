use std::collections::{BTreeMap, VecDeque};

use howdah_executor::task::ContextView;
use howdah_proto::{AttemptId, BlockId, ContextId, NodeId, Partition, SessionId, lineage::NodeKind, pb};
use pb::{task_command::Command, task_spec::Work, task_update::Update};

use crate::plan::Goal;

/// The process of an executor as the engine and its peers see it; it does something when it is told to.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) session: SessionId,
    pub(super) address: String,
    pub(super) slots: usize,
    /// Whether it is stopped, and neither works nor answers.
    pub(super) hangs: bool,
    /// Whether the driver has given it up meanwhile.
    pub(super) lost: bool,
    /// Whether the driver has let it go.
    pub(super) released: bool,
    pub(super) drains: bool,
    contexts: BTreeMap<ContextId, ContextView>,
    pub(super) blocks: BTreeMap<BlockId, u64>,
    pub(super) outputs: BTreeMap<(ContextId, NodeId, Partition), u64>,
    pub(super) running: BTreeMap<AttemptId, Running>,
    /// What it has sent and has not arrived.
    pub(super) reports: VecDeque<Update>,
    /// Blocks that it dropped, and has not said so.
    pub(super) evicted: Vec<BlockId>,
}

/// An attempt, and what its executor had been told when it began.
#[derive(Debug, Clone)]
pub(super) struct Running {
    pub(super) task: pb::TaskSpec,
    pub(super) view: ContextView,
    pub(super) cancelled: bool,
    /// Bytes of the result that have been sent ahead.
    pub(super) sent: usize,
}

impl Running {
    /// Whether what it is to leave can be left, as far as it knows.
    pub(super) fn leads_to(&self, goal: Goal) -> bool {
        let kind = |node| self.view.lineage.get(node).map(|node| &node.kind);
        match goal {
            Goal::Result => true,
            Goal::Shuffle(shuffle) => matches!(kind(shuffle), Some(NodeKind::Shuffle(_))),
        }
    }
}

impl Process {
    pub(super) fn new(session: SessionId, address: String, slots: usize) -> Self {
        Self {
            session,
            address,
            slots,
            hangs: false,
            lost: false,
            released: false,
            drains: false,
            contexts: BTreeMap::new(),
            blocks: BTreeMap::new(),
            outputs: BTreeMap::new(),
            running: BTreeMap::new(),
            reports: VecDeque::new(),
            evicted: Vec::new(),
        }
    }

    /// Takes a command, as the worker of a real executor does.
    pub(super) fn take(&mut self, command: Command) {
        match command {
            Command::PutNodes(put) => self.context(put.context_id).put_nodes(put.nodes).unwrap(),
            Command::PutMapOutputs(put) => self.context(put.context_id).put_outputs(put),
            Command::Launch(launch) => launch.tasks.into_iter().for_each(|task| self.launch(task)),
            Command::Cancel(cancel) => {
                let attempt: AttemptId = cancel.attempt.try_into().unwrap();
                if let Some(running) = self.running.get_mut(&attempt) {
                    running.cancelled = true;
                }
            }
            Command::ForgetNode(forget) => {
                let of = (ContextId(forget.context_id), NodeId(forget.node));
                self.blocks.retain(|block, _| (block.context, block.node) != of);
            }
            Command::DropContext(drop) => {
                let id = ContextId(drop.context_id);
                self.contexts.remove(&id);
                self.blocks.retain(|block, _| block.context != id);
                self.outputs.retain(|(context, _, _), _| *context != id);
            }
            Command::Shutdown(_) => {
                assert!(self.running.is_empty(), "it has {:?}", self.running.keys());
                self.released = true;
            }
            Command::PutJob(_) | Command::DropJob(_) | Command::PutPlaces(_) => {
                panic!("a program trains nothing")
            }
        }
    }

    fn context(&mut self, id: u64) -> &mut ContextView {
        let id = ContextId(id);
        self.contexts.entry(id).or_insert_with(|| ContextView::new(id))
    }

    fn launch(&mut self, task: pb::TaskSpec) {
        let attempt: AttemptId = task.attempt.try_into().unwrap();
        assert!(!self.released, "a task came after the shutdown");
        let Some(Work::Rdd(work)) = &task.work else { panic!("a program trains nothing") };
        let Some(view) = self.contexts.get(&ContextId(work.context_id)).cloned() else {
            panic!("{attempt}: it has not been told of context {}", work.context_id);
        };
        let running = Running { task, view, cancelled: false, sent: 0 };
        assert!(self.running.insert(attempt, running).is_none(), "{attempt} was launched twice");
        assert!(self.running.len() <= self.slots, "more tasks than slots");
    }

    /// What a connection that is lost does to it.
    pub(super) fn forget_everything(&mut self) {
        let (session, address) = (self.session, std::mem::take(&mut self.address));
        *self = Self::new(session, address, self.slots);
    }

    pub(super) fn keeps_nothing(&self) -> bool {
        self.contexts.is_empty()
            && self.blocks.is_empty()
            && self.outputs.is_empty()
            && self.running.is_empty()
    }
}
