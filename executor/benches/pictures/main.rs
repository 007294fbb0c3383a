//! Times the way of a picture file to features on one thread: against `image` and `imageproc` as they come, and against
//! Pillow and OpenCV if `HOWDAH_PYTHON` names a Python that has them, all in one run and on the same files.
//!
//! The pictures are those of the folder that is given as argument or as `HOWDAH_PICTURES`; without one, synthetic ones.

#![allow(clippy::print_stdout, clippy::expect_used, clippy::panic)]

mod peer;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bytes::Bytes;
use howdah_executor::{
    rdd::{Chain, PictureMeta, Record, RecordContext, Registry, spec_of},
    vision::{
        Color, ColorGrid, Decode, Denoise, Describe, Filter, Flatten, Hog, Part, Resize, register,
        synthetic::{Class, draw, write_set},
    },
};
use howdah_proto::lineage::OperatorSpec;
use image::{DynamicImage, imageops::FilterType};
use imageproc::{
    filter::gaussian_blur_f32,
    hog::{HogOptions, hog},
};

const SIZE: u32 = 128;
const SIGMA: f32 = 1.0;
/// So many pictures, if there are as many.
const MOST: usize = 500;
/// The best of so many turns counts: what disturbs a measurement only ever makes it longer.
const TURNS: usize = 5;

fn main() {
    let folder = std::env::args().skip(1).find(|flag| !flag.starts_with('-')).map(PathBuf::from);
    let drawn = tempfile::tempdir().expect("a folder");
    let folder =
        folder.or_else(|| std::env::var_os("HOWDAH_PICTURES").map(PathBuf::from)).unwrap_or_else(|| {
            write_set(drawn.path(), 250, 1, |_| ()).expect("pictures");
            drawn.path().to_owned()
        });
    let mut paths = Vec::new();
    find(&folder, &mut paths);
    paths.sort();
    // Evenly from all folders.
    let step = paths.len().div_ceil(MOST).max(1);
    let paths: Vec<PathBuf> = paths.into_iter().step_by(step).collect();
    let files: Vec<Bytes> = paths.iter().map(|path| std::fs::read(path).expect("a file").into()).collect();
    assert!(!files.is_empty(), "no pictures in {}", folder.display());
    println!("{} pictures of {}, one thread, pictures/s", files.len(), folder.display());

    let gray = |filter| {
        vec![
            spec_of(&Decode { color: Color::Gray }),
            spec_of(&Resize::new(SIZE, SIZE).with_filter(filter)),
            spec_of(&Denoise::new(SIGMA)),
            spec_of(&Flatten {}),
        ]
    };
    let area = ours(&gray(Filter::Area), &files);
    row("gray, area, blurred", area);
    row("gray, bilinear, blurred", ours(&gray(Filter::Bilinear), &files));
    let decode = vec![spec_of(&Decode { color: Color::Gray })];
    row("gray, decoded only", ours(&decode, &files));
    let colour = vec![spec_of(&Decode { color: Color::Rgb }), spec_of(&Resize::new(SIZE, SIZE))];
    row("colour, bilinear", ours(&colour, &files));
    let described = |parts| [colour.clone(), vec![spec_of(&Describe { parts })]].concat();
    row("colour, bilinear, HOG and colours", {
        ours(&described(vec![Part::Hog(Hog::new(16)), Part::ColorGrid(ColorGrid { cells: 8 })]), &files)
    });
    let libraries = rate(&files, |file| {
        let picture = image::load_from_memory(file).expect("a picture");
        let small = picture.resize_exact(SIZE, SIZE, FilterType::Triangle).to_luma8();
        let blurred = gaussian_blur_f32(&small, SIGMA);
        std::hint::black_box(blurred.as_raw().iter().map(|&byte| f32::from(byte)).collect::<Vec<_>>());
    });
    row("image and imageproc, gray, triangle, blurred", libraries);
    println!("howdah / image and imageproc: {:.2}", area / libraries);
    gradients();
    for (name, theirs) in peer::run(&paths) {
        row(&name, theirs);
        println!("howdah / {name}: {:.2}", area / theirs);
    }
}

/// Histograms of gradients alone, of pictures that are decoded.
fn gradients() {
    let pictures: Vec<_> = (0..20)
        .map(|key| {
            let picture = DynamicImage::from(draw(Class::Cat, key, 1));
            picture.resize_exact(SIZE, SIZE, FilterType::Triangle).to_luma8()
        })
        .collect();
    let mut chain = chain(&[spec_of(&Describe { parts: vec![Part::Hog(Hog::new(16))] })]);
    let own = rate(&pictures, |picture| {
        let pixels = picture.as_raw().clone();
        let picture = howdah_executor::rdd::Picture { width: SIZE, height: SIZE, channels: 1, pixels };
        let record = Record::Picture { meta: meta(), picture };
        let described = chain.apply(record, &RecordContext::default()).expect("features");
        chain.keep(std::hint::black_box(described));
    });
    let theirs = rate(&pictures, |picture| {
        std::hint::black_box(hog(picture, HogOptions::new(9, false, 16, 2, 1)).expect("features"));
    });
    row("HOG of 128 x 128 alone", own);
    row("imageproc, HOG of 128 x 128 alone", theirs);
    println!("howdah / imageproc, HOG: {:.1}", own / theirs);
}

fn row(name: &str, rate: f64) {
    println!("{name:48} {rate:8.0}");
}

fn meta() -> PictureMeta {
    PictureMeta { key: 0, label: 0 }
}

fn chain(specs: &[OperatorSpec]) -> Chain {
    let mut registry = Registry::new();
    register(&mut registry);
    Chain::build(&registry, specs).expect("operators")
}

/// Pictures per second through operators.
fn ours(specs: &[OperatorSpec], files: &[Bytes]) -> f64 {
    let mut chain = chain(specs);
    rate(files, |file| {
        let record = Record::Encoded { meta: meta(), bytes: file.clone() };
        let prepared = chain.apply(record, &RecordContext::default()).expect("a picture");
        chain.keep(std::hint::black_box(prepared));
    })
}

/// Items per second, in the best turn.
fn rate<T>(items: &[T], mut work: impl FnMut(&T)) -> f64 {
    let turn = |_| {
        let start = Instant::now();
        items.iter().for_each(&mut work);
        start.elapsed()
    };
    let best = (0..TURNS).map(turn).min().unwrap_or(Duration::MAX);
    items.len() as f64 / best.as_secs_f64()
}

fn find(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            find(&path, paths);
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("jpg")) {
            paths.push(path);
        }
    }
}
