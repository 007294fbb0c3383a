use std::sync::Arc;

use super::{Memory, ledger::Room};

/// Memory of something that is kept between tasks; it is given back when this is dropped.
#[derive(Debug)]
pub struct Kept {
    memory: Memory,
    entry: u64,
}

impl Kept {
    pub(super) fn new(memory: Memory, entry: u64) -> Self {
        Self { memory, entry }
    }

    /// Takes more, and lets others leave for it; says whether there was so much.
    pub fn try_grow(&self, bytes: u64) -> bool {
        self.grow(bytes, Room::Evicting)
    }

    /// Takes more if it is free.
    pub fn try_grow_free(&self, bytes: u64) -> bool {
        self.grow(bytes, Room::Free)
    }

    /// Gives some back.
    pub fn shrink(&self, bytes: u64) {
        self.memory.ledger().shrink(self.entry, bytes);
    }

    /// Allows it to leave when its turn comes.
    pub fn settle(&self) {
        self.memory.ledger().pin(self.entry, -1);
    }

    /// Counts as a use: what was used least recently leaves first.
    pub fn touch(&self) {
        self.memory.ledger().touch(self.entry);
    }

    /// Keeps it from leaving while the pin lives.
    pub fn pin(self: &Arc<Self>) -> Pin {
        self.memory.ledger().pin(self.entry, 1);
        Pin(Arc::clone(self))
    }

    fn grow(&self, bytes: u64, room: Room) -> bool {
        let answer = self.memory.ledger().grow(self.entry, bytes, room);
        self.memory.settle(answer, |ledger| ledger.shrink(self.entry, bytes))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.memory.ledger().remove(self.entry);
    }
}

/// Keeps something from leaving the memory while it is read.
#[derive(Debug)]
pub struct Pin(Arc<Kept>);

impl Drop for Pin {
    fn drop(&mut self) {
        self.0.memory.ledger().pin(self.0.entry, -1);
    }
}
