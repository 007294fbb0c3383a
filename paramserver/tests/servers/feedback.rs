//! What pushes hold back, over real sockets: it is sent once, wherever its shard goes.

use howdah_paramserver::client::{Combined, Parameters, PushKind, ShardClient, Values, places};
use howdah_proto::{
    Attempt, Partition, Step,
    fence::{Fence, TrainTask},
    pb,
    settings::Encoding,
};

use crate::replica::{
    JOB, TASK, VALUES, fence, parameters, patience, pulled, push, replica, serve, shards, stream, wave,
};

const TOP_K: Encoding = Encoding::TopK { permille: 200 };
/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:1";

#[tokio::test]
async fn a_push_that_goes_on_in_another_cut_sends_nothing_twice() {
    let (mut two, _servers) = shards(2, 1).await;
    let parameters = parameters(two.clone(), &stream()).await;
    let mut replica = replica(&parameters, TOP_K, Encoding::F32, false);
    replica.begin(TASK, Attempt(1)).await.unwrap();
    push(&mut replica, &wave(1), 1, PushKind::Stream).await;
    let before = pulled(&parameters).await;
    let rest: Vec<f32> = wave(1).iter().zip(&before).map(|(value, sent)| value - sent).collect();
    // The first shard takes the second push, but not the other one, before both become one that has the first push alone.
    (two[1].address, two[1].term) = (NOWHERE.to_owned(), 2);
    parameters.relocate(two).unwrap();
    let (one, _server) = shards(1, 3).await;
    let whole = Parameters::new(JOB, one.clone(), patience()).unwrap();
    let pushing = async { push(&mut replica, &wave(2), 2, PushKind::Stream).await };
    let cutting = async {
        let first = &parameters.shards()[0];
        while first.status().await.unwrap().pushes_applied < 2 {}
        whole.create(&stream()).await.unwrap();
        let values = Values::from(before.clone());
        whole.shards()[0].push(&values, &fence(1, 1)).await.unwrap();
        parameters.relocate(one).unwrap();
    };
    let (pushed, ()) = tokio::join!(pushing, cutting);
    assert_eq!(pushed, Combined::Accepted);
    let last = push(&mut replica, &vec![0.0; VALUES], 3, PushKind::Last).await;
    assert_eq!(last, Combined::Accepted);
    let weights = pulled(&parameters).await;
    for (place, ((weight, rest), [one, two])) in
        weights.iter().zip(&rest).zip(wave(1).iter().zip(&wave(2)).map(|(one, two)| [*one, *two])).enumerate()
    {
        let all = one + two;
        let (low, high) = ((all - rest).min(all) - 1e-4, (all - rest).max(all) + 1e-4);
        assert!((low..=high).contains(weight), "{place}: {weight} of {all}, of which {rest} may be lost");
    }
}

#[tokio::test]
async fn the_first_push_of_a_task_takes_what_is_held_back_to_a_standby_and_not_to_a_shard_made_anew() {
    let other = TrainTask { partition: Partition(1), ..TASK };
    for is_made_anew in [false, true] {
        let (at, _servers) = shards(1, 1).await;
        let parameters = parameters(at.clone(), &stream()).await;
        let client = |at: &[pb::ShardPlace]| {
            ShardClient::new(JOB, places(at.to_vec()).unwrap().remove(0), patience()).unwrap()
        };
        let (heir, _server) = serve().await;
        if !is_made_anew {
            client(&at).attach_standby(&heir, 1).await.unwrap();
        }
        let mut replica = replica(&parameters, TOP_K, Encoding::F32, false);
        replica.begin(TASK, Attempt(1)).await.unwrap();
        push(&mut replica, &wave(1), 1, PushKind::Stream).await;
        replica.begin(other, Attempt(1)).await.unwrap();
        let gone = pb::ShardPlace { address: NOWHERE.to_owned(), term: 2, ..at[0].clone() };
        parameters.relocate(vec![gone]).unwrap();

        let made = if is_made_anew { 3 } else { 1 };
        let there = vec![pb::ShardPlace { address: heir, term: 3, made, ..at[0].clone() }];
        let pushing = async {
            replica.draft(PushKind::Last).0.put(0, &wave(2));
            replica.push(&Fence::new(other, Attempt(1), Step(1), Step(1)).unwrap()).await.unwrap()
        };
        let moving = async {
            let heir = client(&there);
            if is_made_anew {
                heir.create(&stream()).await.unwrap();
            } else {
                heir.promote().await.unwrap();
            }
            parameters.relocate(there).unwrap();
        };
        let (pushed, ()) = tokio::join!(pushing, moving);
        assert_eq!(pushed, Combined::Accepted);
        let had = if is_made_anew { vec![0.0; VALUES] } else { wave(1) };
        for (place, (weight, (one, two))) in
            pulled(&parameters).await.iter().zip(had.iter().zip(&wave(2))).enumerate()
        {
            assert!((weight - (one + two)).abs() < 1e-5, "made anew: {is_made_anew}, {place}: {weight}");
        }
    }
}
