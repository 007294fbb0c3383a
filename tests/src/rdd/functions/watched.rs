//! Functions that let a test see, and hold up, what tasks do.

use std::path::{Path, PathBuf};

use howdah_driver::rdd::{Failure, Function, Map, MapPartitions, Partition, Records};
use serde::{Deserialize, Serialize};

use crate::{deadline::look_until, rdd::marks};

/// Leaves a mark for each time that a partition is computed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Traced(PathBuf);

impl Traced {
    /// Leaves marks in this folder.
    pub fn to(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// How often this partition was computed.
    pub fn count(folder: &Path, partition: u32) -> usize {
        marks::count(folder, &format!("partition-{partition}"))
    }

    /// How often partitions were computed altogether.
    pub fn total(folder: &Path, partitions: u32) -> usize {
        (0..partitions).map(|partition| Self::count(folder, partition)).sum()
    }
}

impl Function for Traced {
    const NAME: &'static str = "traced";
}

impl MapPartitions for Traced {
    type Input = i64;
    type Output = i64;

    fn map_partition(
        self,
        partition: Partition,
        records: Records<i64>,
    ) -> Result<impl Iterator<Item = Result<i64, Failure>> + Send + 'static, Failure> {
        marks::leave(&self.0, &format!("partition-{}", partition.0));
        Ok(records.map(Ok))
    }
}

/// Gives numbers on, but holds up one of them until the test opens the gate.
#[derive(Debug, Serialize, Deserialize)]
pub struct Gate {
    folder: PathBuf,
    on: i64,
}

impl Gate {
    /// A gate for a number, whose marks are in this folder.
    pub fn on(folder: &Path, on: i64) -> Self {
        Self { folder: folder.to_owned(), on }
    }

    /// Waits until so many tasks stand, or have stood, before the gate for a number.
    pub fn wait_for(folder: &Path, on: i64, tasks: usize) {
        marks::wait_for(folder, &format!("reached-{on}"), tasks);
    }

    /// Opens the gate for a number for ever.
    pub fn open(folder: &Path, on: i64) {
        marks::leave(folder, &format!("open-{on}"));
    }
}

impl Function for Gate {
    const NAME: &'static str = "gate";
}

impl Map for Gate {
    type Input = i64;
    type Output = i64;

    fn map(&mut self, number: i64) -> Result<i64, Failure> {
        if number == self.on {
            marks::leave(&self.folder, &format!("reached-{number}"));
            let open = format!("open-{number}");
            look_until("a gate that opens", || (marks::count(&self.folder, &open) > 0).then_some(()));
        }
        Ok(number)
    }
}
