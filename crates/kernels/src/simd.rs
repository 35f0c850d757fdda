//! The vector abstraction: kernels are written once against [`Simd`] and compiled for every instruction set.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// Defines `available` and `run` of an x86 set from one list: the features that are tested for are those that are enabled.
#[cfg(target_arch = "x86_64")]
macro_rules! features {
    ($token:ident: $($feature:tt)+) => {
        /// Whether this processor has all features that [`run`] is compiled for.
        pub(super) fn available() -> bool {
            true $(&& is_x86_feature_detected!($feature))+
        }

        /// Runs a kernel compiled for this set.
        ///
        /// # Safety
        /// [`available`] said yes.
        $(#[target_feature(enable = $feature)])+
        pub(super) unsafe fn run<K: Kernel>(kernel: K) {
            kernel.run($token(()));
        }
    };
}
#[cfg(target_arch = "x86_64")]
use features;

/// An instruction set that the kernels can run on. A value exists only for sets that this machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128,
}

/// A name that is not an instruction set of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsaError(String);

impl fmt::Display for IsaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not an instruction set this machine can use; TADNE_SIMD may be unset or one of", self.0)?;
        Isa::available().iter().try_for_each(|isa| write!(f, " {isa}"))
    }
}

impl std::error::Error for IsaError {}

impl Isa {
    /// Plain Rust, everywhere.
    pub const SCALAR: Isa = Isa(Set::Scalar);

