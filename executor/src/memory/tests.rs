use std::sync::{Arc, Mutex};

use howdah_proto::{BlockId, ContextId, NodeId, Partition};

use super::*;

fn block(node: u32, partition: u32) -> KeptName {
    KeptName::Block(BlockId { context: ContextId(1), node: NodeId(node), partition: Partition(partition) })
}

struct Recorder {
    answer: Evicted,
    names: Mutex<Vec<KeptName>>,
}

impl Evict for Recorder {
    fn evict(&self, name: KeptName) -> Evicted {
        self.names.lock().unwrap().push(name);
        self.answer
    }
}

fn with_recorder(total: u64, answer: Evicted) -> (Memory, Arc<Recorder>) {
    let recorder = Arc::new(Recorder { answer, names: Mutex::default() });
    let memory = Memory::new(total);
    let evictor: Arc<dyn Evict> = recorder.clone();
    memory.evict_with(Arc::downgrade(&evictor));
    (memory, recorder)
}

fn keep(memory: &Memory, name: KeptName, bytes: u64) -> Option<Arc<Kept>> {
    let kept = memory.keep(name);
    let fits = kept.try_grow(bytes);
    kept.settle();
    fits.then(|| Arc::new(kept))
}

#[test]
fn a_reservation_gives_back_what_it_holds() {
    let memory = Memory::new(100);
    let mut held = memory.try_reserve(60).unwrap();
    assert!(!held.try_grow(41));
    assert!(held.try_grow(40));
    held.shrink(70);
    assert_eq!(memory.used_bytes(), 30);
    drop(held);
    assert_eq!(memory.used_bytes(), 0);
}

#[test]
fn tasks_take_what_is_kept_down_to_the_protected_half() {
    let (memory, recorder) = with_recorder(100, Evicted::Gone);
    let blocks: Vec<_> = (0..10).map(|place| keep(&memory, block(0, place), 10).unwrap()).collect();
    let held = memory.try_reserve(45).unwrap();
    assert_eq!(*recorder.names.lock().unwrap(), [0, 1, 2, 3, 4].map(|place| block(0, place)));
    assert!(memory.try_reserve(6).is_none());
    assert_eq!(memory.kept_bytes(), 50);
    drop((held, blocks));
    assert_eq!(memory.used_bytes(), 0);
}

#[test]
fn what_is_kept_does_not_take_from_tasks() {
    let (memory, recorder) = with_recorder(100, Evicted::Gone);
    let _held = memory.try_reserve(80).unwrap();
    assert!(keep(&memory, block(0, 0), 21).is_none());
    assert!(keep(&memory, block(0, 0), 20).is_some());
    assert!(recorder.names.lock().unwrap().is_empty());
}

#[test]
fn the_least_recently_used_block_of_another_node_leaves_first() {
    let (memory, recorder) = with_recorder(30, Evicted::Gone);
    let blocks: Vec<_> = (0..3).map(|place| keep(&memory, block(0, place), 10).unwrap()).collect();
    blocks[0].touch();
    let _other = keep(&memory, block(1, 0), 10).unwrap();
    assert_eq!(*recorder.names.lock().unwrap(), [block(0, 1)]);
    assert!(keep(&memory, block(0, 3), 20).is_none(), "blocks of one node evict each other");
}

#[test]
fn what_is_pinned_does_not_leave() {
    let (memory, recorder) = with_recorder(20, Evicted::Gone);
    let old = keep(&memory, block(0, 0), 10).unwrap();
    let _new = keep(&memory, block(0, 1), 10).unwrap();
    let pin = old.pin();
    let _third = keep(&memory, block(1, 0), 10).unwrap();
    assert_eq!(*recorder.names.lock().unwrap(), [block(0, 1)]);
    assert!(keep(&memory, block(2, 0), 20).is_none());
    drop(pin);
    assert!(keep(&memory, block(2, 0), 20).is_some());
}

#[test]
fn what_can_not_leave_stays_and_nobody_gets_its_memory() {
    let (memory, _recorder) = with_recorder(20, Evicted::Stays);
    let _old = keep(&memory, block(0, 0), 15).unwrap();
    assert!(memory.try_reserve(10).is_none());
    assert!(keep(&memory, block(1, 0), 10).is_none());
    assert_eq!(memory.used_bytes(), 15);
}

#[test]
fn two_tasks_share_what_there_is() {
    let memory = Memory::new(100);
    let mut first = memory.try_reserve(10).unwrap();
    let mut second = memory.nothing();
    assert!(!first.try_grow(45));
    assert!(first.try_grow(40));
    assert!(second.try_grow(50));
    drop(first);
    assert!(second.try_grow(50));
}
