//! SIMD kernels for style-based generators: modulated 3x3 convolution, resampling, `toRGB`, small matrix products.
//!
//! Kernels know arrays, not models. Each is written once against a small vector trait and compiled for AVX-512, AVX2 with
//! FMA, NEON, WebAssembly's simd128 (with or without relaxed-simd), and for plain Rust; [`Isa`] chooses at run time
//! (`TADNE_SIMD=scalar|avx2|avx512|neon|simd128|simd128-relaxed` forces one). The same operations in plain loops are in
//! [`reference`](mod@reference), for tests.
//!
//! An [`Activation`] keeps 16 channels of a pixel together, one cache line, and a border around the picture. The
//! convolution ([`Conv3x3`]) scales its input by a style, so that one set of packed weights serves all pictures, uses
//! Winograd's F(4x4, 3x3) for all but small pictures, and ends in an [`Epilogue`] that applies demodulation, noise,
//! bias, activation and clamp before anything is written.
//!
//! A [`Crew`] is one thread or several that share every layer: one picture a thread for throughput, one picture on all
//! threads for latency. Several pictures at once share the reading of weights.
//!
//! Nearly all `unsafe` code of the workspace is here (ARCHITECTURE.md, Invariants).
//!
//! ```
//! use kernels::{Activation, Conv3x3, Crew, Epilogue, Isa, Method, Scratch, Shape};
//!
//! // One channel, all weights one: every result is the sum of its neighbourhood.
//! let conv = Conv3x3::new(&[1.0; 9], 1, 1, Method::F4);
//! let mut x = Activation::new(Shape { pictures: 1, channels: 1, height: 4, width: 4 });
//! x.fill(&[1.0; 16]);
//! let (ones, zeros) = ([1.0; 16], [0.0; 16]);
//! let plain = Epilogue { scale: &ones, bias: &zeros, noise: None, slope: 1.0, clamp: f32::INFINITY };
//! let mut y = Activation::default();
//! conv.run(&Crew::alone(Isa::best()), &mut x, &ones, &plain, &mut Scratch::default(), &mut y);
//! let rounded: Vec<f32> = y.to_planar().iter().map(|v| v.round()).collect();
//! assert_eq!(rounded[..8], [4.0, 6.0, 6.0, 4.0, 6.0, 9.0, 9.0, 6.0]);
//! ```

// A kernel becomes one function only if all its parts are inlined into the one compiled with the right features.
#![allow(clippy::inline_always)]

mod activation;
mod conv;
mod crew;
mod direct;
mod double;
mod epilogue;
mod gemm;
mod ink;
mod linear;
pub mod matrix;
pub mod nhwc;
mod pack;
mod peak;
pub mod reference;
mod residual;
mod rgb;
mod scheme;
mod simd;
mod smooth;
#[cfg(test)]
mod testing;
pub mod train;
mod transposed;
mod upsample;
mod winograd;

pub use activation::{Activation, Shape, padded};
pub use conv::{Conv3x3, Method, Scratch};
pub use crew::Crew;
pub use epilogue::Epilogue;
pub use ink::{enlarge, ink_input};
pub use linear::Linear;
pub use peak::peak_multiply_adds;
pub use residual::{Layer, add_residual};
pub use rgb::{Edge, Rgb, ToRgb};
pub use simd::{Isa, IsaError};
pub use upsample::upsample2x;
