//! What is measured.

use std::time::Instant;

use howdah_driver::rdd::{Context, ContextError, Direction, Sum};

use crate::functions::{HundredBytes, KEYS, Remainder};

/// How much of each workload there is.
pub struct Sizes {
    /// Empty tasks of one job.
    pub tasks: u32,
    /// Jobs of one task.
    pub jobs: u32,
    /// Pairs to reduce.
    pub pairs: i64,
    /// Records of 100 bytes to sort.
    pub records: i64,
    /// Executors to kill.
    pub kills: u32,
    /// Partitions of pairs and records.
    pub partitions: u32,
}

impl Sizes {
    /// The usual sizes, or a hundredth of them with `HOWDAH_BENCH=quick`.
    pub fn from_environment() -> Self {
        let quick = std::env::var("HOWDAH_BENCH").is_ok_and(|size| size == "quick");
        let part = if quick { 100 } else { 1 };
        Self {
            tasks: 20_000 / part,
            jobs: 1_000 / part,
            pairs: 10_000_000 / i64::from(part),
            records: 10_000_000 / i64::from(part),
            kills: 20 / part.min(5),
            partitions: 16,
        }
    }
}

/// A workload and what it gave.
pub struct Measured {
    /// The name that the peer gives it, too.
    pub name: &'static str,
    /// What was measured, with its unit.
    pub what: &'static str,
    /// The figure.
    pub value: f64,
    /// Whether a larger figure is a better one.
    pub more_is_better: bool,
}

/// Runs all workloads, one after the other.
pub async fn all(context: &Context, sizes: &Sizes) -> Result<Vec<Measured>, ContextError> {
    context.range(0..1000, 4).count().await?;
    Ok(vec![
        tasks(context, sizes).await?,
        latency(context, sizes).await?,
        reduce(context, sizes).await?,
        sort(context, sizes).await?,
    ])
}

async fn tasks(context: &Context, sizes: &Sizes) -> Result<Measured, ContextError> {
    let numbers = context.range(0..i64::from(sizes.tasks), sizes.tasks);
    let started = Instant::now();
    assert_eq!(numbers.count().await?, u64::from(sizes.tasks));
    let value = f64::from(sizes.tasks) / started.elapsed().as_secs_f64();
    Ok(Measured { name: "tasks", what: "empty tasks a second", value, more_is_better: true })
}

async fn latency(context: &Context, sizes: &Sizes) -> Result<Measured, ContextError> {
    let one = context.range(0..1, 1);
    let mut seconds = Vec::new();
    for _ in 0..sizes.jobs {
        let started = Instant::now();
        assert_eq!(one.count().await?, 1);
        seconds.push(started.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let value = seconds[seconds.len() / 2];
    Ok(Measured {
        name: "latency",
        what: "seconds for a job of one task, median",
        value,
        more_is_better: false,
    })
}

async fn reduce(context: &Context, sizes: &Sizes) -> Result<Measured, ContextError> {
    let numbers = context.range(0..sizes.pairs, sizes.partitions);
    let counts = numbers.map(Remainder).reduce_by_key(Sum::default());
    let started = Instant::now();
    assert_eq!(counts.count().await?, sizes.pairs.min(KEYS) as u64);
    let value = sizes.pairs as f64 / started.elapsed().as_secs_f64();
    Ok(Measured { name: "reduce_by_key", what: "pairs reduced by key a second", value, more_is_better: true })
}

async fn sort(context: &Context, sizes: &Sizes) -> Result<Measured, ContextError> {
    let records = context.range(0..sizes.records, sizes.partitions).map(HundredBytes);
    let started = Instant::now();
    let sorted = records.sort_by_key(Direction::Ascending).await?;
    assert_eq!(sorted.count().await?, sizes.records as u64);
    let value = sizes.records as f64 * 100.0 / started.elapsed().as_secs_f64();
    Ok(Measured { name: "sort", what: "bytes sorted by key a second", value, more_is_better: true })
}
