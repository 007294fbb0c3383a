use std::sync::Arc;

use futures::future::try_join_all;
use howdah_proto::{
    Attempt, JobId,
    fence::{Fence, TrainTask},
    pb,
    settings::ShardSpec,
};
use tokio::sync::watch;

use super::{
    Combined, Marks, ParametersError, Patience, ShardClient, Values, Wanted, layout::Layout, places,
};

/// A client of all shards of a job, which are spoken to at once; clones share its connections and its places.
///
/// Each call ends with the first shard's error. One that is under way when shards move goes on at their new places,
/// and begins again when the parameters are cut into other shards.
#[derive(Debug, Clone)]
pub struct Parameters {
    job: JobId,
    patience: Patience,
    layout: Arc<watch::Sender<Arc<Layout>>>,
}

impl Parameters {
    /// Makes a client of the shards at these places.
    ///
    /// # Errors
    /// [`ParametersError::Places`].
    pub fn new(job: JobId, at: Vec<pb::ShardPlace>, patience: Patience) -> Result<Self, ParametersError> {
        let layout = Layout::new(job, places(at)?)?;
        Ok(Self { job, patience, layout: Arc::new(watch::Sender::new(Arc::new(layout))) })
    }

    /// Takes new places of the shards; those of older terms change nothing. The number of shards and what each of
    /// them holds may be other than before.
    ///
    /// # Errors
    /// [`ParametersError::Places`]; the old places then stay.
    pub fn relocate(&self, at: Vec<pb::ShardPlace>) -> Result<(), ParametersError> {
        let at = places(at)?;
        let mut result = Ok(());
        self.layout.send_if_modified(|layout| match layout.relocated(self.job, at) {
            Ok(Some(new)) => {
                *layout = Arc::new(new);
                true
            }
            Ok(None) => false,
            Err(error) => {
                result = Err(error.into());
                false
            }
        });
        result
    }

    /// Tells whether both speak of the same shards through the same connections.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.layout, &other.layout)
    }

    /// Gives clients of the single shards as they are cut now, in order.
    pub fn shards(&self) -> Vec<ShardClient> {
        let layout = Arc::clone(&self.layout.borrow());
        let client = |connection: &super::connection::Connection| {
            ShardClient::following(connection.clone(), self.layout.subscribe(), self.patience)
        };
        layout.connections.iter().map(client).collect()
    }

    /// Tells how many parameters there are.
    pub fn len(&self) -> u64 {
        self.layout.borrow().parameters()
    }

    /// Tells whether there are none, which can't be.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes the shards, all zeros.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn create(&self, spec: &ShardSpec) -> Result<(), ParametersError> {
        self.each(|shard| async move { shard.create(spec).await }).await.map(drop)
    }

    /// Sets the initial weights.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn write(&self, values: &Values) -> Result<(), ParametersError> {
        self.check_len(values.len())?;
        self.each(|shard| async move { shard.write(&part(values, &shard)?).await }).await.map(drop)
    }

    /// Copies the weights to `into`, in place. The newest ones may be of different versions in different chunks.
    ///
    /// # Errors
    /// [`ParametersError`]; the contents of `into` are then unspecified.
    pub async fn pull(&self, into: &mut [f32], wanted: Wanted) -> Result<(), ParametersError> {
        self.check_len(into.len() as u64)?;
        loop {
            let shards = self.shards();
            let mut rest = &mut *into;
            let mut pulls = Vec::with_capacity(shards.len());
            for shard in &shards {
                let (part, after) = rest.split_at_mut(shard.connection().len() as usize);
                pulls.push(shard.pull(part, wanted));
                rest = after;
            }
            match try_join_all(pulls).await {
                Err(ParametersError::Recut { .. }) => {}
                ended => return ended.map(drop),
            }
        }
    }

    /// Pushes the sum over the fence's steps to every shard.
    ///
    /// # Errors
    /// [`ParametersError`]. Some shards may then have the push and others not; the same push can be sent again.
    pub async fn push(&self, values: &Values, fence: &Fence) -> Result<Combined, ParametersError> {
        self.check_len(values.len())?;
        let push = |shard: ShardClient| async move { shard.push(&part(values, &shard)?, fence).await };
        Ok(Combined::of(&self.each(push).await?))
    }

    /// Asks all shards for the mark of a task on behalf of an attempt, which supersedes lower ones by that.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn marks(&self, task: TrainTask, attempt: Attempt) -> Result<Marks, ParametersError> {
        let seen = self.each(|shard| async move { shard.mark(task, attempt).await }).await?;
        Ok(Marks::of(&seen, attempt))
    }

    /// Keeps a copy of the weights under a tag.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn tag(&self, tag: u64) -> Result<(), ParametersError> {
        self.each(|shard| async move { shard.tag(tag).await }).await.map(drop)
    }

    /// Drops a tag, if it is there.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn untag(&self, tag: u64) -> Result<(), ParametersError> {
        self.each(|shard| async move { shard.untag(tag).await }).await.map(drop)
    }

    /// Asks every shard for its counters.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn status(&self) -> Result<Vec<pb::ShardStatus>, ParametersError> {
        self.each(|shard| async move { shard.status().await }).await
    }

    /// Drops the job's shards from all servers.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn drop_job(&self) -> Result<(), ParametersError> {
        self.each(|shard| async move { shard.drop_job().await }).await.map(drop)
    }

    /// Does the same at every shard, and again at all of them if they are cut anew meanwhile.
    pub(super) async fn each<T, F: Future<Output = Result<T, ParametersError>>>(
        &self,
        mut call: impl FnMut(ShardClient) -> F,
    ) -> Result<Vec<T>, ParametersError> {
        loop {
            match try_join_all(self.shards().into_iter().map(&mut call)).await {
                Err(ParametersError::Recut { .. }) => {}
                ended => return ended,
            }
        }
    }

    pub(super) fn check_len(&self, given: u64) -> Result<(), ParametersError> {
        let parameters = self.len();
        if given == parameters { Ok(()) } else { Err(ParametersError::Buffer { given, parameters }) }
    }
}

fn part(values: &Values, shard: &ShardClient) -> Result<Values, ParametersError> {
    let range = &shard.place().range;
    let wrong = ParametersError::Buffer { given: values.len(), parameters: range.end };
    values.part(range).ok_or(wrong)
}
