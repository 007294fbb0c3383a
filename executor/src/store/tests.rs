use std::{os::unix::fs::FileExt, sync::Arc};

use howdah_proto::{BlockId, ContextId, NodeId, Partition, lineage::StoragePlace};

use super::*;
use crate::rdd::{Batch, Picture, PictureMeta, RddError, Record};

fn block(node: u32, partition: u32) -> BlockId {
    BlockId { context: ContextId(1), node: NodeId(node), partition: Partition(partition) }
}

fn store(memory_bytes: u64) -> (Arc<BlockStore>, Memory, Arc<Scratch>) {
    let (memory, scratch) = (Memory::new(memory_bytes), Scratch::new(None).unwrap());
    (BlockStore::new(&memory, &scratch), memory, scratch)
}

fn samples(pictures: u64) -> Arc<Samples> {
    let mut samples = Samples::default();
    for key in 0..pictures {
        let meta = PictureMeta { key, label: 0 };
        let picture = Picture { width: 100, height: 10, channels: 1, pixels: vec![0; 1000] };
        samples.push("", &[Record::Picture { meta, picture }]).unwrap();
    }
    Arc::new(samples)
}

/// Batches of 100 KB that differ.
struct Numbers(std::ops::Range<u8>, Option<RddError>);

impl Rows for Numbers {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        match (self.0.next(), self.1.take()) {
            (Some(number), error) => {
                self.1 = error;
                let mut batch = Batch::new();
                batch.push_whole(&[&[number; 100_000]])?;
                Ok(Some(batch))
            }
            (None, Some(error)) => Err(error),
            (None, None) => Ok(None),
        }
    }
}

fn numbers(mut rows: impl Rows) -> Result<Vec<u8>, RddError> {
    let mut all = Vec::new();
    while let Some(batch) = rows.next_batch()? {
        all.extend(batch.rows().map(|row| row.bytes()[0]));
    }
    Ok(all)
}

fn keep(store: &Arc<BlockStore>, id: BlockId, place: StoragePlace, count: u8) {
    let all: Vec<u8> = (0..count).collect();
    assert_eq!(numbers(store.keep(id, place, Numbers(0..count, None))).unwrap(), all);
}

fn files(scratch: &Scratch) -> usize {
    // The lock is there, too.
    std::fs::read_dir(scratch.folder()).unwrap().count() - 1
}

#[test]
fn pictures_are_kept_and_the_least_recently_used_leave() {
    let (store, ..) = store(3 * samples(10).bytes() as u64 - 1);
    for partition in 0..2 {
        assert!(store.put(block(0, partition), StoragePlace::Memory, samples(10)));
    }
    assert!(store.get(block(0, 0)).is_some());
    assert!(store.put(block(1, 0), StoragePlace::Memory, samples(10)));
    assert_eq!(store.take_dropped(), [block(0, 1)]);
    assert!(!store.put(block(2, 0), StoragePlace::Memory, samples(40)));
    assert_eq!(store.take_dropped(), []);
    store.drop_context(ContextId(1));
    assert_eq!(store.used_bytes(), 0);
}

#[test]
fn rows_are_kept_as_they_pass_by_at_every_level() {
    for place in [StoragePlace::Memory, StoragePlace::MemoryAndDisk, StoragePlace::Disk] {
        let (store, memory, scratch) = store(10 << 20);
        assert!(store.rows(block(0, 0)).is_none());
        keep(&store, block(0, 0), place, 20);
        for _ in 0..2 {
            assert_eq!(numbers(store.rows(block(0, 0)).unwrap()).unwrap().len(), 20);
        }
        let on_disk = usize::from(place == StoragePlace::Disk);
        assert_eq!((files(&scratch), memory.used_bytes() == 0), (on_disk, on_disk == 1));
        store.forget(ContextId(1), NodeId(0));
        assert_eq!((files(&scratch), memory.used_bytes(), store.contains(block(0, 0))), (0, 0, false));
    }
}

#[test]
fn a_block_that_does_not_fit_goes_to_disk_or_is_not_kept_and_its_rows_pass_all_the_same() {
    let (store, memory, scratch) = store(1 << 20);
    keep(&store, block(0, 0), StoragePlace::Memory, 50);
    assert!(!store.contains(block(0, 0)));
    keep(&store, block(0, 1), StoragePlace::MemoryAndDisk, 50);
    assert_eq!(numbers(store.rows(block(0, 1)).unwrap()).unwrap().len(), 50);
    assert_eq!((memory.used_bytes(), files(&scratch)), (0, 1));
}

