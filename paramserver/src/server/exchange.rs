use howdah_proto::{
    exchange::{Exchange, Incoming, Parts},
    pb,
};
use tonic::Status;

use super::{Paramserver, kept::Kept, pull, push, receive, replication};
use crate::server::replication::Change;

impl Exchange for Paramserver {
    async fn write(&self, mut parts: Incoming<pb::WriteRequest>) -> Result<pb::WriteReply, Status> {
        let header = |request: pb::WriteRequest| match request.part? {
            pb::write_request::Part::Header(header) => Some(header),
            pb::write_request::Part::Data(_) => None,
        };
        let access = self.primary(Some(receive::header(&mut parts, header).await?))?;
        let (key, link) = (access.cell.key, access.cell.link.clone());
        let mut staged = self.staging.take(access.cell.values()).await?;
        receive::values(&mut parts, &access.cell, &mut staged).await?;
        receive::end(&mut parts, || format!("{key}: more values came than the shard has")).await?;
        let write = move |shard: &mut Kept| {
            shard.write(staged.values())?;
            Ok(link.note(|| Change::Anew))
        };
        let position = access.change(write).await?;
        access.cell.link.settled(position).await?;
        Ok(pb::WriteReply {})
    }

    async fn pull(&self, request: pb::PullRequest) -> Result<Parts<pb::PullReply>, Status> {
        pull::pull(self, request).await
    }

    async fn push(&self, parts: Incoming<pb::PushRequest>) -> Result<pb::PushReply, Status> {
        push::push(self, parts).await
    }

    async fn replicate(
        &self,
        parts: Incoming<pb::ReplicateRequest>,
    ) -> Result<Parts<pb::ReplicateReply>, Status> {
        replication::follow(self, parts).await
    }
}
