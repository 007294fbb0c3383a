use howdah_proto::pb::{self, RunRequest, action::Kind, run_reply::Reply};

use super::fake::{Fake, results};
use crate::rdd::{ContextError, Direction, Partitioner, StorageLevel, Sum, records};

fn frames<T: howdah_executor::rdd::Data>(items: impl IntoIterator<Item = T>) -> Vec<u8> {
    records::encode_frames("test", items).unwrap().to_vec()
}

fn kind(request: &RunRequest) -> &Kind {
    request.action.as_ref().unwrap().kind.as_ref().unwrap()
}

#[tokio::test]
async fn records_come_back_in_the_order_of_partitions() {
    let answer = |_: &RunRequest| results([(1, frames([3i64, 4])), (0, frames([1i64, 2])), (2, vec![])]);
    let (context, _fake) = Fake::context(answer).await;
    assert_eq!(context.range(0..9, 3).collect().await.unwrap(), [1, 2, 3, 4]);
}

#[tokio::test]
async fn nodes_travel_once_and_again_when_they_change() {
    let count = |request: &RunRequest| {
        let partitions = if request.partitions.is_empty() { vec![0, 1] } else { request.partitions.clone() };
        results(partitions.iter().map(|partition| (*partition, 5u64.to_be_bytes().to_vec())))
    };
    let (context, fake) = Fake::context(count).await;
    let numbers = context.range(0..9, 2);
    assert_eq!(numbers.count().await.unwrap(), 10);
    assert_eq!(numbers.count().await.unwrap(), 10);
    let kept = numbers.persist(StorageLevel::DISK);
    kept.glom().count().await.unwrap();
    kept.unpersist().await.unwrap();
    let sent: Vec<Vec<u32>> = fake
        .seen(|seen| seen.runs.iter().map(|run| run.nodes.iter().map(|node| node.id).collect()).collect());
    assert_eq!(sent, [vec![0], vec![], vec![0, 1]]);
    fake.seen(|seen| {
        assert!(seen.runs[2].nodes[0].persist.is_some());
        assert_eq!((seen.defined.len(), seen.defined[0].persist), (1, None));
        assert_eq!(seen.unpersisted, [0]);
    });
}

#[tokio::test]
async fn nodes_that_a_failed_job_brought_travel_again() {
    let refuse = |_: &RunRequest| vec![Reply::Failed(pb::RunFailed::default())];
    let (context, fake) = Fake::context(refuse).await;
    let numbers = context.range(0..9, 2);
    for _ in 0..2 {
        assert!(matches!(numbers.count().await, Err(ContextError::Failed { .. })));
    }
    assert_eq!(fake.seen(|seen| seen.runs.iter().map(|run| run.nodes.len()).collect::<Vec<_>>()), [1, 1]);
}

#[tokio::test]
async fn large_collections_travel_as_objects_and_once() {
    let (context, fake) = Fake::context(|_| results([(0, vec![]), (1, vec![])])).await;
    let large = context.parallelize((0..20_000i64).collect::<Vec<_>>(), 2);
    for _ in 0..2 {
        assert!(large.collect().await.unwrap().is_empty());
    }
    fake.seen(|seen| {
        assert_eq!(seen.objects.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 2]);
        let mut items: Vec<i64> = Vec::new();
        records::decode_frames("test", &seen.objects[1].1, usize::MAX, &mut items).unwrap();
        assert_eq!((items.len(), items[0]), (10_000, 10_000));
    });
}

#[tokio::test]
async fn take_looks_at_one_partition_and_then_at_more() {
    let some = |request: &RunRequest| {
        let partition =
            |number: &u32| (*number, if *number < 3 { vec![] } else { frames([i64::from(*number)]) });
        results(request.partitions.iter().map(partition))
    };
    let (context, fake) = Fake::context(some).await;
    assert_eq!(context.range(0..9, 100).take(2).await.unwrap(), [3, 4]);
    let rounds: Vec<(Vec<u32>, Kind)> =
        fake.seen(|seen| seen.runs.iter().map(|run| (run.partitions.clone(), kind(run).clone())).collect());
    assert_eq!(rounds, [(vec![0], Kind::Take(2)), (vec![1, 2, 3, 4], Kind::Take(2))]);
}

#[tokio::test]
async fn a_key_is_looked_up_where_it_must_be() {
    let (context, fake) =
        Fake::context(|run| results(run.partitions.iter().map(|at| (*at, frames([6i64]))))).await;
    let pairs = context.parallelize([(5i64, 6i64)], 3).partition_by(&Partitioner::range([1i64, 4]).unwrap());
    assert_eq!(pairs.lookup(&5).await.unwrap(), [6]);
    assert_eq!(fake.seen(|seen| seen.runs[0].partitions.clone()), [2]);
}

