use super::Memory;

/// Memory that a task holds; it is given back when this is dropped.
#[derive(Debug)]
pub struct Reservation {
    memory: Memory,
    bytes: u64,
}

impl Reservation {
    pub(super) fn new(memory: Memory) -> Self {
        memory.ledger().consumers(1);
        Self { memory, bytes: 0 }
    }

    /// What it holds.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes more, and lets what is kept leave for it; says whether there was so much.
    pub fn try_grow(&mut self, bytes: u64) -> bool {
        let answer = self.memory.ledger().reserve(self.bytes, bytes);
        let granted = self.memory.settle(answer, |ledger| ledger.release(bytes));
        if granted {
            self.bytes += bytes;
        }
        granted
    }

    /// Takes what is missing to `bytes`: `ahead` more than that if there is so much, so that it is asked for seldom.
    pub fn try_cover(&mut self, bytes: u64, ahead: u64) -> bool {
        let missing = bytes.saturating_sub(self.bytes);
        missing == 0 || self.try_grow(missing.saturating_add(ahead)) || self.try_grow(missing)
    }

    /// Gives some back.
    pub fn shrink(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.memory.ledger().release(bytes);
        self.bytes -= bytes;
    }

    /// Gives everything back.
    pub fn clear(&mut self) {
        self.shrink(self.bytes);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut ledger = self.memory.ledger();
        ledger.release(self.bytes);
        ledger.consumers(-1);
    }
}
