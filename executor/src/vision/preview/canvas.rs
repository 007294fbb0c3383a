use image::{ExtendedColorType, ImageEncoder, ImageError, codecs::png::PngEncoder};

/// Dark, so that pictures stand out.
const GROUND: [u8; 3] = [24, 24, 28];

/// Pixels to draw on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 3]>,
}

impl Canvas {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![GROUND; width * height] }
    }

    /// Sets a pixel; one that lies outside is ignored.
    pub(super) fn set(&mut self, x: usize, y: usize, color: [u8; 3]) {
        if x < self.width
            && let Some(pixel) = self.pixels.get_mut(y * self.width + x)
        {
            *pixel = color;
        }
    }

    /// Makes a pixel at least as bright; one that lies outside is ignored.
    pub(super) fn lighten(&mut self, x: usize, y: usize, gray: u8) {
        if x < self.width
            && let Some(pixel) = self.pixels.get_mut(y * self.width + x)
        {
            *pixel = pixel.map(|channel| channel.max(gray));
        }
    }

    /// Fills a rectangle.
    pub(super) fn fill(
        &mut self,
        across: std::ops::Range<usize>,
        down: std::ops::Range<usize>,
        color: [u8; 3],
    ) {
        for y in down {
            for x in across.clone() {
                self.set(x, y, color);
            }
        }
    }

    /// Copies another one to a place.
    pub(super) fn paste(&mut self, left: usize, top: usize, other: &Self) {
        for (place, &color) in other.pixels.iter().enumerate() {
            self.set(left + place % other.width, top + place / other.width, color);
        }
    }

    /// Encodes it.
    pub(super) fn png(&self) -> Result<Vec<u8>, ImageError> {
        let mut bytes = Vec::new();
        PngEncoder::new(&mut bytes).write_image(
            self.pixels.as_flattened(),
            self.width as u32,
            self.height as u32,
            ExtendedColorType::Rgb8,
        )?;
        Ok(bytes)
    }
}
