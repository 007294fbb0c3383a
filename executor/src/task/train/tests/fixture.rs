use std::sync::Arc;

use howdah_paramserver::{
    client::{Parameters, Patience, Values, Wanted, balance},
    server::Paramserver,
};
use howdah_proto::{
    Attempt, AttemptId, BlockId, Epoch, JobId, MemberId, NodeId, Partition, Round, StageId, Step, TaskIndex,
    fence::RoundPart,
    lineage::{Lineage, OperatorSpec, StorageLevel, StoragePlace},
    pb::{self, parameters_client::ParametersClient},
    settings::{
        Compression, Correction, DataSettings, Encoding, Learning, Mode, NetworkSettings, Optimizer,
        Pipeline, Selection, TrainSettings, UpdateRule, Updates,
    },
    transport,
};
use tokio::runtime::Runtime;
use tonic::{
    body::Body,
    codegen::{Service, http::Request},
    transport::{Channel, server::TcpIncoming},
};

use super::hold::Hold;
use crate::{
    learn::Objective,
    learn::{Network, initial_weights},
    memory::Memory,
    rdd::{Picture, PictureMeta, Record, Registry, Samples, Views, spec_of},
    store::Scratch,
    task::{
        Assigned, CancelFlag, Environment, JobContext, Shared, Slot, Task, TaskError, TrainContext, Work,
    },
    vision::{Flatten, Flip, Normalise, register},
};

pub(super) const JOB: JobId = JobId(5);
pub(super) const PARTITIONS: u32 = 3;
/// Samples in a partition: three batches, of which the last is shorter.
pub(super) const SAMPLES: u64 = 20;
pub(super) const STEPS: u64 = 3;
pub(super) const SHARDS: usize = 2;

/// A job whose blocks are here and whose shards are served over real sockets.
pub(in crate::task::train) struct Cluster {
    pub(in crate::task::train) runtime: Runtime,
    pub(in crate::task::train) parameters: Parameters,
    places: Vec<pb::ShardPlace>,
    environment: Environment,
    driver: Channel,
    shared: Shared,
    node: NodeId,
    /// What is held back of the calls of shards.
    pub(super) hold: Hold,
}

pub(in crate::task::train) fn settings(
    updates: Updates,
    rule: UpdateRule,
    mode: Mode,
    push: Encoding,
) -> TrainSettings {
    TrainSettings {
        data: DataSettings::Synthetic { pictures: 100 },
        selection: Selection::default(),
        pipeline: Pipeline::new(vec![], feed()),
        network: NetworkSettings { hidden: vec![8], dropout: 0.2, input_dropout: 0.0 },
        epochs: 1,
        batch: 8,
        learning: Learning::default(),
        updates,
        rule,
        correction: Correction::default(),
        mode,
        compression: Compression { push, ..Compression::default() },
        seed: 11,
        validation: None,
        partitions: Some(PARTITIONS),
        shards: Some(SHARDS as u32),
        shard_copies: 1,
        snapshots: None,
        resume: None,
        prepare: None,
        max_bad_pictures: 0,
        task_attempts: 4,
        executor_wait_seconds: None,
    }
}

pub(in crate::task::train) fn deltas() -> Updates {
    Updates::Deltas { optimizer: Optimizer::Adam { learning_rate: 0.02 } }
}

fn feed() -> Vec<OperatorSpec> {
    vec![
        spec_of(&Flip { probability: 0.5 }),
        spec_of(&Flatten {}),
        spec_of(&Normalise { scale: 1.0 / 255.0, offset: -0.5 }),
    ]
}

/// Pictures that are bright above or below.
fn samples(partition: u32) -> Samples {
    let mut samples = Samples::with_capacity(SAMPLES as usize);
    for row in 0..SAMPLES {
        let (key, label) = (u64::from(partition) * SAMPLES + row, (row % 2) as u32);
        let pixel = |place: u64| {
            let bright = (place < 8) == (label == 0);
            (if bright { 150 } else { 60 }) + ((place * 37 + key * 11) % 50) as u8
        };
        let picture = Picture { width: 4, height: 4, channels: 1, pixels: (0..16).map(pixel).collect() };
        let meta = PictureMeta { key, label };
        samples.push("", &[Record::Picture { meta, picture }]).unwrap();
    }
    samples
}

impl Cluster {
    pub(in crate::task::train) fn start(settings: TrainSettings) -> Self {
        Self::with(settings, Patience::default())
    }

