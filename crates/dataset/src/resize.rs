//! Cropping or padding to a square and scaling it: exact area averaging when reducing, bilinear when enlarging.
//!
//! Everything is integer arithmetic and the result is the exact weighted mean rounded half up, so it is the same on
//! every machine. Values are averaged as stored, without undoing the sRGB curve: the network sees stored values too.

use image::RgbImage;

use crate::Crop;

/// The source pixels `first..first + weights.len()` that make one target pixel, and their weights.
struct Taps {
    first: usize,
    weights: Vec<u32>,
}

/// How `from` pixels become `to` along one axis; the weights of every target pixel sum to `total`.
struct Axis {
    taps: Vec<Taps>,
    total: u32,
}

impl Axis {
    fn new(from: usize, to: usize) -> Self {
        if from >= to { Self::area(from, to) } else { Self::bilinear(from, to) }
    }

    /// On a ruler of `from * to` marks, source pixel j covers `[j to, (j + 1) to)` and target pixel i covers
    /// `[i from, (i + 1) from)`; the weight is the length they share, and these sum to `from`.
    fn area(from: usize, to: usize) -> Self {
        let taps = (0..to).map(|i| {
            let (start, end) = (i * from, (i + 1) * from);
            let (first, last) = (start / to, (end - 1) / to);
            let weights = (first..=last).map(|j| (end.min((j + 1) * to) - start.max(j * to)) as u32).collect();
            Taps { first, weights }
        });
        Self { taps: taps.collect(), total: from as u32 }
    }

    /// The centre of target pixel i lies at `(2 i + 1) from / (2 to) - 1/2` source pixels; between two source centres
    /// the weights are linear, outside the outermost ones the edge pixel stands alone. In units of `1 / (2 to)`.
    fn bilinear(from: usize, to: usize) -> Self {
        let unit = 2 * to;
        let taps = (0..to).map(|i| {
            let position = ((2 * i + 1) * from).saturating_sub(to);
            let (first, fraction) = (position / unit, position % unit);
            if first + 1 >= from {
                Taps { first: from - 1, weights: vec![unit as u32] }
            } else {
                Taps { first, weights: vec![(unit - fraction) as u32, fraction as u32] }
            }
        });
        Self { taps: taps.collect(), total: unit as u32 }
    }
}

/// `picture` as a square of `size` by `size` pixels, `[size, size, 3]` bytes. It must not be empty.
pub(crate) fn square(picture: &RgbImage, size: usize, crop: Crop) -> Box<[u8]> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    if crop == Crop::Pad && width != height {
        let longer = width.max(height);
        let fitted = |side: usize| (side * size).div_ceil(longer).min(size);
        let (w, h) = (fitted(width), fitted(height));
        let (left, top) = ((size - w) / 2, (size - h) / 2);
        let inner = scaled_part(picture, (0, 0), (width, height), (w, h));
        let mut out = vec![255; size * size * 3].into_boxed_slice();
        for (row, pixels) in out.chunks_exact_mut(size * 3).skip(top).zip(inner.chunks_exact(w * 3)) {
            row[left * 3..][..w * 3].copy_from_slice(pixels);
        }
        return out;
    }
    // With an odd surplus the extra row or column is cut at the bottom or the right.
    let side = width.min(height);
    let top = if crop == Crop::Top { 0 } else { (height - side) / 2 };
    scaled_part(picture, ((width - side) / 2, top), (side, side), (size, size))
}

/// `picture` at `[height, width]` pixels, `[height, width, 3]` bytes: as [`square`] does it, for any shape. It must not be empty.
pub(crate) fn fitted(picture: &RgbImage, [height, width]: [usize; 2], crop: Crop) -> Box<[u8]> {
    if height == width {
        return square(picture, height, crop);
    }
    let (w, h) = (picture.width() as usize, picture.height() as usize);
    if crop != Crop::Pad {
        // The largest part of the wanted shape.
        let part =
            if w * height > h * width { ((h * width / height).max(1), h) } else { (w, (w * height / width).max(1)) };
        let top = if crop == Crop::Top { 0 } else { (h - part.1) / 2 };
        return scaled_part(picture, ((w - part.0) / 2, top), part, (width, height));
    }
    let inside =
        if w * height > h * width { (width, (h * width).div_ceil(w)) } else { ((w * height).div_ceil(h), height) };
    let (left, top) = ((width - inside.0) / 2, (height - inside.1) / 2);
    let inner = scaled_part(picture, (0, 0), (w, h), inside);
    let mut out = vec![255; width * height * 3].into_boxed_slice();
    for (row, pixels) in out.chunks_exact_mut(width * 3).skip(top).zip(inner.chunks_exact(inside.0 * 3)) {
        row[left * 3..][..inside.0 * 3].copy_from_slice(pixels);
    }
    out
}

