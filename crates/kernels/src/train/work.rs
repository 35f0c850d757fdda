//! One convolution over some pictures: what it reads, and where its results go.

use super::filter::Filter;
use crate::simd::Simd;

/// What a block of results goes through before it is written: sixteen channels of one pixel at a time.
pub(crate) trait Ending: Sync {
    /// `values` are the sums, `pixel` counts from the corner of the picture's border, `channel` is the first of sixteen.
    ///
    /// # Safety
    /// `values` is 16 numbers; picture, pixel and channel lie in the maps that the ending was made for; nobody else has the picture.
    unsafe fn finish<S: Simd>(&self, s: S, picture: usize, pixel: usize, channel: usize, values: *const f32);
}

/// One convolution over some pictures side by side.
pub(crate) struct Work<'a, E, X> {
    pub(crate) x: *const E,
    /// Number of the first picture, for the ending.
    pub(crate) picture: usize,
    pub(crate) pictures: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) filter: &'a Filter<E>,
    pub(crate) ending: &'a X,
}
