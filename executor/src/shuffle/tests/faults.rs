use std::pin::Pin;

use futures::{Stream, stream};
use howdah_proto::{
    Partition,
    lineage::Order,
    pb::{
        self, FetchChunk, SegmentHeader,
        fetch_chunk::Part,
        shuffles_server::{Shuffles, ShufflesServer},
    },
    transport,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::{
    rdd::{Batch, FetchFailure, RddError, batch::Frame},
    shuffle::{testing::*, *},
};

/// Says what it is told to say, whatever it is asked, and then perhaps nothing more.
#[derive(Clone)]
struct Liar {
    parts: Vec<Part>,
    hangs: bool,
}

#[tonic::async_trait]
impl Shuffles for Liar {
    type FetchStream = Pin<Box<dyn Stream<Item = Result<FetchChunk, Status>> + Send>>;

    async fn fetch(&self, _: Request<pb::FetchRequest>) -> Result<Response<Self::FetchStream>, Status> {
        use futures::StreamExt;
        let parts = self.parts.clone().into_iter().map(|part| Ok(FetchChunk { part: Some(part) }));
        let parts = stream::iter(parts);
        Ok(Response::new(if self.hangs { Box::pin(parts.chain(stream::pending())) } else { Box::pin(parts) }))
    }
}

fn header(map: u32, bytes: u64) -> Part {
    Part::Header(SegmentHeader { map, bytes })
}

fn frame() -> Vec<u8> {
    let mut batch = Batch::new();
    batch.push_pair(b"key", &[b"value"]).unwrap();
    let mut bytes = Vec::new();
    Frame::write(&batch, &mut bytes);
    bytes
}

fn failure(here: &Executor, address: &str) -> FetchFailure {
    let places = [(THERE, address); 2];
    match reduce(&reduction(0, Order::KeyAscending, &places), None, &here.reducing()).map(pairs) {
        Err(RddError::Fetch(failure)) => failure,
        Err(other) => panic!("{other}"),
        Ok(rows) => panic!("{rows:?}"),
    }
}

fn failure_from_liar(parts: Vec<Part>, hangs: bool) -> FetchFailure {
    let here = Executor::new(1 << 24);
    let listener = here.runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let serving = transport::server().add_service(ShufflesServer::new(Liar { parts, hangs }));
    here.runtime.spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
    let failure = failure(&here, &address);
    assert_eq!((failure.executor, &failure.address), (THERE, &address));
    assert_eq!(failure.partitions, [Partition(0), Partition(1)]);
    failure
}

#[test]
fn a_dead_address_is_named_with_all_that_was_to_come_from_there() {
    let here = Executor::new(1 << 24);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let failure = failure(&here, &address);
    assert_eq!((failure.executor, failure.address), (THERE, address));
    assert_eq!(failure.partitions, [Partition(0), Partition(1)]);
}

#[test]
fn a_peer_that_lacks_an_output_says_so() {
    let (here, there) = (Executor::new(1 << 24), Executor::new(1 << 24));
    let address = there.serve();
    there.outputs.put(there.write(0, &shuffle(Order::KeyAscending), 1, None, &mut rows(&[], 1)).unwrap());
    let failure = failure(&here, &address);
    assert!(failure.reason.contains("map output 1.5.1 is not here"), "{failure}");
}

#[test]
fn an_output_that_is_lost_here_is_named() {
    let here = Executor::new(1 << 24);
    here.outputs.put(here.write(0, &shuffle(Order::KeyAscending), 1, None, &mut rows(&[], 1)).unwrap());
    let reduction = reduction(0, Order::KeyAscending, &[(HERE, "-"), (HERE, "-")]);
    let error = reduce(&reduction, None, &here.reducing()).err().unwrap();
    let RddError::Fetch(failure) = error else { panic!("{error}") };
    assert_eq!((failure.executor, failure.partitions), (HERE, vec![Partition(1)]));
}

#[test]
fn a_peer_that_lies_about_lengths_is_not_believed() {
    let good = frame();
    let bytes = good.len() as u64;
    let data = |bytes: &[u8]| Part::Data(bytes::Bytes::copy_from_slice(bytes));
    let mut huge = good.clone();
    huge[..8].fill(0xff);
    let lies = [
        vec![header(0, bytes - 1), data(&good)],
        vec![header(0, u64::MAX), data(&huge)],
        vec![header(0, bytes), data(&huge)],
        vec![header(0, bytes + 5), data(&good), data(b"extra")],
        vec![header(1, bytes), data(&good)],
        vec![header(0, bytes), header(1, bytes)],
        vec![data(&good)],
        vec![header(0, 0), header(1, 0), header(2, 0)],
        vec![header(0, bytes), data(&good)],
        vec![],
    ];
    for lie in lies {
        failure_from_liar(lie, false);
    }
}

#[test]
fn a_damaged_segment_is_a_failed_fetch() {
    let mut damaged = frame();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let parts = vec![header(0, damaged.len() as u64), Part::Data(damaged.into())];
    assert!(failure_from_liar(parts, false).reason.contains("checksum"));
}

#[test]
fn a_peer_that_hangs_is_given_up() {
    let good = frame();
    let parts = vec![header(0, good.len() as u64), Part::Data(good.into())];
    assert!(failure_from_liar(parts, true).reason.contains("nothing arrived"));
}

#[test]
fn what_is_dropped_while_it_is_read_is_still_read_whole() {
    let here = Executor::new(1 << 20);
    let input = drawn(20_000, 100, 100);
    let output = here.write(0, &shuffle(Order::Arrival), 1, None, &mut rows(&input, 500)).unwrap();
    assert!(!output.is_in_memory());
    here.outputs.put(output);
    let reduction = reduction(0, Order::Arrival, &[(HERE, "-")]);
    let rows = reduce(&reduction, None, &here.reducing()).unwrap();
    here.outputs.clear();
    assert!(pairs(rows).unwrap() == input);
    assert!(reduce(&reduction, None, &here.reducing()).is_err());
}

#[test]
fn a_cancelled_task_stops_fetching() {
    let here = Executor::new(1 << 20);
    here.workspace.cancel.set();
    let reduction = reduction(0, Order::Arrival, &[(THERE, "http://127.0.0.1:1")]);
    let error = reduce(&reduction, None, &here.reducing()).err().unwrap();
    assert!(matches!(error, RddError::Cancelled));
}
