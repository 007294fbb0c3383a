use std::time::{Duration, Instant};

use crate::scheduler::Millis;

/// The time for which the driver has been awake.
///
/// A process that was stopped and goes on (SIGSTOP, Ctrl-Z, a virtual machine that was paused) finds that everybody has
/// been silent for as long as it slept. It looks at the clock far more often than it may jump here; what a look finds
/// beyond that was sleep, and counts for nothing.
#[derive(Debug)]
pub(super) struct Clock {
    looked: Instant,
    awake: Duration,
    longest: Duration,
}

impl Clock {
    /// Makes a clock that is looked at again within `longest`, unless the process sleeps.
    pub(super) fn new(now: Instant, longest: Duration) -> Self {
        Self { looked: now, awake: Duration::ZERO, longest }
    }

    /// Goes on to `now`, and tells the time, and for how long the process has slept since the last look.
    pub(super) fn look(&mut self, now: Instant) -> (Millis, Duration) {
        let passed = now.saturating_duration_since(self.looked);
        let counted = passed.min(self.longest);
        self.looked = self.looked.max(now);
        self.awake += counted;
        (Millis(self.awake.as_millis() as u64), passed - counted)
    }

    /// When it will be `at`, if the process doesn't sleep.
    pub(super) fn instant(&self, at: Millis) -> Instant {
        self.looked + Duration::from_millis(at.0).saturating_sub(self.awake)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(2);

    #[test]
    fn the_time_goes_on_while_it_is_looked_at_and_leaves_sleep_out() {
        let start = Instant::now();
        let mut clock = Clock::new(start, LONGEST);
        let mut look = |millis| clock.look(start + Duration::from_millis(millis));
        assert_eq!(look(500), (Millis(500), Duration::ZERO));
        assert_eq!(look(2_500), (Millis(2_500), Duration::ZERO));
        assert_eq!(look(62_500), (Millis(4_500), Duration::from_secs(58)));
        assert_eq!(look(62_600), (Millis(4_600), Duration::ZERO));
    }

    #[test]
    fn what_is_due_is_as_far_away_after_a_sleep_as_before() {
        let start = Instant::now();
        let mut clock = Clock::new(start, LONGEST);
        clock.look(start + Duration::from_secs(1));
        assert_eq!(clock.instant(Millis(4_000)), start + Duration::from_secs(4));
        assert_eq!(clock.instant(Millis(500)), start + Duration::from_secs(1));
        clock.look(start + Duration::from_secs(101));
        assert_eq!(clock.instant(Millis(4_000)), start + Duration::from_secs(102));
    }
}
