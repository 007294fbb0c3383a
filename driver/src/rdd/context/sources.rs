use std::ops::Range;

use bytes::Bytes;
use howdah_executor::rdd::{Data, saved::Manifest};
use howdah_proto::lineage::{NodeKind, Slice};

use super::Context;
use crate::rdd::{
    ContextError, Rdd,
    lineage::{Build, Made},
    records,
};

/// Collections of at most so many bytes travel with their node.
const INLINE_BYTES: usize = 64 << 10;

/// # Where RDDs come from
///
/// ```
/// # use howdah_driver::rdd::{Context, ContextError};
/// # #[tokio::main]
/// # async fn main() -> Result<(), ContextError> {
/// # let context = Context::builder().in_process(1).start().await?;
/// let words = context.parallelize(["so", "it", "goes"].map(String::from), 2);
/// let more = context.parallelize(vec!["on".to_owned()], 1);
/// let all = context.union(&[words, more, context.empty()]);
/// assert_eq!(all.collect().await?, ["so", "it", "goes", "on"]);
/// assert_eq!(context.range_by(10..0, -3, 2).collect().await?, [10, 7, 4, 1]);
/// # Ok(())
/// # }
/// ```
impl Context {
    /// Cuts records into so many partitions of equal size, one after the other.
    pub fn parallelize<T: Data>(&self, items: impl IntoIterator<Item = T>, partitions: u32) -> Rdd<T> {
        self.make("parallelize", |build| {
            let partitions = some(build, partitions)?;
            let items: Vec<T> = items.into_iter().collect();
            let mut ends = cuts(items.len(), partitions);
            let mut items = items.into_iter();
            let slices =
                ends.by_ref().map(|slice| records::encode_frames(build.what, items.by_ref().take(slice)));
            let slices: Vec<Bytes> = slices.collect::<Result<_, _>>()?;
            let inline = slices.iter().map(Bytes::len).sum::<usize>() <= INLINE_BYTES;
            let place = |frames: Bytes| match inline || frames.is_empty() {
                true => Slice::Inline(frames),
                false => Slice::Object(build.graph.object(frames)),
            };
            let slices = slices.into_iter().map(place).collect();
            build.add(NodeKind::Collection(slices), &[], Made::new(partitions))
        })
    }

    /// The numbers from the start of a range up to, and without, its end.
    pub fn range(&self, numbers: Range<i64>, partitions: u32) -> Rdd<i64> {
        self.range_by(numbers, 1, partitions)
    }

    /// Every so many numbers of a range; downwards if the step is below 0.
    pub fn range_by(&self, numbers: Range<i64>, step: i64, partitions: u32) -> Rdd<i64> {
        self.make("range", |build| {
            let partitions = some(build, partitions)?;
            let kind = NodeKind::Range { start: numbers.start, end: numbers.end, step };
            build.add(kind, &[], Made::new(partitions))
        })
    }

    /// An RDD without a record or a partition.
    pub fn empty<T: Data>(&self) -> Rdd<T> {
        self.make("empty", |build| build.add(NodeKind::Collection(Vec::new()), &[], Made::new(0)))
    }

    /// The records of several RDDs, one after the other.
    pub fn union<T: Data>(&self, rdds: &[Rdd<T>]) -> Rdd<T> {
        Rdd::join_all(self, "union", rdds)
    }

    /// An RDD that [`Rdd::save`] wrote. `T` must be what it had then.
    ///
    /// # Errors
    /// [`ContextError::Load`] if the folder is no saved RDD.
    pub async fn load<T: Data>(&self, folder: impl AsRef<std::path::Path>) -> Result<Rdd<T>, ContextError> {
        let folder = crate::rdd::action::absolute(folder.as_ref())?;
        let (path, name) = (folder.clone(), folder.display().to_string());
        let wrong = |reason: String| ContextError::Load { folder: name.clone(), reason };
        let manifest = tokio::task::spawn_blocking(move || Manifest::open(&path))
            .await
            .map_err(|error| wrong(error.to_string()))?
            .map_err(|error| wrong(error.to_string()))?;
        Ok(self.make("load", |build| {
            let made = Made::new(manifest.parts()).unmarked();
            build.add(NodeKind::Saved { folder: name.clone() }, &[], made)
        }))
    }

    fn make<T>(
        &self,
        what: &'static str,
        step: impl FnOnce(&mut Build<'_>) -> Result<crate::rdd::lineage::Plan, ContextError>,
    ) -> Rdd<T> {
        let mut graph = self.graph();
        let plan = step(&mut Build { graph: &mut graph, registry: self.registry(), what });
        drop(graph);
        Rdd::new(self.clone(), plan)
    }
}

fn some(build: &Build<'_>, partitions: u32) -> Result<u32, ContextError> {
    if partitions == 0 {
        return Err(build.wrong("it needs a partition"));
    }
    build.partitions(u64::from(partitions))
}

/// How many of so many records each partition gets.
fn cuts(items: usize, partitions: u32) -> impl Iterator<Item = usize> {
    let (items, partitions) = (items as u128, u128::from(partitions));
    (0..partitions).map(move |place| {
        let end = |place: u128| (place * items / partitions) as usize;
        end(place + 1) - end(place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_cut_as_evenly_as_can_be() {
        assert_eq!(cuts(10, 4).collect::<Vec<_>>(), [2, 3, 2, 3]);
        assert_eq!(cuts(2, 4).collect::<Vec<_>>(), [0, 1, 0, 1]);
        assert_eq!(cuts(0, 2).sum::<usize>(), 0);
    }
}
