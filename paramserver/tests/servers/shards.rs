//! Servers and clients over real sockets.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use howdah_paramserver::{
    client::{Combined, Parameters, ParametersError, Patience, Place, ShardClient, Values, Wanted, balance},
    server::Paramserver,
};
use howdah_proto::{
    Attempt, Epoch, JobId, Partition, ShardIndex, Step, Term,
    fence::{Fence, TrainTask},
    pb::{self, exchange_client::ExchangeClient, push_request::Part},
    settings::{Combine, Correction, Mode, Pace, PushEvery, ShardSpec, StalenessScale, UpdateRule},
    transport,
};
use tonic::{Code, transport::server::TcpIncoming};

const JOB: JobId = JobId(7);

const SPEC: ShardSpec = ShardSpec {
    rule: UpdateRule::Sum,
    correction: Correction { scale: StalenessScale::None, delay_compensation: None },
    mode: Mode::Asynchronous { push_every: PushEvery::Steps(1) },
    combine: Combine::Mean,
    pace: Pace::CONSTANT,
    average: None,
};

async fn serve(server: Paramserver) -> String {
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap().with_nodelay(Some(true));
    let address = format!("http://{}", incoming.local_addr().unwrap());
    tokio::spawn(transport::server().add_routes(server.routes()).serve_with_incoming(incoming));
    address
}

async fn places(values: u64, shards: u32) -> Vec<pb::ShardPlace> {
    let mut places = Vec::new();
    for (shard, range) in balance(values, shards).into_iter().enumerate() {
        let address = serve(Paramserver::default()).await;
        let (start, len) = (range.start, range.end - range.start);
        places.push(pb::ShardPlace { shard: shard as u32, address, start, len, term: 1, made: 1 });
    }
    places
}

async fn parameters(values: u64, shards: u32) -> Parameters {
    let parameters = Parameters::new(JOB, places(values, shards).await, Patience::default()).unwrap();
    parameters.create(&SPEC).await.unwrap();
    parameters
}

fn task(partition: u32) -> TrainTask {
    TrainTask { epoch: Epoch(1), partition: Partition(partition) }
}

fn fence(partition: u32, attempt: u32, first: u64, last: u64) -> Fence {
    Fence::new(task(partition), Attempt(attempt), Step(first), Step(last)).unwrap()
}

async fn pulled(parameters: &Parameters, version: Wanted) -> Vec<f32> {
    let mut weights = vec![f32::NAN; parameters.len() as usize];
    parameters.pull(&mut weights, version).await.unwrap();
    weights
}

#[tokio::test]
async fn weights_come_back_as_they_were_written_over_several_shards() {
    let parameters = parameters(200_003, 3).await;
    let initial: Vec<f32> = (0..200_003).map(|value| value as f32).collect();
    parameters.write(&initial.clone().into()).await.unwrap();
    parameters.write(&initial.clone().into()).await.unwrap();
    assert_eq!(pulled(&parameters, Wanted::Latest).await, initial);
    let error = parameters.write(&vec![1.0; 200_003].into()).await.unwrap_err();
    assert!(matches!(error, ParametersError::Rejected { code: Code::FailedPrecondition, .. }), "{error}");
}

#[tokio::test]
async fn a_push_that_comes_twice_is_applied_once() {
    let parameters = parameters(5, 2).await;
    let ones = Values::from(vec![1.0; 5]);
    for _ in 0..3 {
        assert_eq!(parameters.push(&ones, &fence(0, 1, 1, 1)).await.unwrap(), Combined::Accepted);
    }
    assert_eq!(pulled(&parameters, Wanted::Latest).await, [1.0; 5]);
    let status = parameters.status().await.unwrap();
    assert!(status.iter().all(|shard| (shard.pushes_applied, shard.pushes_repeated) == (1, 2)));
    assert!(status.iter().all(|shard| shard.steps_applied == 1));
}

