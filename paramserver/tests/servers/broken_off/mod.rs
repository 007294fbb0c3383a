//! Calls that are broken off before they are answered: whatever the server was doing then, the same call can be made again,
//! and all ends as if nothing had happened.

mod breaker;

use std::{sync::Mutex, time::Duration};

use bytes::Bytes;
use howdah_paramserver::server::Paramserver;
use howdah_proto::pb::{self, clock_request::Action, push_reply::Outcome};
use tempfile::TempDir;
use tonic::Status;

pub use breaker::Breaker;
use breaker::{Break, Moment};

use crate::fixture::{BOUNDED, Server, ShardAt, is_moved, task};

const DEADLINE: Duration = Duration::from_secs(180);
/// So many that changing all of them isn't done on the network's threads.
const VALUES: usize = 17_000;
/// No call waits more often. Pushes and files take as many turns as their bytes come in.
const MOST_POLLS: usize = 60;
/// A call may take one turn less than the last time: so often in a row it must end before it is broken off.
const ENDED: usize = 2;
const SNAPSHOT: u64 = 4;
const FILE: &str = "shard-0.bin";
const REPLICA: pb::ReplicaId = pb::ReplicaId { member_id: 1, slot: 0 };

/// One call after the other in the life of a shard: on its primary in term 1, on the standby that is promoted in term 2,
/// and restored on the first server in term 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Create,
    Write,
    Push(u64),
    Plan,
    Attach,
    /// Attaches again; what is broken off is the `Replicate` that reaches the standby.
    Follow,
    Tag(u64),
    Untag(u64),
    Save,
    Mark,
    Mirror,
    Enter,
    Leave,
    RetireNothing,
    Detach,
    Promote,
    PushPromoted(u64),
    Look,
    UntagPromoted(u64),
    Restore,
    DropReplaced,
    PushRestored(u64),
    Retire,
}

const LIFE: [Step; 30] = [
    Step::Create,
    Step::Write,
    Step::Push(1),
    Step::Plan,
    Step::Attach,
    Step::Push(2),
    Step::Tag(8),
    Step::Tag(9),
    Step::Push(3),
    Step::Save,
    Step::Enter,
    Step::Mark,
    Step::Push(4),
    Step::Mirror,
    Step::Leave,
    Step::Untag(8),
    Step::RetireNothing,
    Step::Detach,
    Step::Push(5),
    Step::Follow,
    Step::Push(6),
    Step::Promote,
    Step::PushPromoted(7),
    Step::Look,
    Step::UntagPromoted(9),
    Step::Restore,
    Step::PushRestored(3),
    Step::DropReplaced,
    Step::PushRestored(4),
    Step::Retire,
];

impl Step {
    fn call(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Write => "Write",
            Self::Push(_) | Self::PushPromoted(_) | Self::PushRestored(_) => "Push",
            Self::Plan => "PlanCut",
            Self::Attach => "AttachStandby",
            Self::Follow => "Replicate",
            Self::Tag(_) => "Tag",
            Self::Untag(_) | Self::UntagPromoted(_) => "Untag",
            Self::Save => "SaveCut",
            Self::Mark => "Mark",
            Self::Mirror | Self::Look => "Pull",
            Self::Enter | Self::Leave => "Clock",
            Self::Detach => "DetachStandby",
            Self::Promote => "Promote",
            Self::Restore => "Restore",
            Self::DropReplaced => "DropReplaced",
            Self::Retire | Self::RetireNothing => "RetireEpochs",
        }
    }

    fn is_on_second(self) -> bool {
        match self {
            Self::Follow | Self::Promote | Self::PushPromoted(_) | Self::Look | Self::UntagPromoted(_) => {
                true
            }
            // What is replaced there is in term 2.
            Self::DropReplaced => true,
            _ => false,
        }
    }
}

/// What a call has told, as far as that is the same when it is made twice.
type Told = Vec<u64>;

struct Cluster {
    servers: [Server; 2],
    /// The shard on the first server, on the second when it is promoted, and on the first again.
    shards: [ShardAt; 3],
    folder: TempDir,
    saved: Mutex<pb::SaveCutReply>,
}

impl Cluster {
    async fn start() -> Self {
        // Room for one push alone: whatever holds on to it stops all others.
        let servers = [(); 2].map(|()| Server::with(Paramserver::new(size_of::<[f32; VALUES]>() as u64)));
        let shards =
            [servers[0].shard(0, 1).await, servers[1].shard(0, 2).await, servers[0].shard(0, 3).await];
        Self { servers, shards, folder: TempDir::new().unwrap(), saved: Mutex::default() }
    }

