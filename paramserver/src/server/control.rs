use howdah_proto::{
    Attempt, Epoch, JobId, MemberId, ShardIndex, Term,
    fence::TrainTask,
    pb::{self, parameters_server::Parameters},
};
use tonic::{Request, Response, Status};

use super::{
    Paramserver,
    cell::ShardCell,
    cuts,
    kept::Kept,
    refusal::refusal,
    replication::{self, Change},
    requests::{range, shard_in_term, shard_spec},
    status,
    terms::{Role, Standing},
};
use crate::client::LONG_POLL;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Parameters for Paramserver {
    async fn create(&self, request: Request<pb::CreateShardRequest>) -> Answer<pb::CreateShardReply> {
        let request = request.into_inner();
        let (key, term) = shard_in_term(request.shard)?;
        let spec = shard_spec(key, &request.spec)?;
        let range = range(key, request.start, request.len)?;
        let standing = Standing { term, role: Role::Primary };
        let shard = Kept::new(request.len, &spec).map_err(|error| refusal(key, error))?;
        self.shards.put(ShardCell::new(key, range, spec, standing, shard), standing).await?;
        Ok(Response::new(pb::CreateShardReply {}))
    }

    async fn restore(&self, request: Request<pb::RestoreShardRequest>) -> Answer<pb::RestoreShardReply> {
        cuts::restore(self, request.into_inner()).await.map(Response::new)
    }

    async fn promote(&self, request: Request<pb::PromoteRequest>) -> Answer<pb::PromoteReply> {
        let (key, term) = shard_in_term(request.into_inner().shard)?;
        let cell = self.shards.find(key)?;
        let promote = move |standing: &mut Standing, shard: &Kept| {
            standing.promote(key, term)?;
            Ok(shard.version())
        };
        Ok(Response::new(pb::PromoteReply { version: cell.stand(promote).await?.0 }))
    }

    async fn attach_standby(
        &self,
        request: Request<pb::AttachStandbyRequest>,
    ) -> Answer<pb::AttachStandbyReply> {
        let request = request.into_inner();
        replication::attach(self.primary(request.shard)?, &request.address, request.order).await?;
        Ok(Response::new(pb::AttachStandbyReply {}))
    }

    async fn detach_standby(
        &self,
        request: Request<pb::DetachStandbyRequest>,
    ) -> Answer<pb::DetachStandbyReply> {
        let request = request.into_inner();
        replication::detach(self.primary(request.shard)?, request.order).await?;
        Ok(Response::new(pb::DetachStandbyReply {}))
    }

    async fn drop_standby(&self, request: Request<pb::DropStandbyRequest>) -> Answer<pb::DropStandbyReply> {
        let request = request.into_inner();
        let (key, term) = shard_in_term(request.shard)?;
        self.shards.drop_standby(key, term, request.pairing).await?;
        Ok(Response::new(pb::DropStandbyReply {}))
    }

    async fn marks(&self, request: Request<pb::MarksRequest>) -> Answer<pb::MarksReply> {
        let access = self.primary(request.into_inner().shard)?;
        access.read(status::marks).await.map(Response::new)
    }

    async fn plan_cut(&self, request: Request<pb::PlanCutRequest>) -> Answer<pb::PlanCutReply> {
        cuts::plan(self, request.into_inner()).await.map(Response::new)
    }

    async fn save_cut(&self, request: Request<pb::SaveCutRequest>) -> Answer<pb::SaveCutReply> {
        cuts::save(self, request.into_inner()).await.map(Response::new)
    }

    async fn drop_cut(&self, request: Request<pb::DropCutRequest>) -> Answer<pb::DropCutReply> {
        cuts::forget(self, request.into_inner()).await.map(Response::new)
    }

    async fn retire_epochs(
        &self,
        request: Request<pb::RetireEpochsRequest>,
    ) -> Answer<pb::RetireEpochsReply> {
        let request = request.into_inner();
        let epoch = Epoch(request.epoch);
        let access = self.primary(request.shard)?;
        let link = access.cell.link.clone();
        let retire = move |shard: &mut Kept| {
            shard.retire(epoch);
            link.note(|| Change::Retire(epoch))
        };
        let position = access.touch(retire).await?;
        access.cell.link.settled(position).await?;
        Ok(Response::new(pb::RetireEpochsReply {}))
    }

    async fn forget_replicas(
        &self,
        request: Request<pb::ForgetReplicasRequest>,
    ) -> Answer<pb::ForgetReplicasReply> {
        let request = request.into_inner();
        let member = MemberId(request.member_id);
        for cell in self.shards.of_job(JobId(request.job_id)) {
            cell.clocks.forget(member, &cell.link);
            cell.touch(move |shard| shard.forget_replicas(member)).await?;
        }
        Ok(Response::new(pb::ForgetReplicasReply {}))
    }

    async fn tag(&self, request: Request<pb::TagRequest>) -> Answer<pb::TagReply> {
        let request = request.into_inner();
        let access = self.primary(request.shard)?;
        let (tag, link) = (request.tag, access.cell.link.clone());
        let keep = move |shard: &mut Kept| {
            shard.tag(tag)?;
            Ok(link.note(|| Change::Tag(tag)))
        };
        let position = access.change(keep).await?;
        access.cell.link.settled(position).await?;
        Ok(Response::new(pb::TagReply {}))
    }

    async fn untag(&self, request: Request<pb::TagRequest>) -> Answer<pb::TagReply> {
        let request = request.into_inner();
        let access = self.primary(request.shard)?;
        let (tag, link) = (request.tag, access.cell.link.clone());
        let drop = move |shard: &mut Kept| {
            shard.untag(tag);
            link.note(|| Change::Untag(tag))
        };
        let position = access.touch(drop).await?;
        access.cell.link.settled(position).await?;
        Ok(Response::new(pb::TagReply {}))
    }

    async fn status(&self, request: Request<pb::ShardRef>) -> Answer<pb::ShardStatus> {
        let access = self.primary(Some(request.into_inner()))?;
        access.read(status::status).await.map(Response::new)
    }

    async fn drop_replaced(
        &self,
        request: Request<pb::DropReplacedRequest>,
    ) -> Answer<pb::DropReplacedReply> {
        let request = request.into_inner();
        if request.shards.iter().any(|shard| shard.job_id != request.job_id) {
            return Err(Status::invalid_argument("a shard of another job is among those that are served"));
        }
        let served = request.shards.iter().map(|shard| (ShardIndex(shard.shard), Term(shard.term))).collect();
        self.shards.drop_replaced(JobId(request.job_id), &served).await?;
        Ok(Response::new(pb::DropReplacedReply {}))
    }

    async fn drop_job(&self, request: Request<pb::DropShardsRequest>) -> Answer<pb::DropShardsReply> {
        self.shards.drop_job(JobId(request.into_inner().job_id));
        Ok(Response::new(pb::DropShardsReply {}))
    }

    async fn mark(&self, request: Request<pb::MarkRequest>) -> Answer<pb::MarkReply> {
        let request = request.into_inner();
        let access = self.primary(request.shard)?;
        let task = TrainTask::try_from(request.task)?;
        if request.attempt == 0 {
            return Err(Status::invalid_argument("attempts are counted from 1"));
        }
        let (attempt, link) = (Attempt(request.attempt), access.cell.link.clone());
        let ask = move |shard: &mut Kept| (shard.mark(task, attempt), link.position());
        let (seen, position) = access.touch(ask).await?;
        let seen = seen.map_err(|error| refusal(access.cell.key, error))?;
        access.cell.link.settled(position).await?;
        Ok(Response::new(pb::MarkReply { mark: seen.mark.0, highest_attempt: seen.highest.0 }))
    }

    async fn clock(&self, request: Request<pb::ClockRequest>) -> Answer<pb::ClockReply> {
        let request = request.into_inner();
        let access = self.primary(request.shard)?;
        access.read(|_| ()).await?;
        let ShardCell { clocks, spec, link, .. } = &*access.cell;
        clocks.ask(&request, &spec.mode, link, LONG_POLL).await.map(Response::new)
    }
}