    /// Starts one whose client is as patient as that.
    pub(in crate::task::train) fn with(settings: TrainSettings, patience: Patience) -> Self {
        settings.validate().unwrap();
        let runtime = Runtime::new().unwrap();
        let network = Network::new(&settings.network, 16, 2).unwrap();
        let spec = settings.shard_spec(1);
        let initial = match settings.updates {
            Updates::Ones => vec![0.0; network.parameters()],
            _ => initial_weights(&network, settings.seed),
        };
        let hold = Hold::default();
        let (parameters, places, driver) = runtime.block_on(async {
            let mut places = Vec::new();
            for (shard, range) in balance(network.parameters() as u64, SHARDS as u32).into_iter().enumerate()
            {
                let (start, len) = (range.start, range.end - range.start);
                places.push(pb::ShardPlace {
                    shard: shard as u32,
                    address: serve(&hold),
                    start,
                    len,
                    term: 1,
                    made: 1,
                });
            }
            let driver = transport::endpoint(&places[0].address).unwrap().connect_lazy();
            let parameters = Parameters::new(JOB, places.clone(), patience).unwrap();
            parameters.create(&spec).await.unwrap();
            parameters.write(&Values::from(initial)).await.unwrap();
            (parameters, places, driver)
        });
        let mut lineage = Lineage::new();
        let files = lineage.files();
        let block = lineage.operator(files, feed().remove(1));
        lineage.persist(block, Some(StorageLevel::MEMORY));
        let node = feed().into_iter().fold(block, |node, operator| lineage.operator(node, operator));
        let mut registry = Registry::new();
        register(&mut registry);
        let (memory, scratch) = (Memory::new(1 << 30), Scratch::new(None).unwrap());
        let environment = Environment::new(memory, scratch, registry, runtime.handle().clone());
        for partition in 0..PARTITIONS {
            let id = BlockId { context: JOB.into(), node: block, partition: Partition(partition) };
            environment.store.put(id, StoragePlace::Memory, Arc::new(samples(partition)));
        }
        let train = TrainContext {
            settings: Arc::new(settings),
            classes: 2,
            replicas: 2,
            objective: Objective::default(),
            parameters: Arc::new(parameters.clone()),
        };
        let job = JobContext { job: JOB, blocks: JOB.into(), lineage: Arc::new(lineage), train: Some(train) };
        Self {
            runtime,
            parameters,
            places,
            environment,
            driver,
            shared: Shared::Job(Arc::new(job)),
            node,
            hold,
        }
    }

    /// Tells the client that the first shard is in another term.
    pub(in crate::task::train) fn move_to(&self, term: u64) {
        let mut places = self.places.clone();
        places[0].term = term;
        self.parameters.relocate(places).unwrap();
    }

    /// Brings the first shard into another term.
    pub(in crate::task::train) fn promote(&self, term: u64) {
        let channel = transport::endpoint(&self.places[0].address).unwrap();
        let shard = Some(pb::ShardRef { job_id: JOB.0, shard: 0, term });
        self.runtime.block_on(async {
            let mut client = ParametersClient::new(channel.connect().await.unwrap());
            client.promote(pb::PromoteRequest { shard }).await.unwrap();
        });
    }

    /// Runs one attempt in a slot.
    pub(super) fn run(
        &self,
        slot: &mut Slot,
        partition: u32,
        attempt: u32,
        work: Work,
        progress: &dyn Fn(u64, u64),
    ) -> Result<pb::EpochTrained, TaskError> {
        let attempt =
            AttemptId { job: JOB, stage: StageId(1), task: TaskIndex(partition), attempt: Attempt(attempt) };
        let (files, places, views) = (vec![], vec![], Views::PLAIN);
        let task =
            &Task { attempt, partition: Partition(partition), files, prepared: None, places, views, work };
        let assigned = Assigned {
            environment: &self.environment,
            driver: &self.driver,
            member: MemberId(1),
            shared: &self.shared,
            task,
            cancel: &CancelFlag::default(),
            progress,
        };
        match crate::task::run(&assigned, slot)?.result {
            pb::attempt_succeeded::Result::Trained(report) => Ok(report),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn epoch(&self, epoch: u32) -> Work {
        Work::Train { node: self.node, epoch: Epoch(epoch), samples: SAMPLES }
    }

    pub(super) fn round(&self, round: u64, steps: (u64, u64)) -> Work {
        Work::Round {
            node: self.node,
            epoch: Epoch(1),
            samples: SAMPLES,
            part: RoundPart { round: Round(round), contributions: PARTITIONS },
            first: Step(steps.0),
            last: Step(steps.1),
        }
    }

    pub(super) fn weights(&self) -> Vec<f32> {
        let mut weights = vec![f32::NAN; self.parameters.len() as usize];
        self.runtime.block_on(self.parameters.pull(&mut weights, Wanted::Latest)).unwrap();
        weights
    }
}

fn serve(hold: &Hold) -> String {
    let server = Paramserver::default();
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap().with_nodelay(Some(true));
    let address = format!("http://{}", incoming.local_addr().unwrap());
    let (routes, hold) = (server.routes().prepare(), hold.clone());
    let service = tower::service_fn(move |request: Request<Body>| {
        let (mut routes, hold) = (routes.clone(), hold.clone());
        async move {
            hold.pass(request.uri().path()).await;
            routes.call(request).await
        }
    });
    tokio::spawn(transport::server().serve_with_incoming(service, incoming));
    address
}
