//! What is allocated to prepare a picture, counted by the allocator.

#![allow(clippy::unwrap_used, clippy::panic)]

use bytes::Bytes;
use fast_image_resize::{
    FilterType::Bilinear as Triangle,
    PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use howdah_executor::{
    rdd::{
        Chain, GatherContext, Operator, PictureMeta, Record, RecordContext, Registry, RowContent, SampleRow,
        ViewChain, spec_of,
    },
    vision::{
        Affine, Color, ColorGrid, Decode, Denoise, Describe, Fisher, Fit, Flatten, Flip, Grayscale, Hog,
        Jitter, Normalise, Part, Pixels, Resize, register,
        synthetic::{Class, draw, encode},
    },
};
use howdah_proto::{Epoch, lineage::OperatorSpec};
use image::imageops::{FilterType, resize};
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

/// Pixels in a side of the pictures.
const SIDE: u32 = 64;
/// Pictures that go their way before it is counted: buffers grow to the size they need.
const BEFORE: usize = 8;

fn chain(specs: &[OperatorSpec]) -> Chain {
    let mut registry = Registry::new();
    register(&mut registry);
    Chain::build(&registry, specs).unwrap()
}

fn files() -> Vec<Bytes> {
    let file = |key| encode(&resize(&draw(Class::Dog, key, 1), SIDE, SIDE, FilterType::Triangle)).unwrap();
    (0..BEFORE as u64 + 4).map(|key| file(key).into()).collect()
}

fn record(file: &Bytes) -> Record {
    Record::Encoded { meta: PictureMeta { key: 3, label: 1 }, bytes: file.clone() }
}

/// How often the library that decodes a picture allocates when it is used alone.
fn of_decoding(file: &Bytes, out: ColorSpace) -> u64 {
    let options = DecoderOptions::new_fast().jpeg_set_out_colorspace(out);
    let mut pixels = vec![0; (3 * SIDE * SIDE) as usize];
    let counted = allocation_counter::measure(|| {
        JpegDecoder::new_with_options(ZCursor::new(file), options).decode_into(&mut pixels).unwrap();
    });
    counted.count_total
}

/// Sends pictures through operators, to four views each, and counts how often that allocates for each beside decoding.
fn allocated(specs: &[OperatorSpec], out: ColorSpace) -> Vec<u64> {
    let augmented = |view| RecordContext::augmented(7, Epoch(view));
    let contexts = [RecordContext::PLAIN, RecordContext::MIRRORED, augmented(2), augmented(3)];
    let mut way = ViewChain::new(chain(specs), contexts);
    let files = files();
    let (before, after) = files.split_at(BEFORE);
    before.iter().for_each(|file| assert_eq!(way.views(record(file)).unwrap().len(), 4));
    let count = |file| {
        let record = record(file);
        let counted = allocation_counter::measure(|| assert_eq!(way.views(record).unwrap().len(), 4));
        counted.count_total - of_decoding(file, out)
    };
    after.iter().map(count).collect()
}

fn augmenting() -> Vec<OperatorSpec> {
    vec![
        spec_of(&Flip { probability: 0.5 }),
        spec_of(&Affine::rotation(10.0)),
        spec_of(&Jitter { max_brightness: 0.1, max_contrast: 1.5 }),
    ]
}

/// Fisher vectors that are fitted to a few pictures.
fn fisher() -> Describe {
    let mut fit = Describe { parts: vec![Part::Fisher(Fisher::new(4, 8, 4))] }.fit().unwrap();
    let mut decode = chain(&[spec_of(&Decode { color: Color::Gray })]);
    for file in files() {
        let picture = decode.apply(record(&file), &RecordContext::PLAIN).unwrap();
        fit.gather(&picture, &GatherContext { seed: 1, records: 12 }).unwrap();
    }
    serde_json::from_value(fit.finish(7).unwrap()).unwrap()
}

#[test]
fn nothing_but_decoding_allocates_for_a_picture_on_its_way_to_pixels() {
    let gray = [
        vec![spec_of(&Decode { color: Color::Gray }), spec_of(&Denoise::new(1.0))],
        augmenting(),
        vec![spec_of(&Flatten {}), spec_of(&Normalise { scale: 0.1, offset: 0.5 })],
    ];
    assert_eq!(allocated(&gray.concat(), ColorSpace::Luma), [0; 4]);
}

#[test]
fn nothing_but_decoding_allocates_for_a_picture_that_is_padded_and_turned_gray() {
    let pad = Resize::new(SIDE, SIDE + 20).with_fit(Fit::Pad);
    let padded =
        [vec![spec_of(&Decode { color: Color::Rgb }), spec_of(&pad), spec_of(&Grayscale {})], augmenting()];
    assert_eq!(allocated(&padded.concat(), ColorSpace::RGB), [0; 4]);
}

#[test]
fn resizing_allocates_what_its_library_needs_for_weights() {
    const TO: u32 = 40;
    let small = [spec_of(&Decode { color: Color::Gray }), spec_of(&Resize::new(TO, TO))];
    let (from, mut to) = (vec![7; (SIDE * SIDE) as usize], vec![0; (TO * TO) as usize]);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(Triangle));
    let mut resizer = Resizer::new();
    let mut alone = || {
        let from = ImageRef::new(SIDE, SIDE, &from, PixelType::U8).unwrap();
        let mut to = Image::from_slice_u8(TO, TO, &mut to, PixelType::U8).unwrap();
        resizer.resize(&from, &mut to, &options).unwrap();
    };
    alone();
    let alone = allocation_counter::measure(alone).count_total;
    assert_eq!(allocated(&small, ColorSpace::Luma), [alone; 4]);
}

#[test]
fn nothing_but_decoding_and_products_allocates_for_a_picture_on_its_way_to_features() {
    let allocated = |color, out, parts: Describe| {
        let specs = [vec![spec_of(&Decode { color })], augmenting(), vec![spec_of(&parts)]];
        allocated(&specs.concat(), out)
    };
    let plain = vec![Part::ColorGrid(ColorGrid { cells: 4 }), Part::Pixels(Pixels {})];
    assert_eq!(allocated(Color::Rgb, ColorSpace::RGB, Describe { parts: plain }), [0; 4]);
    // The library that multiplies packs what it must of both factors: HOG has one product for each view, Fisher vectors have
    // four.
    for (describe, products) in [(Describe { parts: vec![Part::Hog(Hog::new(8))] }, 1), (fisher(), 4)] {
        let counts = allocated(Color::Gray, ColorSpace::Luma, describe);
        assert!(counts.iter().all(|count| *count <= 2 * products * 4), "{counts:?}");
    }
}

#[test]
fn nothing_is_allocated_for_a_row_that_is_augmented_and_fed() {
    let describe = Describe { parts: vec![Part::ColorGrid(ColorGrid { cells: 4 })] };
    let mut feed = chain(&[augmenting(), vec![spec_of(&describe)]].concat());
    let decode = [spec_of(&Decode { color: Color::Gray })];
    let picture = chain(&decode).apply(record(&files()[0]), &RecordContext::PLAIN).unwrap();
    let Record::Picture { picture, .. } = &picture else { panic!("{}", picture.kind()) };
    let row = SampleRow { content: RowContent::Picture(picture.view()), label: 1, key: 3 };
    let mut out = vec![0.0; feed.width(&row).unwrap()];
    let mut turn = |epoch| feed.feed(&row, &RecordContext::augmented(7, Epoch(epoch)), &mut out).unwrap();
    (0..BEFORE as u32).for_each(&mut turn);
    assert_eq!(allocation_counter::measure(|| turn(100)).count_total, 0);
}
