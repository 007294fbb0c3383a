use std::{
    collections::HashMap,
    path::PathBuf,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use howdah_executor::rdd::Registry;
use howdah_paramserver::role::notify;
use howdah_proto::{JobId, MemberId, WireError, pb};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

use super::{
    Effect, Engine, EngineHandle, Input, MemberCounts,
    clock::Clock,
    io::{Io, Live},
};
use crate::{
    board::Board,
    objects::Objects,
    scheduler::{Millis, Options},
};

/// How the driver's engine is set up.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// A member that is silent for this long is lost.
    pub heartbeat_timeout: Duration,
    /// Where synthetic pictures are drawn.
    pub work_dir: PathBuf,
    /// The operators that jobs may use.
    pub registry: Arc<Registry>,
    /// What holds for all jobs.
    pub scheduler: Options,
}

/// The engine looks at the clock at least this often: for lost heartbeats, and for the watchdog.
const TICK: Duration = Duration::from_millis(500);

/// Between two looks at the clock there is no more than this while the driver is awake, however busy it is.
const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// How often the engine looks at the clock, and what is sleep beyond that: members must not be lost by it.
fn looks(heartbeat_timeout: Duration) -> (Duration, Duration) {
    let longest = (heartbeat_timeout / 2).min(LONGEST_LOOK);
    ((longest / 2).min(TICK).max(Duration::from_millis(1)), longest)
}

const INPUTS: usize = 4096;

/// Starts the engine in a task of its own; it ends when the last handle is dropped.
pub fn start(options: EngineOptions, board: Board, objects: Objects) -> (EngineHandle, JoinHandle<()>) {
    let (inputs, receiver) = mpsc::channel(INPUTS);
    let (counts, members) = watch::channel(MemberCounts::default());
    let live = watch::Sender::default();
    // The I/O that the engine starts must not keep the engine alive.
    let io =
        Io::new(inputs.downgrade(), options.work_dir.clone(), options.registry.clone(), live.subscribe());
    let task = tokio::spawn(run(options, (board, objects), receiver, counts, (io, live)));
    (EngineHandle { inputs, members }, task)
}

/// Takes inputs until there can't be any more.
async fn run(
    options: EngineOptions,
    (board, objects): (Board, Objects),
    mut inputs: mpsc::Receiver<Input>,
    counts: watch::Sender<MemberCounts>,
    (io, live): (Io, watch::Sender<Live>),
) {
    let (tick, longest) = looks(options.heartbeat_timeout);
    let mut shell = Shell {
        engine: Engine::new(options.heartbeat_timeout, options.scheduler)
            .knowing(options.registry)
            // Members outlive their driver: no job of the next one may have a number that they have seen.
            .counting_jobs_from(JobId(unix_ms())),
        board,
        io,
        live,
        links: HashMap::new(),
        replies: HashMap::new(),
        objects,
        clock: Clock::new(Instant::now(), longest),
    };
    let mut watchdog = pin!(notify::feed_watchdog());
    let mut ticks = tokio::time::interval(tick);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let deadline = shell.engine.next_deadline().map(|at| shell.clock.instant(at));
        let due = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            input = inputs.recv() => match input {
                Some(input) => shell.take(input),
                None => return,
            },
            () = due => shell.tick(),
            _ = ticks.tick() => shell.tick(),
            never = &mut watchdog => match never {},
        }
        counts.send_if_modified(|known| {
            let now = shell.engine.counts();
            std::mem::replace(known, now) != now
        });
    }
}

/// The engine with what it acts on.
struct Shell {
    engine: Engine,
    board: Board,
    io: Io,
    live: watch::Sender<Live>,
    links: HashMap<MemberId, mpsc::UnboundedSender<pb::TaskCommand>>,
    replies: HashMap<JobId, mpsc::UnboundedSender<pb::RunReply>>,
    objects: Objects,
    clock: Clock,
}

impl Shell {
    fn now(&mut self) -> Millis {
        let (now, slept) = self.clock.look(Instant::now());
        if !slept.is_zero() {
            tracing::warn!(
                ?slept,
                "the driver was stopped; the time that it slept doesn't count for anybody"
            );
        }
        now
    }

    fn tick(&mut self) {
        let now = self.now();
        let effects = self.engine.on_tick(now);
        self.perform(effects);
    }

