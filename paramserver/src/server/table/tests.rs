use std::{ops::Range, time::Duration};

use super::*;
use crate::{
    server::{
        cell::Access,
        terms::{Claim, is_moved},
    },
    shard::fixture::SPEC,
};

const KEY: ShardKey = ShardKey { job: JobId(1), shard: ShardIndex(0) };

async fn put(table: &Arc<Table>, range: Range<u64>, term: u64) -> Result<Arc<ShardCell>, Status> {
    put_at(table, KEY, range, term).await
}

async fn put_at(
    table: &Arc<Table>,
    key: ShardKey,
    range: Range<u64>,
    term: u64,
) -> Result<Arc<ShardCell>, Status> {
    let standing = Standing { term: Term(term), role: Role::Primary };
    let shard = Kept::new(range.end - range.start, &SPEC).unwrap();
    table.put(ShardCell::new(key, range, SPEC, standing, shard), standing).await
}

#[tokio::test]
async fn no_shard_outlives_the_driver_that_it_was_made_for() {
    let table = Arc::new(Table::default());
    put(&table, 0..8, 1).await.unwrap();
    assert!(table.find(KEY).is_ok());
    table.clear();
    assert!(table.find(KEY).is_err());
    // Another job of that number starts anew.
    put(&table, 0..4, 1).await.unwrap();
}

#[tokio::test]
async fn a_shard_takes_the_place_of_older_terms_only() {
    let table = Arc::new(Table::default());
    let first = put(&table, 0..8, 2).await.unwrap();
    assert!(Arc::ptr_eq(&put(&table, 0..8, 2).await.unwrap(), &first));
    assert_eq!(put(&table, 0..4, 2).await.unwrap_err().code(), tonic::Code::AlreadyExists);
    assert!(is_moved(&put(&table, 0..8, 1).await.unwrap_err()));
    let second = put(&table, 0..4, 3).await.unwrap();
    assert!(Arc::ptr_eq(&table.find(KEY).unwrap(), &second));
    assert_eq!(first.standing().await.unwrap().role, Role::Former);
}

#[tokio::test]
async fn a_shard_that_was_replaced_steps_down_even_if_whoever_replaced_it_is_gone() {
    let table = Arc::new(Table::default());
    let first = put(&table, 0..8, 2).await.unwrap();
    // Somebody reads it meanwhile, and it can't be changed.
    let (reads, is_read) = (tokio::sync::oneshot::channel(), std::sync::mpsc::channel::<()>());
    let (cell, claim) = (Arc::clone(&first), Claim { term: Term(2), role: Role::Primary });
    let read = move |_: &Kept| {
        reads.0.send(()).unwrap();
        is_read.1.recv().unwrap();
        Ok(())
    };
    let reader = tokio::spawn(async move { Access::new(cell, claim).share(read).await });
    reads.1.await.unwrap();
    {
        let mut replaced = std::pin::pin!(put(&table, 0..8, 3));
        assert!(futures::poll!(replaced.as_mut()).is_pending());
    }
    is_read.0.send(()).unwrap();
    reader.await.unwrap().unwrap();
    let stepped_down = async {
        loop {
            let changed = first.changed.notified();
            if first.standing().await.unwrap().role == Role::Former {
                return;
            }
            changed.await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), stepped_down).await.unwrap();
    assert_eq!(table.find(KEY).unwrap().standing().await.unwrap().term, Term(3));
}

