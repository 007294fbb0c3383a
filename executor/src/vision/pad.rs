use crate::rdd::Picture;

/// Writes `picture` to `to` in the middle of `width` x `height` pixels, neither less than its own; where it doesn't
/// reach, its edge pixels go on.
pub(super) fn pad(picture: &Picture, width: u32, height: u32, to: &mut Vec<u8>) {
    let channels = picture.channels as usize;
    let stride = picture.width as usize * channels;
    let left = (width.saturating_sub(picture.width) / 2) as usize;
    let right = (width.saturating_sub(picture.width) as usize).saturating_sub(left);
    let above = height.saturating_sub(picture.height) / 2;
    to.clear();
    if stride == 0 || picture.height == 0 {
        return;
    }
    for y in 0..height {
        let row = y.saturating_sub(above).min(picture.height - 1) as usize;
        let row = &picture.pixels[row * stride..(row + 1) * stride];
        for _ in 0..left {
            to.extend_from_slice(&row[..channels]);
        }
        to.extend_from_slice(row);
        for _ in 0..right {
            to.extend_from_slice(&row[stride - channels..]);
        }
    }
}
