//! Layers with their gradients: what a network needs to learn.
//!
//! Feature maps ([`Map`]) lie channels-last with a border of zeros, so that a row of a 3x3 window is one run of numbers and a
//! convolution is a sum of matrix products over shifted views, without a copy. Elements are `f32`, or [`Bf16`] with sums in `f32`: on
//! processors with AMX or AVX-512-BF16 the products of the latter are many times faster.
//!
//! Results do not depend on the number of threads: pictures are shared out among threads where each has a result of its own, and
//! gradients that sum over pictures are summed in a fixed number of groups, which are added in order.

mod conv;
mod convolve;
mod cpu;
mod element;
mod filter;
mod layout;
mod map;
mod pass;
mod pointwise;
mod product;
mod rgb;
mod scratch;
mod styled;
#[cfg(target_arch = "x86_64")]
mod tiles;
mod transform;
mod weights;
mod winograd;
mod work;

pub use conv::{Addend, Backward, Conv, Forward, Input, Source, halve_backward};
pub use cpu::Cpu;
pub use element::{Bf16, Element};
pub use filter::{Filter, FilterShape};
pub use map::{Map, Mask};
pub use pass::WeightGradient;
pub use rgb::{ToColours, ToColoursBackward};
pub use styled::{Styled, StyledBackward, StyledInput};
