use std::{collections::BTreeMap, time::Duration};

use howdah_proto::{AttemptId, ContextId, JobId, MemberId, NodeId, Partition, SessionId, pb};
use pb::{rdd_task::Output, task_spec::Work, task_update::Update};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IteratorRandom};

use super::{
    compute::Computation,
    lineages::Program,
    process::Process,
    watched::{Watched, accumulator},
};
use crate::{
    engine::{Effect, Engine},
    membership::{Registration, RoleDetails},
    plan::Goal,
    scheduler::{Millis, Options},
};

pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// Executors, programs and an engine between them, with a clock of its own; who acts next is decided by a seed.
pub(super) struct Cluster {
    pub(super) engine: Engine,
    pub(super) now: Millis,
    pub(super) random: StdRng,
    pub(super) processes: BTreeMap<MemberId, Process>,
    /// Processes that are dead, which the driver doesn't know yet.
    pub(super) unnoticed: BTreeMap<MemberId, SessionId>,
    pub(super) programs: BTreeMap<ContextId, Program>,
    pub(super) jobs: BTreeMap<JobId, Watched>,
    next_session: u64,
}

impl Cluster {
    pub(super) fn new(seed: u64, slots: &[usize]) -> Self {
        let mut cluster = Self {
            engine: Engine::new(TIMEOUT, Options::default()),
            now: Millis(0),
            random: StdRng::seed_from_u64(seed),
            processes: BTreeMap::new(),
            unnoticed: BTreeMap::new(),
            programs: BTreeMap::new(),
            jobs: BTreeMap::new(),
            next_session: 1,
        };
        for slots in slots {
            cluster.join(*slots);
        }
        cluster
    }

    pub(super) fn join(&mut self, slots: usize) -> MemberId {
        let address = format!("http://executor{}:1", self.next_session);
        self.join_at(Process::new(SessionId(0), address, slots))
    }

    /// Registers a process and lets it attach.
    pub(super) fn join_at(&mut self, process: Process) -> MemberId {
        let session = SessionId(self.next_session);
        self.next_session += 1;
        let (address, slots) = (process.address.clone(), process.slots);
        let role = RoleDetails::Executor { slots: slots as u32, memory_bytes: 0 };
        let registration = Registration { name: address.clone(), address, role, is_here: false };
        let (id, effects) = self.engine.on_register(registration, session, self.now);
        self.carry_out(effects);
        let mut process = process;
        process.session = session;
        self.processes.insert(id, process);
        let (known, effects) = self.engine.on_attach(id, session, self.now);
        assert!(known);
        self.carry_out(effects);
        id
    }

    pub(super) fn open(&mut self, program: Program) -> ContextId {
        let (id, effects) = self.engine.on_context_opened("a program".to_owned());
        self.carry_out(effects);
        let effects = self.engine.on_define(id, program.nodes(), self.now).unwrap();
        self.programs.insert(id, program);
        self.carry_out(effects);
        id
    }

    pub(super) fn close(&mut self, id: ContextId) {
        let effects = self.engine.on_context_closed(id, self.now);
        self.carry_out(effects);
    }

    /// Collects partitions of a node; the results may take as much as they do, and no byte more.
    pub(super) fn collect(&mut self, context: ContextId, node: NodeId, partitions: Vec<u32>) -> JobId {
        let watched = Watched::new(&self.programs[&context], node, partitions.clone());
        let options =
            pb::RunOptions { result_limit_bytes: 8 * partitions.len() as u64, ..Default::default() };
        let request = pb::RunRequest {
            context_id: context.0,
            node: node.0,
            partitions,
            action: Some(pb::Action { kind: Some(pb::action::Kind::Collect(pb::CollectAction {})) }),
            options: Some(options),
            ..Default::default()
        };
        let (job, effects) = self.engine.on_run(request, self.now).unwrap();
        self.jobs.insert(job, watched);
        self.carry_out(effects);
        job
    }

