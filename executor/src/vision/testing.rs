//! Records for the tests of operators.

use howdah_proto::Epoch;

use crate::rdd::{Operator, Picture, PictureMeta, Record, RecordContext, Spare};

/// The context of prediction: nothing is augmented.
pub(crate) const PLAIN: RecordContext = RecordContext::PLAIN;

/// The context of training in an epoch.
pub(crate) fn training(epoch: u32) -> RecordContext {
    RecordContext::augmented(42, Epoch(epoch))
}

/// What stays with picture `key`.
pub(crate) fn meta(key: u64) -> PictureMeta {
    PictureMeta { key, label: 1 }
}

/// A gray picture whose every pixel is computed from its place.
pub(crate) fn gray(width: u32, height: u32, pixel: impl Fn(u32, u32) -> u8) -> Picture {
    let pixels =
        (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| pixel(x, y)).collect();
    Picture { width, height, channels: 1, pixels }
}

/// Sends picture `key` through an operator that gives a picture.
pub(crate) fn apply<O: Operator>(
    operator: &mut O,
    key: u64,
    picture: &Picture,
    context: RecordContext,
) -> Picture {
    let record = Record::Picture { meta: meta(key), picture: picture.clone() };
    match operator.apply(record, &context, &mut Spare::default()).unwrap() {
        Record::Picture { meta: kept, picture } => {
            assert_eq!(kept, meta(key));
            picture
        }
        other => panic!("{} came out", other.kind()),
    }
}
