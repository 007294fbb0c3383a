use std::ops::Range;

use crate::{
    memory::{Memory, Reservation},
    rdd::{RddError, batch::TARGET_BYTES},
};

/// What reading ahead in a source takes beside its frames.
const SOURCE_BYTES: u64 = 64 << 10;

/// What merging a source takes whose largest frame has so many bytes: the frame as it is read, and as a batch.
pub(super) fn cost(largest_frame: u64) -> u64 {
    2 * largest_frame + SOURCE_BYTES
}

/// Reserves memory for merging sources of these costs: for all of them at once if there is so much, and for the two
/// dearest at least. Returns how much may be spent.
pub(super) fn reserve(
    costs: &[u64],
    memory: &Memory,
    reservation: &mut Reservation,
) -> Result<u64, RddError> {
    let mut dearest = costs.to_vec();
    dearest.sort_unstable_by(|a, b| b.cmp(a));
    let least: u64 = dearest.iter().take(2).sum();
    let mut wanted: u64 = dearest.iter().sum();
    while wanted > least {
        if reservation.try_cover(wanted, 0) {
            return Ok(wanted);
        }
        wanted = (wanted / 2).max(least);
    }
    // A few ordinary batches are always allowed, else a task could not go on beside others that have everything.
    if reservation.try_cover(least, 0) || least <= 2 * cost(2 * TARGET_BYTES as u64) {
        Ok(least)
    } else {
        Err(memory.too_little("merging sorted records", least))
    }
}

/// Cuts sources into neighbouring groups that may be merged at once: as few as the budget allows, and none of one
/// source beside others.
pub(super) fn groups(costs: &[u64], budget: u64) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut spent = 0;
    for (index, cost) in costs.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if group.len() < 2 || spent + cost <= budget => {
                group.end = index + 1;
                spent += cost;
            }
            _ => {
                groups.push(index..index + 1);
                spent = *cost;
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sources_are_merged_at_once_if_memory_allows() {
        assert_eq!(groups(&[10, 20, 30], 60), vec![Range { start: 0, end: 3 }]);
        assert!(groups(&[], 60).is_empty());
        assert_eq!(groups(&[70], 60), vec![Range { start: 0, end: 1 }]);
    }

    #[test]
    fn each_pass_leaves_at_most_half_of_the_sources_and_one() {
        for count in 2..500 {
            let groups = groups(&vec![10; count], 5);
            assert!(groups.len() <= count.div_ceil(2), "{count}");
            assert_eq!(groups.iter().map(Range::len).sum::<usize>(), count);
        }
    }

    #[test]
    fn memory_for_two_large_records_must_be_there() {
        let memory = Memory::new(1 << 20);
        let large = cost(100 << 20);
        let error = reserve(&[large, large], &memory, &mut memory.nothing()).unwrap_err().to_string();
        assert!(error.contains("--memory"), "{error}");
        let small = cost(1 << 10);
        assert_eq!(reserve(&[small; 3], &memory, &mut memory.nothing()).unwrap(), 3 * small);
        assert!(reserve(&[cost(256 << 10); 9], &memory, &mut memory.nothing()).is_ok());
    }
}
