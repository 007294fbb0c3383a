use howdah_proto::{
    Epoch, Round, SnapshotId, Step, Version,
    fence::RoundPart,
    settings::{Correction, Mode, ShardSpec, StalenessScale, UpdateRule},
};
use proptest::prelude::*;

use super::{Array, Image};
use crate::{
    rules::oracle::any_rule,
    shard::{
        CutId, Shard, ShardError,
        fixture::{ROUNDS, SPEC, contribute, fence, push, task},
    },
};

const COMPENSATED: Correction =
    Correction { scale: StalenessScale::InversePlusOne, delay_compensation: Some(0.5) };

fn values(len: usize, step: u64) -> Vec<f32> {
    (0..len).map(|place| ((place as f32 + 1.3) * (step as f32 + 0.7)).sin()).collect()
}

fn trained(len: usize, spec: &ShardSpec, pushes: u64) -> Shard {
    let mut shard = Shard::new(len as u64, spec).unwrap();
    (1..=pushes).for_each(|step| _ = push(&mut shard, &fence(0, step, step), &values(len, step)).unwrap());
    shard
}

fn bytes(image: &Image) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.write(&mut |piece| bytes.extend_from_slice(piece));
    assert_eq!(bytes.len() as u64, image.bytes());
    bytes
}

fn is_refused(read: Result<Image, ShardError>) -> bool {
    matches!(read, Err(ShardError::Image { .. }))
}

fn with_checksum(mut body: Vec<u8>) -> Vec<u8> {
    let checksum = crc32fast::hash(&body);
    body.extend_from_slice(&checksum.to_le_bytes());
    body
}

/// An image with something in every place.
fn rich() -> Image {
    let rule = UpdateRule::Adam { learning_rate: 0.1 };
    let mut shard = trained(5, &ShardSpec { rule, correction: COMPENSATED, ..SPEC }, 3);
    shard.tag(7).unwrap();
    push(&mut shard, &fence(1, 1, 1), &values(5, 9)).unwrap();
    shard.retire(Epoch(0));
    shard.image(100).unwrap()
}

/// Cuts the part from `from` to `to` out of an image.
fn piece(image: &Image, from: usize, to: usize) -> Image {
    let mut piece = image.clone();
    piece.header.start += from as u64;
    piece.header.len = (to - from) as u64;
    piece.arrays =
        image.arrays.iter().map(|array| Array::copy_of(&array.to_vec()[from..to]).unwrap()).collect();
    piece
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_changed_or_missing_byte_is_noticed(place in any::<prop::sample::Index>(), change in 1u8..) {
        let mut damaged = bytes(&rich());
        let place = place.index(damaged.len());
        damaged[place] ^= change;
        prop_assert!(is_refused(Image::read(&damaged)));
        damaged[place] ^= change;
        prop_assert!(is_refused(Image::read(&damaged[..place])));
        damaged.push(change);
        prop_assert!(is_refused(Image::read(&damaged)));
    }

    #[test]
    fn a_shard_that_was_cut_in_two_and_joined_goes_on_as_if_nothing_had_been(
        rule in any_rule(),
        compensates in any::<bool>(),
        before in 0u64..8,
        after in 1u64..8,
        at in 1usize..6,
    ) {
        let correction = if compensates { COMPENSATED } else { Correction::default() };
        let spec = ShardSpec { rule, correction, ..SPEC };
        let mut whole = trained(6, &spec, before);
        let image = whole.image(10).unwrap();
        let pieces = vec![piece(&image, at, 6), piece(&image, 0, at)];
        let joined = Image::assemble(10..16, pieces).unwrap();
        prop_assert_eq!(&joined, &image);
        let mut joined = Shard::from_image(Image::read(&bytes(&joined)).unwrap(), &spec).unwrap();
        // Half of it, assembled from the other two pieces, goes on like that half.
        let pieces = vec![piece(&image, 0, at), piece(&image, at, 6)];
        let mut half = Shard::from_image(Image::assemble(12..15, pieces).unwrap(), &spec).unwrap();
        for step in before + 1..=before + after {
            let values = values(6, step);
            push(&mut whole, &fence(0, step, step), &values).unwrap();
            push(&mut joined, &fence(0, step, step), &values).unwrap();
            push(&mut half, &fence(0, step, step), &values[2..5]).unwrap();
        }
        prop_assert_eq!(joined.image(10).unwrap(), whole.image(10).unwrap());
        prop_assert_eq!(half.image(12).unwrap(), piece(&whole.image(10).unwrap(), 2, 5));
    }
}