#[test]
fn a_standby_that_is_promoted_while_another_comes_is_not_replaced() {
    // What waits for the shard waits in line, for the one thread that there is for it.
    let mut one = tokio::runtime::Builder::new_current_thread();
    let runtime = one.max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let table = Arc::new(Table::default());
        let standby = || {
            let standing = Standing { term: Term(2), role: Role::Standby };
            let shard = Kept::new(8, &SPEC).unwrap();
            table.put(ShardCell::new(KEY, 0..8, SPEC, standing, shard), standing)
        };
        let first = standby().await.unwrap();
        let (reads, is_read) = (tokio::sync::oneshot::channel(), std::sync::mpsc::channel::<()>());
        let claim = Claim { term: Term(2), role: Role::Standby };
        let read = move |_: &Kept| {
            reads.0.send(()).unwrap();
            is_read.1.recv().unwrap();
            Ok(())
        };
        let access = Access::new(Arc::clone(&first), claim);
        let reader = tokio::spawn(async move { access.share(read).await });
        reads.1.await.unwrap();
        let promote = |standing: &mut Standing, _: &Kept| standing.promote(KEY, Term(3));
        let mut promoted = std::pin::pin!(first.stand(promote));
        let mut replaced = std::pin::pin!(standby());
        assert!(futures::poll!(promoted.as_mut()).is_pending());
        assert!(futures::poll!(replaced.as_mut()).is_pending());
        is_read.0.send(()).unwrap();
        reader.await.unwrap().unwrap();
        promoted.await.unwrap();
        let refused = replaced.await.unwrap_err();
        assert!(is_moved(&refused), "{refused}");
        assert!(Arc::ptr_eq(&table.find(KEY).unwrap(), &first));
        let primary = Standing { term: Term(3), role: Role::Primary };
        assert_eq!(first.standing().await.unwrap(), primary);
    });
}

#[tokio::test]
async fn what_others_have_replaced_goes_and_nothing_that_is_served_or_will_be() {
    let table = Arc::new(Table::default());
    let key = |job, shard| ShardKey { job: JobId(job), shard: ShardIndex(shard) };
    let mut cells = Vec::new();
    for (job, shard, term) in [(1, 0, 5), (1, 1, 2), (1, 2, 6), (1, 3, 4), (1, 4, 7), (2, 0, 1)] {
        cells.push(put_at(&table, key(job, shard), 0..8, term).await.unwrap());
    }
    // The second is served elsewhere, the third is being made anew; there were four shards before, and there will be
    // five.
    let served = [(0, 5), (1, 6), (2, 5)].map(|(shard, term)| (ShardIndex(shard), Term(term))).into();
    for _ in 0..2 {
        table.drop_replaced(JobId(1), &served).await.unwrap();
        let is_there = |cell: &Arc<ShardCell>| table.get(cell.key).is_some();
        assert_eq!(cells.iter().map(is_there).collect::<Vec<_>>(), [true, false, true, false, true, true]);
    }
    assert_eq!(cells[1].standing().await.unwrap().role, Role::Former);
    // An old request that comes late.
    let before = [(ShardIndex(0), Term(1)), (ShardIndex(1), Term(1))].into();
    table.drop_replaced(JobId(1), &before).await.unwrap();
    table.drop_replaced(JobId(1), &BTreeMap::new()).await.unwrap();
    assert!(table.get(key(1, 0)).is_some() && table.get(key(1, 4)).is_some());
}

#[tokio::test]
async fn a_server_is_unused_when_its_shards_have_ended_or_are_served_elsewhere() {
    let table = Arc::new(Table::default());
    table.unused().await;
    let other = ShardKey { job: JobId(2), ..KEY };
    put(&table, 0..8, 2).await.unwrap();
    put_at(&table, other, 0..8, 1).await.unwrap();
    let mut unused = std::pin::pin!(table.unused());
    assert!(futures::poll!(unused.as_mut()).is_pending());
    table.drop_replaced(KEY.job, &[(KEY.shard, Term(3))].into()).await.unwrap();
    assert!(futures::poll!(unused.as_mut()).is_pending());
    table.drop_job(other.job);
    unused.await;
}

#[tokio::test]
async fn a_shard_that_was_dropped_has_moved_and_comes_back_in_the_newer_term_only() {
    let table = Arc::new(Table::default());
    put(&table, 0..8, 2).await.unwrap();
    table.drop_replaced(KEY.job, &[(KEY.shard, Term(4))].into()).await.unwrap();
    assert!(is_moved(&table.find(KEY).unwrap_err()));
    for late in [2, 3] {
        assert!(is_moved(&put(&table, 0..8, late).await.unwrap_err()), "{late}");
    }
    let back = put(&table, 0..8, 4).await.unwrap();
    assert!(Arc::ptr_eq(&table.find(KEY).unwrap(), &back));
    // Another job of that number starts anew.
    table.drop_job(KEY.job);
    assert_eq!(table.find(KEY).unwrap_err().code(), tonic::Code::NotFound);
    put(&table, 0..8, 1).await.unwrap();
}