    /// Who breaks off a call.
    fn breaker(&self, step: Step) -> &Breaker {
        &self.servers[usize::from(step.is_on_second())].breaker
    }

    async fn make(&self, step: Step) -> Result<Told, Status> {
        let [first, promoted, restored] = &self.shards;
        match step {
            Step::Create => first.create(0, VALUES as u64, &BOUNDED).await?,
            Step::Write => {
                let data = Bytes::from_owner(bytemuck::cast_slice::<f32, u8>(&[0.5; VALUES]).to_vec());
                let parts =
                    [pb::write_request::Part::Header(first.reference), pb::write_request::Part::Data(data)];
                let parts = parts.map(|part| pb::WriteRequest { part: Some(part) });
                first.exchange().write(tokio_stream::iter(parts)).await?;
            }
            Step::Push(step) => return push(first, step).await,
            Step::PushPromoted(step) => return push(promoted, step).await,
            Step::PushRestored(step) => return push(restored, step).await,
            Step::Plan => {
                let marks = vec![pb::TaskMark { task: Some(task(0).into()), mark: 2 }];
                let request =
                    pb::PlanCutRequest { shard: first.shard(), snapshot: SNAPSHOT, marks, attempt: 0 };
                let passed = first.control().plan_cut(request).await?.into_inner().passed;
                return Ok(vec![u64::from(passed.is_some())]);
            }
            Step::Attach | Step::Follow => first.attach(&self.servers[1]).await?,
            Step::Tag(tag) => {
                first.control().tag(pb::TagRequest { shard: first.shard(), tag }).await?;
            }
            Step::Untag(tag) => {
                first.control().untag(pb::TagRequest { shard: first.shard(), tag }).await?;
            }
            Step::UntagPromoted(tag) => {
                promoted.control().untag(pb::TagRequest { shard: promoted.shard(), tag }).await?;
            }
            Step::Save => {
                let saved = self.save().await?;
                *self.saved.lock().unwrap() = saved.clone();
                return Ok(vec![u64::from(saved.saved), saved.bytes, saved.version]);
            }
            Step::Mark => {
                let request =
                    pb::MarkRequest { shard: first.shard(), task: Some(task(1).into()), attempt: 2 };
                let seen = first.control().mark(request).await?.into_inner();
                return Ok(vec![seen.mark, seen.highest_attempt.into()]);
            }
            Step::Mirror => {
                let request =
                    pb::PullRequest { shard: first.shard(), replica: Some(REPLICA), ..Default::default() };
                return seen(first.pull_bytes(request).await?);
            }
            Step::Look => {
                let request = pb::PullRequest { shard: promoted.shard(), tag: Some(9), ..Default::default() };
                return seen(promoted.pull_bytes(request).await?);
            }
            Step::Enter | Step::Leave => {
                let action = if step == Step::Enter { Action::Enter } else { Action::Leave };
                let (shard, replica) = (first.shard(), Some(REPLICA));
                let request = pb::ClockRequest { shard, replica, action: action.into(), clock: 0 };
                first.control().clock(request).await?;
            }
            Step::RetireNothing => {
                let request = pb::RetireEpochsRequest { shard: first.shard(), epoch: 0 };
                first.control().retire_epochs(request).await?;
            }
            Step::Detach => first.detach().await?,
            Step::Promote => {
                let request = pb::PromoteRequest { shard: promoted.shard() };
                return Ok(vec![promoted.control().promote(request).await?.into_inner().version]);
            }
            Step::Restore => {
                let saved = self.saved.lock().unwrap().clone();
                let file = pb::SavedShard {
                    start: 0,
                    len: VALUES as u64,
                    file: FILE.to_owned(),
                    bytes: saved.bytes,
                    checksum: saved.checksum,
                };
                let request = pb::RestoreShardRequest {
                    shard: restored.shard(),
                    start: 0,
                    len: VALUES as u64,
                    spec: serde_json::to_string(&BOUNDED).unwrap(),
                    location: self.folder.path().to_str().unwrap().to_owned(),
                    saved: vec![file],
                };
                return Ok(vec![restored.control().restore(request).await?.into_inner().version]);
            }
            Step::DropReplaced => {
                let shards = vec![restored.reference];
                let request = pb::DropReplacedRequest { job_id: restored.reference.job_id, shards };
                promoted.control().drop_replaced(request).await?;
                let gone = promoted.control().status(promoted.reference).await.map(drop).unwrap_err();
                assert!(is_moved(&gone), "{gone}");
            }
            Step::Retire => {
                let request = pb::RetireEpochsRequest { shard: restored.shard(), epoch: 1 };
                restored.control().retire_epochs(request).await?;
            }
        }
        Ok(Told::new())
    }