#[test]
fn an_image_is_everything_the_shard_is() {
    let image = rich();
    let read = Image::read(&bytes(&image)).unwrap();
    assert_eq!(read, image);
    let shard = Shard::from_image(read, &image.header.spec).unwrap();
    assert_eq!(shard.image(100).unwrap(), image);
    assert_eq!(shard.tagged(7).unwrap().version, Version(3));
    assert_eq!(shard.staleness(), [1, 1, 1, 1]);
}

#[test]
fn an_image_has_the_contributions_to_the_round_under_way() {
    let mut shard = Shard::new(2, &ROUNDS).unwrap();
    let part = RoundPart { round: Round(1), contributions: 2 };
    contribute(&mut shard, &fence(1, 1, 3), part, &[2.0, 4.0]).unwrap();
    let image = Image::read(&bytes(&shard.image(0).unwrap())).unwrap();
    assert!(matches!(Image::assemble(0..2, vec![image.clone()]), Err(ShardError::Image { .. })));
    let mut copy = Shard::from_image(image, &ROUNDS).unwrap();
    assert_eq!((copy.sequence(), copy.version()), (1, Version(0)));
    contribute(&mut copy, &fence(0, 1, 3), part, &[0.0, 0.0]).unwrap();
    assert_eq!(copy.weights().to_vec(), [1.0, 2.0]);
}

#[test]
fn an_image_has_the_weights_before_the_last_round_and_a_snapshot_has_not() {
    let mut shard = Shard::new(2, &ROUNDS).unwrap();
    let part = |round, contributions| RoundPart { round: Round(round), contributions };
    for round in 1..=2 {
        contribute(&mut shard, &fence(0, round, round), part(round, 1), &[round as f32, 4.0]).unwrap();
    }
    let snapshot = Image::assemble(0..2, vec![shard.image(0).unwrap()]).unwrap();
    assert_eq!((snapshot.header.before, snapshot.arrays.len()), (None, 1));
    shard.tag(5).unwrap();
    contribute(&mut shard, &fence(0, 3, 3), part(3, 2), &[7.0, 7.0]).unwrap();
    let image = Image::read(&bytes(&shard.image(0).unwrap())).unwrap();
    let copy = Shard::from_image(image.clone(), &ROUNDS).unwrap();
    assert!(copy.weights_at(Version(1)).unwrap().are(&[1.0, 4.0]));
    assert_eq!(copy.image(0).unwrap(), image);
    for lie in [None, Some(Version(0)), Some(Version(2))] {
        let mut lying = image.clone();
        lying.header.before = lie;
        assert!(matches!(Shard::from_image(lying, &ROUNDS), Err(ShardError::Image { .. })));
    }
    let mut other = trained(2, &SPEC, 1).image(0).unwrap();
    other.header.before = Some(Version(0));
    other.arrays.push(other.arrays[0].clone());
    assert!(matches!(Shard::from_image(other, &SPEC), Err(ShardError::Image { .. })));
}

#[test]
fn weights_that_are_not_finite_are_kept_as_they_are() {
    let mut image = trained(3, &SPEC, 1).image(0).unwrap();
    let mut weights = image.arrays[0].to_vec();
    weights[1] = f32::INFINITY;
    image.arrays[0] = Array::copy_of(&weights).unwrap();
    assert_eq!(Image::read(&bytes(&image)).unwrap().arrays[0].to_vec(), weights);
}

#[test]
fn lengths_that_lie_are_found_before_anything_is_allocated() {
    let image = rich();
    let refused = |change: &dyn Fn(&mut Image)| {
        let mut lying = image.clone();
        change(&mut lying);
        let mut bytes = bytes(&lying);
        bytes.truncate(bytes.len() - 4);
        assert!(is_refused(Image::read(&with_checksum(bytes))));
    };
    refused(&|image| image.header.len = u64::MAX);
    refused(&|image| image.header.len = 1 << 31);
    refused(&|image| image.header.start = u64::MAX);
    refused(&|image| image.header.rule_arrays = u32::MAX);
    refused(&|image| image.header.tags.push((7, Version(1))));
    refused(&|image| image.header.mean_square = false);
    refused(&|image| image.header.seen.push(image.header.seen[0]));
    refused(&|image| image.header.staleness = vec![0; 1000]);
    let mut long = bytes(&image);
    long.truncate(long.len() - 4);
    long[12..20].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(is_refused(Image::read(&with_checksum(long))));
}

#[test]
fn an_image_of_another_format_or_of_something_else_is_refused_by_name() {
    let mut other = bytes(&rich());
    other.truncate(other.len() - 4);
    other[8] = 9;
    let error = Image::read(&with_checksum(other)).unwrap_err();
    assert!(error.to_string().contains("the format 9"), "{error}");
    for bytes in [&b""[..], b"abc", b"something else altogether"] {
        assert!(is_refused(Image::read(bytes)));
    }
}

