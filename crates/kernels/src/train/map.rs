//! Feature maps and the signs that a backward pass needs of them.

use std::marker::PhantomData;

use super::element::Element;
use super::pointwise::clear_border;
use crate::activation::Block;
use crate::padded;

/// Numbers after the last picture of maps of this width and these channels that may be read, so that blocks of rows and of the inner dimension need no
/// question about the end.
pub(crate) fn beyond(width: usize, channels: usize) -> usize {
    (width + 80) * channels + 64
}

/// Feature maps of some pictures: [pictures, height + 2, width + 2, channels], the channels a multiple of 16, the border zero.
///
/// Channels beyond the real ones hold zeros.
#[derive(Clone, Debug)]
pub struct Map<E> {
    pictures: usize,
    height: usize,
    width: usize,
    channels: usize,
    blocks: Vec<Block>,
    kind: PhantomData<E>,
}

impl<E: Element> Map<E> {
    /// Zeros, with `channels` rounded up to a multiple of 16.
    pub fn new(pictures: usize, height: usize, width: usize, channels: usize) -> Self {
        let channels = padded(channels);
        let blocks = vec![Block::default(); Self::blocks_of([pictures, height, width, channels])];
        Self { pictures, height, width, channels, blocks, kind: PhantomData }
    }

    fn blocks_of([pictures, height, width, channels]: [usize; 4]) -> usize {
        let bytes = || {
            let channels = channels.checked_next_multiple_of(16)?;
            let picture = height.checked_add(2)?.checked_mul(width.checked_add(2)?)?.checked_mul(channels)?;
            // Of thirty pictures more than there are: what lies beyond is less than those.
            picture.checked_mul(pictures.checked_add(30)?)?.checked_mul(size_of::<E>())
        };
        let shape = [pictures, height, width, channels];
        assert!(bytes().is_some_and(|bytes| isize::try_from(bytes).is_ok()), "a map of {shape:?} is too large");
        let channels = padded(channels);
        let numbers = pictures * (height + 2) * (width + 2) * channels + beyond(width, channels);
        (numbers * size_of::<E>()).div_ceil(size_of::<Block>())
    }

    /// Bytes that a map of `[pictures, height, width, channels]` takes.
    pub fn bytes_of(shape: [usize; 4]) -> usize {
        Self::blocks_of(shape) * size_of::<Block>()
    }

    /// The same memory as a map of `[pictures, height, width, channels]`, channels rounded up to a multiple of 16. The border is zero; what is inside is not
    /// specified, and whoever fills it sees to the channels beyond the real ones.
    ///
    /// # Panics
    /// If it takes more bytes than there are.
    #[must_use]
    pub fn reshaped(mut self, shape: [usize; 4]) -> Self {
        let [pictures, height, width, channels] = [shape[0], shape[1], shape[2], padded(shape[3])];
        let shape = [pictures, height, width, channels];
        assert!(Self::blocks_of(shape) <= self.blocks.len(), "a map can only become as large as its memory");
        if self.shape() != shape {
            (self.pictures, self.height, self.width, self.channels) = (pictures, height, width, channels);
            let (start, stride) = (self.start_mut(), self.stride());
            // SAFETY: the memory holds so many pictures and what may be read beyond them, as has been asserted.
            unsafe {
                (0..pictures).for_each(|i| clear_border(start.add(i * stride), height, width, channels));
                start.add(pictures * stride).write_bytes(0, beyond(width, channels));
            }
        }
        self
    }

    /// Number of pictures.
    pub fn pictures(&self) -> usize {
        self.pictures
    }

    /// Rows of a picture.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns of a picture.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Channels of a pixel in memory, a multiple of 16.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// [pictures, height, width, channels]
    pub fn shape(&self) -> [usize; 4] {
        [self.pictures, self.height, self.width, self.channels]
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        self.blocks.len() * size_of::<Block>()
    }

    /// All elements with the border, [pictures, height + 2, width + 2, channels].
    pub fn elements(&self) -> &[E] {
        // SAFETY: the blocks hold at least so many elements, every bit pattern of which is a number, and are aligned for them.
        unsafe { std::slice::from_raw_parts(self.start(), self.pictures * self.stride()) }
    }

