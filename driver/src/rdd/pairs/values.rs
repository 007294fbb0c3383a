use howdah_executor::rdd::{Data, FlatMapValues, Kind, MapValues, spec_of};
use howdah_proto::lineage::{NodeKind, Reshape};

use crate::rdd::{
    Rdd,
    lineage::{By, Layout, Made},
};

/// # Keys and values
///
/// ```
/// # use howdah_driver::rdd::{Context, ContextError};
/// # #[tokio::main]
/// # async fn main() -> Result<(), ContextError> {
/// # let context = Context::builder().in_process(1).start().await?;
/// let pairs = context.parallelize([(1, 'a'), (2, 'b')], 1);
/// assert_eq!(pairs.keys().collect().await?, [1, 2]);
/// assert_eq!(pairs.values().collect().await?, ['a', 'b']);
/// # Ok(())
/// # }
/// ```
impl<K: Data, V: Data> Rdd<(K, V)> {
    /// The key of each pair.
    pub fn keys(&self) -> Rdd<K> {
        self.derive("keys", |build, plan| {
            let plan = build.pairs(plan)?;
            let layout = plan.layout.clone().by(By::Key, By::Record);
            let made = Made::new(plan.partitions).laid(layout).unmarked();
            build.add(NodeKind::Reshape(Reshape::Keys), &[&plan], made)
        })
    }

    /// The value of each pair.
    pub fn values(&self) -> Rdd<V> {
        self.derive("values", |build, plan| {
            let plan = build.pairs(plan)?;
            let made = Made::new(plan.partitions).unmarked();
            build.add(NodeKind::Reshape(Reshape::Values), &[&plan], made)
        })
    }

    /// Makes another value of each; the keys stay, and where they are.
    pub fn map_values<F: MapValues<Input = V>>(&self, function: F) -> Rdd<(K, F::Output)> {
        self.derive("map_values", |build, plan| {
            let plan = build.pairs(plan)?;
            let made = keyed(Made::like(&plan));
            build.function(&plan, spec_of(&function), Kind::MapValues, made)
        })
    }

    /// Makes any number of pairs of each, with its key.
    pub fn flat_map_values<F: FlatMapValues<Input = V>>(&self, function: F) -> Rdd<(K, F::Output)> {
        self.derive("flat_map_values", |build, plan| {
            let plan = build.pairs(plan)?;
            let made = keyed(Made::like(&plan));
            build.function(&plan, spec_of(&function), Kind::FlatMapValues, made)
        })
    }
}

/// Pairs whose values are others now: what was known of whole records is not true any more.
fn keyed(made: Made) -> Made {
    match made.layout {
        Layout::Keyed { by: By::Key, .. } => made,
        _ => made.laid(Layout::Unknown),
    }
}
