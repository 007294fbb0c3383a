use std::pin::Pin;

use futures::{Stream, StreamExt, stream};
use howdah_proto::{
    JobId, PROTOCOL_VERSION,
    pb::{self, jobs_server::Jobs},
    settings::TrainSettings,
    transport::CHUNK_BYTES,
};
use tonic::{Request, Response, Status};

use crate::{
    board::{Board, JobEntry},
    engine::{EngineHandle, Input},
};

pub(super) struct JobsService {
    pub(super) engine: EngineHandle,
    pub(super) board: Board,
}

impl JobsService {
    fn entry(&self, job: u64) -> Result<std::sync::Arc<JobEntry>, Status> {
        self.board.get(JobId(job)).ok_or_else(|| Status::not_found(format!("there is no job {job}")))
    }
}

#[tonic::async_trait]
impl Jobs for JobsService {
    async fn submit(&self, request: Request<pb::SubmitRequest>) -> Result<Response<pb::SubmitReply>, Status> {
        let pb::SubmitRequest { protocol_version, name, settings } = request.into_inner();
        if protocol_version != PROTOCOL_VERSION {
            return Err(Status::failed_precondition(format!(
                "this driver speaks protocol version {PROTOCOL_VERSION}, the client {protocol_version}: \
                 install the same version on both"
            )));
        }
        let settings: TrainSettings = serde_json::from_str(&settings)
            .map_err(|error| Status::invalid_argument(format!("the settings can't be read: {error}")))?;
        settings.validate()?;
        let settings = Box::new(settings);
        let job = self.engine.ask(|reply| Input::Submit { name, settings, reply }).await?;
        Ok(Response::new(pb::SubmitReply { job_id: job.0 }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<pb::JobEvent, Status>> + Send>>;

    async fn watch(&self, request: Request<pb::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let request = request.into_inner();
        let events = self.entry(request.job_id)?.follow(request.from_sequence);
        Ok(Response::new(Box::pin(events.map(Ok))))
    }

    async fn cancel(
        &self,
        request: Request<pb::CancelJobRequest>,
    ) -> Result<Response<pb::CancelJobReply>, Status> {
        let pb::CancelJobRequest { job_id, reason } = request.into_inner();
        self.entry(job_id)?;
        self.engine.send(Input::Cancel { job: JobId(job_id), reason }).await?;
        Ok(Response::new(pb::CancelJobReply {}))
    }

    type ModelStream = Pin<Box<dyn Stream<Item = Result<pb::ModelChunk, Status>> + Send>>;

    async fn model(&self, request: Request<pb::ModelRequest>) -> Result<Response<Self::ModelStream>, Status> {
        let job = request.into_inner().job_id;
        let model = self.entry(job)?.model.get().cloned();
        let mut rest = model.ok_or_else(|| Status::not_found(format!("job {job} has no model")))?;
        let chunks = std::iter::from_fn(move || {
            let chunk = rest.split_to(rest.len().min(CHUNK_BYTES));
            (!chunk.is_empty()).then_some(Ok(pb::ModelChunk { data: chunk }))
        });
        Ok(Response::new(Box::pin(stream::iter(chunks))))
    }

    async fn reshard(
        &self,
        request: Request<pb::ReshardRequest>,
    ) -> Result<Response<pb::ReshardReply>, Status> {
        let pb::ReshardRequest { job_id, shards } = request.into_inner();
        self.entry(job_id)?;
        let answer = self.engine.ask(|reply| Input::Reshard { job: JobId(job_id), shards, reply }).await?;
        answer.map(|()| Response::new(pb::ReshardReply {})).map_err(Status::failed_precondition)
    }

    async fn members(
        &self,
        _request: Request<pb::MembersRequest>,
    ) -> Result<Response<pb::MembersReply>, Status> {
        let members = self.engine.ask(|reply| Input::Members { reply }).await?;
        Ok(Response::new(pb::MembersReply { members }))
    }

    async fn running(
        &self,
        _request: Request<pb::RunningRequest>,
    ) -> Result<Response<pb::RunningReply>, Status> {
        let jobs = self.engine.ask(|reply| Input::Running { reply }).await?;
        Ok(Response::new(pb::RunningReply { jobs }))
    }
}
