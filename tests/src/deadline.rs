//! The bound on everything that a test waits for.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long anything may take. It ends a test that hangs; that it is far from any real time is the point.
pub const DEADLINE: Duration = Duration::from_secs(180);

const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Looks again and again until there is something to see: for what the operating system does not announce.
///
/// # Panics
/// Nothing is seen within [`DEADLINE`].
pub fn look_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < end, "{what}: not within {DEADLINE:?}");
        thread::sleep(BETWEEN_LOOKS);
    }
}
