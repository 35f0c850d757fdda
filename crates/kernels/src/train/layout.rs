//! Where the numbers lie that a sum runs over: of one row of a product, and of the gradient of weights.

use super::element::Element;

/// The runs of numbers that one row of a product is made of: one for a 1x1 window, one for each row of a 3x3 window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segments {
    /// Where each begins, in elements from the row's own place.
    pub(crate) offsets: [isize; 3],
    pub(crate) count: usize,
    /// Elements of each.
    pub(crate) length: usize,
    /// Steps of each, the last one filled up with weights of zero.
    pub(crate) steps: usize,
}

impl Segments {
    /// Of a window of `size` (1 or 3) over maps `width` + 2 pixels wide with `channels` channels.
    pub(crate) fn new<E: Element>(size: usize, width: usize, channels: usize) -> Self {
        let row = ((width + 2) * channels) as isize;
        let start = -(channels as isize);
        let (offsets, count, length) =
            if size == 1 { ([0; 3], 1, channels) } else { ([start - row, start, start + row], 3, 3 * channels) };
        Self { offsets, count, length, steps: length.div_ceil(E::STEP) }
    }
}

/// Pictures side by side in memory that a sum runs over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk {
    pub(crate) pictures: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// Side of the window: 1 or 3.
    pub(crate) size: usize,
}

impl Chunk {
    /// Pixels of a row with its border.
    #[inline(always)]
    pub(crate) fn pitch(&self) -> usize {
        self.width + 2
    }
    /// Pixels of a picture with its border.
    #[inline(always)]
    pub(crate) fn picture(&self) -> usize {
        (self.height + 2) * self.pitch()
    }
    /// The first pixel inside.
    #[inline(always)]
    pub(crate) fn first(&self) -> usize {
        self.pitch() + 1
    }
    /// Pixels from the first one inside to the last, over all pictures.
    #[inline(always)]
    pub(crate) fn count(&self) -> usize {
        (self.pictures - 1) * self.picture() + (self.height - 1) * self.pitch() + self.width
    }
    /// Where a tap's pixel is, from the one in the middle.
    #[inline(always)]
    pub(crate) fn tap(&self, tap: usize) -> isize {
        if self.size == 1 {
            return 0;
        }
        (tap / 3) as isize * self.pitch() as isize + (tap % 3) as isize - self.first() as isize
    }
    #[inline(always)]
    pub(crate) fn taps(&self) -> usize {
        self.size * self.size
    }
}
