//! The engine's side of shards: what a job wants of its parameter servers.

use howdah_proto::{
    JobId, MemberId,
    event::{Role, StageKind},
    pb::{self, task_command},
};

use super::{AskRequest, Collect, Effect, Engine, IoRequest, io::Live};
use crate::{
    scheduler::Millis,
    train::{Question, TrainJob},
};

/// A question with what its answer is made from.
pub(super) fn ask_request(train: &TrainJob, question: &Question) -> AskRequest {
    match *question {
        Question::Marks => AskRequest::Marks,
        Question::Tag(tag) => AskRequest::Tag(tag),
        Question::Collect { tag, counting } => AskRequest::Collect(Box::new(Collect {
            tag,
            counting,
            settings: train.settings().clone(),
            pipeline: train.pipeline().clone(),
            classes: train.classes().to_vec(),
            features: train.features().unwrap_or_default(),
        })),
    }
}

impl Engine {
    /// A client wants the parameters of a job spread over another number of shards.
    ///
    /// # Errors
    /// Why that can't be.
    pub fn on_reshard(&mut self, job: JobId, shards: u32, now: Millis) -> Result<Vec<Effect>, String> {
        let state = self.jobs.get_mut(&job).ok_or_else(|| format!("there is no job {job} that runs"))?;
        let commands = state.train.on_reshard(shards, now)?;
        self.do_for_job(job, commands, now);
        Ok(std::mem::take(&mut self.effects))
    }

    /// Tells the executors that know the job where its shards are; those that are told of it later are told that.
    pub(super) fn put_places(&mut self, job: JobId, places: Vec<pb::ShardPlace>) {
        let Some(state) = self.jobs.get_mut(&job) else { return };
        let Some(train) = state.shared.as_mut().and_then(|shared| shared.train.as_mut()) else { return };
        train.shards.clone_from(&places);
        let version = state.version;
        let knows = |(id, told): (&MemberId, &std::collections::BTreeMap<JobId, u32>)| {
            (told.get(&job) == Some(&version)).then_some(*id)
        };
        let executors: Vec<MemberId> = self.attached.iter().filter_map(knows).collect();
        for executor in executors {
            let put = pb::PutPlaces { job_id: job.0, shards: places.clone() };
            self.send(executor, task_command::Command::PutPlaces(put));
        }
    }

    /// Forgets the stages of a kind, and cancels their tasks.
    pub(super) fn drop_stage(&mut self, job: JobId, kind: StageKind, now: Millis) {
        let of_kind = self.stages.iter().filter(|(_, stage)| stage.job == job && stage.kind == kind);
        let dropped: Vec<_> = of_kind.map(|(id, _)| *id).collect();
        for stage in dropped {
            self.stages.remove(&stage);
            let commands = self.scheduler.on_stage_dropped(job, stage, "its job needs it no more", now);
            self.carry_out(commands, now);
        }
    }

    /// A request to a shard has ended; the shards of a job that ended meanwhile can be dropped after the last.
    pub(super) fn shard_request_ended(&mut self, job: JobId) {
        if let Some(state) = self.jobs.get_mut(&job) {
            state.shard_requests = state.shard_requests.saturating_sub(1);
        } else if let Some(left) = self.unfinished_shards.get_mut(&job) {
            *left -= 1;
            if *left == 0 {
                self.unfinished_shards.remove(&job);
                self.drop_shards(job);
            }
        }
    }

    /// Has all parameter servers forget what the shards that are there now have replaced.
    pub(super) fn drop_replaced(&mut self, job: JobId, places: Vec<pb::ShardPlace>) {
        let servers = self.server_addresses();
        self.effects.push(Effect::Io { job, request: IoRequest::DropReplaced { servers, places } });
    }

    /// Has all parameter servers forget a job: any of them may have held a shard of it.
    pub(super) fn drop_shards(&mut self, job: JobId) {
        let servers = self.server_addresses();
        self.effects.push(Effect::Io { job, request: IoRequest::DropShards { servers } });
    }

    /// An executor is lost: parameter servers need to keep nothing of its replicas.
    pub(super) fn forget_replicas(&mut self, executor: MemberId) {
        let servers = self.server_addresses();
        let jobs: Vec<JobId> =
            self.jobs.iter().filter(|(_, job)| !job.train.places().is_empty()).map(|(id, _)| *id).collect();
        for job in jobs {
            let request = IoRequest::ForgetReplicas { servers: servers.clone(), executor };
            self.effects.push(Effect::Io { job, request });
        }
    }

    /// Brings what is known of jobs and parameter servers up to date; says whether it has changed.
    pub(super) fn tell_live(&self, known: &mut Live) -> bool {
        let servers = || self.members.of_role(Role::Paramserver).map(|member| &member.address);
        let same = known.jobs.iter().eq(self.jobs.keys()) && known.servers.iter().eq(servers());
        if !same {
            *known =
                Live { jobs: self.jobs.keys().copied().collect(), servers: servers().cloned().collect() };
        }
        !same
    }

    fn server_addresses(&self) -> Vec<String> {
        self.members.of_role(Role::Paramserver).map(|member| member.address.clone()).collect()
    }
}