#[tokio::test]
async fn a_superseded_attempt_is_refused_and_told_so_when_it_asks() {
    let parameters = parameters(4, 2).await;
    let ones = Values::from(vec![1.0; 4]);
    parameters.push(&ones, &fence(0, 1, 1, 2)).await.unwrap();
    let marks = parameters.marks(task(0), Attempt(2)).await.unwrap();
    assert_eq!((marks.lowest, marks.superseded_by), (Step(2), None));
    let outcome = parameters.push(&ones, &fence(0, 1, 3, 4)).await.unwrap();
    assert_eq!(outcome, Combined::Superseded { highest: Attempt(2) });
    let marks = parameters.marks(task(0), Attempt(1)).await.unwrap();
    assert_eq!(marks.superseded_by, Some(Attempt(2)));
    assert_eq!(pulled(&parameters, Wanted::Latest).await, [1.0; 4]);
}

#[tokio::test]
async fn a_push_after_a_lost_one_is_told_where_to_go_on() {
    let parameters = parameters(4, 2).await;
    let ones = Values::from(vec![1.0; 4]);
    parameters.push(&ones, &fence(0, 1, 1, 2)).await.unwrap();
    let outcome = parameters.push(&ones, &fence(0, 1, 5, 6)).await.unwrap();
    assert_eq!(outcome, Combined::Gap { mark: Step(2) });
    assert_eq!(pulled(&parameters, Wanted::Latest).await, [1.0; 4]);
}

#[tokio::test]
async fn a_pusher_that_vanishes_in_the_middle_leaves_no_trace() {
    let places = places(1000, 1).await;
    let parameters = Parameters::new(JOB, places.clone(), Patience::default()).unwrap();
    parameters.create(&SPEC).await.unwrap();
    let shard = Some(pb::ShardRef { job_id: JOB.0, shard: 0, term: 1 });
    let header = pb::PushHeader { shard, fence: Some(fence(0, 9, 1, 1).into()), ..Default::default() };
    let half = Bytes::from(vec![0x3f; 2000]);
    let start = [Part::Header(header), Part::Data(half)].map(|part| pb::PushRequest { part: Some(part) });

    let mut client = ExchangeClient::new(transport::connect(&places[0].address).await.unwrap());
    let ended = client.push(tokio_stream::iter(start.clone())).await.unwrap_err();
    assert_eq!(ended.code(), Code::InvalidArgument);
    assert!(ended.message().contains("shard 0 of job 7"), "{ended}");

    let (sender, receiver) = tokio::sync::mpsc::channel(2);
    for part in start {
        sender.send(part).await.unwrap();
    }
    let pushing = tokio::spawn(async move {
        client.push(tokio_stream::wrappers::ReceiverStream::new(receiver)).await.map(drop)
    });
    // Room for both parts again: the connection has taken them.
    drop(sender.reserve_many(2).await.unwrap());
    pushing.abort();
    assert!(pushing.await.unwrap_err().is_cancelled());

    let ones = Values::from(vec![1.0; 1000]);
    assert_eq!(parameters.push(&ones, &fence(0, 1, 1, 1)).await.unwrap(), Combined::Accepted);
    assert_eq!(pulled(&parameters, Wanted::Latest).await, vec![1.0; 1000]);
}

#[tokio::test]
async fn a_push_that_is_not_finite_or_too_short_is_refused_naming_the_shard() {
    let places = places(10, 2).await;
    let parameters = Parameters::new(JOB, places.clone(), Patience::default()).unwrap();
    parameters.create(&SPEC).await.unwrap();
    let mut values = vec![1.0; 10];
    values[7] = f32::NAN;
    let error = parameters.push(&values.into(), &fence(0, 1, 1, 1)).await.unwrap_err().to_string();
    assert!(error.contains("shard 1 of job 7: value 2 is NaN"), "{error}");
    assert!(error.contains(&places[1].address), "{error}");
    let error = parameters.push(&vec![1.0; 9].into(), &fence(0, 1, 1, 1)).await.unwrap_err();
    assert_eq!(error, ParametersError::Buffer { given: 9, parameters: 10 });

    let mut larger = places.clone();
    larger[1].len = 6;
    let wrong = Parameters::new(JOB, larger, Patience::default()).unwrap();
    let error = wrong.push(&vec![1.0; 11].into(), &fence(1, 1, 1, 1)).await.unwrap_err().to_string();
    assert!(error.contains("shard 1 of job 7: 24 encoded bytes"), "{error}");
    assert_eq!(parameters.status().await.unwrap()[1].pushes_applied, 0);
}

