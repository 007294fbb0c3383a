use super::{TILE, canvas::Canvas};
use crate::{
    rdd::{Operator, OperatorError, Picture, PictureMeta, Record, RecordContext, Spare},
    vision::{MAX_SIDE, Resize},
};

/// Draws a picture in its shape, as large as a tile has room for.
pub(super) fn picture(picture: &Picture) -> Result<Canvas, OperatorError> {
    let mut canvas = Canvas::new(TILE, TILE);
    let longest = picture.width.max(picture.height).max(1);
    let scaled = |side: u32| (side * TILE as u32 / longest).clamp(1, MAX_SIDE);
    let meta = PictureMeta { key: 0, label: 0 };
    let record = Record::Picture { meta, picture: picture.clone() };
    let mut resize = Resize::new(scaled(picture.width), scaled(picture.height));
    let Record::Picture { picture, .. } =
        resize.apply(record, &RecordContext::PLAIN, &mut Spare::default())?
    else {
        return Ok(canvas);
    };
    let (width, channels) = (picture.width as usize, picture.channels as usize);
    let (left, top) = ((TILE - width) / 2, (TILE - picture.height as usize) / 2);
    for (place, pixel) in picture.pixels.chunks_exact(channels).enumerate() {
        let color = [pixel[0], pixel[channels / 2], pixel[channels - 1]];
        canvas.set(left + place % width, top + place / width, color);
    }
    Ok(canvas)
}

/// Draws numbers in rows of `width`: what is below 0 blue, what is above red, the largest brightest.
pub(super) fn signed(values: &[f32], width: usize) -> Canvas {
    let most = values.iter().fold(f32::MIN_POSITIVE, |most, value| most.max(value.abs()));
    rows(values, width, |value| {
        let strength = (value.abs() / most).sqrt();
        let [strong, weak] = [strength, strength * strength].map(|share| (235.0 * share) as u8 + 20);
        if value < 0.0 { [weak / 2, weak, strong] } else { [strong, weak, weak / 2] }
    })
}

/// Draws numbers in rows of `width`, the least black and the largest white.
pub(super) fn gray(values: &[f32], width: usize) -> Canvas {
    let (least, most) = values
        .iter()
        .fold((f32::MAX, f32::MIN), |(least, most), value| (least.min(*value), most.max(*value)));
    let scale = 255.0 / (most - least).max(f32::MIN_POSITIVE);
    rows(values, width, |value| [((value - least) * scale) as u8; 3])
}

/// Fills a tile with numbers in rows of `width`.
fn rows(values: &[f32], width: usize, color: impl Fn(f32) -> [u8; 3]) -> Canvas {
    let mut canvas = Canvas::new(TILE, TILE);
    let width = width.max(1);
    let height = values.len().div_ceil(width).max(1);
    for y in 0..TILE {
        for x in 0..TILE {
            let (column, row) = (x * width / TILE, y * height / TILE);
            if let Some(value) = values.get(row * width + column) {
                canvas.set(x, y, color(*value));
            }
        }
    }
    canvas
}
