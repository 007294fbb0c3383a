use std::sync::Arc;

use howdah_proto::{
    ReplicaId, Version,
    exchange::Incoming,
    fence::{Fence, RoundPart},
    pb::{self, push_reply::Outcome},
    settings::Encoding,
};
use tonic::Status;

use super::{
    Paramserver,
    cell::{Access, ShardKey},
    kept::Kept,
    receive,
    replication::Change,
    requests::encoding,
    staging::Staged,
};
use crate::{
    codec::{self, Decoder},
    shard::{Finite, Push, PushOutcome},
};

/// What a push says of itself, checked.
#[derive(Debug, Clone, Copy)]
struct Header {
    fence: Fence,
    round: Option<RoundPart>,
    base: Version,
    replica: ReplicaId,
    encoding: Encoding,
    encoded_bytes: u64,
}

impl Header {
    fn check(key: ShardKey, values: usize, header: pb::PushHeader) -> Result<Self, Status> {
        let encoding = encoding(key, &header.encoding)?;
        let most = codec::max_bytes(encoding, values);
        let encoded_bytes = match encoding {
            Encoding::F32 if header.encoded_bytes == 0 => most,
            _ => header.encoded_bytes,
        };
        if encoded_bytes == 0 || encoded_bytes > most {
            let reason =
                format!("{key}: {encoded_bytes} encoded bytes can't be {values} values ({most} at most)");
            return Err(Status::invalid_argument(reason));
        }
        Ok(Self {
            fence: header.fence.try_into()?,
            round: header.round.map(RoundPart::try_from).transpose()?,
            base: Version(header.base_version),
            replica: header.replica.map(ReplicaId::from).unwrap_or_default(),
            encoding,
            encoded_bytes,
        })
    }
}

/// Takes a push, applies it once it is whole, and answers when the standby has it too.
pub(super) async fn push(
    server: &Paramserver,
    mut parts: Incoming<pb::PushRequest>,
) -> Result<pb::PushReply, Status> {
    let header = |request: pb::PushRequest| match request.part? {
        pb::push_request::Part::Header(header) => Some(header),
        pb::push_request::Part::Data(_) => None,
    };
    let header = receive::header(&mut parts, header).await?;
    let access = server.primary(header.shard)?;
    let (key, values) = (access.cell.key, access.cell.values());
    let header = Header::check(key, values, header)?;
    // Whoever comes to the wrong place learns it before the values have travelled.
    access.read(|_| ()).await?;
    let may_wait = server.staging.may_wait(values);
    // Nobody waits meanwhile for the room that it will take.
    let is_patient = may_wait || access.cell.link.caught_up().await;
    let (staged, finite) = values_of(server, &access, &header, &mut parts).await?;
    if may_wait {
        tokio::select! {
            // First, as most need no room: they have no standby, or one that follows.
            biased;
            _ = access.cell.link.caught_up() => {}
            () = staged.room_to_wait() => {}
        }
    } else if is_patient {
        // A standby may have come while it waited for its room: each push that didn't see it would cost an image.
        access.cell.link.caught_up().await;
    }
    let (outcome, position) = apply(&access, header, staged, finite).await?;
    access.cell.link.settled(position).await?;
    Ok(reply(outcome, &header.fence))
}

/// Receives the values of a push, and decodes them if they are encoded; tells what is known of them then.
async fn values_of(
    server: &Paramserver,
    access: &Access,
    header: &Header,
    parts: &mut Incoming<pb::PushRequest>,
) -> Result<(Staged, Finite), Status> {
    let (key, values) = (access.cell.key, access.cell.values());
    let more = || format!("{key}: more than the announced bytes came");
    if header.encoding == Encoding::F32 {
        let mut staged = server.staging.take(values).await?;
        let finite = receive::values(parts, &access.cell, &mut staged).await?;
        receive::end(parts, || format!("{key}: more bytes came than the shard's {values} values")).await?;
        return Ok((staged, finite));
    }
    let encoding = header.encoding;
    let wrong = move |error| Status::invalid_argument(format!("{key}: the push can't be decoded: {error}"));
    if codec::has_units(encoding) {
        let mut staged = server.staging.take(values).await?;
        let decoder = Decoder::new(encoding, header.encoded_bytes, staged.values_mut()).map_err(wrong)?;
        let finite = receive::decoded(parts, decoder, wrong).await?;
        return Ok((staged, finite));
    }
    let length = header.encoded_bytes as usize;
    // The values and what they are decoded from: whoever held room for one and waited for the other could wait for itself.
    let mut staged = server.staging.take(values + length.div_ceil(size_of::<f32>())).await?;
    let short = |given| format!("{key}: {given} of {length} encoded bytes came");
    let (_, encoded) = staged.values_mut().split_at_mut(values);
    let room = bytemuck::cast_slice_mut::<f32, u8>(encoded).get_mut(..length).unwrap_or_default();
    receive::fill(parts, room, |_| {}, short).await?;
    receive::end(parts, more).await?;
    let decode = move || {
        let (decoded, encoded) = staged.values_mut().split_at_mut(values);
        let bytes = bytemuck::cast_slice::<f32, u8>(encoded).get(..length).unwrap_or_default();
        codec::decode(encoding, bytes, decoded).map_err(wrong)?;
        staged.shorten(values);
        Ok((staged, Finite::Unknown))
    };
    access.cell.aside(decode).await
}

/// Applies a push, and gives the position that the standby must have come to.
async fn apply(
    access: &Access,
    header: Header,
    mut staged: Staged,
    finite: Finite,
) -> Result<(PushOutcome, u64), Status> {
    let Header { fence, round, base, replica, .. } = header;
    if access.cell.is_free() {
        let share = move |shard: &Kept| match shard {
            Kept::Free(shard) => shard.apply(&fence, staged.values()).map(Some),
            Kept::Locked(_) => Ok(None),
        };
        let outcome = access.share(share).await?;
        let locked = || Status::internal(format!("{} has a lock after all", access.cell.key));
        return Ok((outcome.ok_or_else(locked)?, 0));
    }
    let cell = Arc::clone(&access.cell);
    let apply = move |shard: &mut Kept| {
        let Kept::Locked(shard) = shard else { return Ok(None) };
        let before = shard.sequence();
        let outcome =
            shard.apply(Push { fence: &fence, round, base, replica, values: staged.values_mut(), finite })?;
        let sequence = shard.sequence();
        let values = Arc::new(staged);
        let position = if sequence > before {
            cell.link.note(|| Change::Push { sequence, fence, round, base, values })
        } else {
            cell.link.position()
        };
        Ok(Some((outcome, position)))
    };
    let free = || Status::internal(format!("{} has no lock after all", access.cell.key));
    access.change(apply).await?.ok_or_else(free)
}

fn reply(outcome: PushOutcome, fence: &Fence) -> pb::PushReply {
    let (outcome, mark, highest) = match outcome {
        PushOutcome::Applied { mark } => (Outcome::Applied, mark.0, fence.attempt()),
        PushOutcome::AlreadyApplied { mark } => (Outcome::AlreadyApplied, mark.0, fence.attempt()),
        PushOutcome::Superseded { highest } => (Outcome::Superseded, 0, highest),
        PushOutcome::Gap { mark } => (Outcome::Gap, mark.0, fence.attempt()),
        PushOutcome::Late => (Outcome::Late, 0, fence.attempt()),
    };
    pb::PushReply { outcome: outcome.into(), mark, highest_attempt: highest.0 }
}
