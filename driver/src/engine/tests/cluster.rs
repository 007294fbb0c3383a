use std::{collections::BTreeMap, sync::Arc, time::Duration};

use howdah_executor::rdd::Registry;
use howdah_proto::{
    AttemptId, JobId, MemberId, SessionId,
    event::Event,
    lineage::OperatorSpec,
    pb,
    settings::{Pipeline, TrainSettings},
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IteratorRandom};

use super::{
    executor::{Executor, key_of},
    servers::Servers,
};
use crate::{
    engine::{AskRequest, Effect, Engine, IoRequest, IoResult, io::fit::fit},
    membership::{Registration, RoleDetails},
    prepared::{Manifest, PreparedSet},
    scheduler::{Millis, Options},
    train::fixture::dataset,
};

const MOST_EVENTS: u32 = 100_000;
const TIMEOUT: Duration = Duration::from_secs(10);

/// A whole cluster around an engine, with a clock of its own; it acts in an order that a seed decides.
pub(super) struct Cluster {
    pub(super) engine: Engine,
    pub(super) now: Millis,
    pub(super) random: StdRng,
    pub(super) executors: BTreeMap<MemberId, Executor>,
    /// What takes time and is not done yet.
    pub(super) pending: Vec<(JobId, IoRequest)>,
    pub(super) jobs: BTreeMap<JobId, Watched>,
    /// Training and held-out pictures.
    pub(super) pictures: (usize, usize),
    pub(super) servers: Servers,
    /// The parameter servers that are registered.
    pub(super) registered: BTreeMap<String, (MemberId, SessionId)>,
    registry: Registry,
    /// The operators that were fitted, with their parameters.
    pub(super) fitted: Vec<OperatorSpec>,
    /// The pipelines that models were made with.
    pub(super) modelled: Vec<Pipeline>,
    /// What is found where pictures are looked for, instead of pictures.
    pub(super) set: Option<PreparedSet>,
    /// The prepared sets that were made whole.
    pub(super) committed: Vec<Manifest>,
    next_session: u64,
}

/// What was seen of a job.
#[derive(Debug, Default)]
pub(super) struct Watched {
    pub(super) settings: Option<TrainSettings>,
    pub(super) events: Vec<Event>,
    pub(super) launches: BTreeMap<String, u32>,
    pub(super) models: u32,
    pub(super) shards_made: u32,
    pub(super) shards_dropped: u32,
}

impl Cluster {
    pub(super) fn new(seed: u64, slots: &[u32]) -> Self {
        let mut cluster = Self::without_members(seed);
        cluster.server(1);
        for slots in slots {
            cluster.executor(*slots);
        }
        cluster
    }

    pub(super) fn without_members(seed: u64) -> Self {
        Self {
            engine: Engine::new(TIMEOUT, Options::default()),
            now: Millis(0),
            random: StdRng::seed_from_u64(seed),
            executors: BTreeMap::new(),
            pending: Vec::new(),
            jobs: BTreeMap::new(),
            pictures: (100, 30),
            servers: Servers::default(),
            registered: BTreeMap::new(),
            registry: Registry::new(),
            fitted: Vec::new(),
            modelled: Vec::new(),
            set: None,
            committed: Vec::new(),
            next_session: 1,
        }
    }

    /// Lets jobs use these operators, before there is any.
    pub(super) fn know(&mut self, registry: Registry) {
        self.registry = registry.clone();
        let engine = std::mem::replace(&mut self.engine, Engine::new(TIMEOUT, Options::default()));
        self.engine = engine.knowing(Arc::new(registry));
    }

    pub(super) fn register(&mut self, address: &str, role: RoleDetails) -> (MemberId, SessionId) {
        let session = SessionId(self.next_session);
        self.next_session += 1;
        let registration =
            Registration { name: address.to_owned(), address: address.to_owned(), role, is_here: false };
        let (id, effects) = self.engine.on_register(registration, session, self.now);
        self.carry_out(effects);
        (id, session)
    }

    pub(super) fn executor(&mut self, slots: u32) -> MemberId {
        let address = format!("http://executor{}:1", self.next_session);
        self.executor_at(address, slots)
    }

