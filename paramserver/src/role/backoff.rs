use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);

/// Tells how long to pause after so many failures in a row, from 1 on.
///
/// The pause doubles up to 10 s; `jitter`, from 0 to below 1, takes up to half of it away, so that the members
/// of a cluster don't all come back at once.
pub(super) fn pause(failures: u32, jitter: f64) -> Duration {
    let full = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST);
    full.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_jitter_shortens_them() {
        assert_eq!(pause(1, 0.0), Duration::from_millis(200));
        assert_eq!(pause(2, 0.0), Duration::from_millis(400));
        assert_eq!(pause(2, 0.5), Duration::from_millis(300));
        assert_eq!(pause(u32::MAX, 0.0), LONGEST);
        assert_eq!(pause(u32::MAX, 1.0), LONGEST / 2);
    }
}