#[tokio::test]
async fn tagged_weights_are_untouched_by_later_pushes() {
    let parameters = parameters(6, 2).await;
    let ones = Values::from(vec![1.0; 6]);
    parameters.push(&ones, &fence(0, 1, 1, 1)).await.unwrap();
    parameters.tag(1).await.unwrap();
    parameters.push(&ones, &fence(0, 1, 2, 2)).await.unwrap();
    parameters.tag(1).await.unwrap();
    assert_eq!(pulled(&parameters, Wanted::Tag(1)).await, [1.0; 6]);
    assert_eq!(pulled(&parameters, Wanted::Latest).await, [2.0; 6]);
    parameters.untag(1).await.unwrap();
    let error = parameters.pull(&mut [0.0; 6], Wanted::Tag(1)).await.unwrap_err();
    assert!(matches!(error, ParametersError::Rejected { code: Code::FailedPrecondition, .. }), "{error}");
    assert!(error.to_string().contains("no weights under the tag 1"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_pushers_at_once_add_up_exactly() {
    const VALUES: usize = 100_001;
    // Room for two pushes at a time: the others must wait, and none may be lost.
    let address = serve(Paramserver::new(2 * 4 * VALUES as u64)).await;
    let place = pb::ShardPlace { shard: 0, address, start: 0, len: VALUES as u64, term: 1, made: 1 };
    let parameters = Parameters::new(JOB, vec![place.clone()], Patience::default()).unwrap();
    parameters.create(&SPEC).await.unwrap();
    let ones = Arc::new(vec![1.0; VALUES]);
    let mut pushers = tokio::task::JoinSet::new();
    for partition in 0..8 {
        let ones = Values::from(Arc::clone(&ones));
        let pusher = Parameters::new(JOB, vec![place.clone()], Patience::default()).unwrap();
        pushers.spawn(async move {
            let mut weights = vec![0.0; VALUES];
            for step in 1..=10 {
                let fence = fence(partition, 1, step, step);
                assert_eq!(pusher.push(&ones, &fence).await.unwrap(), Combined::Accepted);
                pusher.pull(&mut weights, Wanted::Latest).await.unwrap();
            }
        });
    }
    while let Some(pusher) = pushers.join_next().await {
        pusher.unwrap();
    }
    assert!(pulled(&parameters, Wanted::Latest).await.iter().all(|weight| *weight == 80.0));
    assert_eq!(parameters.status().await.unwrap()[0].steps_applied, 80);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushes_go_on_while_a_pull_is_not_read_and_what_it_reads_is_made_of_whole_pushes() {
    const VALUES: usize = 3_000_001;
    let places = places(VALUES as u64, 1).await;
    let parameters = Parameters::new(JOB, places.clone(), Patience::default()).unwrap();
    parameters.create(&SPEC).await.unwrap();
    let mut client = ExchangeClient::new(transport::connect(&places[0].address).await.unwrap());
    let shard = Some(pb::ShardRef { job_id: JOB.0, shard: 0, term: 1 });
    let mut pull = client.pull(pb::PullRequest { shard, ..Default::default() }).await.unwrap().into_inner();
    assert!(matches!(pull.message().await.unwrap().unwrap().part, Some(pb::pull_reply::Part::Header(_))));

    let ones = Values::from(vec![1.0; VALUES]);
    for step in 1..=3 {
        let pushed = parameters.push(&ones, &fence(0, 1, step, step)).await.unwrap();
        assert_eq!(pushed, Combined::Accepted);
    }
    let mut read = Vec::new();
    while let Some(reply) = pull.message().await.unwrap() {
        let Some(pb::pull_reply::Part::Data(chunk)) = reply.part else { panic!("{reply:?}") };
        let (values, _) = chunk.as_chunks();
        let values = values.iter().map(|value| f32::from_le_bytes(*value));
        assert!(values.clone().all(|value| value == values.clone().next().unwrap()));
        read.extend(values);
    }
    assert!(read.is_sorted() && read.len() == VALUES);
    // What was on its way stays as it was; the end was sent after all pushes.
    assert_eq!((read[0], read[VALUES - 1]), (0.0, 3.0));
}

#[tokio::test]
async fn an_unknown_shard_is_named() {
    let parameters = parameters(4, 1).await;
    parameters.drop_job().await.unwrap();
    let error = parameters.marks(task(0), Attempt(1)).await.unwrap_err();
    assert!(matches!(error, ParametersError::Rejected { code: Code::NotFound, .. }), "{error}");
    assert!(error.to_string().contains("shard 0 of job 7 is not on this parameter server"), "{error}");
}

#[tokio::test]
async fn a_shard_can_be_created_again_only_as_it_is() {
    let server = Paramserver::default();
    let place = pb::ShardPlace {
        shard: 0,
        address: serve(server.clone()).await,
        start: 0,
        len: 50_000_000,
        term: 1,
        made: 1,
    };
    let parameters = Parameters::new(JOB, vec![place], Patience::default()).unwrap();
    let momentum = ShardSpec { rule: UpdateRule::Momentum { learning_rate: 0.1, momentum: 0.9 }, ..SPEC };
    parameters.create(&momentum).await.unwrap();
    parameters.create(&momentum).await.unwrap();
    assert_eq!(server.used_bytes(), 400_000_000);
    let error = parameters.create(&SPEC).await.unwrap_err();
    assert!(matches!(error, ParametersError::Rejected { code: Code::AlreadyExists, .. }), "{error}");
    parameters.drop_job().await.unwrap();
    assert_eq!(server.used_bytes(), 0);
}

#[tokio::test]
async fn what_others_have_replaced_gives_its_memory_back() {
    let server = Paramserver::default();
    let address = serve(server.clone()).await;
    let place = |shard, values: Range<u64>, term| pb::ShardPlace {
        shard,
        address: address.clone(),
        start: values.start,
        len: values.end - values.start,
        term,
        made: term,
    };
    let before = [place(0, 0..1000, 1), place(1, 1000..2000, 1), place(2, 2000..3000, 1)];
    let now = [place(0, 0..1500, 2), place(1, 1500..3000, 3)];
    for places in [&before[..], &now] {
        let parameters = Parameters::new(JOB, places.to_vec(), Patience::default()).unwrap();
        parameters.create(&SPEC).await.unwrap();
    }
    let (term, made) = (Term(1), Term(1));
    let server_of = Place { shard: ShardIndex(0), address: address.clone(), range: 0..1, term, made };
    let client = ShardClient::new(JOB, server_of, Patience::default()).unwrap();
    assert_eq!(server.used_bytes(), 4 * 4000);
    client.drop_replaced(&before).await.unwrap();
    assert_eq!(server.used_bytes(), 4 * 4000);
    client.drop_replaced(&now).await.unwrap();
    assert_eq!(server.used_bytes(), 4 * 3000);
}

#[tokio::test]
async fn a_server_that_is_gone_is_named_after_a_few_tries() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place =
        pb::ShardPlace { shard: 0, address: format!("http://{free}"), start: 0, len: 4, term: 1, made: 1 };
    let patience = Patience { tries: 2, ..Patience::default() };
    let parameters = Parameters::new(JOB, vec![place], patience).unwrap();
    let error = parameters.tag(1).await.unwrap_err();
    assert!(matches!(error, ParametersError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&free.to_string()), "{error}");
}

#[tokio::test]
async fn every_call_can_be_made_from_a_spawned_task() {
    let parameters = parameters(6, 2).await;
    let calls = async move {
        parameters.create(&SPEC).await?;
        parameters.write(&vec![0.0; 6].into()).await?;
        parameters.marks(task(0), Attempt(1)).await?;
        parameters.tag(1).await?;
        parameters.untag(1).await?;
        parameters.status().await?;
        parameters.drop_job().await
    };
    tokio::spawn(calls).await.unwrap().unwrap();
}
