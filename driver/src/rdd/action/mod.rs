//! Actions: what makes a job, and brings something back.

mod by;
mod collect;
mod fold;
mod keep;
mod ordered;
mod rounds;
mod sample;
mod save;

use std::ops::Range;

use bytes::Bytes;
use howdah_executor::rdd::action::read_count;
use howdah_proto::pb::{CountAction, action::Kind};

use super::{ContextError, Rdd, context::Job, wire::Gathered};

pub use keep::StorageLevel;
pub(super) use save::absolute;

impl<T> Rdd<T> {
    /// Runs an action on all partitions.
    pub(super) async fn act(&self, what: &'static str, action: Kind) -> Result<Gathered, ContextError> {
        let all = 0..self.plan()?.partitions;
        self.act_on(what, all, action).await
    }

    /// Runs an action on some partitions.
    pub(super) async fn act_on(
        &self,
        what: &'static str,
        partitions: Range<u32>,
        action: Kind,
    ) -> Result<Gathered, ContextError> {
        let plan = self.plan()?;
        self.context().run(Job { what, node: plan.node, partitions, of: plan.partitions, action }).await
    }

    /// Counts the records of some partitions.
    pub(super) async fn counts(
        &self,
        what: &'static str,
        partitions: Range<u32>,
    ) -> Result<Vec<u64>, ContextError> {
        let counts = self.act_on(what, partitions, Kind::Count(CountAction {})).await?;
        let read = |bytes: &Bytes| read_count(bytes).map_err(|error| ContextError::decode(what, error));
        counts.values().map(read).collect()
    }
}