    /// All elements with the border, to be changed. The border must stay zero.
    pub fn elements_mut(&mut self) -> &mut [E] {
        let length = self.pictures * self.stride();
        // SAFETY: as in `elements`; the borrow is unique.
        unsafe { std::slice::from_raw_parts_mut(self.start_mut(), length) }
    }

    /// Elements of one picture, its border included.
    #[inline(always)]
    pub(crate) fn stride(&self) -> usize {
        (self.height + 2) * (self.width + 2) * self.channels
    }

    #[inline(always)]
    pub(crate) fn start(&self) -> *const E {
        self.blocks.as_ptr().cast()
    }

    #[inline(always)]
    pub(crate) fn start_mut(&mut self) -> *mut E {
        self.blocks.as_mut_ptr().cast()
    }

    /// Fills the inside from planar numbers [pictures, channels, height, width] of `channels` channels.
    ///
    /// # Panics
    /// If `values` has another length.
    pub fn fill_planar(&mut self, values: &[f32], channels: usize) {
        let [n, h, w, c] = self.shape();
        assert_eq!(values.len(), n * channels * h * w, "values do not fit the map");
        for (i, &value) in values.iter().enumerate() {
            let (x, y, k, picture) = (i % w, i / w % h, i / (w * h) % channels, i / (w * h * channels));
            self.elements_mut()[((picture * (h + 2) + y + 1) * (w + 2) + x + 1) * c + k] = E::from_f32(value);
        }
    }

    /// The inside as planar numbers [pictures, channels, height, width] of the first `channels` channels.
    pub fn to_planar(&self, channels: usize) -> Vec<f32> {
        let [n, h, w, c] = self.shape();
        let place = |i: usize| {
            let (x, y, k, picture) = (i % w, i / w % h, i / (w * h) % channels, i / (w * h * channels));
            ((picture * (h + 2) + y + 1) * (w + 2) + x + 1) * c + k
        };
        (0..n * channels * h * w).map(|i| self.elements()[place(i)].to_f32()).collect()
    }
}

/// Which elements of a map were not above zero before their activation: a bit each.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    pub(crate) shape: [usize; 4],
    pub(crate) bits: Vec<u16>,
}

impl Mask {
    /// For maps of this shape ([`Map::shape`]).
    pub fn new(shape: [usize; 4]) -> Self {
        let [n, h, w, c] = shape;
        Self { shape, bits: vec![0; n * (h + 2) * (w + 2) * (c / 16)] }
    }

    /// The shape of the maps that these are signs of.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// Words of one picture.
    #[inline(always)]
    pub(crate) fn stride(&self) -> usize {
        let [_, h, w, c] = self.shape;
        (h + 2) * (w + 2) * (c / 16)
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        self.bits.len() * 2
    }
}

/// A pointer that threads may share; whoever follows it sees to it that no two of them write to one place.
#[derive(Clone, Copy)]
pub(crate) struct Shared<T>(pub(crate) *mut T);
// SAFETY: it is followed in unsafe code only, each place of which says why it is alone.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    #[inline(always)]
    pub(crate) fn at(self, index: usize) -> *mut T {
        self.0.wrapping_add(index)
    }
}

/// Memory that a thread uses over and over; as large as the largest use so far.
#[derive(Debug, Default)]
pub(crate) struct Room(Vec<Block>);

impl Room {
    /// Space for `count` values, of unspecified contents at first and whatever was left there later: zeros in fresh space.
    pub(crate) fn take<T: Copy>(&mut self, count: usize) -> *mut T {
        let blocks = (count * size_of::<T>()).div_ceil(size_of::<Block>());
        if self.0.len() < blocks {
            self.0.resize(blocks, Block::default());
        }
        self.0.as_mut_ptr().cast()
    }

    pub(crate) fn start(&self) -> *const u8 {
        self.0.as_ptr().cast()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.len() * size_of::<Block>()
    }
}
