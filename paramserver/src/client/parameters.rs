use futures::future::try_join_all;
use howdah_proto::{
    Attempt, JobId,
    fence::{Fence, TrainTask},
    pb,
    settings::UpdateRule,
};

use super::{Combined, Marks, ParametersError, Patience, ShardClient, Values, Version, places};

/// A client of all shards of a job, which are spoken to at once; clones share its connections.
///
/// Each call ends with the first shard's error.
#[derive(Debug, Clone)]
pub struct Parameters {
    shards: Vec<ShardClient>,
}

impl Parameters {
    /// Makes a client of the shards at these places.
    ///
    /// # Errors
    /// [`ParametersError::Places`].
    pub fn new(job: JobId, at: Vec<pb::ShardPlace>, patience: Patience) -> Result<Self, ParametersError> {
        let at = places(at)?.into_iter();
        let shards = at.map(|place| ShardClient::new(job, place, patience)).collect::<Result<_, _>>()?;
        Ok(Self { shards })
    }

    /// Gives the clients of the single shards, in order.
    pub fn shards(&self) -> &[ShardClient] {
        &self.shards
    }

    /// Tells how many parameters there are.
    pub fn len(&self) -> u64 {
        self.shards.last().map_or(0, |shard| shard.place().range.end)
    }

    /// Tells whether there are none, which can't be.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes the shards, all zeros.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn create(&self, rule: &UpdateRule) -> Result<(), ParametersError> {
        try_join_all(self.shards.iter().map(|shard| shard.create(rule))).await.map(drop)
    }

    /// Sets the initial weights.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn write(&self, values: &Values) -> Result<(), ParametersError> {
        let each = |shard: ShardClient, part: Values| async move { shard.write(&part).await };
        try_join_all(self.parts(values)?.into_iter().map(|(shard, part)| each(shard, part))).await.map(drop)
    }

    /// Copies the weights to `into`, in place. The newest ones may be of different versions in different chunks.
    ///
    /// # Errors
    /// [`ParametersError`]; the contents of `into` are then unspecified.
    pub async fn pull(&self, into: &mut [f32], version: Version) -> Result<(), ParametersError> {
        self.check_len(into.len() as u64)?;
        let mut rest = into;
        let mut pulls = Vec::with_capacity(self.shards.len());
        for shard in &self.shards {
            let range = &shard.place().range;
            let (part, after) = rest.split_at_mut((range.end - range.start) as usize);
            pulls.push(shard.pull(part, version));
            rest = after;
        }
        try_join_all(pulls).await.map(drop)
    }

    /// Pushes the sum over the fence's steps to every shard.
    ///
    /// # Errors
    /// [`ParametersError`]. Some shards may then have the push and others not; the same push can be sent again.
    pub async fn push(&self, values: &Values, fence: &Fence) -> Result<Combined, ParametersError> {
        let each = |shard: ShardClient, part: Values| async move { shard.push(&part, fence).await };
        let pushes = self.parts(values)?.into_iter().map(|(shard, part)| each(shard, part));
        Ok(Combined::of(&try_join_all(pushes).await?))
    }

    /// Asks all shards for the mark of a task on behalf of an attempt, which supersedes lower ones by that.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn marks(&self, task: TrainTask, attempt: Attempt) -> Result<Marks, ParametersError> {
        let seen = try_join_all(self.shards.iter().map(|shard| shard.mark(task, attempt))).await?;
        Ok(Marks::of(&seen, attempt))
    }

    /// Keeps a copy of the weights under a tag.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn tag(&self, tag: u64) -> Result<(), ParametersError> {
        try_join_all(self.shards.iter().map(|shard| shard.tag(tag))).await.map(drop)
    }

    /// Drops a tag, if it is there.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn untag(&self, tag: u64) -> Result<(), ParametersError> {
        try_join_all(self.shards.iter().map(|shard| shard.untag(tag))).await.map(drop)
    }

    /// Asks every shard for its counters.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn status(&self) -> Result<Vec<pb::ShardStatus>, ParametersError> {
        try_join_all(self.shards.iter().map(ShardClient::status)).await
    }

    /// Drops the job's shards from all servers.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn drop_job(&self) -> Result<(), ParametersError> {
        try_join_all(self.shards.iter().map(ShardClient::drop_job)).await.map(drop)
    }

    fn parts(&self, values: &Values) -> Result<Vec<(ShardClient, Values)>, ParametersError> {
        self.check_len(values.len())?;
        let part = |shard: &ShardClient| Some((shard.clone(), values.part(&shard.place().range)?));
        Ok(self.shards.iter().filter_map(part).collect())
    }

    fn check_len(&self, given: u64) -> Result<(), ParametersError> {
        let parameters = self.len();
        if given == parameters { Ok(()) } else { Err(ParametersError::Buffer { given, parameters }) }
    }
}