#[tokio::test]
async fn the_sums_of_partitions_are_merged_and_empty_ones_left_out() {
    let parts = |_: &RunRequest| results([(0, frames([40i64])), (1, vec![]), (2, frames([2i64]))]);
    let (context, _fake) = Fake::context(parts).await;
    assert_eq!(context.range(0..9, 3).reduce(Sum::default()).await.unwrap(), 42);
}

#[tokio::test]
async fn bounds_of_a_sort_come_from_its_keys() {
    let answer = |request: &RunRequest| match kind(request) {
        Kind::Count(_) => results([(0, 3u64.to_be_bytes().to_vec()), (1, 1u64.to_be_bytes().to_vec())]),
        _ => results([(0, frames([10i64, 30])), (1, frames([20i64, 40]))]),
    };
    let (context, fake) = Fake::context(answer).await;
    let pairs = context.parallelize([(1i64, 'a')], 2);
    let sorted = pairs.sort_by_key(Direction::Ascending).await.unwrap();
    assert_eq!((sorted.partitions(), fake.seen(|seen| seen.runs.len())), (2, 2));
    let key = records::encode("test", &20i64).unwrap();
    let plan = sorted.plan().unwrap();
    assert_eq!(plan.layout.partition_of(&key, 2).map(|place| place.0), Some(0));
}

#[tokio::test]
async fn accumulators_add_up_over_jobs() {
    let added = |_: &RunRequest| {
        let value = Some(pb::accumulator_update::Value::Unsigned(3));
        let accumulators = vec![pb::AccumulatorUpdate { accumulator_id: 1, value }];
        let part = pb::Part { partition: 0, data: vec![].into(), last: true };
        vec![
            Reply::Parts(pb::Parts { parts: vec![part] }),
            Reply::Finished(pb::RunFinished { accumulators, report: None }),
        ]
    };
    let (context, _fake) = Fake::context(added).await;
    let bad = context.accumulator::<u64>();
    let numbers = context.range(0..9, 1);
    numbers.collect().await.unwrap();
    numbers.collect().await.unwrap();
    assert_eq!(context.value(&bad), crate::rdd::AccumulatorValue::Unsigned(6));
}

#[tokio::test]
async fn a_job_that_ends_without_a_word_is_an_error() {
    let (context, _fake) = Fake::context(|_| vec![Reply::Started(pb::RunStarted { job_id: 1 })]).await;
    assert!(matches!(context.range(0..9, 1).count().await, Err(ContextError::Lost { .. })));
    let (context, _fake) = Fake::context(|_| results([(0, 1u64.to_be_bytes().to_vec())])).await;
    let error = context.range(0..9, 2).count().await.unwrap_err().to_string();
    assert!(error.contains("result of partition 1"), "{error}");
}

#[tokio::test]
async fn options_travel_with_the_job() {
    let (context, fake) = Fake::context(|_| results([(0, vec![])])).await;
    let numbers = context.range(0..9, 1);
    let other = context
        .with_pool("urgent")
        .with_result_limit(9)
        .with_executor_wait(std::time::Duration::from_secs(2));
    numbers.collect().await.unwrap();
    numbers.within(&other.with_name("mine")).collect().await.unwrap();
    let options: Vec<pb::RunOptions> =
        fake.seen(|seen| seen.runs.iter().filter_map(|run| run.options.clone()).collect());
    assert_eq!(
        (&options[0].name[..], &options[0].pool[..], options[0].executor_wait_ms),
        ("collect", "", None)
    );
    assert_eq!((&options[1].name[..], &options[1].pool[..]), ("mine", "urgent"));
    assert_eq!((options[1].result_limit_bytes, options[1].executor_wait_ms), (9, Some(2000)));
}

#[tokio::test]
async fn an_rdd_is_not_saved_over_another() {
    let (context, fake) = Fake::context(|run| {
        let parts = if matches!(kind(run), Kind::Commit(_)) { 0..1 } else { 0..2 };
        results(parts.map(|partition| (partition, vec![])))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let numbers = context.range(0..9, 2);
    assert!(matches!(numbers.save(folder.path()).await, Err(ContextError::Exists { .. })));
    assert_eq!(fake.seen(|seen| seen.runs.len()), 0);
    let new = folder.path().join("new");
    numbers.checkpoint(&new).await.unwrap();
    fake.seen(|seen| {
        let (Kind::Save(save), Kind::Commit(commit)) = (kind(&seen.runs[0]), kind(&seen.runs[1])) else {
            panic!("{:?}", seen.runs)
        };
        assert_eq!((save.token, &save.folder, save.parts.len()), (commit.token, &commit.folder, 0));
        assert_eq!((&save.folder[..], commit.parts.len()), (new.to_str().unwrap(), 2));
    });
    let plan = numbers.plan().unwrap().node;
    let graph = context.graph();
    let node = graph.lineage().get(plan).unwrap();
    assert!(node.parents.is_empty() && node.partitions == 2);
    assert!(matches!(node.kind, howdah_proto::lineage::NodeKind::Saved { .. }));
}
