//! The array that layers hand to each other: 16 channels side by side, a border around the picture.

/// Sixteen neighbouring channels of one pixel, or any other sixteen numbers: one cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Block(pub(crate) [f32; 16]);

/// The numbers of a list of blocks.
#[inline(always)]
pub(crate) fn flat(blocks: &[Block]) -> &[f32] {
    // SAFETY: a block is exactly sixteen f32 without padding, and the alignment of f32 is smaller.
    unsafe { std::slice::from_raw_parts(blocks.as_ptr().cast(), blocks.len() * 16) }
}

/// The numbers of a list of blocks, to be changed.
#[inline(always)]
pub(crate) fn flat_mut(blocks: &mut [Block]) -> &mut [f32] {
    // SAFETY: as in `flat`; every bit pattern is a valid f32, and the borrow is unique.
    unsafe { std::slice::from_raw_parts_mut(blocks.as_mut_ptr().cast(), blocks.len() * 16) }
}

/// Channels rounded up to whole blocks.
pub fn padded(channels: usize) -> usize {
    channels.next_multiple_of(16)
}

/// One picture's activation: [channels / 16, rows, columns, 16], with a border of one pixel before and of one to four
/// pixels after the picture, so that windows of 3x3 and tiles of 4x4 need no question about the edge.
///
/// Channels beyond the last real one hold zeros or numbers that meet weights of zero.
#[derive(Clone, Debug, Default)]
pub struct Activation {
    channels: usize,
    height: usize,
    width: usize,
    data: Vec<Block>,
}

impl Activation {
    /// An activation of zeros.
    pub fn new(channels: usize, height: usize, width: usize) -> Self {
        let mut activation = Activation::default();
        activation.reshape(channels, height, width);
        activation
    }

    /// Gives the memory another shape; allocates only if it is larger than any before. The contents become unspecified.
    pub fn reshape(&mut self, channels: usize, height: usize, width: usize) {
        (self.channels, self.height, self.width) = (channels, height, width);
        // The memory keeps its greatest length, so that nothing is cleared only to be overwritten.
        if self.data.len() < self.size() {
            self.data.resize(self.size(), Block::default());
        }
    }

    /// Blocks of the present shape.
    fn size(&self) -> usize {
        self.blocks() * self.rows() * self.pitch()
    }

    /// Becomes equal to `other`; allocates as [`reshape`](Self::reshape) does.
    pub fn copy_from(&mut self, other: &Activation) {
        self.reshape(other.channels, other.height, other.width);
        self.data_mut().copy_from_slice(other.data());
    }

    /// Fills from planar [C, H, W] numbers.
    ///
    /// # Panics
    /// If `planar` is not as long as the shape says.
    pub fn fill(&mut self, planar: &[f32]) {
        assert_eq!(planar.len(), self.channels * self.height * self.width, "planar numbers for another shape");
        self.data_mut().fill(Block::default());
        for (index, &value) in planar.iter().enumerate() {
            let (channel, y, x) =
                (index / self.width / self.height, index / self.width % self.height, index % self.width);
            let place = self.place(channel / 16, y, x);
            self.data[place].0[channel % 16] = value;
        }
    }

    /// The picture as planar [C, H, W] numbers, without the border.
    pub fn to_planar(&self) -> Vec<f32> {
        let mut planar = Vec::with_capacity(self.channels * self.height * self.width);
        for channel in 0..self.channels {
            for y in 0..self.height {
                planar.extend((0..self.width).map(|x| self.data[self.place(channel / 16, y, x)].0[channel % 16]));
            }
        }
        planar
    }

    /// Channels, as asked for (not rounded up).
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Rows of the picture.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns of the picture.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Sets the border to zero: what a convolution reads outside the picture.
    pub(crate) fn zero_border(&mut self) {
        let (height, width, pitch, rows) = (self.height, self.width, self.pitch(), self.rows());
        for plane in self.data_mut().chunks_exact_mut(rows * pitch) {
            plane[..pitch].fill(Block::default());
            plane[(height + 1) * pitch..].fill(Block::default());
            for row in plane[pitch..(height + 1) * pitch].chunks_exact_mut(pitch) {
                row[0] = Block::default();
                row[width + 1..].fill(Block::default());
            }
        }
    }

    /// Repeats the picture's outermost pixels in the border: what bilinear upsampling reads outside.
    pub(crate) fn replicate_border(&mut self) {
        let (height, width, pitch, rows) = (self.height, self.width, self.pitch(), self.rows());
        for plane in self.data_mut().chunks_exact_mut(rows * pitch) {
            for row in plane[pitch..(height + 1) * pitch].chunks_exact_mut(pitch) {
                row[0] = row[1];
                row[width + 1] = row[width];
            }
            plane.copy_within(pitch..2 * pitch, 0);
            plane.copy_within(height * pitch..(height + 1) * pitch, (height + 1) * pitch);
        }
    }

    /// Blocks of channels.
    #[inline(always)]
    pub(crate) fn blocks(&self) -> usize {
        self.channels.div_ceil(16)
    }

    /// Columns in memory.
    #[inline(always)]
    pub(crate) fn pitch(&self) -> usize {
        self.width.next_multiple_of(4) + 2
    }

    /// Rows in memory.
    #[inline(always)]
    pub(crate) fn rows(&self) -> usize {
        self.height.next_multiple_of(4) + 2
    }

    /// Index of a pixel's block; `y` and `x` count from the picture's corner.
    #[inline(always)]
    pub(crate) fn place(&self, block: usize, y: usize, x: usize) -> usize {
        (block * self.rows() + y + 1) * self.pitch() + x + 1
    }

    #[inline(always)]
    pub(crate) fn data(&self) -> &[Block] {
        &self.data[..self.size()]
    }

    #[inline(always)]
    pub(crate) fn data_mut(&mut self) -> &mut [Block] {
        let size = self.size();
        &mut self.data[..size]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planar_numbers_come_back_and_borders_are_what_they_say() {
        let planar: Vec<f32> = (1..=17 * 5 * 3).map(|i| i as f32).collect();
        let mut x = Activation::new(17, 5, 3);
        x.fill(&planar);
        x.replicate_border();
        assert_eq!(x.to_planar(), planar);
        let corner = x.place(0, 0, 0) - x.pitch() - 1;
        assert_eq!(x.data()[corner].0[0].to_bits(), planar[0].to_bits());
        let end = x.place(0, 4, 2) + x.pitch() + 1;
        assert_eq!(x.data()[end].0[0].to_bits(), planar[14].to_bits());
        x.zero_border();
        assert_eq!(x.to_planar(), planar);
        let sum: f32 = flat(x.data()).iter().sum();
        assert!((sum - planar.iter().sum::<f32>()).abs() < 1.0);
    }
}
