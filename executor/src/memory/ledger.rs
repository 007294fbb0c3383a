use std::collections::{BTreeMap, HashMap};

use howdah_proto::{BlockId, NodeId};

use crate::shuffle::OutputId;

/// What is kept between tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeptName {
    /// A computed partition.
    Block(BlockId),
    /// A map output.
    Output(OutputId),
}

/// Who may evict whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// Only what is free.
    Free,
    /// What is free, and the least recently used things of others.
    Evicting,
}

/// What a request for memory leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is booked.
    Granted,
    /// It is booked, and may be used when these have left.
    After(Vec<Leaving>),
    /// There isn't so much.
    Refused,
}

/// Something that is to leave the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leaving {
    pub(super) entry: u64,
    pub(super) name: KeptName,
    bytes: u64,
}

#[derive(Debug)]
struct Entry {
    name: KeptName,
    bytes: u64,
    last_use: u64,
    pins: u32,
}

/// Who holds how much, and who leaves when there isn't enough: pure accounting.
#[derive(Debug)]
pub(super) struct Ledger {
    total: u64,
    tasks: u64,
    consumers: u64,
    kept: u64,
    uses: u64,
    next: u64,
    entries: HashMap<u64, Entry>,
    by_use: BTreeMap<u64, u64>,
}

impl Ledger {
    pub(super) fn new(total: u64) -> Self {
        Self {
            total,
            tasks: 0,
            consumers: 0,
            kept: 0,
            uses: 0,
            next: 0,
            entries: HashMap::new(),
            by_use: BTreeMap::new(),
        }
    }

    pub(super) fn total_bytes(&self) -> u64 {
        self.total
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.tasks + self.kept
    }

    pub(super) fn kept_bytes(&self) -> u64 {
        self.kept
    }

    pub(super) fn consumers(&mut self, change: i64) {
        self.consumers = self.consumers.saturating_add_signed(change);
    }

    /// Books memory for a task that has `held` bytes already.
    pub(super) fn reserve(&mut self, held: u64, bytes: u64) -> Answer {
        let pool = self.total - self.kept.min(self.protected());
        if held.saturating_add(bytes) > pool / self.consumers.max(1) {
            return Answer::Refused;
        }
        let evictable = self.kept.saturating_sub(self.protected());
        let answer = self.make_room(bytes, evictable, |_| true);
        if answer != Answer::Refused {
            self.tasks += bytes;
        }
        answer
    }

    pub(super) fn release(&mut self, bytes: u64) {
        self.tasks = self.tasks.saturating_sub(bytes);
    }

    /// Begins an entry, pinned.
    pub(super) fn keep(&mut self, name: KeptName) -> u64 {
        self.next += 1;
        self.entries.insert(self.next, Entry { name, bytes: 0, last_use: 0, pins: 1 });
        self.touch(self.next);
        self.next
    }

    /// Books memory for an entry. Blocks of the same node don't evict each other: a scan over partitions that don't
    /// all fit would then evict each block just before it is used again.
    pub(super) fn grow(&mut self, entry: u64, bytes: u64, room: Room) -> Answer {
        let Some(group) = self.entries.get(&entry).map(|entry| group(entry.name)) else {
            return Answer::Refused;
        };
        let answer = match room {
            Room::Free if bytes > self.free() => Answer::Refused,
            Room::Free => Answer::Granted,
            Room::Evicting => {
                self.make_room(bytes, u64::MAX, |name| group.is_none() || self::group(name) != group)
            }
        };
        if answer != Answer::Refused
            && let Some(entry) = self.entries.get_mut(&entry)
        {
            entry.bytes += bytes;
            self.kept += bytes;
        }
        answer
    }

    pub(super) fn shrink(&mut self, entry: u64, bytes: u64) {
        if let Some(entry) = self.entries.get_mut(&entry) {
            let bytes = bytes.min(entry.bytes);
            entry.bytes -= bytes;
            self.kept -= bytes;
        }
    }

    pub(super) fn pin(&mut self, entry: u64, change: i32) {
        if let Some(entry) = self.entries.get_mut(&entry) {
            entry.pins = entry.pins.saturating_add_signed(change);
        }
    }

    pub(super) fn touch(&mut self, entry: u64) {
        if let Some(known) = self.entries.get_mut(&entry) {
            self.by_use.remove(&known.last_use);
            self.uses += 1;
            known.last_use = self.uses;
            self.by_use.insert(self.uses, entry);
        }
    }

    pub(super) fn remove(&mut self, entry: u64) {
        if let Some(known) = self.entries.remove(&entry) {
            self.by_use.remove(&known.last_use);
            self.kept -= known.bytes;
        }
    }

    /// Keeps something after all that was to leave, even if that is more than there is.
    pub(super) fn put_back(&mut self, leaving: Leaving) {
        let entry = Entry { name: leaving.name, bytes: leaving.bytes, last_use: 0, pins: 0 };
        self.entries.insert(leaving.entry, entry);
        self.kept += leaving.bytes;
        self.touch(leaving.entry);
    }

    fn protected(&self) -> u64 {
        self.total / 2
    }

    fn free(&self) -> u64 {
        self.total.saturating_sub(self.used_bytes())
    }

    /// Lets the least recently used entries leave until `bytes` are free; the last one may be larger than what is
    /// still evictable.
    fn make_room(&mut self, bytes: u64, evictable: u64, may_leave: impl Fn(KeptName) -> bool) -> Answer {
        let missing = bytes.saturating_sub(self.free());
        if missing == 0 {
            return Answer::Granted;
        }
        let mut leaving = Vec::new();
        let mut freed = 0;
        for id in self.by_use.values() {
            let Some(entry) = self.entries.get(id) else { continue };
            if freed >= missing.min(evictable) {
                break;
            }
            if entry.pins == 0 && entry.bytes > 0 && may_leave(entry.name) {
                freed += entry.bytes;
                leaving.push(Leaving { entry: *id, name: entry.name, bytes: entry.bytes });
            }
        }
        if missing > evictable || freed < missing {
            return Answer::Refused;
        }
        leaving.iter().for_each(|leaving| self.remove(leaving.entry));
        Answer::After(leaving)
    }
}

/// The node whose blocks don't evict each other.
fn group(name: KeptName) -> Option<(u64, NodeId)> {
    match name {
        KeptName::Block(id) => Some((id.context.0, id.node)),
        KeptName::Output(_) => None,
    }
}
