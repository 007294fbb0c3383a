//! Times the map side of a shuffle on one thread, in memory and with spilling: sorting records of 100 bytes against
//! `sort_unstable` on a `Vec` of their keys, and combining pairs of numbers against a `HashMap`, in one run, since
//! absolute figures drift from run to run.

#![allow(clippy::print_stdout)]

use std::{collections::HashMap, error::Error, time::Instant};

use howdah_executor::{
    memory::Memory,
    rdd::{AnyCombiner, Batch, RddError, Slot},
    shuffle::{MapOutput, MapOutputWriter, MapSide, OutputId, Workspace},
    store::Scratch,
    task::CancelFlag,
};
use howdah_proto::{
    ContextId, NodeId, Partition,
    lineage::{Order, Partitioner, Shuffle},
};

const RECORDS: u64 = 2_000_000;
const KEY_BYTES: usize = 10;
const VALUE_BYTES: usize = 86;
const PAIRS: u64 = 10_000_000;
const PARTITIONS: u32 = 8;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    println!("{:34} {:>8} {:>12} {:>8} {:>7} {:>8}", "", "seconds", "records/s", "MB/s", "ratio", "in file");
    let records = records()?;
    let base = keys_alone(&records);
    report("sort_unstable, keys alone", RECORDS, KEY_BYTES, base, base, None);
    for (name, memory_bytes) in [("sort, in memory", 4 << 30), ("sort, spilling (64 MiB)", 64 << 20)] {
        let (seconds, output) = shuffled(records.clone(), memory_bytes, None)?;
        report(name, RECORDS, 100, seconds, base, Some(&output));
    }
    drop(records);
    for distinct in [1_000, 1_000_000, PAIRS] {
        let pairs = pairs(distinct)?;
        let base = hash_map(distinct);
        report(&format!("HashMap, {distinct} keys"), PAIRS, 16, base, base, None);
        for (name, memory_bytes) in [("in memory", 4 << 30), ("spilling (32 MiB)", 32 << 20)] {
            let (seconds, output) = shuffled(pairs.clone(), memory_bytes, Some(Box::new(Sum::default())))?;
            report(&format!("combine, {name}"), PAIRS, 16, seconds, base, Some(&output));
        }
    }
    Ok(())
}

fn report(name: &str, records: u64, bytes: usize, seconds: f64, base: f64, output: Option<&MapOutput>) {
    let rate = records as f64 / seconds;
    let file = output.map_or("", |output| if output.is_in_memory() { "no" } else { "yes" });
    let (megabytes, ratio) = (rate * bytes as f64 / 1e6, seconds / base);
    println!("{name:34} {seconds:8.3} {rate:12.0} {megabytes:8.1} {ratio:7.2} {file:>8}");
}

fn shuffled(
    batches: Vec<Batch>,
    memory_bytes: u64,
    combiner: Option<Box<dyn AnyCombiner>>,
) -> Outcome<(f64, MapOutput)> {
    let (memory, scratch) = (Memory::new(memory_bytes), Scratch::new(None)?);
    let workspace = Workspace { memory, scratch, cancel: CancelFlag::default() };
    let shuffle = Shuffle { partitioner: Partitioner::Hash, combiner: None, order: Order::KeyAscending };
    let id = OutputId { context: ContextId(1), shuffle: NodeId(1), map: Partition(0) };
    let start = Instant::now();
    let side = MapSide { id, shuffle: &shuffle, partitions: PARTITIONS };
    let mut writer = MapOutputWriter::new(side, combiner, &workspace)?;
    for batch in batches {
        writer.push(batch)?;
    }
    let output = writer.finish()?;
    Ok((start.elapsed().as_secs_f64(), output))
}

fn keys_alone(batches: &[Batch]) -> f64 {
    let rows = batches.iter().flat_map(Batch::rows);
    let mut keys: Vec<[u8; KEY_BYTES]> = rows.filter_map(|row| row.key().first_chunk().copied()).collect();
    let start = Instant::now();
    keys.sort_unstable();
    let seconds = start.elapsed().as_secs_f64();
    std::hint::black_box(&keys);
    seconds
}

fn hash_map(distinct: u64) -> f64 {
    let start = Instant::now();
    let mut sums: HashMap<u64, u64> = HashMap::new();
    for index in 0..PAIRS {
        let sum = sums.entry(mix(index) % distinct).or_default();
        *sum = sum.wrapping_add(index);
    }
    let seconds = start.elapsed().as_secs_f64();
    std::hint::black_box(&sums);
    seconds
}

fn records() -> Outcome<Vec<Batch>> {
    filled(RECORDS, |index, batch| {
        let (first, second) = (mix(index).to_be_bytes(), mix(!index).to_be_bytes());
        let mut key = [0; KEY_BYTES];
        key[..8].copy_from_slice(&first);
        key[8..].copy_from_slice(&second[..KEY_BYTES - 8]);
        Ok(batch.push_pair(&key, &[&[index as u8; VALUE_BYTES]])?)
    })
}

fn pairs(distinct: u64) -> Outcome<Vec<Batch>> {
    filled(PAIRS, |index, batch| {
        Ok(batch.push_pair(&(mix(index) % distinct).to_be_bytes(), &[&index.to_be_bytes()])?)
    })
}

fn filled(count: u64, mut push: impl FnMut(u64, &mut Batch) -> Outcome<()>) -> Outcome<Vec<Batch>> {
    let (mut all, mut batch) = (Vec::new(), Batch::new());
    for index in 0..count {
        push(index, &mut batch)?;
        if batch.is_full() {
            all.push(batch.take());
        }
    }
    all.push(batch);
    Ok(all)
}

/// A number that looks drawn.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Adds numbers up.
#[derive(Default)]
struct Sum {
    sums: Vec<u64>,
    free: Vec<Slot>,
}

impl AnyCombiner for Sum {
    fn begin(&mut self, value: &[u8]) -> Result<Slot, RddError> {
        match self.free.pop() {
            Some(slot) => {
                self.sums[slot.0 as usize] = number(value);
                Ok(slot)
            }
            None => {
                self.sums.push(number(value));
                Ok(Slot(self.sums.len() as u32 - 1))
            }
        }
    }

    fn add(&mut self, slot: Slot, value: &[u8]) -> Result<(), RddError> {
        let sum = &mut self.sums[slot.0 as usize];
        *sum = sum.wrapping_add(number(value));
        Ok(())
    }

    fn begin_combined(&mut self, combined: &[u8]) -> Result<Slot, RddError> {
        self.begin(combined)
    }

    fn merge(&mut self, slot: Slot, combined: &[u8]) -> Result<(), RddError> {
        self.add(slot, combined)
    }

    fn finish(&mut self, slot: Slot, out: &mut Vec<u8>) -> Result<(), RddError> {
        out.extend_from_slice(&self.sums[slot.0 as usize].to_be_bytes());
        self.free.push(slot);
        Ok(())
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}
