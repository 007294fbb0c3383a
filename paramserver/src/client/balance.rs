use std::ops::Range;

/// Cuts `parameters` values into contiguous ranges for `shards` shards, whose lengths differ by at most one.
///
/// No range is empty: there are fewer of them if there are fewer values than shards.
pub fn balance(parameters: u64, shards: u32) -> Vec<Range<u64>> {
    let shards = u64::from(shards).min(parameters);
    if shards == 0 {
        return Vec::new();
    }
    let (length, longer) = (parameters / shards, parameters % shards);
    (0..shards)
        .map(|shard| {
            let start = shard * length + shard.min(longer);
            start..start + length + u64::from(shard < longer)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_are_contiguous_and_differ_by_at_most_one(parameters in 1u64..1_000_000, shards in 1u32..200) {
            let ranges = balance(parameters, shards);
            prop_assert_eq!(ranges.len() as u64, parameters.min(u64::from(shards)));
            let mut end = 0;
            for range in &ranges {
                prop_assert_eq!(range.start, end);
                end = range.end;
            }
            prop_assert_eq!(end, parameters);
            let lengths = ranges.iter().map(|range| range.end - range.start);
            prop_assert!(lengths.clone().max().unwrap() - lengths.clone().min().unwrap() <= 1);
            prop_assert!(lengths.min().unwrap() >= 1);
        }
    }

    #[test]
    fn nothing_is_cut_into_nothing() {
        assert!(balance(0, 4).is_empty());
        assert!(balance(4, 0).is_empty());
    }
}
