use howdah_proto::{
    Partition,
    lineage::{Order, Partitioner, Shuffle},
};

use crate::{
    rdd::{Batch, RddError, batch::OneBatch},
    shuffle::testing::*,
};

const ORDERS: [Order; 3] = [Order::Arrival, Order::KeyAscending, Order::KeyDescending];
const LARGE: u64 = 1 << 30;
const SMALL: u64 = 1 << 20;

/// What a segment should have, by the standard library's stable sort.
fn expected(input: &[Pair], order: Order, partitions: u32, partition: u32) -> Vec<Pair> {
    let place = |key: &[u8]| Partitioner::Hash.partition(key, Partition(0), 0, partitions).0;
    let mut all: Vec<Pair> = input.iter().filter(|(key, _)| place(key) == partition).cloned().collect();
    match order {
        Order::Arrival => {}
        Order::KeyAscending => all.sort_by(|a, b| a.0.cmp(&b.0)),
        Order::KeyDescending => all.sort_by(|a, b| b.0.cmp(&a.0)),
    }
    all
}

#[test]
fn records_are_sorted_by_partition_and_key_and_equal_keys_stay_as_they_came() {
    let executor = Executor::new(LARGE);
    let input = drawn(20_000, 3_000, 8);
    for order in ORDERS {
        let output = executor.write(0, &shuffle(order), 7, None, &mut rows(&input, 999)).unwrap();
        assert!(output.is_in_memory());
        assert_eq!(output.sizes().sum::<u64>(), output.bytes());
        for partition in 0..7 {
            let got = pairs(output.read(Partition(partition))).unwrap();
            assert!(got == expected(&input, order, 7, partition), "{order:?}, partition {partition}");
        }
    }
}

#[test]
fn an_output_is_the_same_whatever_was_spilled_and_however_records_came() {
    let (roomy, tight) = (Executor::new(LARGE), Executor::new(SMALL));
    let input = drawn(60_000, 5_000, 100);
    for order in ORDERS {
        let whole = roomy.write(0, &shuffle(order), 3, None, &mut rows(&input, 60_000)).unwrap();
        let spilled = tight.write(0, &shuffle(order), 3, None, &mut rows(&input, 700)).unwrap();
        assert!(whole.is_in_memory() && !spilled.is_in_memory());
        assert!(bytes(&whole) == bytes(&spilled), "{order:?}");
        assert!(whole.sizes().eq(spilled.sizes()));
        assert_eq!(roomy.scratch_files(), 0);
        assert_eq!(tight.scratch_files(), 1);
    }
    assert_eq!((tight.scratch_files(), tight.workspace.memory.used_bytes()), (0, 0));
}

#[test]
fn combined_values_are_the_same_whatever_was_spilled() {
    let (roomy, tight) = (Executor::new(LARGE), Executor::new(SMALL));
    let input = drawn(100_000, 30_000, 8);
    for order in ORDERS {
        let whole = roomy.write(0, &shuffle(order), 3, join(), &mut rows(&input, 1000)).unwrap();
        let spilled = tight.write(0, &shuffle(order), 3, join(), &mut rows(&input, 1000)).unwrap();
        assert!(whole.is_in_memory() && !spilled.is_in_memory());
        assert!(bytes(&whole) == bytes(&spilled), "{order:?}");
        let order = if order == Order::Arrival { Order::KeyAscending } else { order };
        for partition in 0..3 {
            let mut joined: Vec<Pair> = Vec::new();
            for (key, value) in expected(&input, order, 3, partition) {
                match joined.last_mut() {
                    Some((last, values)) if *last == key => values.extend(value),
                    _ => joined.push((key, value)),
                }
            }
            assert!(pairs(whole.read(Partition(partition))).unwrap() == joined, "{order:?}");
        }
    }
}

#[test]
fn values_that_are_merged_into_few_keys_need_no_spilling() {
    let executor = Executor::new(4 << 20);
    let input = drawn(400_000, 10, 8);
    struct First;
    impl crate::rdd::AnyCombiner for First {
        fn begin(&mut self, _: &[u8]) -> Result<crate::rdd::Slot, RddError> {
            Ok(crate::rdd::Slot(0))
        }
        fn add(&mut self, _: crate::rdd::Slot, _: &[u8]) -> Result<(), RddError> {
            Ok(())
        }
        fn begin_combined(&mut self, _: &[u8]) -> Result<crate::rdd::Slot, RddError> {
            Ok(crate::rdd::Slot(0))
        }
        fn merge(&mut self, _: crate::rdd::Slot, _: &[u8]) -> Result<(), RddError> {
            Ok(())
        }
        fn finish(&mut self, _: crate::rdd::Slot, out: &mut Vec<u8>) -> Result<(), RddError> {
            out.extend_from_slice(b"sum");
            Ok(())
        }
    }
    let output = executor
        .write(0, &shuffle(Order::Arrival), 1, Some(Box::new(First)), &mut rows(&input, 1000))
        .unwrap();
    assert!(output.is_in_memory());
    assert_eq!(pairs(output.read(Partition(0))).unwrap().len(), 10);
}

#[test]
fn a_map_partition_without_records_has_empty_segments() {
    let executor = Executor::new(SMALL);
    for combiner in [None, join()] {
        let mut nothing = OneBatch::new(Batch::new());
        let output = executor.write(0, &shuffle(Order::KeyAscending), 4, combiner, &mut nothing).unwrap();
        assert_eq!(output.sizes().collect::<Vec<_>>(), [0; 4]);
        assert_eq!(pairs(output.read(Partition(3))).unwrap(), []);
    }
}