#[test]
fn a_reader_that_stops_early_or_fails_leaves_no_half_block() {
    for place in [StoragePlace::Memory, StoragePlace::MemoryAndDisk, StoragePlace::Disk] {
        let (store, memory, scratch) = store(1 << 20);
        let mut stopped = store.keep(block(0, 0), place, Numbers(0..50, None));
        assert!(stopped.next_batch().unwrap().is_some());
        drop(stopped);
        let failed = store.keep(block(0, 0), place, Numbers(0..50, Some(RddError::Cancelled)));
        assert!(numbers(failed).is_err());
        assert!(!store.contains(block(0, 0)));
        assert_eq!((memory.used_bytes(), files(&scratch)), (0, 0));
    }
}

#[test]
fn what_has_to_leave_goes_to_disk_or_is_reported() {
    let (store, memory, scratch) = store(4 << 20);
    keep(&store, block(0, 0), StoragePlace::Memory, 15);
    keep(&store, block(1, 0), StoragePlace::MemoryAndDisk, 15);
    let held = memory.try_reserve(2 << 20).unwrap();
    assert_eq!((store.take_dropped(), files(&scratch)), (vec![block(0, 0)], 0));
    drop(held);
    keep(&store, block(2, 0), StoragePlace::Memory, 35);
    assert_eq!((store.take_dropped(), files(&scratch)), (vec![], 1));
    assert_eq!(numbers(store.rows(block(1, 0)).unwrap()).unwrap().len(), 15);
    assert_eq!(numbers(store.rows(block(2, 0)).unwrap()).unwrap().len(), 35);
}

#[test]
fn a_block_that_is_being_read_does_not_leave() {
    let (store, memory, _scratch) = store(4 << 20);
    keep(&store, block(0, 0), StoragePlace::Memory, 35);
    let reading = store.rows(block(0, 0)).unwrap();
    assert!(memory.try_reserve(2 << 20).is_none());
    assert_eq!(numbers(reading).unwrap().len(), 35);
    assert!(memory.try_reserve(2 << 20).is_some());
    assert!(!store.contains(block(0, 0)));
}

#[test]
fn a_damaged_file_counts_as_a_missing_block() {
    let (store, _memory, scratch) = store(1 << 20);
    keep(&store, block(0, 0), StoragePlace::Disk, 3);
    for entry in std::fs::read_dir(scratch.folder()).unwrap().flatten() {
        if entry.file_name() != "lock" {
            let file = std::fs::OpenOptions::new().write(true).open(entry.path()).unwrap();
            file.write_all_at(b"?", 150_000).unwrap();
        }
    }
    assert!(numbers(store.rows(block(0, 0)).unwrap()).is_err());
    assert!(!store.contains(block(0, 0)));
    assert_eq!(store.take_dropped(), [block(0, 0)]);
}

#[test]
fn a_disk_that_can_not_be_written_is_named_if_only_the_disk_would_do() {
    let (store, _memory, scratch) = store(1 << 20);
    std::fs::remove_dir_all(scratch.folder()).unwrap();
    let error = numbers(store.keep(block(0, 0), StoragePlace::Disk, Numbers(0..3, None))).unwrap_err();
    assert!(error.to_string().contains(&*scratch.folder().to_string_lossy()), "{error}");
    keep(&store, block(0, 1), StoragePlace::MemoryAndDisk, 50);
    assert!(!store.contains(block(0, 1)));
}

#[test]
fn pictures_that_do_not_fit_wait_on_disk_and_those_that_are_damaged_there_are_forgotten() {
    let (store, memory, scratch) = store(40_000);
    let place = StoragePlace::MemoryAndDisk;
    for partition in 0..4 {
        assert!(store.put(block(0, partition), place, samples(10)));
        assert_eq!(store.take_dropped(), []);
    }
    assert_eq!(files(&scratch), 2);
    for partition in 0..4 {
        assert_eq!(store.get(block(0, partition)), Some(samples(10)));
    }
    // A block of another node takes the place of one of these, which goes to disk.
    assert!(store.put(block(1, 0), place, samples(10)));
    assert_eq!((files(&scratch), store.get(block(0, 0))), (3, Some(samples(10))));
    assert!(memory.used_bytes() <= 40_000);
    for entry in std::fs::read_dir(scratch.folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_some_and(|name| name != "lock") {
            std::fs::File::options().write(true).open(path).unwrap().write_at(b"x", 100).unwrap();
        }
    }
    let readable = (0..4).filter(|partition| store.get(block(0, *partition)).is_some()).count();
    assert_eq!((readable, files(&scratch)), (1, 0));
    assert_eq!(store.take_dropped().len(), 3);
    store.clear();
    assert_eq!(memory.used_bytes(), 0);
}