#[test]
fn a_shard_is_not_made_of_the_image_of_another_rule_or_course() {
    let image = trained(3, &SPEC, 1).image(0).unwrap();
    for spec in [ROUNDS, ShardSpec { rule: UpdateRule::Sgd { learning_rate: 0.1 }, ..SPEC }] {
        assert!(matches!(Shard::from_image(image.clone(), &spec), Err(ShardError::Image { .. })));
    }
    let mut short = image;
    short.arrays.clear();
    assert!(matches!(Shard::from_image(short, &SPEC), Err(ShardError::Image { .. })));
}

#[test]
fn pieces_that_do_not_fit_together_are_refused() {
    let image = trained(6, &SPEC, 2).image(0).unwrap();
    let refused = |range, pieces| {
        let error = Image::assemble(range, pieces).unwrap_err();
        assert!(matches!(error, ShardError::Image { .. }), "{error}");
    };
    refused(0..6, vec![]);
    refused(3..3, vec![image.clone()]);
    refused(0..7, vec![image.clone()]);
    refused(0..6, vec![piece(&image, 0, 2), piece(&image, 3, 6)]);
    refused(0..6, vec![piece(&image, 0, 4), piece(&image, 3, 6)]);
    let mut other = piece(&image, 3, 6);
    other.header.seen[0].1 = Step(1);
    refused(0..6, vec![piece(&image, 0, 3), other]);
    let mut other = piece(&image, 3, 6);
    other.header.spec.rule = UpdateRule::Sgd { learning_rate: 0.1 };
    refused(0..6, vec![piece(&image, 0, 3), other]);
    let mut other = piece(&image, 3, 6);
    other.header.seen.clear();
    refused(0..6, vec![piece(&image, 0, 3), other.clone()]);
    other.arrays.clear();
    refused(3..6, vec![other]);
}

#[test]
fn where_rounds_go_on_without_the_slowest_the_highest_marks_are_taken() {
    let spec = ShardSpec { mode: Mode::Synchronous { backups: 1 }, ..SPEC };
    // Each shard had the first step of one of two tasks in its first round.
    let piece = |number: u32| {
        let mut shard = Shard::new(2, &spec).unwrap();
        let part = RoundPart { round: Round(1), contributions: 1 };
        contribute(&mut shard, &fence(number, 1, 1), part, &[2.0; 2]).unwrap();
        assert_eq!(shard.version(), Version(1));
        shard.image(2 * u64::from(number)).unwrap()
    };
    let joined = Image::assemble(1..3, vec![piece(0), piece(1)]).unwrap();
    let marks: Vec<_> = joined.header.seen.iter().map(|(task, mark, _)| (*task, *mark)).collect();
    assert_eq!(marks, [(task(0), Step(1)), (task(1), Step(1))]);
    // One of them has forgotten its marks.
    let mut shard = Shard::from_image(piece(0), &spec).unwrap();
    shard.retire(Epoch(1));
    let retired = Image::assemble(0..4, vec![shard.image(0).unwrap(), piece(1)]).unwrap();
    assert_eq!((retired.header.seen.len(), retired.header.retired), (0, Some((Epoch(1), 1))));
    // Of rounds that all take part in, such pieces don't fit.
    let mut pieces = vec![piece(0), piece(1)];
    pieces.iter_mut().for_each(|piece| piece.header.spec.mode = Mode::Synchronous { backups: 0 });
    assert!(matches!(Image::assemble(1..3, pieces), Err(ShardError::Image { .. })));
}

#[test]
fn pieces_of_which_one_has_retired_an_epoch_fit_together() {
    let mut shard = trained(4, &SPEC, 5);
    let early = piece(&shard.image(0).unwrap(), 0, 2);
    shard.retire(Epoch(1));
    let joined = Image::assemble(0..4, vec![early, piece(&shard.image(0).unwrap(), 2, 4)]).unwrap();
    assert_eq!(joined.header.retired, Some((Epoch(1), 5)));
    let shard = Shard::from_image(joined, &SPEC).unwrap();
    assert_eq!((shard.fences().tasks(), shard.fences().steps_applied()), (0, 5));
}

#[test]
fn a_snapshot_has_no_tags() {
    let mut shard = trained(2, &SPEC, 1);
    shard.tag(1).unwrap();
    let id = CutId { snapshot: SnapshotId(1), attempt: 0 };
    shard.plan_cut(id, [(task(0), Step(1))].into()).unwrap().unwrap();
    let cut = shard.take_cut(id, 0).unwrap().unwrap();
    assert_eq!(
        cut,
        Image::assemble(0..2, vec![shard.image(0).unwrap()])
            .map(|mut image| {
                image.header.written = true;
                image
            })
            .unwrap()
    );
}
