use std::{fmt, str::FromStr, sync::Arc};

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

/// A text that describes no pool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no pool like NAME, NAME:fair or NAME:fifo:WEIGHT:MIN_SHARE")]
pub struct NotAPool(String);

impl FromStr for Pool {
    type Err = NotAPool;

    /// Reads `NAME[:fifo|fair[:WEIGHT[:MIN_SHARE]]]`.
    fn from_str(text: &str) -> Result<Self, NotAPool> {
        let wrong = || NotAPool(text.to_owned());
        let parts: Vec<&str> = text.split(':').collect();
        let number = |place: usize, default: u32| match parts.get(place) {
            Some(number) => number.parse().map_err(|_| wrong()),
            None => Ok(default),
        };
        let mode = match parts.get(1).copied() {
            None | Some("fifo") => PoolMode::Fifo,
            Some("fair") => PoolMode::Fair,
            Some(_) => return Err(wrong()),
        };
        let (weight, min_share) = (number(2, 1)?, number(3, 0)?);
        if parts.len() > 4 || parts[0].is_empty() || weight == 0 {
            return Err(wrong());
        }
        Ok(Self { name: PoolName::new(parts[0]), mode, weight, min_share })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_read_from_a_line_of_text() {
        let pool =
            |name: &str, mode, weight, min_share| Pool { name: PoolName::new(name), mode, weight, min_share };
        assert_eq!("reports".parse(), Ok(pool("reports", PoolMode::Fifo, 1, 0)));
        assert_eq!("live:fair:3:2".parse(), Ok(pool("live", PoolMode::Fair, 3, 2)));
        for wrong in ["", ":fair", "a:quick", "a:fair:0", "a:fair:1:x", "a:fair:1:1:1"] {
            assert!(wrong.parse::<Pool>().is_err(), "{wrong}");
        }
    }
}
