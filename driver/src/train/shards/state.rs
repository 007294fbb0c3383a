use std::ops::Range;

use howdah_proto::{MemberId, Term, event::Move, pb, settings::Mode};

use super::OpId;
use crate::scheduler::Millis;

/// A parameter server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Who it is; another one after each registration.
    pub member: MemberId,
    /// Where it listens.
    pub address: String,
    /// Whether it wants to leave.
    pub draining: bool,
}

/// What happens to the other shards when one has lost its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// They stay as they are: fences tell replicas what the restored one lacks.
    Alone,
    /// They go back to the same snapshot: rounds need all shards at the same round.
    Together,
}

/// When a shard has a standby.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standbys {
    /// Never: one can't follow pushes that are applied without a lock.
    Never,
    /// While its server wants to leave, to go on there.
    ToMove,
    /// Always.
    Always,
}

impl Standbys {
    /// Tells when the shards of a job have one, of which there are to be so many copies.
    pub fn of(mode: &Mode, copies: u32) -> Self {
        match mode {
            Mode::Hogwild { .. } => Self::Never,
            _ if copies > 1 => Self::Always,
            _ => Self::ToMove,
        }
    }
}

/// The shards of a job and who holds them.
#[derive(Debug)]
pub struct Shards {
    pub(super) shards: Vec<Shard>,
    pub(super) standbys: Standbys,
    pub(super) recovery: Recovery,
    pub(super) servers: Vec<Server>,
    /// Whether the weights have begun to change.
    pub(super) trains: bool,
    pub(super) next_op: u64,
    pub(super) changes: u64,
    /// Since when a shard waits for a parameter server.
    pub(super) waiting: Option<Millis>,
    /// Whether it was said that there is no server for the standbys.
    pub(super) said_unprotected: bool,
}

#[derive(Debug)]
pub(super) struct Shard {
    pub(super) range: Range<u64>,
    /// The highest term that was ever given to it.
    pub(super) highest: Term,
    /// Who holds it, and in which term; none while it is lost.
    pub(super) primary: Option<(Server, Term)>,
    pub(super) standby: Standby,
    pub(super) op: Option<(OpId, Op)>,
    /// Where executors think that it is.
    pub(super) published: pb::ShardPlace,
    pub(super) lost: Option<Millis>,
    /// How it is moved, if there is more to say than how it is done.
    pub(super) moving: Option<Move>,
    /// Whether it goes back with the others.
    pub(super) goes_back: bool,
    pub(super) failures: u32,
    pub(super) retry_at: Option<Millis>,
    /// How many standbys in a row couldn't be brought up to date, or stayed behind.
    pub(super) standby_failures: u32,
    /// When the next one may be attached, after such a failure.
    pub(super) attach_at: Option<Millis>,
    /// When the standby that there is must show that it follows.
    pub(super) check_at: Option<Millis>,
}

/// The standby of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standby {
    None,
    InSync(Server),
    /// It is lost, or half attached, and the primary must be told so.
    Leftover,
}

/// What is being done with a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Op {
    Make {
        on: Server,
        term: Term,
    },
    Promote {
        on: Server,
        term: Term,
    },
    Attach {
        on: Server,
    },
    /// Make sure that the standby follows.
    Check {
        on: Server,
    },
    Detach,
}

impl Op {
    /// The server that must live for it, beside the primary.
    pub(super) fn on(&self) -> Option<&Server> {
        match self {
            Self::Make { on, .. } | Self::Promote { on, .. } | Self::Attach { on } | Self::Check { on } => {
                Some(on)
            }
            Self::Detach => None,
        }
    }
}

impl Shard {
    pub(super) fn new(number: u32, range: Range<u64>, highest: Term, now: Millis) -> Self {
        let place = pb::ShardPlace {
            shard: number,
            address: String::new(),
            start: range.start,
            len: range.end - range.start,
            term: highest.0,
            made: highest.0,
        };
        Self {
            range,
            highest,
            primary: None,
            standby: Standby::None,
            op: None,
            published: place,
            lost: Some(now),
            moving: None,
            goes_back: false,
            failures: 0,
            retry_at: None,
            standby_failures: 0,
            attach_at: None,
            check_at: None,
        }
    }

    pub(super) fn place(&self, on: &Server, term: Term) -> pb::ShardPlace {
        pb::ShardPlace { address: on.address.clone(), term: term.0, ..self.published.clone() }
    }
}

impl Shards {
    /// Makes the state of shards that hold these ranges and are nowhere yet.
    pub fn new(ranges: &[Range<u64>], standbys: Standbys, recovery: Recovery, now: Millis) -> Self {
        let shard = |(number, range): (u32, &Range<u64>)| Shard::new(number, range.clone(), Term(0), now);
        Self {
            shards: (0..).zip(ranges).map(shard).collect(),
            standbys,
            recovery,
            servers: Vec::new(),
            trains: false,
            next_op: 1,
            changes: 0,
            waiting: None,
            said_unprotected: false,
        }
    }

    /// Gives the places of the shards, as executors know them.
    pub fn places(&self) -> Vec<pb::ShardPlace> {
        self.shards.iter().map(|shard| shard.published.clone()).collect()
    }

    /// Whether every shard can be reached.
    pub fn all_ready(&self) -> bool {
        self.shards.iter().all(|shard| shard.primary.is_some())
    }

    /// Counts losses and moves: what was learned of the shards under another count may no longer hold.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Since when a shard waits for a parameter server, if one does.
    pub fn waiting(&self) -> Option<Millis> {
        self.waiting
    }

    /// When [`Self::on_tick`] should be called next.
    pub fn deadline(&self) -> Option<Millis> {
        let idle = self.shards.iter().filter(|shard| shard.op.is_none());
        idle.flat_map(|shard| [shard.retry_at, shard.attach_at, shard.check_at]).flatten().min()
    }

    /// Gives the number of values in all shards together.
    pub fn values(&self) -> u64 {
        self.shards.last().map_or(0, |shard| shard.range.end)
    }
}