    /// The sets this machine has, slowest first.
    pub fn available() -> &'static [Isa] {
        static FOUND: OnceLock<Vec<Isa>> = OnceLock::new();
        FOUND.get_or_init(|| {
            #[allow(unused_mut, reason = "some targets have but one set to list")]
            let mut found = vec![Isa::SCALAR];
            #[cfg(target_arch = "x86_64")]
            {
                if avx2::available() {
                    found.push(Isa(Set::Avx2));
                }
                if avx512::available() {
                    found.push(Isa(Set::Avx512));
                }
            }
            #[cfg(target_arch = "aarch64")]
            found.push(Isa(Set::Neon));
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            found.push(Isa(Set::Simd128));
            found
        })
    }

    /// The fastest set of this machine.
    pub fn best() -> Isa {
        Isa::available().last().copied().unwrap_or(Isa::SCALAR)
    }

    /// The set named by the environment variable `TADNE_SIMD` (`scalar`, `avx2`, `avx512`, `neon`, `simd128` or
    /// `simd128-relaxed`), or the fastest if unset or empty.
    ///
    /// # Errors
    /// The variable names something else, or a set that this machine lacks.
    pub fn from_environment() -> Result<Isa, IsaError> {
        match std::env::var_os("TADNE_SIMD").filter(|name| !name.is_empty()) {
            None => Ok(Isa::best()),
            Some(name) => name.to_string_lossy().parse(),
        }
    }

    /// Whether code for AVX-512 may run where this set does.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn has_avx512(self) -> bool {
        matches!(self.0, Set::Avx512)
    }

    /// `scalar`, `avx2`, `avx512`, `neon`, `simd128` or, with relaxed-simd, `simd128-relaxed`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            Set::Neon => "neon",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Set::Simd128 if cfg!(target_feature = "relaxed-simd") => "simd128-relaxed",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Set::Simd128 => "simd128",
        }
    }

    /// Runs a kernel compiled for this set.
    pub(crate) fn run<K: Kernel>(self, kernel: K) {
        match self.0 {
            Set::Scalar => kernel.run(portable::Portable),
            // SAFETY: an `Isa` of this kind is made by `available` only, after `avx2::available` said yes.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { avx2::run(kernel) },
            // SAFETY: an `Isa` of this kind is made by `available` only, after `avx512::available` said yes.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { avx512::run(kernel) },
            #[cfg(target_arch = "aarch64")]
            Set::Neon => neon::run(kernel),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Set::Simd128 => simd128::run(kernel),
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Isa {
    type Err = IsaError;

    fn from_str(name: &str) -> Result<Self, IsaError> {
        let found = Isa::available().iter().find(|isa| isa.name() == name);
        found.copied().ok_or_else(|| IsaError(name.chars().take(40).collect()))
    }
}

/// A computation written for any instruction set. Implementations mark `run` and all it calls `#[inline(always)]`, so
/// that the whole becomes part of one function compiled with the set's features.
pub(crate) trait Kernel {
    fn run<S: Simd>(self, simd: S);
}

/// The operations of one instruction set on vectors of `f32`. A value is a token: it proves that the set may be used.
///
/// # Safety
/// Kernels reckon addresses by it and call its safe operations from anywhere, so an implementor promises that
/// - a value exists only where every feature that its operations are compiled for is present: only code that runs after those very features were
///   tested (or that is compiled for a target that always has them) can make one;
/// - `LANES` is 4, 8 or 16, `V` holds `LANES` numbers, and `load`, `store`, `load_bf16` and `store_bf16` touch `LANES` numbers from their address on,
///   `load_bf16_pairs` twice as many, and nothing else;
/// - `prefetch` touches no memory that a program could notice, whatever the address.
pub(crate) unsafe trait Simd: Copy {
    /// A vector.
    type V: Copy;
    /// Numbers in a vector: 4, 8 or 16.
    const LANES: usize;
    /// Rows of the largest register tile that is two vectors wide: 4, 6 or 12.
    const ROWS: usize;
    /// Whether `f64::mul_add` is one instruction in what is compiled for this set; elsewhere it is a slow function.
    const FUSED: bool;

    /// All lanes equal to `v`.
    fn splat(self, v: f32) -> Self::V;
    /// Reads a vector.
    ///
    /// # Safety
    /// `LANES` numbers from `p` on must be readable.
    unsafe fn load(self, p: *const f32) -> Self::V;
    /// Writes a vector.
    ///
    /// # Safety
    /// `LANES` numbers from `p` on must be writable.
    unsafe fn store(self, p: *mut f32, v: Self::V);
    /// `a + b`
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a b`
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a b + c`
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a b`
    fn neg_mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The greater of each lane.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller of each lane.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// The sum over the lanes of each of four vectors.
    fn sum4(self, v: [Self::V; 4]) -> [f32; 4];
    /// Asks for the cache line of an address, which need not exist.
    #[inline(always)]
    fn prefetch(self, _: *const f32) {}
    /// Reads `LANES` bfloat16 numbers.
    ///
    /// # Safety
    /// They must be readable.
    #[inline(always)]
    unsafe fn load_bf16(self, p: *const u16) -> Self::V {
        let mut wide = [0f32; 16];
        for (lane, value) in wide.iter_mut().take(Self::LANES).enumerate() {
            // SAFETY: the caller vouches for LANES numbers.
            *value = f32::from_bits(u32::from(unsafe { p.add(lane).read() }) << 16);
        }
        // SAFETY: `wide` holds at least LANES numbers.
        unsafe { self.load(wide.as_ptr()) }
    }
    /// Reads `LANES` pairs of bfloat16 numbers: the first of each, and the second of each.
    ///
    /// # Safety
    /// All of them must be readable.
    #[inline(always)]
    unsafe fn load_bf16_pairs(self, p: *const u16) -> [Self::V; 2] {
        let mut wide = [[0f32; 16]; 2];
        for lane in 0..Self::LANES {
            for (place, values) in wide.iter_mut().enumerate() {
                // SAFETY: the caller vouches for LANES pairs.
                values[lane] = f32::from_bits(u32::from(unsafe { p.add(2 * lane + place).read() }) << 16);
            }
        }
        // SAFETY: both hold at least LANES numbers.
        wide.map(|values| unsafe { self.load(values.as_ptr()) })
    }
    /// Writes a vector as bfloat16, rounded to the nearest, ties to even.
    ///
    /// # Safety
    /// `LANES` numbers from `p` on must be writable.
    #[inline(always)]
    unsafe fn store_bf16(self, p: *mut u16, v: Self::V) {
        let mut wide = [0f32; 16];
        // SAFETY: `wide` holds at least LANES numbers.
        unsafe { self.store(wide.as_mut_ptr(), v) };
        for (lane, value) in wide.iter().take(Self::LANES).enumerate() {
            // SAFETY: the caller vouches for LANES numbers.
            unsafe { p.add(lane).write(rounded(*value)) };
        }
    }
    /// A bit for each lane that is not above zero, the first lane's lowest.
    #[inline(always)]
    fn not_positive(self, v: Self::V) -> u32 {
        let mut lanes = [1f32; 16];
        // SAFETY: `lanes` holds at least LANES numbers.
        unsafe { self.store(lanes.as_mut_ptr(), v) };
        lanes.iter().take(Self::LANES).enumerate().fold(0, |bits, (i, &x)| bits | u32::from(x <= 0.0) << i)
    }
    /// `v` times `factor` in the lanes whose bits are set, and as it is in the others.
    #[inline(always)]
    fn scale_where(self, bits: u32, v: Self::V, factor: f32) -> Self::V {
        let mut lanes = [0f32; 16];
        // SAFETY: `lanes` holds at least LANES numbers.
        unsafe { self.store(lanes.as_mut_ptr(), v) };
        for (i, x) in lanes.iter_mut().take(Self::LANES).enumerate() {
            *x *= if bits >> i & 1 == 1 { factor } else { 1.0 };
        }
        // SAFETY: as above.
        unsafe { self.load(lanes.as_ptr()) }
    }
}

/// The bits of the bfloat16 next to `v`, ties to even. Not for numbers that are none.
#[inline(always)]
pub(crate) fn rounded(v: f32) -> u16 {
    let bits = v.to_bits();
    (bits.wrapping_add(0x7FFF + (bits >> 16 & 1)) >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_refused() {
        for isa in Isa::available() {
            assert_eq!(isa.name().parse(), Ok(*isa));
        }
        let error = "sse9".parse::<Isa>().unwrap_err().to_string();
        assert!(error.contains("sse9") && error.contains("scalar"), "{error}");
    }

    struct EveryOperation;
    impl Kernel for EveryOperation {
        fn run<S: Simd>(self, s: S) {
            let numbers: Vec<f32> = (0..64).map(|i| (i * i % 29) as f32 - 9.5).collect();
            // SAFETY: the vectors start at most at 48 and hold at most 16 of the 64 numbers.
            let [a, b, c, d] = [0, 16, 32, 48].map(|i| unsafe { s.load(numbers[i..].as_ptr()) });
            let lanes = |v: S::V| {
                let mut out = vec![0.0; S::LANES];
                // SAFETY: `out` holds exactly LANES numbers.
                unsafe { s.store(out.as_mut_ptr(), v) };
                out
            };
            let check = |v: S::V, f: fn(f32, f32, f32) -> f32| {
                for (i, value) in lanes(v).into_iter().enumerate() {
                    let expected = f(numbers[i], numbers[i + 16], numbers[i + 32]);
                    assert!((value - expected).abs() < 1e-4, "{value} {expected}");
                }
            };
            check(s.add(a, b), |a, b, _| a + b);
            check(s.sub(a, b), |a, b, _| a - b);
            check(s.mul(a, b), |a, b, _| a * b);
            check(s.mul_add(a, b, c), |a, b, c| a * b + c);
            check(s.neg_mul_add(a, b, c), |a, b, c| c - a * b);
            check(s.max(a, b), |a, b, _| a.max(b));
            check(s.min(a, b), |a, b, _| a.min(b));
            check(s.splat(2.5), |_, _, _| 2.5);
            let sums = s.sum4([a, b, c, d]);
            for (i, sum) in sums.into_iter().enumerate() {
                let expected: f32 = numbers[16 * i..16 * i + S::LANES].iter().sum();
                assert!((sum - expected).abs() < 1e-3, "{sum} {expected}");
            }
            // Two that round up and down, a tie to even each way, and both zeros.
            let odd = [1.003_906_2, 1.011_718_8, 1.019_531_2, -0.3, 0.0, -0.0, 7.0e-30, -123.456];
            let of: Vec<f32> = (0..16).map(|i| odd[i % 8] * if i < 8 { 1.0 } else { 3.0 }).collect();
            // SAFETY: there are 16 numbers.
            let v = unsafe { s.load(of.as_ptr()) };
            let mut packed = [0_u16; 16];
            // SAFETY: there is room for 16.
            let back = unsafe {
                s.store_bf16(packed.as_mut_ptr(), v);
                s.load_bf16(packed.as_ptr())
            };
            let pairs: Vec<u16> = (0..32).map(|i| rounded(i as f32 - 9.5)).collect();
            // SAFETY: there are 16 pairs.
            let [first, second] = unsafe { s.load_bf16_pairs(pairs.as_ptr()) };
            for (i, pair) in lanes(first).into_iter().zip(lanes(second)).enumerate() {
                assert_eq!(pair, ((2 * i) as f32 - 9.5, (2 * i + 1) as f32 - 9.5));
            }
            let signs = s.not_positive(v);
            let scaled = lanes(s.scale_where(signs, v, 0.25));
            for (i, ((&x, back), scaled)) in of.iter().zip(lanes(back)).zip(scaled).enumerate() {
                assert_eq!(packed[i], rounded(x), "{x}");
                assert_eq!(back.to_bits(), u32::from(rounded(x)) << 16, "{x}");
                assert_eq!(signs >> i & 1 == 1, x <= 0.0, "{x}");
                assert!((scaled - if x <= 0.0 { x * 0.25 } else { x }).abs() <= 1e-6 * x.abs(), "{x}: {scaled}");
            }
            assert_eq!(u64::from(signs) >> S::LANES, 0, "no bits beyond the lanes");
        }
    }

    #[test]
    fn every_set_computes_what_the_operations_say() {
        for isa in Isa::available() {
            isa.run(EveryOperation);
        }
    }
}
