use howdah_proto::settings::Pipeline;

use super::preset::{Augment, Changes, Preset, Refused};
use crate::{
    rdd::spec_of,
    vision::{Affine, Color, Decode, Denoise, Flatten, Flip, Normalise, Resize},
};

/// The pixels of small gray pictures.
pub(super) const PRESET: Preset = Preset {
    name: "seed",
    about: "gray pictures of 128 x 128 pixels, denoised; mirrored and turned a little anew in each epoch; their pixels",
    build,
};

/// Pixels in width and height.
const SIZE: u32 = 128;
/// The blur in pixels.
const DENOISE_SIGMA: f32 = 1.0;
/// How often a picture is mirrored.
const FLIP_PROBABILITY: f32 = 0.5;
/// How far a picture is turned to either side.
const MAX_DEGREES: f32 = 10.0;

fn build(changes: &Changes) -> Result<Pipeline, Refused> {
    Ok(seed_pipeline(
        changes.size.unwrap_or(SIZE),
        changes.denoise.unwrap_or(DENOISE_SIGMA),
        changes.augment.unwrap_or(Augment::FlipAndRotate),
    ))
}

/// Makes the pipeline of dense networks on pixels: gray pictures of `size` x `size` pixels, blurred by
/// `denoise_sigma` pixels (0 for not at all), as features from -1/2 to 1/2: centred, so that training is steady.
pub fn seed_pipeline(size: u32, denoise_sigma: f32, augment: Augment) -> Pipeline {
    let mut prepare = vec![spec_of(&Decode { color: Color::Gray }), spec_of(&Resize::new(size, size))];
    if denoise_sigma != 0.0 {
        prepare.push(spec_of(&Denoise::new(denoise_sigma)));
    }
    let mut feed = Vec::new();
    if augment != Augment::None {
        feed.push(spec_of(&Flip { probability: FLIP_PROBABILITY }));
    }
    if augment == Augment::FlipAndRotate {
        feed.push(spec_of(&Affine::rotation(MAX_DEGREES)));
    }
    feed.push(spec_of(&Flatten {}));
    feed.push(spec_of(&Normalise { scale: 1.0 / 255.0, offset: -0.5 }));
    Pipeline::new(prepare, feed)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use howdah_proto::lineage::OperatorSpec;

    use super::*;
    use crate::{
        rdd::{Chain, Record, Registry},
        vision::{
            register,
            synthetic::{Class, draw, encode},
            testing::{meta, training},
        },
    };

    fn names(specs: &[OperatorSpec]) -> Vec<&str> {
        specs.iter().map(|spec| spec.name.as_str()).collect()
    }

    #[test]
    fn a_picture_file_becomes_centred_features() {
        let mut registry = Registry::new();
        register(&mut registry);
        let pipeline = seed_pipeline(32, 1.0, Augment::FlipAndRotate);
        let mut chain = Chain::build(&registry, pipeline.prepare.iter().chain(&pipeline.feed)).unwrap();
        let bytes = Bytes::from(encode(&draw(Class::Cat, 3, 1)).unwrap());
        let Record::Features { meta: kept, values } =
            chain.apply(Record::Encoded { meta: meta(3), bytes }, &training(1)).unwrap()
        else {
            panic!("no features came out");
        };
        assert_eq!((kept, values.len()), (meta(3), 32 * 32));
        assert!(values.iter().all(|value| (-0.5..=0.5).contains(value)));
    }

    #[test]
    fn only_what_was_asked_for_is_in_the_pipeline() {
        let all = PRESET.build(&Changes::default()).unwrap();
        assert_eq!(names(&all.prepare), ["decode", "resize", "denoise"]);
        assert_eq!(names(&all.feed), ["flip", "affine", "flatten", "normalise"]);
        let flip = PRESET.build(&Changes { augment: Some(Augment::Flip), ..Changes::default() }).unwrap();
        assert_eq!(names(&flip.feed), ["flip", "flatten", "normalise"]);
        let least = Changes { denoise: Some(0.0), augment: Some(Augment::None), size: Some(7) };
        let least = PRESET.build(&least).unwrap();
        assert_eq!(names(&least.prepare), ["decode", "resize"]);
        assert_eq!(names(&least.feed), ["flatten", "normalise"]);
        assert_eq!(least.prepare[1].params["width"], 7);
    }
}