    /// Lets something happen; returns whether anything could.
    pub(super) fn step(&mut self) -> bool {
        self.now = Millis(self.now.0 + self.random.random_range(0..50));
        let works = |process: &&MemberId| {
            let process = &self.processes[process];
            !(process.hangs || process.running.is_empty() && process.reports.is_empty())
        };
        let Some(id) = self.processes.keys().filter(works).copied().choose(&mut self.random) else {
            return false;
        };
        let process = &self.processes[&id];
        let attempt = process.running.keys().copied().choose(&mut self.random);
        match attempt.filter(|_| process.reports.is_empty() || self.random.random_bool(0.5)) {
            Some(attempt) if self.random.random_bool(0.2) => self.send_ahead(id, attempt),
            Some(attempt) => self.end(id, attempt),
            None => self.arrive(id),
        }
        true
    }

    /// Lets everybody act until nobody has anything to do.
    pub(super) fn run(&mut self) {
        for _ in 0..100_000 {
            if !self.step() && !self.wait() {
                return;
            }
        }
        panic!("it does not end");
    }

    /// Lets time pass until the next deadline, if there is one.
    pub(super) fn wait(&mut self) -> bool {
        let Some(due) = self.engine.next_deadline() else { return false };
        self.tick(due.max(self.now));
        true
    }

    /// Lets time pass, in which those who live say so.
    pub(super) fn tick(&mut self, now: Millis) {
        self.now = now;
        let living = self.processes.iter().filter(|(_, process)| !process.hangs);
        let beat = |(id, process): (&MemberId, &Process)| {
            let (member_id, session, draining) = (id.0, process.session.0, process.drains);
            pb::Beat { member_id, session, draining, ..pb::Beat::default() }
        };
        for beat in living.map(beat).collect::<Vec<_>>() {
            let (_, effects) = self.engine.on_beat(&beat, now);
            self.carry_out(effects);
        }
        let effects = self.engine.on_tick(now);
        self.carry_out(effects);
    }

    /// Brings the first report of a process to the driver.
    pub(super) fn arrive(&mut self, id: MemberId) {
        let process = self.processes.get_mut(&id).unwrap();
        let session = process.session;
        let Some(report) = process.reports.pop_front() else { return };
        let effects = self.engine.on_update(id, session, report, self.now);
        self.carry_out(effects);
        if self.processes.get(&id).is_some_and(|process| process.released) {
            self.processes.remove(&id);
            let effects = self.engine.on_disconnected(id, session, "it left".to_owned(), self.now);
            self.carry_out(effects);
        }
    }

    /// Lets an attempt send the beginning of its result.
    fn send_ahead(&mut self, id: MemberId, attempt: AttemptId) {
        let running = self.processes[&id].running[&attempt].clone();
        let (node, goal) = goal_of(&running.task);
        if goal != Goal::Result || running.sent > 0 {
            return;
        }
        let value = Computation::new(self, id, &running).value(node, Partition(running.task.partition));
        let Ok(value) = value else { return };
        let data = value.to_le_bytes()[..3].to_vec().into();
        let process = self.processes.get_mut(&id).unwrap();
        process.running.get_mut(&attempt).unwrap().sent = 3;
        let chunk = pb::ResultChunk { attempt: Some(attempt.into()), data };
        process.reports.push_back(Update::ResultChunk(chunk));
    }

