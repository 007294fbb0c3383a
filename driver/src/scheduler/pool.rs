use std::{fmt, sync::Arc};

/// The name of a pool of jobs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolName(Arc<str>);

impl PoolName {
    /// Names a pool.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }
}

impl Default for PoolName {
    fn default() -> Self {
        Self::new("default")
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// In which order the jobs of a pool get slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// The first job first.
    Fifo,
    /// The job with the fewest running attempts first.
    Fair,
}

/// A pool of jobs, which shares the slots with the other pools.
///
/// Pools that have less than their minimum share come first, the one with the smallest part of it before the
/// others; then pools come by running attempts per weight, then by name (Spark's FairSchedulingAlgorithm).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: PoolName,
    /// The order of its jobs.
    pub mode: PoolMode,
    /// Its share beside other pools; 0 counts as 1.
    pub weight: u32,
    /// How many slots it gets before the weights count.
    pub min_share: u32,
}

impl Pool {
    /// Describes the pool that is made when a job names one that doesn't exist.
    pub fn named(name: PoolName) -> Self {
        Self { name, mode: PoolMode::Fifo, weight: 1, min_share: 0 }
    }
}

/// A pool as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolView {
    /// What it is.
    pub pool: Pool,
    /// How many live jobs it has.
    pub jobs: u32,
    /// How many attempts of these run.
    pub running: u32,
}