    pub(super) fn executor_at(&mut self, address: String, slots: u32) -> MemberId {
        let (id, session) = self.register(&address, RoleDetails::Executor { slots, memory_bytes: 0 });
        self.executors.insert(id, Executor::new(session, address, slots as usize));
        let (known, effects) = self.engine.on_attach(id, session, self.now);
        assert!(known);
        self.carry_out(effects);
        id
    }

    pub(super) fn submit(&mut self, settings: TrainSettings) -> JobId {
        let (job, effects) = self.engine.on_submit("a job".to_owned(), settings.clone(), self.now);
        self.jobs.entry(job).or_default().settings = Some(settings);
        self.carry_out(effects);
        job
    }

    pub(super) fn lose(&mut self, id: MemberId) {
        let session = self.executors[&id].session;
        let effects = self.engine.on_disconnected(id, session, "its connection dropped".to_owned(), self.now);
        self.carry_out(effects);
    }

    pub(super) fn cancel(&mut self, job: JobId) {
        let effects = self.engine.on_cancel(job, "enough".to_owned(), self.now);
        self.carry_out(effects);
    }

    pub(super) fn tick(&mut self, now: Millis) {
        self.now = now;
        let effects = self.engine.on_tick(now);
        self.carry_out(effects);
    }

    pub(super) fn update(&mut self, id: MemberId, update: pb::task_update::Update) {
        let session = self.executors[&id].session;
        let effects = self.engine.on_update(id, session, update, self.now);
        self.carry_out(effects);
    }

    /// Lets everybody act until nobody has anything to do.
    pub(super) fn run(&mut self) {
        for _ in 0..MOST_EVENTS {
            if !self.step() {
                let Some(due) = self.engine.next_deadline() else { return };
                self.tick(due);
            }
        }
        panic!("it does not end");
    }

    /// Lets one attempt end or one thing that takes time; returns whether there was any.
    pub(super) fn step(&mut self) -> bool {
        self.now = Millis(self.now.0 + self.random.random_range(0..50));
        let attempts = self.attempts();
        let choice = self.random.random_range(0..(attempts.len() + self.pending.len()).max(1));
        if let Some((id, attempt)) = attempts.get(choice) {
            self.end(*id, *attempt);
        } else if !self.pending.is_empty() {
            self.answer(choice - attempts.len());
        } else {
            return false;
        }
        true
    }

    pub(super) fn attempts(&self) -> Vec<(MemberId, AttemptId)> {
        let of = |(id, executor): (&MemberId, &Executor)| {
            executor.running.keys().map(|attempt| (*id, *attempt)).collect::<Vec<_>>()
        };
        self.executors.iter().flat_map(of).collect()
    }

    pub(super) fn any_executor(&mut self) -> Option<MemberId> {
        self.executors.keys().copied().choose(&mut self.random)
    }

    /// Lets an attempt end well.
    pub(super) fn end(&mut self, id: MemberId, attempt: AttemptId) {
        let batch = self.jobs[&attempt.job].settings.as_ref().unwrap().batch;
        let executor = self.executors.get_mut(&id).unwrap();
        let mut update = None;
        if !executor.is_cancelled(attempt) {
            let task = &executor.running[&attempt];
            let places = executor.places.get(&attempt.job).map_or(&[][..], |places| places);
            if let Err(kind) = self.servers.work(attempt, task, places, batch, u64::MAX) {
                update = Some(executor.give_up(attempt, kind));
            }
        }
        let update = update.unwrap_or_else(|| executor.end(attempt, batch));
        self.update(id, update);
    }

    /// Lets an attempt push some of its steps, and go on.
    pub(super) fn push_some(&mut self, id: MemberId, attempt: AttemptId, steps: u64) {
        let batch = self.jobs[&attempt.job].settings.as_ref().unwrap().batch;
        let executor = &self.executors[&id];
        if executor.is_cancelled(attempt) {
            return;
        }
        let places = executor.places.get(&attempt.job).map_or(&[][..], |places| places);
        // What can't be pushed is tried again when the attempt ends.
        let _ = self.servers.work(attempt, &executor.running[&attempt], places, batch, steps);
    }

    /// Lets an attempt end by an error of its own.
    pub(super) fn fail(&mut self, id: MemberId, attempt: AttemptId) {
        let update = self.executors.get_mut(&id).unwrap().fail(attempt);
        self.update(id, update);
    }

