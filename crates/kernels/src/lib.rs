//! SIMD kernels for style-based generators.
