use howdah_proto::{
    NodeId, Partition,
    pb::{self, action::Kind},
};

use super::{Context, lock};
use crate::rdd::{
    ContextError,
    lineage::Parcel,
    wire::{Gathered, Outcome, Replies},
};

/// An action on partitions of a node.
#[derive(Debug)]
pub(in crate::rdd) struct Job {
    /// What the action is called.
    pub(in crate::rdd) what: &'static str,
    pub(in crate::rdd) node: NodeId,
    /// In ascending order.
    pub(in crate::rdd) partitions: std::ops::Range<u32>,
    /// How many partitions the node has.
    pub(in crate::rdd) of: u32,
    pub(in crate::rdd) action: Kind,
}

impl Context {
    /// Runs an action and waits for all its results. The job is cancelled when this is dropped.
    pub(in crate::rdd) async fn run(&self, job: Job) -> Result<Gathered, ContextError> {
        if job.partitions.is_empty() {
            return Ok(Gathered::new());
        }
        let name = self.options.name_of(job.what);
        let wanted = job.partitions.clone().map(Partition);
        let mut outcome = Outcome::new(name);
        let (first, mut replies) = self.start(job).await?;
        let mut finished = outcome.on_reply(first)?;
        while finished.is_none() {
            let reply = replies.message().await.map_err(|status| self.connection().failed(&status))?;
            let Some(reply) = reply else {
                return Err(self.connection().strange("it ended a job without saying how"));
            };
            finished = outcome.on_reply(reply.reply)?;
        }
        lock(&self.inner.sums).add(&finished.unwrap_or_default().accumulators);
        outcome.finish(wanted).map_err(|partition| {
            self.connection().strange(format!("it did not send the result of partition {partition}"))
        })
    }

    /// Starts a job, and gives the driver what it lacks for it. The driver has that once it has replied.
    async fn start(&self, job: Job) -> Result<(Option<pb::run_reply::Reply>, Replies), ContextError> {
        let mut request = self.request(job);
        let shipping = self.inner.shipping.lock().await;
        let mut parcel = self.graph().parcel();
        if parcel.is_empty() {
            drop(shipping);
            return self.first(request).await;
        }
        request.nodes = self.ship(&mut parcel).await?;
        let started = self.first(request).await?;
        if !matches!(started.0, Some(pb::run_reply::Reply::Failed(_))) {
            self.graph().has_nodes(&parcel);
        }
        Ok(started)
    }

    /// Tells the driver of new nodes and changed ones without a job.
    pub(in crate::rdd) async fn tell(&self) -> Result<(), ContextError> {
        let _shipping = self.inner.shipping.lock().await;
        let mut parcel = self.graph().parcel();
        if !parcel.is_empty() {
            let last = self.ship(&mut parcel).await?;
            self.connection().define(last).await?;
            self.graph().has_nodes(&parcel);
        }
        Ok(())
    }

    /// Sends what the driver lacks, but for the last nodes.
    async fn ship(&self, parcel: &mut Parcel) -> Result<Vec<pb::Node>, ContextError> {
        for (object, bytes) in std::mem::take(&mut parcel.objects) {
            self.connection().put_object(object, bytes).await?;
            self.graph().has_object(object);
        }
        self.connection().ship(std::mem::take(&mut parcel.nodes)).await
    }

    async fn first(
        &self,
        request: pb::RunRequest,
    ) -> Result<(Option<pb::run_reply::Reply>, Replies), ContextError> {
        let mut replies = self.connection().run(request).await?;
        let first = replies.message().await.map_err(|status| self.connection().failed(&status))?;
        let first = first.ok_or_else(|| self.connection().strange("it said nothing of a job"))?;
        Ok((first.reply, replies))
    }

    fn request(&self, job: Job) -> pb::RunRequest {
        let all = job.partitions == (0..job.of);
        pb::RunRequest {
            context_id: 0,
            nodes: Vec::new(),
            node: job.node.0,
            partitions: if all { Vec::new() } else { job.partitions.collect() },
            action: Some(pb::Action { kind: Some(job.action) }),
            options: Some(self.options.to_wire(job.what)),
        }
    }
}
