//! Contact sheets: what becomes of pictures, step by step.

mod canvas;
mod draw;
mod font;
mod glyphs;
mod steps;

use bytes::Bytes;
use howdah_proto::settings::Pipeline;

use self::{canvas::Canvas, steps::Steps};
use super::pipeline::PipelineError;
use crate::rdd::Registry;

/// Pixels in a side of a tile.
const TILE: usize = 160;
/// Pixels between tiles.
const GAP: usize = 4;
/// Pixels above the tiles, for their titles.
const TITLE: usize = font::HEIGHT + 2 * GAP;
/// The longest side of a sheet in pixels.
const MOST_PIXELS: usize = 32_768;

/// A picture file to show.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Its name, for messages.
    pub name: String,
    /// Its content.
    pub bytes: Bytes,
}

/// A contact sheet: a row for each picture, a column for each step.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// The sheet, as a PNG file.
    pub png: Vec<u8>,
    /// What the columns show.
    pub columns: Vec<String>,
    /// The pictures that can't be used, and why not.
    pub unusable: Vec<(String, String)>,
}

/// A sheet that can't be made.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// The pipeline can't be used.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// There would be nothing on it.
    #[error("none of the {0} pictures can be shown")]
    Nothing(usize),
    /// It would be too large.
    #[error(
        "the sheet would be {width} x {height} pixels, more than {MOST_PIXELS} in a side: show fewer pictures"
    )]
    TooLarge {
        /// Pixels across.
        width: usize,
        /// Pixels down.
        height: usize,
    },
    /// It can't be written as PNG.
    #[error("the sheet can't be encoded: {0}")]
    Encode(#[from] image::ImageError),
}

/// Sends pictures through a pipeline and shows them after each step; of what augments, some variants drawn by `seed`, as
/// training sees them.
///
/// # Errors
/// [`PreviewError`]; a picture that can't be used is left out and named in the sheet's list.
pub fn contact_sheet(
    pipeline: &Pipeline,
    registry: &Registry,
    pictures: &[Shown],
    seed: u64,
) -> Result<Sheet, PreviewError> {
    let mut steps = Steps::new(pipeline, registry, seed)?;
    let (mut rows, mut unusable) = (Vec::new(), Vec::new());
    for (key, shown) in pictures.iter().enumerate() {
        match steps.tiles(key as u64, shown)? {
            Ok(tiles) => rows.push(tiles),
            Err(reason) => unusable.push((shown.name.clone(), reason)),
        }
    }
    let columns: Vec<String> = match rows.first() {
        Some(tiles) => tiles.iter().map(|tile| tile.title.clone()).collect(),
        None => return Err(PreviewError::Nothing(pictures.len())),
    };
    let side = |tiles: usize| GAP + tiles * (TILE + GAP);
    let (width, height) = (side(columns.len()), TITLE + side(rows.len()));
    if width.max(height) > MOST_PIXELS {
        return Err(PreviewError::TooLarge { width, height });
    }
    let mut canvas = Canvas::new(width, height);
    for (column, title) in columns.iter().enumerate() {
        font::write(&mut canvas, side(column), GAP, TILE, title);
    }
    for (row, tiles) in rows.iter().enumerate() {
        for (column, tile) in tiles.iter().enumerate() {
            canvas.paste(side(column), TITLE + side(row), &tile.canvas);
        }
    }
    Ok(Sheet { png: canvas.png()?, columns, unusable })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::{
        pipeline::{Changes, PRESETS, Preset},
        register,
        synthetic::{Class, draw, encode},
    };

    fn registry() -> Registry {
        let mut registry = Registry::new();
        register(&mut registry);
        registry
    }

    fn pictures() -> Vec<Shown> {
        let shown = |key: u64| {
            let class = if key == 0 { Class::Cat } else { Class::Dog };
            Shown { name: format!("{key}.jpg"), bytes: encode(&draw(class, key, 1)).unwrap().into() }
        };
        (0..2).map(shown).collect()
    }

    fn sheet(name: &str, pictures: &[Shown]) -> Result<Sheet, PreviewError> {
        let pipeline = Preset::find(name).unwrap().build(&Changes::default()).unwrap();
        contact_sheet(&pipeline, &registry(), pictures, 1)
    }

    #[test]
    fn every_step_of_the_seed_pipeline_has_a_column() {
        let sheet = sheet("seed", &pictures()).unwrap();
        let columns = [
            "decode",
            "resize",
            "denoise",
            "flip + affine 1",
            "flip + affine 2",
            "flip + affine 3",
            "flatten",
            "normalise",
        ];
        assert_eq!(sheet.columns, columns);
        let png = image::load_from_memory(&sheet.png).unwrap().into_rgb8();
        assert_eq!((png.width(), png.height()), (8 * 164 + 4, 18 + 2 * 164 + 4));
        // The steps are not all alike, and neither are the pictures.
        let tile = |column: u32, row: u32| {
            image::imageops::crop_imm(&png, 4 + column * 164, 22 + row * 164, 160, 160).to_image()
        };
        assert_ne!(tile(1, 0), tile(2, 0));
        assert_ne!(tile(1, 0), tile(1, 1));
        let variants = [tile(3, 0), tile(4, 0), tile(5, 0)];
        assert!(variants[0] != variants[1] && variants[1] != variants[2]);
    }

    #[test]
    fn every_preset_can_be_shown() {
        for preset in PRESETS {
            let sheet = sheet(preset.name, &pictures()).unwrap();
            assert!(sheet.columns.len() >= 4 && sheet.unusable.is_empty(), "{:?}", sheet.columns);
        }
    }

    #[test]
    fn a_picture_that_can_not_be_used_is_named_and_left_out() {
        let mut shown = pictures();
        shown.push(Shown { name: "broken.jpg".to_owned(), bytes: Bytes::from_static(b"no picture") });
        let sheet = sheet("seed", &shown).unwrap();
        assert_eq!(sheet.unusable.len(), 1);
        assert!(sheet.unusable[0].0 == "broken.jpg" && sheet.unusable[0].1.contains("no picture"));
        let error = self::sheet("seed", &shown[2..]).unwrap_err();
        assert_eq!(error.to_string(), "none of the 1 pictures can be shown");
    }
}
