use crate::{rdd::PictureView, vision::grayscale};

/// Writes the BT.601 luma of a picture of one or three channels to `to`.
pub(super) fn luma(picture: PictureView<'_>, to: &mut Vec<u8>) {
    if picture.channels == 3 {
        grayscale::luma(picture.pixels, to);
    } else {
        to.clear();
        to.extend_from_slice(picture.pixels);
    }
}

/// Writes the channels of a picture, one after the other, to `to`.
pub(super) fn channels(picture: PictureView<'_>, to: &mut Vec<u8>) {
    to.clear();
    if picture.channels == 3 {
        let (pixels, _) = picture.pixels.as_chunks::<3>();
        for channel in 0..3 {
            to.extend(pixels.iter().map(|pixel| pixel[channel]));
        }
    } else {
        to.extend_from_slice(picture.pixels);
    }
}
