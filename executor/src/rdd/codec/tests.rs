use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::rdd::Row;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(i32),
    Line(u8, String),
    Box { width: u16, label: Option<String> },
    Pair((u8, i64)),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Wrapped((String, u32));

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Nested {
    number: i64,
    text: String,
    optional: Option<Vec<(u8, String)>>,
    tuple: (i8, (String, u128), [u16; 2]),
    shapes: Vec<Shape>,
    map: BTreeMap<String, i128>,
    wrapped: Wrapped,
    triple: (bool, char, ()),
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!['\0', '\u{1}', 'a', 'b', '\u{ff}', '\u{10ffff}']), 0..4)
        .prop_map(|chars| chars.into_iter().collect())
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Point),
        any::<i32>().prop_map(Shape::Circle),
        (0u8..3, text()).prop_map(|(a, b)| Shape::Line(a, b)),
        (0u16..3, prop::option::of(text())).prop_map(|(width, label)| Shape::Box { width, label }),
        (0u8..3, any::<i64>()).prop_map(Shape::Pair),
    ]
}

prop_compose! {
    fn nested()(
        number in -2i64..2,
        text in text(),
        optional in prop::option::of(prop::collection::vec((0u8..2, text()), 0..3)),
        tuple in (-1i8..1, (text(), any::<u128>()), any::<[u16; 2]>()),
        shapes in prop::collection::vec(shape(), 0..3),
        map in prop::collection::btree_map(text(), any::<i128>(), 0..3),
        wrapped in (text(), 0u32..2),
        triple in (any::<bool>(), any::<char>(), Just(())),
    ) -> Nested {
        Nested { number, text, optional, tuple, shapes, map, wrapped: Wrapped(wrapped), triple }
    }
}

fn bytes<T: Serialize>(value: &T) -> Vec<u8> {
    to_vec(value).unwrap()
}

fn key_len<T: Serialize>(value: &T) -> usize {
    encode(value, &mut Vec::new()).unwrap()
}

proptest! {
    #[test]
    fn bytes_compare_as_values_do_and_none_is_the_beginning_of_another(a in nested(), b in nested()) {
        let (x, y) = (bytes(&a), bytes(&b));
        prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        prop_assert!(a == b || !(x.starts_with(&y) || y.starts_with(&x)));
        prop_assert_eq!(decode::<Nested>(&x), Ok(a));
    }

    #[test]
    fn shapes_compare_as_their_bytes_do(a in (shape(), text()), b in (shape(), text())) {
        prop_assert_eq!(bytes(&a).cmp(&bytes(&b)), a.cmp(&b));
    }

    #[test]
    fn integers_compare_as_their_bytes_do(a: (i64, u64, i128), b: (i64, u64, i128)) {
        prop_assert_eq!(bytes(&a).cmp(&bytes(&b)), a.cmp(&b));
        prop_assert_eq!(decode(&bytes(&a)), Ok(a));
    }

    #[test]
    fn floats_compare_in_their_total_order(a in prop::num::f64::ANY, b in prop::num::f64::ANY) {
        prop_assert_eq!(bytes(&a).cmp(&bytes(&b)), a.total_cmp(&b));
        let (c, d) = (f32::from_bits(a.to_bits() as u32), f32::from_bits(b.to_bits() as u32));
        prop_assert_eq!(bytes(&c).cmp(&bytes(&d)), c.total_cmp(&d));
        prop_assert_eq!(decode::<f64>(&bytes(&a)).unwrap().to_bits(), a.to_bits());
        prop_assert_eq!(decode::<f32>(&bytes(&c)).unwrap().to_bits(), c.to_bits());
    }

    #[test]
    fn garbage_is_refused_or_read_but_never_panics(garbage: Vec<u8>) {
        let _ = decode::<Nested>(&garbage);
        let _ = decode::<Vec<(String, Option<Shape>)>>(&garbage);
        let _ = decode::<(Vec<()>, String)>(&garbage);
    }

    #[test]
    fn a_damaged_record_is_refused_or_is_another_one(value in nested(), at: prop::sample::Index, flip in 1u8..) {
        let mut damaged = bytes(&value);
        let at = at.index(damaged.len());
        damaged[at] ^= flip;
        prop_assert_ne!(decode::<Nested>(&damaged), Ok(value));
    }
}

#[test]
fn only_the_outermost_tuple_of_two_has_a_key() {
    assert_eq!(key_len(&(7u64, 1u8)), 8);
    assert_eq!(key_len(&[7u16, 1]), 2);
    assert_eq!(key_len(&((7u64, 1u8), 1u8)), 8 + 1 + 4);
    assert_eq!(key_len(&Wrapped(("a".to_owned(), 1))), 3);
    assert_eq!(key_len(&Some((7u64, 1u8))), 1 + 9 + 4);
    assert_eq!(key_len(&(1u8, 2u8, (3u8, 4u8))), 2 + 6);
    assert_eq!(key_len(&vec![(3u8, 4u8)]), 1 + 6 + 1);
    assert_eq!(key_len(&Shape::Pair((3, 4))), 1 + 9 + 4);
}

#[test]
fn a_pair_stands_in_a_batch_with_its_key() {
    let mut batch = Batch::new();
    push(&mut batch, &("key", 7u8)).unwrap();
    push(&mut batch, &5u8).unwrap();
    let row = batch.row(0).unwrap();
    assert_eq!((row.key(), row.value()), (&b"key\0\0"[..], &[7][..]));
    assert_eq!(Row::pair(row.bytes()), Some(row));
    assert!(!batch.row(1).unwrap().is_pair());
}

#[test]
fn what_can_not_be_read_again_says_why() {
    let error = |outcome: Result<u64, CodecError>| outcome.unwrap_err().to_string();
    assert_eq!(error(decode(&[0; 7])), "a record is cut off: 1 more bytes are needed");
    assert_eq!(error(decode(&[0; 9])), "a record has 1 bytes too many: it is of another type");
    let any = decode::<serde_json::Value>(&[0]).unwrap_err().to_string();
    assert_eq!(any, "a record can't have untagged or flattened values: its bytes don't tell their type");
    let pair = decode::<(u8, u8)>(&[1, 2, 0, 0, 0, 2]).unwrap_err();
    assert_eq!(pair, CodecError::Pair { expected: 2, got: 1 });
}

#[test]
fn values_too_deep_for_the_stack_are_refused() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Deep(Option<Box<Deep>>);
    assert_eq!(decode::<Deep>(&vec![1; 1 << 20]).unwrap_err(), CodecError::Depth);
    let deep = |levels| (0..levels).fold(Deep(None), |inner, _| Deep(Some(Box::new(inner))));
    assert!(decode::<Deep>(&bytes(&deep(63))).is_ok());
    assert_eq!(to_vec(&deep(64)).unwrap_err(), CodecError::Depth);
}

#[test]
fn a_long_list_that_is_only_announced_takes_no_memory() {
    assert_eq!(decode::<Vec<u64>>(&[1]).unwrap_err(), CodecError::CutOff { needed: 8 });
}
