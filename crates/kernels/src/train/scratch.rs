//! Memory that a thread works with.

use super::map::Room;

/// A thread's own memory.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Whole pictures of elements.
    pub(crate) maps: [Room; 3],
    /// Of a convolution by Winograd, and of a gradient of weights: one goes on while the other is under way.
    pub(crate) convolution: Memory,
    pub(crate) gather: Memory,
    #[cfg(target_arch = "x86_64")]
    pub(crate) pairs: Room,
    #[cfg(target_arch = "x86_64")]
    pub(crate) rows: Room,
    #[cfg(target_arch = "x86_64")]
    pub(crate) panels: Room,
}

impl Scratch {
    pub(crate) fn bytes(&self) -> usize {
        let rooms = self.maps.iter().map(Room::bytes).sum::<usize>();
        #[cfg(target_arch = "x86_64")]
        let rooms = rooms + self.pairs.bytes() + self.rows.bytes() + self.panels.bytes();
        rooms + self.convolution.bytes() + self.gather.bytes()
    }
}

/// A thread's own memory for tiles, of a convolution by Winograd or of its gradient.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Factors of the products, [36, tiles, inputs].
    pub(crate) factors: Room,
    /// Products, or the other factors, [36, tiles, outputs].
    pub(crate) others: Room,
    /// Sums of products over tiles, [36, inputs, outputs].
    pub(crate) sums: Room,
}

impl Memory {
    pub(crate) fn bytes(&self) -> usize {
        self.factors.bytes() + self.others.bytes() + self.sums.bytes()
    }
}
