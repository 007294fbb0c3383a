//! What only the driver asks of a shard.

use std::{collections::BTreeMap, time::Duration};

use howdah_proto::{
    Epoch, MemberId, Step, Version,
    fence::TrainTask,
    pb::{self, parameters_client::ParametersClient},
    settings::ShardSpec,
};

use super::{ParametersError, ShardClient, call::Failure};
use crate::shard::CutId;

/// The marks of all tasks that a shard knows of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShardMarks {
    /// The mark of each task.
    pub marks: BTreeMap<TrainTask, Step>,
    /// Every epoch up to this one is complete, and its marks are forgotten.
    pub retired: Epoch,
    /// How often the weights have changed.
    pub version: Version,
}

/// A shard in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedCut {
    /// The size of its file.
    pub bytes: u64,
    /// The SHA-256 of its file.
    pub checksum: Vec<u8>,
    /// How often its weights had changed.
    pub version: Version,
}

/// How far a shard has come with its part of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CutState {
    /// Pushes are missing.
    Incomplete,
    /// Its file is being written.
    Writing,
    /// It is there.
    Saved(SavedCut),
}

impl ShardClient {
    /// Makes the shard from a snapshot.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn restore(
        &self,
        spec: &ShardSpec,
        location: &str,
        saved: Vec<pb::SavedShard>,
    ) -> Result<Version, ParametersError> {
        let request = pb::RestoreShardRequest {
            shard: Some(self.connection().shard),
            start: self.place().range.start,
            len: self.place().range.end - self.place().range.start,
            spec: self.spec(spec)?,
            location: location.to_owned(),
            saved,
        };
        let reply = self.ask(request, async |mut client, request| client.restore(request).await).await?;
        Ok(Version(reply.version))
    }

    /// Makes a primary of the standby at this place, in the place's term.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn promote(&self) -> Result<Version, ParametersError> {
        let request = pb::PromoteRequest { shard: Some(self.connection().shard) };
        let reply = self.ask(request, async |mut client, request| client.promote(request).await).await?;
        Ok(Version(reply.version))
    }

    /// Brings a standby at `address` up to date; from then on acknowledged pushes are on both. `order` counts up over all
    /// that is asked about standbys of the shard, so that what comes late changes nothing.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn attach_standby(&self, address: &str, order: u64) -> Result<(), ParametersError> {
        let (shard, address) = (Some(self.connection().shard), address.to_owned());
        let request = pb::AttachStandbyRequest { shard, address, order };
        self.ask(request, async |mut client, request| client.attach_standby(request).await).await.map(drop)
    }

    /// Lets the shard go on without its standby; `order` is as in [`Self::attach_standby`].
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn detach_standby(&self, order: u64) -> Result<(), ParametersError> {
        let request = pb::DetachStandbyRequest { shard: Some(self.connection().shard), order };
        self.ask(request, async |mut client, request| client.detach_standby(request).await).await.map(drop)
    }

    /// Asks for the marks of all tasks.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn marks(&self) -> Result<ShardMarks, ParametersError> {
        let request = pb::MarksRequest { shard: Some(self.connection().shard) };
        let reply = self.ask(request, async |mut client, request| client.marks(request).await).await?;
        let mark = |mark: pb::TaskMark| Ok((TrainTask::try_from(mark.task)?, Step(mark.mark)));
        let marks: Result<_, howdah_proto::WireError> = reply.marks.into_iter().map(mark).collect();
        Ok(ShardMarks {
            marks: marks.map_err(|error| self.protocol(error.to_string()))?,
            retired: Epoch(reply.retired_epoch),
            version: Version(reply.version),
        })
    }

    /// Plans a snapshot; gives a task that has gone too far for it already, if there is one.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn plan_cut(
        &self,
        id: CutId,
        marks: &BTreeMap<TrainTask, Step>,
    ) -> Result<Option<(TrainTask, Step)>, ParametersError> {
        let mark =
            |(task, mark): (&TrainTask, &Step)| pb::TaskMark { task: Some((*task).into()), mark: mark.0 };
        let request = pb::PlanCutRequest {
            shard: Some(self.connection().shard),
            snapshot: id.snapshot.0,
            attempt: id.attempt,
            marks: marks.iter().map(mark).collect(),
        };
        let reply = self.ask(request, async |mut client, request| client.plan_cut(request).await).await?;
        let passed =
            reply.passed.map(|passed| Ok((TrainTask::try_from(passed.task)?, Step(passed.mark)))).transpose();
        passed.map_err(|error: howdah_proto::WireError| self.protocol(error.to_string()))
    }

    /// Has a planned snapshot written, and waits for a while; it is being written once, however often it is asked for.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn save_cut(&self, id: CutId, location: &str, file: &str) -> Result<CutState, ParametersError> {
        let request = pb::SaveCutRequest {
            shard: Some(self.connection().shard),
            snapshot: id.snapshot.0,
            attempt: id.attempt,
            location: location.to_owned(),
            file: file.to_owned(),
        };
        let reply = self.ask(request, async |mut client, request| client.save_cut(request).await).await?;
        Ok(match (reply.saved, reply.writing) {
            (true, _) => CutState::Saved(SavedCut {
                bytes: reply.bytes,
                checksum: reply.checksum.to_vec(),
                version: Version(reply.version),
            }),
            (false, true) => CutState::Writing,
            (false, false) => CutState::Incomplete,
        })
    }

    /// Drops a plan of a snapshot and those before it.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn drop_cut(&self, id: CutId) -> Result<(), ParametersError> {
        let (snapshot, attempt) = (id.snapshot.0, id.attempt);
        let request = pb::DropCutRequest { shard: Some(self.connection().shard), snapshot, attempt };
        self.ask(request, async |mut client, request| client.drop_cut(request).await).await.map(drop)
    }

    /// Forgets the marks of the epochs up to this one.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn retire_epochs(&self, epoch: Epoch) -> Result<(), ParametersError> {
        let request = pb::RetireEpochsRequest { shard: Some(self.connection().shard), epoch: epoch.0 };
        self.ask(request, async |mut client, request| client.retire_epochs(request).await).await.map(drop)
    }

    /// Forgets what is kept of an executor's replicas, on the whole server.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn forget_replicas(&self, member: MemberId) -> Result<(), ParametersError> {
        let request =
            pb::ForgetReplicasRequest { job_id: self.connection().shard.job_id, member_id: member.0 };
        self.ask(request, async |mut client, request| client.forget_replicas(request).await).await.map(drop)
    }

    async fn ask<Q: Clone, T>(
        &self,
        request: Q,
        one_try: impl AsyncFn(
            ParametersClient<tonic::transport::Channel>,
            Q,
        ) -> Result<tonic::Response<T>, tonic::Status>,
    ) -> Result<T, ParametersError> {
        self.call(|client, _| async {
            Ok::<_, Failure>(one_try(client, request.clone()).await?.into_inner())
        })
        .await
    }
}

/// How long a server waits for the pushes of a cut, or for a replica's turn, before it answers that they are
/// still missing.
pub const LONG_POLL: Duration = Duration::from_secs(5);
