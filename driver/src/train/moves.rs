//! What becomes of a job when parameter servers come and go.

use howdah_proto::{
    ShardIndex,
    event::{Event, Move, StageKind},
};

use super::{
    ClusterView, JobCommand, MakeShards, OpId, Origin, TrainJob,
    job::Phase,
    shards::{Server, ShardFault, ShardStep},
};
use crate::scheduler::Millis;

impl TrainJob {
    /// Compares the parameter servers that are there with those that were.
    pub(super) fn servers_changed(&mut self, cluster: &ClusterView, now: Millis) -> Vec<JobCommand> {
        let server = |draining| {
            move |(member, address): &(_, String)| Server {
                member: *member,
                address: address.clone(),
                draining,
            }
        };
        let stay = cluster.paramservers.iter().map(server(false));
        let servers: Vec<Server> = stay.chain(cluster.leaving.iter().map(server(true))).collect();
        let Some(shards) = &mut self.shards else { return Vec::new() };
        let steps = shards.on_servers(servers, now);
        self.follow(steps, now)
    }

    /// A step about a shard has ended.
    pub fn on_shard_done(
        &mut self,
        shard: ShardIndex,
        op: OpId,
        result: Result<(), ShardFault>,
        now: Millis,
    ) -> Vec<JobCommand> {
        if self.phase == Phase::Over {
            return Vec::new();
        }
        let Some(shards) = &mut self.shards else { return Vec::new() };
        let steps = shards.on_done(shard, op, result, now);
        let mut commands = self.follow(steps, now);
        let ready = self.shards.as_ref().is_some_and(|shards| shards.all_ready());
        if let Phase::Preparing { shards_ready, .. } = &mut self.phase
            && ready
            && !*shards_ready
        {
            *shards_ready = true;
            commands.extend(self.train_when_ready(now));
        }
        commands
    }

    /// Whether the shards are where executors think that they are.
    pub fn shards_are_settled(&self) -> bool {
        self.shards.as_ref().is_none_or(|shards| shards.all_ready())
    }

    /// Turns steps about shards into commands.
    pub(super) fn follow(&mut self, steps: Vec<ShardStep>, now: Millis) -> Vec<JobCommand> {
        let mut commands = Vec::new();
        for step in steps {
            match step {
                ShardStep::Make(shards) => commands.push(self.make(shards)),
                ShardStep::Ask(io) => commands.push(JobCommand::Shard(io)),
                ShardStep::GoBack => commands.extend(self.go_back(now)),
                ShardStep::Publish(places) => {
                    commands.push(JobCommand::PutPlaces(places));
                    commands.extend(self.shards_are_back(now));
                }
                ShardStep::Lost { shard, address } => {
                    self.tally.shards_lost += 1;
                    commands.push(JobCommand::Emit(Event::ShardLost { shard, address }));
                }
                ShardStep::Moved { shard, address, how, seconds } => {
                    let from = if self.saves.durable.is_some() { Move::Restored } else { Move::StartedAnew };
                    let how = how.unwrap_or(from);
                    commands.push(JobCommand::Emit(Event::ShardMoved { shard, address, how, seconds }));
                    if how != Move::Promoted {
                        commands.extend(self.evaluations_are_lost());
                        commands.extend(self.kept_weights_are_lost());
                        if self.closed {
                            commands.extend(self.reopen(now));
                        }
                    }
                }
                ShardStep::Protected { shard, address } => {
                    commands.push(JobCommand::Emit(Event::StandbyAttached { shard, address }));
                }
                ShardStep::Exposed { shard, address, reason } => {
                    commands.push(JobCommand::Emit(Event::StandbyFailed { shard, address, reason }));
                }
                ShardStep::Wait(reason) => commands.push(JobCommand::Emit(Event::Waiting { reason })),
                ShardStep::GoOn => commands.push(JobCommand::Emit(Event::GoesOn)),
                ShardStep::Unprotected => commands.push(JobCommand::Emit(Event::NoStandby)),
                ShardStep::GiveUp(error) => {
                    let hint = "look at the logs of the parameter servers".to_owned();
                    commands.extend(self.fail(format!("the shards can't be kept: {error}"), Some(hint)));
                }
            }
        }
        commands
    }

    /// Gives up evaluating epochs that training has gone on from: a part of their weights is gone. Their reports say nothing
    /// of the held-out pictures.
    fn evaluations_are_lost(&mut self) -> Vec<JobCommand> {
        // One that isn't over ends again, with everything.
        let again = self.closed.then_some(self.position.epoch);
        let lost: Vec<_> = self.evaluating.iter().filter(|epoch| Some(**epoch) != again).copied().collect();
        let mut commands = Vec::new();
        for epoch in lost {
            self.evaluating.remove(&epoch);
            self.epochs.cannot_evaluate(epoch);
            commands.push(JobCommand::DropStage(StageKind::Evaluate { epoch }));
        }
        commands.extend(self.report_epochs());
        commands
    }

    fn make(&self, shards: Vec<(OpId, howdah_proto::pb::ShardPlace)>) -> JobCommand {
        let origin = match &self.saves.durable {
            Some(durable) => {
                Origin::Snapshot { folder: durable.folder.clone(), saved: durable.saved.clone() }
            }
            None => Origin::Initial {
                network: self.network.clone().filter(|_| !self.counts_batches()),
                seed: self.settings.seed,
            },
        };
        let spec = self.settings.shard_spec(self.planned_steps());
        JobCommand::MakeShards(Box::new(MakeShards { shards, spec, origin }))
    }

    /// Goes back to the last snapshot, or to the beginning: rounds are computed again from there, with the same
    /// outcome. What is under way is cancelled.
    pub(super) fn go_back(&mut self, now: Millis) -> Vec<JobCommand> {
        let kinds = self.evaluating.iter().map(|epoch| StageKind::Evaluate { epoch: *epoch });
        let kinds = kinds.chain([StageKind::Train { epoch: self.position.epoch }]);
        let mut commands: Vec<JobCommand> = kinds.map(JobCommand::DropStage).collect();
        self.evaluating.clear();
        (self.round, self.asked, self.closed, self.goes_back) = (None, None, false, true);
        self.saves.forget();
        self.phase = Phase::Training;
        let durable = self.saves.durable.as_ref();
        self.position = durable.map(|durable| durable.position).unwrap_or_default();
        let progress = durable.map(|durable| durable.progress.clone()).unwrap_or_default();
        self.epochs.go_back(&progress, now);
        commands.extend(self.kept_weights_go_back());
        commands
    }

    /// Executors know where the shards are; if all can be reached again, goes on with what waited for that.
    fn shards_are_back(&mut self, now: Millis) -> Vec<JobCommand> {
        if !self.shards.as_ref().is_some_and(|shards| shards.all_ready()) {
            return Vec::new();
        }
        if std::mem::take(&mut self.goes_back) { self.begin(now) } else { self.ask_again(now) }
    }
}
