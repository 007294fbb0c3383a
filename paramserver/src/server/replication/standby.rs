use std::sync::Arc;

use futures::stream;
use howdah_proto::{
    Epoch, Term, Version,
    exchange::{Incoming, Part, Parts},
    fence::{Fence, RoundPart},
    pb::{self, replicate_request},
    settings::ShardSpec,
};
use tonic::Status;

use crate::{
    server::{
        Paramserver,
        cell::{Access, ShardCell, ShardKey},
        kept::Kept,
        receive,
        refusal::refusal,
        requests::{range, shard_in_term, shard_spec},
        staging::Staging,
        terms::{Claim, Role, Standing},
    },
    shard::{Clocks, Image, Shard, ShardError},
};

/// What a standby's image may take beside its arrays, at most.
const HEADER_BYTES: u64 = 512 << 20;

/// Follows a primary: each change is acknowledged when it has been made here too.
pub(in crate::server) async fn follow(
    server: &Paramserver,
    mut parts: Incoming<pb::ReplicateRequest>,
) -> Result<Parts<pb::ReplicateReply>, Status> {
    let begin = |request: pb::ReplicateRequest| match request.part? {
        replicate_request::Part::Begin(begin) => Some(begin),
        _ => None,
    };
    let begin = receive::header(&mut parts, begin).await?;
    let (key, term) = shard_in_term(begin.shard)?;
    let cell = if begin.image_bytes == 0 {
        server.shards.find(key)?
    } else {
        build(server, key, term, begin, &mut parts).await?
    };
    let access = Access::new(cell, Claim { term, role: Role::Standby });
    let sequence = access.read(sequence).await?;
    let following = Following { access, parts, staging: Arc::clone(&server.forwarded), sequence };
    let first = stream::iter([Ok(Part::Message(pb::ReplicateReply { sequence }))]);
    let rest = stream::try_unfold(following, |mut following| async {
        let reply = following.next().await?;
        Ok(reply.map(|reply| (Part::Message(reply), following)))
    });
    Ok(Box::pin(futures::StreamExt::chain(first, rest)))
}

/// How many pushes a standby has; one without a lock can't be.
fn sequence(shard: &Kept) -> u64 {
    match shard {
        Kept::Locked(shard) => shard.sequence(),
        Kept::Free(_) => 0,
    }
}

/// Makes a standby of the image that a stream begins with.
async fn build(
    server: &Paramserver,
    key: ShardKey,
    term: Term,
    begin: pb::ReplicateBegin,
    parts: &mut Incoming<pb::ReplicateRequest>,
) -> Result<Arc<ShardCell>, Status> {
    let range = range(key, begin.start, begin.len)?;
    let spec: ShardSpec = shard_spec(key, &begin.spec)?;
    let most = HEADER_BYTES + begin.len.saturating_mul(4).saturating_mul(2048);
    let bytes = receive::bytes(parts, key, begin.image_bytes, most).await?;
    let standing = Standing { term, role: Role::Standby };
    let (wanted, pairing) = (range.clone(), begin.pairing);
    let made = move || {
        let image = Image::read(&bytes).map_err(|error| refusal(key, error))?;
        drop(bytes);
        if image.header.start != wanted.start || image.header.len != wanted.end - wanted.start {
            return Err(Status::invalid_argument(format!("{key}: the image is of another range")));
        }
        let shard = Shard::from_image(image, &spec).map_err(|error| refusal(key, error))?;
        let mut cell = ShardCell::new(key, wanted, spec, standing, shard);
        cell.pairing = pairing;
        Ok(cell)
    };
    let cell = tokio::task::spawn_blocking(made)
        .await
        .map_err(|_| Status::internal(format!("{key} broke while it was made from an image")))??;
    server.shards.put(cell, standing).await
}

/// A standby in the middle of a stream.
struct Following {
    access: Access,
    parts: Incoming<pb::ReplicateRequest>,
    staging: Arc<Staging>,
    sequence: u64,
}

impl Following {
    /// Makes the next change; nothing when the primary has ended the stream.
    async fn next(&mut self) -> Result<Option<pb::ReplicateReply>, Status> {
        let Some(part) = self.parts.next().await? else { return Ok(None) };
        let Part::Message(pb::ReplicateRequest { part: Some(change) }) = part else {
            return Err(Status::invalid_argument("a change must begin with what it is"));
        };
        match change {
            replicate_request::Part::Push(push) => self.push(push).await?,
            replicate_request::Part::Tag(tag) => self.access.change(move |shard| shard.tag(tag)).await?,
            replicate_request::Part::Untag(tag) => {
                self.access.touch(move |shard| shard.untag(tag)).await?;
            }
            replicate_request::Part::RetireEpoch(epoch) => {
                self.access.touch(move |shard| shard.retire(Epoch(epoch))).await?;
            }
            replicate_request::Part::Clocks(clocks) => {
                let clocks = Clocks::try_from(clocks)?;
                self.access.read(|_| ()).await?;
                self.access.cell.clocks.follow(clocks);
            }
            replicate_request::Part::Begin(_) | replicate_request::Part::Data(_) => {
                return Err(Status::invalid_argument("a stream begins once"));
            }
        }
        Ok(Some(pb::ReplicateReply { sequence: self.sequence }))
    }

    async fn push(&mut self, push: pb::ReplicatedPush) -> Result<(), Status> {
        let fence: Fence = push.fence.try_into()?;
        let round = push.round.map(RoundPart::try_from).transpose()?;
        let mut staged = self.staging.take(self.access.cell.values()).await?;
        receive::values(&mut self.parts, &self.access.cell, &mut staged).await?;
        let (sequence, base) = (push.sequence, Version(push.base_version));
        let replay = move |shard: &mut Kept| match shard {
            Kept::Locked(shard) => {
                shard.replay(sequence, &fence, round, base, staged.values())?;
                Ok(shard.sequence())
            }
            Kept::Free(_) => Err(ShardError::Sequence { expected: 0, got: sequence }),
        };
        self.sequence = self.access.change(replay).await?;
        Ok(())
    }
}