    /// Lets an attempt end.
    pub(super) fn end(&mut self, id: MemberId, attempt: AttemptId) {
        let running = self.processes.get_mut(&id).unwrap().running.remove(&attempt).unwrap();
        let (node, goal) = goal_of(&running.task);
        let partition = Partition(running.task.partition);
        let mut computation = Computation::new(self, id, &running);
        let value = computation.value(node, partition);
        let kept = computation.kept;
        let report = match value {
            _ if running.cancelled => failed(attempt, pb::attempt_failed::Kind::Cancelled, None),
            _ if !running.leads_to(goal) => failed(attempt, pb::attempt_failed::Kind::BadInput, None),
            Err(fetch) => failed(attempt, pb::attempt_failed::Kind::FetchFailed, Some(fetch)),
            Ok(value) => {
                let copy_at = second_copy(&running.task);
                let other =
                    self.processes.values_mut().find(|other| other.address == copy_at && !other.hangs);
                let level = |node| running.view.lineage.get(node).and_then(|node| node.persist);
                let mut copied = Vec::new();
                if let Some(other) = other {
                    let twice = |copies| copies == howdah_proto::lineage::Copies::Two;
                    let copies = kept
                        .iter()
                        .filter(|(block, _)| level(block.node).is_some_and(|level| twice(level.copies)));
                    for (block, value) in copies {
                        other.blocks.insert(*block, *value);
                        copied.push(pb::BlockId::from(*block));
                    }
                }
                let process = self.processes.get_mut(&id).unwrap();
                process.blocks.extend(kept.iter().copied());
                let mut result = Vec::new();
                match goal {
                    Goal::Shuffle(shuffle) => {
                        process.outputs.insert((running.view.context, shuffle, partition), value);
                    }
                    Goal::Result => result.extend_from_slice(&value.to_le_bytes()[running.sent..]),
                }
                let one = pb::accumulator_update::Value::Unsigned(1);
                let sum = pb::AccumulatorUpdate {
                    accumulator_id: accumulator(goal, partition.0),
                    value: Some(one),
                };
                let done = pb::RddDone {
                    result: result.into(),
                    accumulators: vec![sum],
                    copied_to: if copied.is_empty() { String::new() } else { copy_at },
                    copied,
                };
                Update::Succeeded(pb::AttemptSucceeded {
                    attempt: Some(attempt.into()),
                    stored: kept.into_iter().map(|(block, _)| block.into()).collect(),
                    result: Some(pb::attempt_succeeded::Result::Rdd(done)),
                })
            }
        };
        let process = self.processes.get_mut(&id).unwrap();
        process.reports.push_back(report);
        let blocks: Vec<pb::BlockId> = process.evicted.drain(..).map(pb::BlockId::from).collect();
        if !blocks.is_empty() {
            process.reports.push_back(Update::Dropped(pb::BlocksDropped { blocks }));
        }
    }

    pub(super) fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send { executor, command } => match self.processes.get_mut(&executor) {
                    Some(process) => process.take(command),
                    None => assert!(
                        self.unnoticed.contains_key(&executor),
                        "{command:?} to {executor}, which is not there"
                    ),
                },
                Effect::Hangup { executor } => {
                    self.unnoticed.remove(&executor);
                    if let Some(process) = self.processes.get_mut(&executor) {
                        assert!(process.hangs, "{executor} was alive and is hung up on");
                        process.lost = true;
                    }
                }
                Effect::Reply { job, reply } => {
                    self.jobs.get_mut(&job).expect("a reply to nobody").take(reply.reply.unwrap());
                }
                Effect::EndReplies { job } => self.jobs.get_mut(&job).unwrap().close(),
                Effect::DropObjects { .. } => {}
                other => panic!("{other:?} is not for programs"),
            }
        }
    }

    /// Closes all contexts, and checks that nothing is left of them anywhere.
    pub(super) fn close_all(&mut self, seed: u64) {
        for id in self.programs.keys().copied().collect::<Vec<_>>() {
            self.close(id);
        }
        self.run();
        assert!(self.engine.is_clean(), "seed {seed}: {:#?}", self.engine);
        for (id, process) in self.processes.iter().filter(|(_, process)| !process.hangs) {
            assert!(process.keeps_nothing(), "seed {seed}: executor {id} keeps {process:?}");
        }
    }
}

pub(super) fn goal_of(task: &pb::TaskSpec) -> (NodeId, Goal) {
    let Some(Work::Rdd(work)) = &task.work else { panic!("a program trains nothing") };
    let goal = match work.output {
        Some(Output::Shuffle(shuffle)) => Goal::Shuffle(NodeId(shuffle)),
        _ => Goal::Result,
    };
    (NodeId(work.node), goal)
}

fn second_copy(task: &pb::TaskSpec) -> String {
    match &task.work {
        Some(Work::Rdd(work)) => work.second_copy.clone(),
        _ => String::new(),
    }
}

pub(super) fn failed(
    attempt: AttemptId,
    kind: pb::attempt_failed::Kind,
    fetch: Option<pb::FetchFailed>,
) -> Update {
    let (attempt, message) = (Some(attempt.into()), "it broke".to_owned());
    Update::Failed(pb::AttemptFailed { attempt, kind: kind.into(), message, fetch })
}

pub(super) fn draining() -> Update {
    Update::Drain(pb::Drain {})
}
