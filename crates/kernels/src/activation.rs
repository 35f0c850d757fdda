//! The array that layers hand to each other: 16 channels side by side, a border around the picture.

use std::marker::PhantomData;

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

/// How the activations of some pictures lie in memory: [pictures, channels / 16, rows, columns, 16], with a border of one
/// pixel before and of one to four pixels after each picture, so that windows of 3x3 and tiles of 4x4 need no question
/// about the edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Pictures side by side.
    pub pictures: usize,
    /// Channels, as asked for (not rounded up).
    pub channels: usize,
    /// Rows of a picture.
    pub height: usize,
    /// Columns of a picture.
    pub width: usize,
}

impl Shape {
    /// Blocks of channels of one picture.
    #[inline(always)]
    pub(crate) fn blocks(&self) -> usize {
        self.channels.div_ceil(16)
    }

    /// Planes of all pictures: plane `picture * blocks + block` holds 16 channels of a picture.
    #[inline(always)]
    pub(crate) fn planes(&self) -> usize {
        self.pictures * self.blocks()
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
    pub(crate) fn place(&self, plane: usize, y: usize, x: usize) -> usize {
        (plane * self.rows() + y + 1) * self.pitch() + x + 1
    }

    /// Blocks in memory.
    #[inline(always)]
    pub(crate) fn size(&self) -> usize {
        self.planes() * self.rows() * self.pitch()
    }
}

/// The activations of some pictures, in memory of a [`Shape`].
///
/// Channels beyond the last real one hold zeros or numbers that meet weights of zero.
#[derive(Clone, Debug, Default)]
pub struct Activation {
    shape: Shape,
    data: Vec<Block>,
}

impl Activation {
    /// Activations of zeros.
    pub fn new(shape: Shape) -> Self {
        let mut activation = Activation::default();
        activation.reshape(shape);
        activation
    }

    /// Gives the memory another shape; allocates only if it is larger than any before. The contents become unspecified.
    ///
    /// # Panics
    /// If no memory is as large.
    pub fn reshape(&mut self, shape: Shape) {
        // What follows multiplies without looking: beyond this no product would be what it says.
        let Shape { pictures, channels, height, width } = shape;
        let numbers = [pictures, channels.saturating_add(16), height.saturating_add(6), width.saturating_add(6)];
        let product = numbers.into_iter().try_fold(size_of::<f32>(), usize::checked_mul);
        assert!(product.is_some_and(|bytes| isize::try_from(bytes).is_ok()), "{shape:?} is too large");
        self.shape = shape;
        // The memory keeps its greatest length, so that nothing is cleared only to be overwritten.
        if self.data.len() < shape.size() {
            self.data.resize(shape.size(), Block::default());
        }
    }

    /// Becomes `pictures` copies of `other`, which is one picture; allocates as [`reshape`](Self::reshape) does.
    pub fn repeat(&mut self, other: &Activation, pictures: usize) {
        self.reshape(Shape { pictures, ..other.shape });
        for picture in self.data_mut().chunks_exact_mut(other.data().len()) {
            picture.copy_from_slice(other.data());
        }
    }

    /// Becomes one of the pictures of `other`; allocates as [`reshape`](Self::reshape) does.
    ///
    /// # Panics
    /// If `other` has no such picture.
    pub fn copy_picture(&mut self, other: &Activation, picture: usize) {
        self.reshape(Shape { pictures: 1, ..other.shape });
        let size = self.shape.size();
        self.data_mut().copy_from_slice(&other.data()[picture * size..(picture + 1) * size]);
    }

    /// Fills from planar [pictures, C, H, W] numbers.
    ///
    /// # Panics
    /// If `planar` is not as long as the shape says.
    pub fn fill(&mut self, planar: &[f32]) {
        let Shape { pictures, channels, height, width } = self.shape;
        assert_eq!(planar.len(), pictures * channels * height * width, "planar numbers for another shape");
        self.data_mut().fill(Block::default());
        for (line, row) in planar.chunks_exact(width).enumerate() {
            let (channel, y) = (line / height, line % height);
            let plane = channel / channels * self.shape.blocks() + channel % channels / 16;
            let start = self.shape.place(plane, y, 0);
            for (block, &value) in self.data[start..start + width].iter_mut().zip(row) {
                block.0[channel % channels % 16] = value;
            }
        }
    }

    /// The pictures as planar [pictures, C, H, W] numbers, without the border.
    pub fn to_planar(&self) -> Vec<f32> {
        let Shape { pictures, channels, height, width } = self.shape;
        let mut planar = Vec::with_capacity(pictures * channels * height * width);
        for channel in 0..pictures * channels {
            let plane = channel / channels * self.shape.blocks() + channel % channels / 16;
            for y in 0..height {
                let start = self.shape.place(plane, y, 0);
                planar.extend(self.data[start..start + width].iter().map(|block| block.0[channel % channels % 16]));
            }
        }
        planar
    }