    /// Does what takes time.
    pub(super) fn answer(&mut self, place: usize) {
        let (job, request) = self.pending.remove(place);
        let watched = self.jobs.get_mut(&job).unwrap();
        let results = match request {
            IoRequest::ListDataset { .. } if self.set.is_some() => {
                vec![IoResult::PreparedSet(Box::new(Ok(self.set.clone().unwrap())))]
            }
            IoRequest::CommitPrepared { manifest, .. } => {
                self.committed.push(*manifest);
                vec![IoResult::Committed(Ok(()))]
            }
            IoRequest::ListDataset { .. } => {
                vec![IoResult::Dataset(Ok(dataset(self.pictures.0, self.pictures.1)))]
            }
            IoRequest::Fit(request) => {
                let place = request.place;
                let fitted = fit(&self.registry, *request);
                self.fitted.extend(fitted.clone());
                vec![IoResult::Fitted { place, fitted }]
            }
            IoRequest::DropShards { servers } => {
                watched.shards_dropped += 1;
                servers.iter().for_each(|server| self.servers.drop_job(server, job));
                return;
            }
            IoRequest::MakeShards(make) => {
                assert_eq!(watched.shards_dropped, 0, "shards are made after they were dropped");
                watched.shards_made += 1;
                self.servers.make(job, *make)
            }
            IoRequest::Snapshot(request) => match self.servers.snapshot(job, *request) {
                (results, Some(again)) => {
                    self.pending.push((job, IoRequest::Snapshot(Box::new(again))));
                    results
                }
                (results, None) => results,
            },
            other => {
                if let IoRequest::Ask { question: AskRequest::Collect(collect), .. } = &other {
                    self.modelled.push(collect.pipeline.clone());
                }
                self.servers.answer(job, other)
            }
        };
        for result in results {
            let effects = self.engine.on_io(job, result, self.now);
            self.carry_out(effects);
        }
    }

    pub(super) fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send { executor, command } => {
                    if let pb::task_command::Command::Launch(launch) = &command {
                        for task in &launch.tasks {
                            let attempt: AttemptId = task.attempt.try_into().unwrap();
                            let launches = &mut self.jobs.get_mut(&attempt.job).unwrap().launches;
                            *launches.entry(format!("{:?}", key_of(task))).or_default() += 1;
                        }
                    }
                    let executor = self.executors.get_mut(&executor);
                    executor.expect("a command to an executor that is not there").take(command);
                }
                Effect::Hangup { executor } => {
                    self.executors.remove(&executor);
                }
                Effect::Emit { job, event } => {
                    let events = &mut self.jobs.entry(job).or_default().events;
                    assert!(!events.last().is_some_and(Event::is_last), "{event:?} came after the last");
                    events.push(event);
                }
                Effect::ServeFiles { .. } | Effect::DropObjects { .. } => {}
                Effect::Reply { .. } | Effect::EndReplies { .. } => panic!("a training job has no replies"),
                Effect::KeepModel { job, .. } => self.jobs.entry(job).or_default().models += 1,
                Effect::Io { job, request } => self.pending.push((job, request)),
            }
        }
    }

    pub(super) fn last_event(&self, job: JobId) -> &Event {
        self.jobs[&job].events.last().unwrap()
    }

    /// Checks that a job gave a model and that nothing is left of any job.
    pub(super) fn check_finished(&mut self, job: JobId) {
        assert!(matches!(self.last_event(job), Event::JobFinished(_)), "{:?}", self.last_event(job));
        self.check_clean();
    }

    /// Checks that nothing is left of any job, and that every shard that was created was dropped once.
    pub(super) fn check_clean(&mut self) {
        self.engine.drop_unused_blocks(0, self.now);
        self.engine.effects.clear();
        assert!(self.engine.is_clean(), "{:#?}", self.engine);
        assert_eq!((self.attempts(), &self.pending[..]), (vec![], &[][..]));
        for (job, watched) in &self.jobs {
            let last = self.last_event(*job);
            assert!(last.is_last(), "{last:?}");
            assert_eq!(watched.models, u32::from(matches!(last, Event::JobFinished(_))), "{job}");
            assert_eq!(watched.shards_dropped, u32::from(watched.shards_made > 0), "{job}");
        }
    }
}
