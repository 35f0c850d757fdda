//! Grey pictures as cascades see them: every number as OpenCV rounds it.

/// A grey picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grey {
    pub(super) width: usize,
    pub(super) height: usize,
    pixels: Vec<u8>,
}

/// Sums of all pixels above and to the left, and of their squares; a row and a column of zeros come first.
pub(super) struct Sums {
    pub(super) stride: usize,
    pub(super) plain: Vec<u32>,
    pub(super) squares: Vec<u64>,
}

/// The two pixels that make one, and the second one's share of 256.
type Taps = (usize, usize, u32);

impl Grey {
    /// Brightness by Rec. 601, in 15 bits as `cvtColor` has it.
    pub(super) fn of_rgb(rgb: &[u8], width: usize) -> Self {
        let grey = |colour: &[u8]| {
            let [r, g, b] = [colour[0], colour[1], colour[2]].map(u32::from);
            ((9798 * r + 19_235 * g + 3735 * b + (1 << 14)) >> 15) as u8
        };
        let pixels: Vec<u8> = rgb.chunks_exact(3).map(grey).collect();
        Self { width, height: pixels.len() / width, pixels }
    }

    /// With every brightness as frequent as any other, as far as that goes: what `equalizeHist` does, and whoever trains cascades does before.
    pub(super) fn equalised(&self) -> Self {
        let mut counts = [0_usize; 256];
        for &pixel in &self.pixels {
            counts[usize::from(pixel)] += 1;
        }
        let first = counts.iter().position(|&count| count > 0).unwrap_or(0);
        let others = self.pixels.len() - counts[first];
        if others == 0 {
            return self.clone();
        }
        let scale = 255.0 / others as f32;
        let mut sum = 0;
        let mut table = [0; 256];
        for (value, &count) in table.iter_mut().zip(&counts).skip(first + 1) {
            sum += count;
            *value = (sum as f32 * scale).round_ties_even() as u8;
        }
        let pixels = self.pixels.iter().map(|&pixel| table[usize::from(pixel)]).collect();
        Self { pixels, ..*self }
    }

    /// At a smaller size, each pixel of four, in 8 bits of fraction and exact from there on: `resize` with `INTER_LINEAR_EXACT`.
    pub(super) fn reduced(&self, width: usize, height: usize) -> Self {
        if (width, height) == (self.width, self.height) {
            return self.clone();
        }
        let across = taps(self.width, width);
        let row = |y: usize| -> Vec<u32> {
            let pixels = &self.pixels[y * self.width..][..self.width];
            across
                .iter()
                .map(|&(a, b, share)| u32::from(pixels[a]) * (256 - share) + u32::from(pixels[b]) * share)
                .collect()
        };
        let mut pixels = Vec::with_capacity(width * height);
        for (a, b, share) in taps(self.height, height) {
            let mixed = row(a).into_iter().zip(row(b)).map(|(a, b)| (a * (256 - share) + b * share + (1 << 15)) >> 16);
            pixels.extend(mixed.map(|value| value as u8));
        }
        Self { width, height, pixels }
    }

    pub(super) fn sums(&self) -> Sums {
        let stride = self.width + 1;
        let (mut plain, mut squares) = (vec![0_u32; stride], vec![0_u64; stride]);
        plain.reserve(stride * self.height);
        squares.reserve(stride * self.height);
        for (y, row) in self.pixels.chunks_exact(self.width).enumerate() {
            let above = y * stride;
            let (mut sum, mut square) = (0, 0);
            plain.push(0);
            squares.push(0);
            for (x, &pixel) in row.iter().enumerate() {
                sum += u32::from(pixel);
                square += u64::from(pixel).pow(2);
                plain.push(plain[above + x + 1] + sum);
                squares.push(squares[above + x + 1] + square);
            }
        }
        Sums { stride, plain, squares }
    }
}

/// Between which pixels' centres those of the new ones lie; beyond the outermost the edge stands alone.
fn taps(from: usize, to: usize) -> Vec<Taps> {
    let scale = 1.0 / (to as f64 / from as f64);
    let tap = |at: usize| {
        let place = scale * (at as f64 + 0.5) - 0.5;
        let first = place.floor();
        if first < 0.0 {
            (0, 0, 0)
        } else if first as usize + 1 >= from {
            (from - 1, from - 1, 0)
        } else {
            let share = ((place - first) * 256.0).round_ties_even() as u32;
            (first as usize, first as usize + 1, share)
        }
    };
    (0..to).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_of_what_is_above_and_left() {
        let grey = Grey { width: 2, height: 2, pixels: vec![1, 2, 3, 250] };
        let sums = grey.sums();
        assert_eq!(sums.plain, [0, 0, 0, 0, 1, 3, 0, 4, 256]);
        assert_eq!(sums.squares[8], 1 + 4 + 9 + 62_500);
    }

    #[test]
    fn equal_brightness_stays_and_other_is_spread() {
        let flat = Grey { width: 2, height: 1, pixels: vec![7, 7] };
        assert_eq!(flat.equalised(), flat);
        let grey = Grey { width: 4, height: 1, pixels: vec![10, 11, 11, 13] };
        assert_eq!(grey.equalised().pixels, [0, 170, 170, 255]);
    }
}