#[test]
fn a_shuffle_into_no_partitions_takes_no_records() {
    let executor = Executor::new(SMALL);
    let by_key = shuffle(Order::KeyAscending);
    let output = executor.write(0, &by_key, 0, None, &mut rows(&[], 1)).unwrap();
    assert_eq!(output.sizes().count(), 0);
    let error = executor.write(0, &by_key, 0, None, &mut rows(&drawn(1, 1, 8), 1)).unwrap_err();
    assert!(matches!(error, RddError::Lineage { .. }), "{error}");
}

#[test]
fn one_key_only_goes_to_one_partition_even_if_it_is_larger_than_memory() {
    let executor = Executor::new(SMALL);
    let input: Vec<Pair> =
        (0..30_000u64).map(|value| (b"the key".to_vec(), value.to_be_bytes().repeat(10))).collect();
    let output = executor.write(0, &shuffle(Order::KeyAscending), 5, None, &mut rows(&input, 500)).unwrap();
    assert_eq!(output.sizes().filter(|bytes| *bytes > 0).count(), 1);
    let got: Vec<Pair> =
        (0..5).flat_map(|partition| pairs(output.read(Partition(partition))).unwrap()).collect();
    assert!(got == input);
}

#[test]
fn a_large_record_passes_if_memory_allows_and_is_named_if_not() {
    let input = [(b"k".to_vec(), vec![7; 100 << 20])];
    let roomy = Executor::new(LARGE);
    let output = roomy.write(0, &shuffle(Order::KeyAscending), 2, None, &mut rows(&input, 1)).unwrap();
    assert!(output.bytes() > 100 << 20);
    let tight = Executor::new(50 << 20);
    let error = tight.write(0, &shuffle(Order::KeyAscending), 2, None, &mut rows(&input, 1)).unwrap_err();
    assert!(matches!(error, RddError::Memory { bytes, .. } if bytes > 100 << 20), "{error}");
    assert!(error.to_string().contains("--memory"), "{error}");
}

#[test]
fn records_dealt_in_turn_can_not_be_combined() {
    let executor = Executor::new(SMALL);
    let dealt =
        Shuffle { partitioner: Partitioner::RoundRobin { seed: 1 }, combiner: None, order: Order::Arrival };
    assert!(executor.write(0, &dealt, 2, join(), &mut rows(&[], 1)).is_err());
    let input = drawn(1000, 10, 8);
    let output = executor.write(0, &dealt, 4, None, &mut rows(&input, 100)).unwrap();
    let counts: Vec<usize> =
        (0..4).map(|partition| pairs(output.read(Partition(partition))).unwrap().len()).collect();
    assert_eq!(counts, [250; 4]);
}

#[test]
fn an_error_or_a_cancellation_leaves_nothing_behind() {
    let executor = Executor::new(SMALL);
    let mut broken = rows(&drawn(30_000, 5_000, 100), 100);
    broken.1 = Some(RddError::Cancelled);
    assert!(executor.write(0, &shuffle(Order::KeyAscending), 2, None, &mut broken).is_err());
    assert_eq!((executor.scratch_files(), executor.workspace.memory.used_bytes()), (0, 0));
    executor.workspace.cancel.set();
    let mut more = rows(&drawn(300, 100, 8), 100);
    let error = executor.write(0, &shuffle(Order::KeyAscending), 2, None, &mut more).unwrap_err();
    assert!(matches!(error, RddError::Cancelled));
    assert_eq!(pairs(more).unwrap().len(), 200, "it went on after the first batch");
}

#[test]
fn two_tasks_that_compete_for_memory_both_finish() {
    let executor = Executor::new(4 << 20);
    let input = drawn(100_000, 5_000, 100);
    let write = |map| {
        let output =
            executor.write(map, &shuffle(Order::KeyAscending), 2, None, &mut rows(&input, 500)).unwrap();
        bytes(&output)
    };
    let (first, second) = std::thread::scope(|scope| {
        let second = scope.spawn(|| write(1));
        (write(0), second.join().unwrap())
    });
    assert!(first == second);
    assert_eq!(executor.workspace.memory.used_bytes(), 0);
}

#[test]
fn an_output_that_leaves_the_memory_goes_to_disk_and_never_vanishes() {
    let executor = Executor::new(4 << 20);
    let input = drawn(10_000, 500, 100);
    for map in 0..10 {
        let output =
            executor.write(map, &shuffle(Order::KeyAscending), 2, None, &mut rows(&input, 500)).unwrap();
        executor.outputs.put(output);
    }
    let all: Vec<_> = (0..10).map(|map| executor.outputs.get(Executor::id(map)).unwrap()).collect();
    assert!(all.iter().any(|output| output.is_in_memory()));
    let expected = bytes(&all[0]);
    assert!(all.iter().all(|output| bytes(output) == expected));
    drop(all);
    executor.outputs.forget(Executor::id(0).context, Executor::id(0).shuffle);
    assert_eq!((executor.scratch_files(), executor.workspace.memory.used_bytes()), (0, 0));
}

#[test]
fn a_task_that_needs_memory_moves_outputs_to_disk() {
    let executor = Executor::new(8 << 20);
    let input = drawn(40_000, 500, 100);
    let output = executor.write(0, &shuffle(Order::KeyAscending), 2, None, &mut rows(&input, 500)).unwrap();
    let before = bytes(&output);
    executor.outputs.put(output);
    let in_memory = executor.outputs.get(Executor::id(0)).unwrap().is_in_memory();
    let held = executor.workspace.memory.try_reserve(4 << 20);
    let after = executor.outputs.get(Executor::id(0)).unwrap();
    assert_eq!((in_memory, after.is_in_memory(), held.is_some()), (true, false, true));
    assert!(bytes(&after) == before);
}
