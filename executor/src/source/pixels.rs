use bytes::Bytes;

use super::Colour;

/// How many bytes the header of [`encoded`] has at most.
const HEADER_BYTES: usize = 32;

/// Encodes raw pixels as PNM, the simplest of encodings: so they go the way of all pictures.
///
/// `values` has `width * height` values for each plane of the colour.
pub fn encoded(values: &[u8], width: u32, height: u32, colour: Colour) -> Bytes {
    let mut out = Vec::with_capacity(values.len() + HEADER_BYTES);
    let kind = match colour {
        Colour::Gray => "P5",
        Colour::Planes => "P6",
    };
    out.extend_from_slice(format!("{kind}\n{width} {height}\n255\n").as_bytes());
    match colour {
        Colour::Gray => out.extend_from_slice(values),
        Colour::Planes => {
            let (red, others) = values.split_at(values.len() / 3);
            let (green, blue) = others.split_at(others.len() / 2);
            let pixels = red.iter().zip(green).zip(blue);
            out.extend(pixels.flat_map(|((red, green), blue)| [*red, *green, *blue]));
        }
    }
    out.into()
}

/// How long `encoded` pixels are.
pub fn encoded_bytes(width: u32, height: u32, colour: Colour) -> u64 {
    let header = format!("P5\n{width} {height}\n255\n").len() as u64;
    header + u64::from(width) * u64::from(height) * colour.values()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_become_pixels() {
        let picture = encoded(&[1, 2, 3, 4, 5, 6], 2, 1, Colour::Planes);
        assert_eq!(picture, &b"P6\n2 1\n255\n\x01\x03\x05\x02\x04\x06"[..]);
        assert_eq!(picture.len() as u64, encoded_bytes(2, 1, Colour::Planes));
        assert_eq!(encoded(&[9, 8], 1, 2, Colour::Gray), &b"P5\n1 2\n255\n\x09\x08"[..]);
    }
}
