//! What a walk back along a tape is asked for, and what its layers work with.

use std::ops::Range;

use kernels::train::Cpu;

use super::Network;

/// What a walk back is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    /// The pictures that take part; the gradients at those that do not are zero or not looked at.
    pub(crate) pictures: Range<usize>,
    /// Whether gradients of weights are added up.
    pub(crate) weights: bool,
}

/// What layers are walked back with.
pub(super) struct Way<'a> {
    pub(super) cpu: &'a Cpu,
    pub(super) net: &'a mut Network,
    pub(super) walk: &'a Walk,
}
