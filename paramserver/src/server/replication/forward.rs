use std::{
    error::Error,
    sync::{Arc, Weak},
    time::Duration,
};

use futures::{StreamExt, stream};
use howdah_proto::{
    Term,
    exchange::{ExchangeClient, Part, Parts},
    pb::{self, replicate_request},
    transport::{self, CHUNK_BYTES},
};
use tokio::runtime::Handle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::{
    link::{Link, Pairing, Phase},
    queue::Change,
};
use crate::{
    server::{
        cell::{Access, ShardCell},
        kept::Kept,
        owned::bytes_of,
        snapshot::pieces,
        terms::{Claim, Role, is_moved},
    },
    shard::Image,
};

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Brings a standby up to date, and keeps it so until it is detached.
pub(in crate::server) async fn attach(access: Access, address: &str, order: u64) -> Result<(), Status> {
    transport::endpoint(address).map_err(|error| Status::invalid_argument(error.to_string()))?;
    let cell = Arc::clone(&access.cell);
    let (link, to, runtime) = (Arc::clone(&cell.link), address.to_owned(), Handle::current());
    let (weak, term) = (Arc::downgrade(&cell), access.term());
    // All at once: what is queued for the standby is forwarded, even if whoever began it is gone.
    let begin = move |_: &mut Kept| {
        let holds = link.holds(order);
        if let Some(pairing) = holds.then(|| link.attach(&to)).flatten() {
            runtime.spawn(Forwarder { link, cell: weak, pairing, term }.run());
        }
        holds
    };
    if !access.touch(begin).await? {
        let key = cell.key;
        return Err(Status::cancelled(format!("{key}: {address} is no longer wanted as its standby")));
    }
    cell.link.attached().await
}

/// Sends a primary's changes to its standby for as long as they are a pair.
struct Forwarder {
    link: Arc<Link>,
    cell: Weak<ShardCell>,
    pairing: Pairing,
    term: Term,
}

