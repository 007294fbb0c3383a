use howdah_proto::{MemberId, lineage::Order};

use crate::shuffle::{testing::*, *};

const ORDERS: [Order; 3] = [Order::Arrival, Order::KeyAscending, Order::KeyDescending];

/// Writes the same number of records for each map partition and says what they were.
fn written(executor: &Executor, maps: std::ops::Range<u32>, order: Order, records: u64) -> Vec<Pair> {
    let mut all = Vec::new();
    for map in maps {
        let mut input = drawn(records, 1_000, 100);
        input.iter_mut().for_each(|(_, value)| value.extend(map.to_be_bytes()));
        let output = executor.write(map, &shuffle(order), 1, None, &mut rows(&input, 999)).unwrap();
        executor.outputs.put(output);
        all.extend(input);
    }
    match order {
        Order::Arrival => {}
        Order::KeyAscending => all.sort_by(|a, b| a.0.cmp(&b.0)),
        Order::KeyDescending => all.sort_by(|a, b| b.0.cmp(&a.0)),
    }
    all
}

#[test]
fn segments_from_here_and_there_are_merged_by_key_and_map_partition() {
    for order in ORDERS {
        let (here, there) = (Executor::new(1 << 30), Executor::new(1 << 30));
        let address = there.serve();
        let mut all = written(&here, 0..2, order, 5_000);
        all.extend(written(&there, 2..4, order, 5_000));
        match order {
            Order::Arrival => {}
            Order::KeyAscending => all.sort_by(|a, b| a.0.cmp(&b.0)),
            Order::KeyDescending => all.sort_by(|a, b| b.0.cmp(&a.0)),
        }
        let places = [(HERE, "-"), (HERE, "-"), (THERE, &address), (THERE, &address)];
        let rows = reduce(&reduction(0, order, &places), None, &here.reducing()).unwrap();
        assert!(pairs(rows).unwrap() == all, "{order:?}");
    }
}

#[test]
fn a_partition_larger_than_memory_is_sorted_with_the_help_of_the_disk() {
    let (here, there) = (Executor::new(1 << 20), Executor::new(1 << 20));
    let address = there.serve();
    let mut all = written(&there, 0..12, Order::KeyAscending, 20_000);
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let places = [(THERE, &*address); 12];
    let rows = reduce(&reduction(0, Order::KeyAscending, &places), None, &here.reducing()).unwrap();
    assert!(here.scratch_files() > 0);
    assert!(pairs(rows).unwrap() == all);
    assert_eq!((here.scratch_files(), here.workspace.memory.used_bytes()), (0, 0));
}

#[test]
fn accumulators_of_all_map_partitions_are_merged_in_their_order() {
    let (here, there) = (Executor::new(1 << 20), Executor::new(1 << 30));
    let address = there.serve();
    let mut expected = std::collections::BTreeMap::<Vec<u8>, Vec<u8>>::new();
    for map in 0..6 {
        let input = drawn(20_000 + u64::from(map), 9_000, 8);
        let output = there.write(map, &shuffle(Order::Arrival), 1, join(), &mut rows(&input, 999)).unwrap();
        there.outputs.put(output);
        for (key, value) in input {
            expected.entry(key).or_default().extend(value);
        }
    }
    let places = [(THERE, &*address); 6];
    let rows = reduce(&reduction(0, Order::Arrival, &places), join(), &here.reducing()).unwrap();
    assert!(pairs(rows).unwrap() == expected.into_iter().collect::<Vec<_>>());
}

#[test]
fn a_shuffle_of_nothing_has_no_rows() {
    let here = Executor::new(1 << 20);
    let reduced = reduce(&reduction(0, Order::KeyAscending, &[]), None, &here.reducing()).unwrap();
    assert_eq!(pairs(reduced).unwrap(), []);
    written(&here, 0..3, Order::KeyAscending, 0);
    let places = [(HERE, "-"); 3];
    for combiner in [None, join()] {
        let reduced = reduce(&reduction(0, Order::KeyAscending, &places), combiner, &here.reducing());
        assert_eq!(pairs(reduced.unwrap()).unwrap(), []);
    }
}

#[test]
fn a_large_record_travels_if_memory_allows() {
    let there = Executor::new(1 << 30);
    let address = there.serve();
    let input = [(b"k".to_vec(), vec![7; 100 << 20]), (b"l".to_vec(), b"small".to_vec())];
    let output = there.write(0, &shuffle(Order::KeyAscending), 1, None, &mut rows(&input, 1)).unwrap();
    there.outputs.put(output);
    let places = [(THERE, &*address)];
    let roomy = Executor::new(1 << 30);
    let rows = reduce(&reduction(0, Order::KeyAscending, &places), None, &roomy.reducing()).unwrap();
    assert!(pairs(rows).unwrap() == input);
    let tight = Executor::new(50 << 20);
    let error = reduce(&reduction(0, Order::KeyAscending, &places), None, &tight.reducing()).err().unwrap();
    assert!(error.to_string().contains("--memory"), "{error}");
}

#[test]
fn many_executors_are_asked_and_connections_are_kept() {
    let here = Executor::new(1 << 26);
    let others: Vec<Executor> = (0..8).map(|_| Executor::new(1 << 26)).collect();
    let addresses: Vec<String> = others.iter().map(Executor::serve).collect();
    let mut all = Vec::new();
    for (map, other) in others.iter().enumerate() {
        all.extend(written(other, map as u32..map as u32 + 1, Order::KeyAscending, 1_000));
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let places: Vec<_> = addresses
        .iter()
        .enumerate()
        .map(|(index, address)| (MemberId(10 + index as u64), &**address))
        .collect();
    let reducing = here.reducing();
    for _ in 0..3 {
        let rows = reduce(&reduction(0, Order::KeyAscending, &places), None, &reducing).unwrap();
        assert!(pairs(rows).unwrap() == all);
    }
}
