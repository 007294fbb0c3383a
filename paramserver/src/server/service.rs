use std::sync::Arc;

use howdah_proto::{
    Attempt, JobId, ShardIndex,
    fence::{Fence, TrainTask},
    pb::{self, parameters_server::Parameters, push_reply::Outcome},
    required, settings,
};
use tonic::{Request, Response, Status, Streaming};

use super::{
    Paramserver,
    cell::{ShardCell, ShardKey},
    pull, receive,
};
use crate::shard::{MAX_VALUES, PushOutcome};

impl Paramserver {
    fn find(&self, shard: Option<pb::ShardRef>) -> Result<Arc<ShardCell>, Status> {
        self.shards.find(key(shard)?)
    }
}

#[tonic::async_trait]
impl Parameters for Paramserver {
    type PullStream = pull::PullStream;

    async fn create(
        &self,
        request: Request<pb::CreateShardRequest>,
    ) -> Result<Response<pb::CreateShardReply>, Status> {
        let request = request.into_inner();
        let key = key(request.shard)?;
        let refused = |reason: String| Status::invalid_argument(format!("{key}: {reason}"));
        let rule: settings::UpdateRule = serde_json::from_str(&request.rule)
            .map_err(|error| refused(format!("the update rule can't be read: {error}")))?;
        if !(1..=MAX_VALUES).contains(&request.len) {
            return Err(refused(format!("a shard has from 1 to {MAX_VALUES} values, not {}", request.len)));
        }
        let end = request.start.checked_add(request.len);
        let end = end.ok_or_else(|| refused("the range of its values ends beyond all numbers".to_owned()))?;
        self.shards.create(key, request.start..end, rule)?;
        Ok(Response::new(pb::CreateShardReply {}))
    }

    async fn write(
        &self,
        request: Request<Streaming<pb::WriteRequest>>,
    ) -> Result<Response<pb::WriteReply>, Status> {
        let mut stream = request.into_inner();
        let cell = self.find(Some(receive::header(&mut stream).await?))?;
        let staged = self.staging.take(cell.values()).await?;
        let staged = receive::values(&mut stream, &cell, staged).await?;
        cell.change(move |shard| shard.write(staged.values())).await?;
        Ok(Response::new(pb::WriteReply {}))
    }

    async fn pull(&self, request: Request<pb::PullRequest>) -> Result<Response<Self::PullStream>, Status> {
        let request = request.into_inner();
        let cell = self.find(request.shard)?;
        let stream = match request.tag {
            None => pull::newest(cell).await?,
            Some(tag) => pull::tagged(cell, tag).await?,
        };
        Ok(Response::new(stream))
    }

    async fn push(
        &self,
        request: Request<Streaming<pb::PushRequest>>,
    ) -> Result<Response<pb::PushReply>, Status> {
        let mut stream = request.into_inner();
        let header = receive::header(&mut stream).await?;
        let cell = self.find(header.shard)?;
        let fence: Fence = header.fence.try_into()?;
        let staged = self.staging.take(cell.values()).await?;
        let staged = receive::values(&mut stream, &cell, staged).await?;
        let outcome = cell.change(move |shard| shard.apply(&fence, staged.values())).await?;
        Ok(Response::new(reply(outcome, &fence)))
    }

    async fn mark(&self, request: Request<pb::MarkRequest>) -> Result<Response<pb::MarkReply>, Status> {
        let request = request.into_inner();
        let cell = self.find(request.shard)?;
        let task = TrainTask::try_from(request.task)?;
        if request.attempt == 0 {
            return Err(Status::invalid_argument("attempts are counted from 1"));
        }
        let attempt = Attempt(request.attempt);
        let seen = cell.change(move |shard| shard.mark(task, attempt)).await?;
        Ok(Response::new(pb::MarkReply { mark: seen.mark.0, highest_attempt: seen.highest.0 }))
    }

    async fn tag(&self, request: Request<pb::TagRequest>) -> Result<Response<pb::TagReply>, Status> {
        let request = request.into_inner();
        self.find(request.shard)?.change(move |shard| shard.tag(request.tag)).await?;
        Ok(Response::new(pb::TagReply {}))
    }

    async fn untag(&self, request: Request<pb::TagRequest>) -> Result<Response<pb::TagReply>, Status> {
        let request = request.into_inner();
        let untag = move |shard: &mut crate::shard::Shard| {
            shard.untag(request.tag);
            Ok(())
        };
        self.find(request.shard)?.change(untag).await?;
        Ok(Response::new(pb::TagReply {}))
    }

    async fn status(&self, request: Request<pb::ShardRef>) -> Result<Response<pb::ShardStatus>, Status> {
        let cell = self.find(Some(request.into_inner()))?;
        let values = cell.values() as u64;
        let (counters, steps) = cell.read(|shard| (shard.counters(), shard.fences().steps_applied())).await?;
        Ok(Response::new(pb::ShardStatus {
            values,
            pushes_applied: counters.applied,
            steps_applied: steps,
            pushes_repeated: counters.repeated,
            pushes_superseded: counters.superseded,
            pushes_out_of_order: counters.out_of_order,
        }))
    }

    async fn drop_job(
        &self,
        request: Request<pb::DropShardsRequest>,
    ) -> Result<Response<pb::DropShardsReply>, Status> {
        self.shards.drop_job(JobId(request.into_inner().job_id));
        Ok(Response::new(pb::DropShardsReply {}))
    }
}

fn key(shard: Option<pb::ShardRef>) -> Result<ShardKey, Status> {
    let shard = required(shard, "shard")?;
    Ok(ShardKey { job: JobId(shard.job_id), shard: ShardIndex(shard.shard) })
}

fn reply(outcome: PushOutcome, fence: &Fence) -> pb::PushReply {
    let (outcome, mark, highest) = match outcome {
        PushOutcome::Applied { mark } => (Outcome::Applied, mark.0, fence.attempt()),
        PushOutcome::AlreadyApplied { mark } => (Outcome::AlreadyApplied, mark.0, fence.attempt()),
        PushOutcome::Superseded { highest } => (Outcome::Superseded, 0, highest),
        PushOutcome::Gap { mark } => (Outcome::Gap, mark.0, fence.attempt()),
    };
    pb::PushReply { outcome: outcome.into(), mark, highest_attempt: highest.0 }
}