    /// Pictures, channels, rows and columns.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Sets the border to zero: what a convolution reads outside the picture.
    pub(crate) fn zero_border(&mut self) {
        let Shape { height, width, .. } = self.shape;
        let (pitch, rows) = (self.shape.pitch(), self.shape.rows());
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
        let Shape { height, width, .. } = self.shape;
        let (pitch, rows) = (self.shape.pitch(), self.shape.rows());
        for plane in self.data_mut().chunks_exact_mut(rows * pitch) {
            for row in plane[pitch..(height + 1) * pitch].chunks_exact_mut(pitch) {
                row[0] = row[1];
                row[width + 1] = row[width];
            }
            plane.copy_within(pitch..2 * pitch, 0);
            plane.copy_within(height * pitch..(height + 1) * pitch, (height + 1) * pitch);
        }
    }

    /// Sets one line of every plane to zero.
    pub(crate) fn zero_line(&mut self, line: usize) {
        let (pitch, rows) = (self.shape.pitch(), self.shape.rows());
        for plane in self.data_mut().chunks_exact_mut(rows * pitch) {
            plane[(line + 1) * pitch..(line + 2) * pitch].fill(Block::default());
        }
    }

    /// Copies one line of every plane over another.
    pub(crate) fn copy_line(&mut self, from: usize, to: usize) {
        let (pitch, rows) = (self.shape.pitch(), self.shape.rows());
        for plane in self.data_mut().chunks_exact_mut(rows * pitch) {
            plane.copy_within((from + 1) * pitch..(from + 2) * pitch, (to + 1) * pitch);
        }
    }

    #[inline(always)]
    pub(crate) fn data(&self) -> &[Block] {
        &self.data[..self.shape.size()]
    }

    #[inline(always)]
    pub(crate) fn data_mut(&mut self) -> &mut [Block] {
        let size = self.shape.size();
        &mut self.data[..size]
    }

    /// For threads that write to different places of it.
    pub(crate) fn target(&mut self) -> Target<'_> {
        Target { shape: self.shape, data: Shared::new(self.data_mut()) }
    }
}

/// An activation that several threads write to at once, each in places of its own.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) shape: Shape,
    /// As many blocks as the shape says.
    pub(crate) data: Shared<'a>,
}

/// Blocks that several threads write to at once, each in places of its own.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    start: *mut Block,
    blocks: usize,
    borrow: PhantomData<&'a mut [Block]>,
}

// SAFETY: it is a borrow of plain numbers; whoever reads or writes through the pointer vouches for the place (it is given
// out by unsafe code only), and threads are joined before the borrow ends.
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    pub(crate) fn new(blocks: &'a mut [Block]) -> Self {
        Shared { start: blocks.as_mut_ptr(), blocks: blocks.len(), borrow: PhantomData }
    }

    /// How many blocks there are.
    #[inline(always)]
    pub(crate) fn len(self) -> usize {
        self.blocks
    }

    /// The first number; [`len`](Self::len) blocks of sixteen may be reached from it.
    #[inline(always)]
    pub(crate) fn pointer(self) -> *mut f32 {
        self.start.cast()
    }

    /// Some of the blocks, to be read.
    ///
    /// # Panics
    /// If there are fewer.
    ///
    /// # Safety
    /// No thread may write to them while the result lives.
    #[inline(always)]
    pub(crate) unsafe fn read(self, range: std::ops::Range<usize>) -> &'a [Block] {
        assert!(range.start <= range.end && range.end <= self.blocks);
        // SAFETY: the range lies within the borrowed blocks; the caller vouches that nobody writes.
        unsafe { std::slice::from_raw_parts(self.start.add(range.start), range.len()) }
    }

    /// Some of the blocks, to be written.
    ///
    /// # Panics
    /// If there are fewer.
    ///
    /// # Safety
    /// No other thread may write to them while the result lives, nor read them if it is written to.
    #[inline(always)]
    #[allow(clippy::mut_from_ref, reason = "the caller vouches that nobody else has these blocks")]
    pub(crate) unsafe fn part(self, range: std::ops::Range<usize>) -> &'a mut [Block] {
        assert!(range.start <= range.end && range.end <= self.blocks);
        // SAFETY: the range lies within the borrowed blocks; the caller vouches for being alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planar_numbers_come_back_and_borders_are_what_they_say() {
        let planar: Vec<f32> = (1..=2 * 17 * 5 * 3).map(|i| i as f32).collect();
        let mut x = Activation::new(Shape { pictures: 2, channels: 17, height: 5, width: 3 });
        x.fill(&planar);
        x.replicate_border();
        assert_eq!(x.to_planar(), planar);
        let shape = x.shape();
        let corner = shape.place(0, 0, 0) - shape.pitch() - 1;
        assert_eq!(x.data()[corner].0[0].to_bits(), planar[0].to_bits());
        let end = shape.place(0, 4, 2) + shape.pitch() + 1;
        assert_eq!(x.data()[end].0[0].to_bits(), planar[14].to_bits());
        x.zero_border();
        assert_eq!(x.to_planar(), planar);
        let sum: f32 = flat(x.data()).iter().sum();
        assert!((sum - planar.iter().sum::<f32>()).abs() < 4.0);
    }
}