/// The whole of `picture` at another size, `[height, width, 3]` bytes; neither may be empty.
pub(crate) fn whole(picture: &RgbImage, to: (usize, usize)) -> Box<[u8]> {
    scaled_part(picture, (0, 0), (picture.width() as usize, picture.height() as usize), to)
}

/// The part of `picture` that begins at `(left, top)` and has `from` pixels across and down, scaled to `to`.
fn scaled_part(picture: &RgbImage, (left, top): (usize, usize), from: (usize, usize), to: (usize, usize)) -> Box<[u8]> {
    let width = picture.width() as usize;
    let (across, down) = (Axis::new(from.0, to.0), Axis::new(from.1, to.1));
    let source = picture.as_raw();

    // Across: every source row becomes `to.0` weighted sums a channel. They stay below 255 * 2^24 because a side has
    // fewer than 2^24 pixels (see the limits in `decode`), so u32 holds them.
    let mut rows = vec![0_u32; from.1 * to.0 * 3];
    for (y, row) in rows.chunks_exact_mut(to.0 * 3).enumerate() {
        let start = ((top + y) * width + left) * 3;
        let (pixels, _) = source[start..start + from.0 * 3].as_chunks::<3>();
        for (sum, taps) in row.as_chunks_mut::<3>().0.iter_mut().zip(&across.taps) {
            for (pixel, weight) in pixels[taps.first..].iter().zip(&taps.weights) {
                for (channel, value) in sum.iter_mut().zip(pixel) {
                    *channel += weight * u32::from(*value);
                }
            }
        }
    }

    // Down: the same weights over rows, then the division by the weight of both axes.
    let total = u64::from(across.total) * u64::from(down.total);
    let mut sums = vec![0_u64; to.0 * 3];
    let mut out = Vec::with_capacity(to.0 * to.1 * 3);
    for taps in &down.taps {
        sums.fill(total / 2);
        for (row, weight) in rows[taps.first * to.0 * 3..].chunks_exact(to.0 * 3).zip(&taps.weights) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += u64::from(*weight) * u64::from(*value);
            }
        }
        out.extend(sums.iter().map(|sum| (sum / total) as u8));
    }
    out.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    /// A grey picture with the given rows.
    fn grey<const W: usize>(rows: &[[u8; W]]) -> RgbImage {
        RgbImage::from_fn(W as u32, rows.len() as u32, |x, y| Rgb([rows[y as usize][x as usize]; 3]))
    }

    /// The first channel of the scaled picture.
    fn scaled(picture: &RgbImage, size: usize) -> Vec<u8> {
        square(picture, size, Crop::Centre).chunks_exact(3).map(|pixel| pixel[0]).collect()
    }

    #[test]
    fn halving_is_the_mean_of_four() {
        let picture = grey(&[[0, 10, 100, 101], [20, 30, 102, 104], [255, 255, 1, 0], [255, 255, 0, 0]]);
        // 60/4 = 15; 407/4 = 101.75 -> 102; 255; 1/4 -> 0
        assert_eq!(scaled(&picture, 2), [15, 102, 255, 0]);
    }

    #[test]
    fn three_to_two_shares_the_middle_pixel() {
        // Along an axis the weights are (2/3, 1/3, 0) and (0, 1/3, 2/3), so in two dimensions 4/9, 2/9, 2/9, 1/9.
        let picture = grey(&[[9, 18, 27], [36, 45, 54], [63, 72, 81]]);
        // (4*9 + 2*18 + 2*36 + 45)/9 = 21; (2*18 + 4*27 + 45 + 2*54)/9 = 33; 57; 69
        assert_eq!(scaled(&picture, 2), [21, 33, 57, 69]);
    }

    #[test]
    fn five_to_three_equals_the_hand_computed_rows() {
        // Weights over 5: (3, 2, 0, 0, 0), (0, 1, 3, 1, 0), (0, 0, 0, 2, 3).
        let picture = grey(&[[10, 20, 30, 40, 50]; 5]);
        assert_eq!(scaled(&picture, 3)[..3], [14, 30, 46]);
    }

    #[test]
    fn halves_round_up() {
        assert_eq!(scaled(&grey(&[[0, 1], [1, 0]]), 1), [1]);
    }

    #[test]
    fn enlarging_is_bilinear_with_replicated_edges() {
        // Centres at -1/4, 1/4, 3/4, 5/4 of the source: weights 1, (3/4, 1/4), (1/4, 3/4), 1.
        assert_eq!(scaled(&grey(&[[0, 100]; 2]), 4)[..4], [0, 25, 75, 100]);
    }

    #[test]
    fn the_same_size_changes_nothing() {
        let picture = RgbImage::from_fn(7, 7, |x, y| Rgb([(x * 36) as u8, (y * 36) as u8, (x * y) as u8]));
        assert_eq!(square(&picture, 7, Crop::Centre)[..], picture.as_raw()[..]);
    }

    #[test]
    fn a_flat_colour_stays_at_every_ratio() {
        for side in [1, 2, 3, 5, 16, 31, 97] {
            for size in [1, 2, 3, 7, 16, 64] {
                let picture = RgbImage::from_pixel(side, side, Rgb([255, 128, 1]));
                assert!(
                    square(&picture, size, Crop::Centre).chunks_exact(3).all(|pixel| pixel == [255, 128, 1]),
                    "{side} -> {size}"
                );
            }
        }
    }

    #[test]
    fn other_shapes_take_the_largest_part_or_are_padded() {
        let values = |picture: &RgbImage, size, crop| -> Vec<u8> {
            fitted(picture, size, crop).chunks_exact(3).map(|pixel| pixel[0]).collect()
        };
        let wide = grey(&[[1, 2, 3, 4, 5, 6]; 2]);
        assert_eq!(values(&wide, [1, 2], Crop::Centre), [3, 5]); // columns 2 to 5: 2.5 and 4.5, rounded up
        assert_eq!(values(&wide, [2, 4], Crop::Centre)[..4], [2, 3, 4, 5]);
        let tall = grey(&[[1, 1], [2, 2], [3, 3], [4, 4]]);
        assert_eq!(values(&tall, [1, 2], Crop::Top), [1, 1]);
        assert_eq!(values(&tall, [1, 2], Crop::Centre), [2, 2]);
        assert_eq!(values(&tall, [4, 8], Crop::Pad)[..8], [255, 255, 255, 1, 1, 255, 255, 255]);
        assert_eq!(values(&wide, [4, 6], Crop::Pad)[6..12], [1, 2, 3, 4, 5, 6]);
        for size in [[1, 7], [7, 1], [3, 2]] {
            for crop in [Crop::Centre, Crop::Top, Crop::Pad] {
                assert_eq!(values(&wide, size, crop).len(), size[0] * size[1]);
                assert!(values(&grey(&[[9]]), size, crop).contains(&9), "{size:?} {crop:?}");
            }
        }
    }

    #[test]
    fn a_wide_picture_gives_its_central_square() {
        assert_eq!(scaled(&grey(&[[1, 50, 60, 2, 3], [1, 70, 80, 2, 3]]), 2), [50, 60, 70, 80]);
    }

    #[test]
    fn a_tall_picture_gives_its_central_square() {
        assert_eq!(scaled(&grey(&[[1, 1], [50, 60], [70, 80], [2, 2]]), 2), [50, 60, 70, 80]);
    }

    #[test]
    fn the_top_of_a_tall_picture_and_the_centre_of_a_wide_one() {
        let values = |picture: &RgbImage, crop| -> Vec<u8> {
            square(picture, 2, crop).chunks_exact(3).map(|pixel| pixel[0]).collect()
        };
        assert_eq!(values(&grey(&[[1, 2], [50, 60], [70, 80], [3, 4]]), Crop::Top), [1, 2, 50, 60]);
        assert_eq!(values(&grey(&[[1, 50, 60, 2], [1, 70, 80, 2]]), Crop::Top), [50, 60, 70, 80]);
    }

    #[test]
    fn a_padded_picture_is_whole_between_white() {
        let padded = |rows: &RgbImage, size| -> Vec<u8> {
            square(rows, size, Crop::Pad).chunks_exact(3).map(|pixel| pixel[0]).collect()
        };
        assert_eq!(padded(&grey(&[[1, 2, 3, 4], [5, 6, 7, 8]]), 4)[..12], [255, 255, 255, 255, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(padded(&grey(&[[1], [3]]), 2), [1, 255, 3, 255]);
        // Both axes by their own ratio: 8 x 4 in a square of 4 is two rows of four.
        assert_eq!(
            padded(&grey(&[[10; 8]; 4]), 4),
            [255, 255, 255, 255, 10, 10, 10, 10, 10, 10, 10, 10, 255, 255, 255, 255]
        );
        // A strip keeps at least a pixel.
        assert_eq!(padded(&grey(&[[9; 8]]), 2), [9, 9, 255, 255]);
        assert_eq!(padded(&grey(&[[1, 2], [3, 4]]), 2), [1, 2, 3, 4]);
    }
}
