use std::time::Duration;

use bytes::Bytes;
use howdah_paramserver::server::Paramserver;
use howdah_proto::{
    Attempt, Epoch, Partition, Refusal, Step,
    fence::{Fence, TrainTask},
    pb::{
        self, clock_request::Action, exchange_client::ExchangeClient, parameters_client::ParametersClient,
        push_request,
    },
    settings::{Combine, Correction, Mode, Pace, PushEvery, ShardSpec, StalenessScale, UpdateRule},
    transport,
};
use tokio::runtime::{Builder, Runtime};
use tonic::{
    Status,
    body::Body,
    codegen::{Service, http::Request},
    transport::{Channel, server::TcpIncoming},
};

use crate::broken_off::Breaker;

pub const JOB: u64 = 7;
pub const VALUES: usize = 70_001;

/// Nobody may be more than a push ahead of the slowest.
pub const BOUNDED: ShardSpec =
    ShardSpec { mode: Mode::BoundedStaleness { push_every: PushEvery::Steps(1), staleness: 1 }, ..SPEC };

pub const SPEC: ShardSpec = ShardSpec {
    rule: UpdateRule::Sum,
    correction: Correction { scale: StalenessScale::None, delay_compensation: None },
    mode: Mode::Asynchronous { push_every: PushEvery::Steps(1) },
    combine: Combine::Sum,
    pace: Pace::CONSTANT,
    average: None,
};

/// A parameter server on threads of its own, so that it can be killed with all its connections.
pub struct Server {
    pub address: String,
    pub breaker: Breaker,
    runtime: Option<Runtime>,
}

impl Server {
    pub fn start() -> Self {
        Self::with(Paramserver::default())
    }

