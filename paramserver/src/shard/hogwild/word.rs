use std::sync::atomic::{AtomicU64, Ordering};

/// An atomic word: the one of the machine, or one of which a model checker tries every interleaving.
pub(super) trait Word {
    fn new(value: u64) -> Self;
    /// Reads, and sees all that was done before the value was [put](Self::put) or exchanged. Reads and exchanges of all
    /// words have one order that all threads agree on.
    fn get(&self) -> u64;
    /// Writes, after all that was done before.
    fn put(&self, value: u64);
    /// Writes if the word is as expected, and tells what it is if not; may fail for nothing.
    fn exchange(&self, expected: u64, value: u64) -> Result<u64, u64>;
    /// As [`Self::get`], in no order with other words.
    fn get_relaxed(&self) -> u64;
    /// As [`Self::exchange`], in no order with other words.
    fn exchange_relaxed(&self, expected: u64, value: u64) -> Result<u64, u64>;
    /// Lets other threads go on.
    fn pause();
}

impl Word for AtomicU64 {
    fn new(value: u64) -> Self {
        Self::new(value)
    }

    fn get(&self) -> u64 {
        self.load(Ordering::SeqCst)
    }

    fn put(&self, value: u64) {
        self.store(value, Ordering::Release);
    }

    fn exchange(&self, expected: u64, value: u64) -> Result<u64, u64> {
        self.compare_exchange_weak(expected, value, Ordering::SeqCst, Ordering::SeqCst)
    }

    fn get_relaxed(&self) -> u64 {
        self.load(Ordering::Relaxed)
    }

    fn exchange_relaxed(&self, expected: u64, value: u64) -> Result<u64, u64> {
        self.compare_exchange_weak(expected, value, Ordering::Relaxed, Ordering::Relaxed)
    }

    fn pause() {
        std::thread::yield_now();
    }
}