    async fn check_promoted(&self) {
        let promoted = &self.shards[1];
        assert_eq!(promoted.pull().await, vec![7.5; VALUES]);
        assert_eq!(promoted.marks().await, [(0, 7), (1, 0)]);
        for tag in [8, 9] {
            let tagged = pb::PullRequest { shard: promoted.shard(), tag: Some(tag), ..Default::default() };
            assert!(promoted.pull_bytes(tagged).await.is_err(), "{tag}");
        }
    }

    async fn save(&self) -> Result<pb::SaveCutReply, Status> {
        let shard = &self.shards[0];
        loop {
            let (location, file) = (self.folder.path().to_str().unwrap().to_owned(), FILE.to_owned());
            let request =
                pb::SaveCutRequest { shard: shard.shard(), snapshot: SNAPSHOT, location, file, attempt: 0 };
            let reply = shard.control().save_cut(request).await?.into_inner();
            if !reply.writing {
                return Ok(reply);
            }
        }
    }
}

/// The version, the length and the first value of weights that were pulled.
fn seen((header, bytes): (pb::PullHeader, Vec<u8>)) -> Result<Told, Status> {
    let first = u64::from(u32::from_le_bytes(bytes[..4].try_into().unwrap()));
    Ok(vec![header.version, bytes.len() as u64, first])
}

/// Pushes ones.
async fn push(shard: &ShardAt, step: u64) -> Result<Told, Status> {
    let reply = shard.push_ones(VALUES, 0, step).await?;
    // The second time it is there already.
    assert!(matches!(reply.outcome(), Outcome::Applied | Outcome::AlreadyApplied), "{reply:?}");
    Ok(vec![reply.mark, reply.highest_attempt.into()])
}

/// A life in which one call is broken off and made again; tells whether it was, and what all calls have told.
async fn live(broken: usize, at: Break) -> (bool, Vec<Told>) {
    let cluster = Cluster::start().await;
    let (mut has_broken, mut told) = (false, Vec::new());
    for (number, step) in LIFE.into_iter().enumerate() {
        if number == broken {
            let breaker = cluster.breaker(step);
            breaker.arm(step.call(), at);
            let first = cluster.make(step).await;
            has_broken = breaker.has_broken();
            assert!(has_broken || first.is_ok(), "{first:?}");
        }
        told.push(cluster.make(step).await.unwrap());
        if step == Step::Restore {
            cluster.check_promoted().await;
        }
    }
    let restored = &cluster.shards[2];
    assert_eq!(restored.pull().await, vec![4.5; VALUES]);
    assert_eq!(restored.marks().await, []);
    let status = restored.status().await;
    assert_eq!((status.version, status.pushes_applied, status.steps_applied), (4, 4, 4));
    (has_broken, told)
}

#[tokio::test]
async fn a_call_that_is_broken_off_anywhere_can_be_made_again_as_if_nothing_had_happened() {
    let undisturbed = live(LIFE.len(), Break { polls: 0, moment: Moment::Woken }).await.1;
    for (number, step) in LIFE.into_iter().enumerate() {
        for moment in [Moment::Waiting, Moment::Woken] {
            let (mut polls, mut ended) = (usize::from(moment == Moment::Waiting), 0);
            while ended < ENDED {
                let lived = tokio::time::timeout(DEADLINE, live(number, Break { polls, moment })).await;
                let (has_broken, told) =
                    lived.unwrap_or_else(|_| panic!("{step:?} {polls} {moment:?} hangs"));
                assert_eq!(told, undisturbed, "{step:?} {polls} {moment:?}");
                ended = if has_broken { 0 } else { ended + 1 };
                polls += 1;
                assert!(polls < MOST_POLLS, "{step:?} {moment:?} goes on and on");
            }
            // Before it has begun, a call can always be broken off.
            assert!(moment == Moment::Waiting || polls > ENDED, "{step:?}");
        }
    }
}