    pub fn with(paramserver: Paramserver) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let incoming = {
            let _inside = runtime.enter();
            TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap().with_nodelay(Some(true))
        };
        let address = format!("http://{}", incoming.local_addr().unwrap());
        let breaker = Breaker::default();
        let (routes, breaks) = (paramserver.routes().prepare(), breaker.clone());
        let service = tower::service_fn(move |request: Request<Body>| {
            let path = request.uri().path().to_owned();
            breaks.clone().watch(path, routes.clone().call(request))
        });
        runtime.spawn(transport::server().serve_with_incoming(service, incoming));
        Self { address, breaker, runtime: Some(runtime) }
    }

    /// Returns when nothing of it is left.
    pub fn kill(mut self) {
        let runtime = self.runtime.take().unwrap();
        std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(60))).join().unwrap();
    }

    /// A client of a shard here.
    pub async fn shard(&self, shard: u32, term: u64) -> ShardAt {
        let channel = transport::connect(&self.address).await.unwrap();
        ShardAt::on(channel, shard, term)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A shard on a server, spoken to with generated clients.
#[derive(Clone)]
pub struct ShardAt {
    channel: Channel,
    pub reference: pb::ShardRef,
}

impl ShardAt {
    pub fn on(channel: Channel, shard: u32, term: u64) -> Self {
        Self { channel, reference: pb::ShardRef { job_id: JOB, shard, term } }
    }

    pub fn control(&self) -> ParametersClient<Channel> {
        ParametersClient::new(self.channel.clone())
    }

    pub fn exchange(&self) -> ExchangeClient<Channel> {
        ExchangeClient::new(self.channel.clone())
    }

    pub fn shard(&self) -> Option<pb::ShardRef> {
        Some(self.reference)
    }

    pub fn in_term(&self, term: u64) -> Self {
        let mut other = self.clone();
        other.reference.term = term;
        other
    }

    pub async fn create(&self, start: u64, len: u64, spec: &ShardSpec) -> Result<(), Status> {
        let spec = serde_json::to_string(spec).unwrap();
        let request = pb::CreateShardRequest { shard: self.shard(), start, len, spec };
        self.control().create(request).await.map(drop)
    }

    pub async fn attach(&self, standby: &Server) -> Result<(), Status> {
        self.attach_at(&standby.address).await
    }

    pub async fn attach_at(&self, address: &str) -> Result<(), Status> {
        self.attach_in_order(address, 0).await
    }

    pub async fn attach_in_order(&self, address: &str, order: u64) -> Result<(), Status> {
        let request = pb::AttachStandbyRequest { shard: self.shard(), address: address.to_owned(), order };
        self.control().attach_standby(request).await.map(drop)
    }

    pub async fn detach(&self) -> Result<(), Status> {
        self.detach_in_order(0).await
    }

    pub async fn detach_in_order(&self, order: u64) -> Result<(), Status> {
        let request = pb::DetachStandbyRequest { shard: self.shard(), order };
        self.control().detach_standby(request).await.map(drop)
    }

    pub async fn promote(&self) -> Result<(), Status> {
        self.control().promote(pb::PromoteRequest { shard: self.shard() }).await.map(drop)
    }

    /// Pushes ones for one step of a partition.
    pub async fn push_ones(&self, values: usize, partition: u32, step: u64) -> Result<pb::PushReply, Status> {
        self.push(self.header(partition, step), vec![1.0; values]).await
    }

    pub fn header(&self, partition: u32, step: u64) -> pb::PushHeader {
        let fence = Fence::new(task(partition), Attempt(1), Step(step), Step(step)).unwrap();
        pb::PushHeader { shard: self.shard(), fence: Some(fence.into()), ..Default::default() }
    }

    pub async fn push(&self, header: pb::PushHeader, values: Vec<f32>) -> Result<pb::PushReply, Status> {
        self.push_bytes(header, Bytes::copy_from_slice(bytemuck::cast_slice(&values))).await
    }

    pub async fn push_bytes(&self, header: pb::PushHeader, bytes: Bytes) -> Result<pb::PushReply, Status> {
        use push_request::Part;
        let chunks: Vec<Bytes> = bytes.chunks(100_000).map(|chunk| bytes.slice_ref(chunk)).collect();
        let parts = std::iter::once(Part::Header(header)).chain(chunks.into_iter().map(Part::Data));
        let parts: Vec<_> = parts.map(|part| pb::PushRequest { part: Some(part) }).collect();
        self.exchange().push(tokio_stream::iter(parts)).await.map(tonic::Response::into_inner)
    }

    pub async fn pull(&self) -> Vec<f32> {
        let request = pb::PullRequest { shard: self.shard(), ..Default::default() };
        let (_, bytes) = self.pull_bytes(request).await.unwrap();
        bytemuck::pod_collect_to_vec(&bytes)
    }

    pub async fn pull_bytes(&self, request: pb::PullRequest) -> Result<(pb::PullHeader, Vec<u8>), Status> {
        use pb::pull_reply::Part;
        let mut replies = self.exchange().pull(request).await?.into_inner();
        let Some(Part::Header(header)) = replies.message().await?.unwrap().part else {
            panic!("no header");
        };
        let mut bytes = Vec::new();
        while let Some(reply) = replies.message().await? {
            let Some(Part::Data(data)) = reply.part else { panic!("no data") };
            bytes.extend_from_slice(&data);
        }
        Ok((header, bytes))
    }

    pub async fn marks(&self) -> Vec<(u32, u64)> {
        let request = pb::MarksRequest { shard: self.shard() };
        let marks = self.control().marks(request).await.unwrap().into_inner().marks;
        let mut marks: Vec<_> = marks.iter().map(|mark| (mark.task.unwrap().partition, mark.mark)).collect();
        marks.sort_unstable();
        marks
    }

    /// Does something with the clock of a slot of executor 1.
    pub async fn clock(&self, slot: u32, action: Action, clock: u64) -> pb::ClockReply {
        let replica = Some(pb::ReplicaId { member_id: 1, slot });
        let request = pb::ClockRequest { shard: self.shard(), replica, action: action.into(), clock };
        self.control().clock(request).await.unwrap().into_inner()
    }

    pub async fn status(&self) -> pb::ShardStatus {
        self.control().status(self.reference).await.unwrap().into_inner()
    }
}

pub fn task(partition: u32) -> TrainTask {
    TrainTask { epoch: Epoch(1), partition: Partition(partition) }
}

pub fn is_moved(status: &Status) -> bool {
    Refusal::of(status) == Some(Refusal::Moved)
}