impl Forwarder {
    async fn run(self) {
        let mut pause = FIRST_PAUSE;
        let mut resume = false;
        loop {
            let session = self.session(resume && !self.link.needs_image(), &mut pause);
            let lost = tokio::select! {
                lost = session => lost,
                () = self.link.ended(&self.pairing) => return,
            };
            let Some(phase) = self.link.phase(&self.pairing) else { return };
            let address = &self.pairing.address;
            match lost {
                Ok(()) => resume = true,
                Err(status) if is_moved(&status) => {
                    tracing::warn!(address, "the standby has become primary: {}", status.message());
                    self.link.supersede(&self.pairing, status.message().to_owned());
                    self.step_down().await;
                    return;
                }
                Err(status) if phase == Phase::CatchingUp => {
                    tracing::warn!(address, "the standby can't be brought up to date: {}", status.message());
                    self.link.fail(&self.pairing, status.message().to_owned());
                    return;
                }
                Err(status) => {
                    tracing::warn!(address, "the standby is away: {}", status.message());
                    // One that answers, and refuses, needs everything.
                    resume = status.source().is_some() || status.code() == Code::Unavailable;
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Takes no requests any more in this term.
    async fn step_down(&self) {
        let Some(cell) = self.cell.upgrade() else { return };
        if let Err(status) = cell.step_down(self.term).await {
            tracing::warn!("{}", status.message());
        }
    }

    /// Speaks with the standby until the stream breaks, or until it needs another image.
    async fn session(&self, resume: bool, pause: &mut Duration) -> Result<(), Status> {
        let channel = transport::connect(&self.pairing.address)
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let Some(cell) = self.cell.upgrade() else { return Ok(()) };
        let (image, after_image) = if resume {
            (None, None)
        } else {
            let (image, position) = self.image(&cell).await?;
            (Some(image), Some(position))
        };
        if after_image.is_some() {
            // They are not in the image.
            cell.clocks.tell(&self.link);
        }
        let head = begin_parts(&cell, self.term, self.pairing.number, image)?;
        drop(cell);

        let (sender, cursor) = tokio::sync::oneshot::channel();
        let (link, pairing) = (Arc::clone(&self.link), self.pairing.clone());
        let changes = stream::once(cursor)
            .filter_map(|cursor| std::future::ready(cursor.ok()))
            .flat_map(move |from| changes(Arc::clone(&link), pairing.clone(), from));
        let mut replies = ExchangeClient::new(channel).replicate(Box::pin(head.chain(changes))).await?;
        let has = replies.message().await?.sequence;
        *pause = FIRST_PAUSE;
        let mut position = match after_image {
            Some(position) => {
                self.link.acknowledge_before(&self.pairing, position);
                position
            }
            None => self.link.acknowledge_pushes(&self.pairing, has),
        };
        // The stream of changes waits to be told where it begins.
        let _told = sender.send(position);
        while let Some(reply) = replies.next().await? {
            let Part::Message(pb::ReplicateReply { .. }) = reply else {
                return Err(Status::internal("the standby answers with data"));
            };
            position += 1;
            self.link.acknowledge_before(&self.pairing, position);
        }
        Ok(())
    }

    /// Copies the shard, and gives the position before which the copy has all changes.
    async fn image(&self, cell: &Arc<ShardCell>) -> Result<(Image, u64), Status> {
        let start = cell.range.start;
        let (link, pairing) = (Arc::clone(&self.link), self.pairing.clone());
        let taken = move |shard: &mut Kept| Ok((shard.image(start)?, link.image_position(&pairing)));
        let claim = Claim { term: self.term, role: Role::Primary };
        Access::new(Arc::clone(cell), claim).change(taken).await
    }
}

/// The beginning of a stream: what it is about, and the image if there is one.
fn begin_parts(
    cell: &ShardCell,
    term: Term,
    pairing: u64,
    image: Option<Image>,
) -> Result<Parts<pb::ReplicateRequest>, Status> {
    let spec = serde_json::to_string(&cell.spec).map_err(|error| Status::internal(error.to_string()))?;
    let begin = pb::ReplicateBegin {
        shard: Some(pb::ShardRef { job_id: cell.key.job.0, shard: cell.key.shard.0, term: term.0 }),
        start: cell.range.start,
        len: cell.range.end - cell.range.start,
        spec,
        image_bytes: image.as_ref().map_or(0, Image::bytes),
        pairing,
    };
    let head = stream::iter([Ok(message(replicate_request::Part::Begin(begin)))]);
    Ok(match image {
        None => Box::pin(head),
        Some(image) => {
            let (pieces, _) = pieces(image);
            Box::pin(head.chain(ReceiverStream::new(pieces).map(|piece| Ok(Part::Data(piece)))))
        }
    })
}

/// The changes from a position on, until the pairing ends or an image is needed.
fn changes(
    link: Arc<Link>,
    pairing: Pairing,
    from: u64,
) -> impl futures::Stream<Item = Result<Part<pb::ReplicateRequest>, Status>> + Send {
    let next = move |position: u64| {
        let (link, pairing) = (Arc::clone(&link), pairing.clone());
        async move {
            let change = link.change(&pairing, position).await?;
            Some((change_parts(change)?, position + 1))
        }
    };
    stream::unfold(from, next).flatten()
}

/// What is told of a change; none if only an image can tell it.
fn change_parts(
    change: Change,
) -> Option<impl futures::Stream<Item = Result<Part<pb::ReplicateRequest>, Status>> + Send> {
    let (head, data) = match change {
        Change::Push { sequence, fence, round, base, values } => {
            let round = round.map(pb::Round::from);
            let push =
                pb::ReplicatedPush { sequence, fence: Some(fence.into()), round, base_version: base.0 };
            (replicate_request::Part::Push(push), bytes_of(values))
        }
        Change::Clocks(clocks) => (replicate_request::Part::Clocks((&*clocks).into()), bytes::Bytes::new()),
        Change::Tag(tag) => (replicate_request::Part::Tag(tag), bytes::Bytes::new()),
        Change::Untag(tag) => (replicate_request::Part::Untag(tag), bytes::Bytes::new()),
        Change::Anew => return None,
        Change::Retire(epoch) => (replicate_request::Part::RetireEpoch(epoch.0), bytes::Bytes::new()),
    };
    Some(stream::iter([message(head)]).chain(data_parts(data)).map(Ok))
}

fn message(part: replicate_request::Part) -> Part<pb::ReplicateRequest> {
    Part::Message(pb::ReplicateRequest { part: Some(part) })
}

fn data_parts(data: bytes::Bytes) -> impl futures::Stream<Item = Part<pb::ReplicateRequest>> + Send {
    let starts = (0..data.len()).step_by(CHUNK_BYTES);
    stream::iter(starts.map(move |start| Part::Data(data.slice(start..data.len().min(start + CHUNK_BYTES)))))
}