    // A reply is dropped only by a client that has gone; it needs no answer then.
    fn take(&mut self, input: Input) {
        let now = self.now();
        let effects = match input {
            Input::Register { registration, reply } => {
                let session = howdah_proto::SessionId(rand::random());
                let (id, effects) = self.engine.on_register(registration, session, now);
                let _ = reply.send((id, session));
                effects
            }
            Input::Beat { beat, reply } => {
                let (known, effects) = self.engine.on_beat(&beat, now);
                let _ = reply.send(known);
                effects
            }
            Input::Disconnected { member, session, reason } => {
                self.engine.on_disconnected(member, session, reason, now)
            }
            Input::Attach { member, session, commands, reply } => {
                let (known, effects) = self.engine.on_attach(member, session, now);
                // A stream that is refused must not take the place of the one that its member has.
                if known {
                    self.links.insert(member, commands);
                }
                if reply.send(known).is_ok() || !known {
                    effects
                } else {
                    self.perform(effects);
                    self.engine.on_disconnected(member, session, "its connection dropped".to_owned(), now)
                }
            }
            Input::Update { member, session, update } => self.engine.on_update(member, session, update, now),
            Input::Submit { name, settings, reply } => {
                self.board.add(self.engine.next_job());
                let (job, effects) = self.engine.on_submit(name, *settings, now);
                let _ = reply.send(job);
                effects
            }
            Input::Cancel { job, reason } => self.engine.on_cancel(job, reason, now),
            Input::Reshard { job, shards, reply } => {
                let (answer, effects) = match self.engine.on_reshard(job, shards, now) {
                    Ok(effects) => (Ok(()), effects),
                    Err(error) => (Err(error), Vec::new()),
                };
                let _ = reply.send(answer);
                effects
            }
            Input::Members { reply } => {
                let _ = reply.send(self.engine.members());
                Vec::new()
            }
            Input::Running { reply } => {
                let _ = reply.send(self.engine.running());
                Vec::new()
            }
            Input::OpenContext { name, reply } => {
                let (context, effects) = self.engine.on_context_opened(name);
                self.objects.open(context);
                self.perform(effects);
                match reply.send(context) {
                    Ok(()) => Vec::new(),
                    Err(_) => self.engine.on_context_closed(context, now),
                }
            }
            Input::CloseContext { context } => self.engine.on_context_closed(context, now),
            Input::Define { context, nodes, reply } => {
                answer(self.engine.on_define(context, nodes, now), reply)
            }
            Input::Unpersist { context, node, reply } => {
                answer(self.engine.on_unpersist(context, node, now), reply)
            }
            Input::Describe { context, reply } => {
                let _ = reply.send(self.engine.describe(context));
                Vec::new()
            }
            Input::Run { request, replies, reply } => match self.engine.on_run(*request, now) {
                Ok((job, effects)) => {
                    self.replies.insert(job, replies);
                    self.perform(effects);
                    match reply.send(Ok(job)) {
                        Ok(()) => Vec::new(),
                        Err(_) => self.engine.on_cancel(job, "the program is gone".to_owned(), now),
                    }
                }
                Err(error) => {
                    let _ = reply.send(Err(error));
                    Vec::new()
                }
            },
            Input::Io { job, result } => self.engine.on_io(job, result, now),
        };
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        // Before anything is begun for a job or a server that is new.
        self.live.send_if_modified(|known| self.engine.tell_live(known));
        for effect in effects {
            match effect {
                Effect::Send { executor, command } => {
                    if let Some(link) = self.links.get(&executor) {
                        // An executor whose stream is closed will be reported as lost by that stream.
                        let _ = link.send(pb::TaskCommand { command: Some(command) });
                    }
                }
                Effect::Hangup { executor } => {
                    self.links.remove(&executor);
                }
                Effect::Emit { job, event } => {
                    if let Some(entry) = self.board.get(job) {
                        entry.record(event, unix_ms());
                    }
                }
                Effect::ServeFiles { job, files } => {
                    if let Some(entry) = self.board.get(job) {
                        let _ = entry.files.set(files);
                    }
                }
                Effect::KeepModel { job, model } => {
                    if let Some(entry) = self.board.get(job) {
                        // Set once: a job finishes once.
                        let _ = entry.model.set(model);
                    }
                }
                Effect::Reply { job, reply } => {
                    if let Some(replies) = self.replies.get(&job) {
                        // A program that has gone cancels its job by that.
                        let _ = replies.send(reply);
                    }
                }
                Effect::EndReplies { job } => {
                    self.replies.remove(&job);
                }
                Effect::DropObjects { context } => self.objects.close(context),
                Effect::Io { job, request } => self.io.start(job, request),
            }
        }
    }
}

/// Says whether a request was taken, and gives the effects if it was.
fn answer(
    taken: Result<Vec<Effect>, WireError>,
    reply: oneshot::Sender<Result<(), WireError>>,
) -> Vec<Effect> {
    let (answer, effects) = match taken {
        Ok(effects) => (Ok(()), effects),
        Err(error) => (Err(error), Vec::new()),
    };
    // A client that has gone needs no answer.
    let _ = reply.send(answer);
    effects
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
