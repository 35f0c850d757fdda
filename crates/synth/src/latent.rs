//! Seeds to normal numbers: the counter-based generator Philox4x32-10 and Box-Muller, the same on every platform.
//!
//! Philox is due to Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011).
//! The key is the seed; the counter is (block, stream, candidate, 0), so any part of any stream is reached directly. The candidate is 0 but
//! for the further `z` of models that choose ([`Selection`](crate::Selection)).

pub mod numpy;
pub(crate) mod seed;
pub(crate) mod selector;
pub(crate) mod truncation;
pub(crate) mod variation;

use crate::Seed;

/// The stream that `z` is drawn from; the noise of the k-th convolution comes from stream `1 + k`.
pub const Z_STREAM: u32 = 0;
/// The stream that the class of a seed is drawn from, far beyond those of the convolutions.
const CLASS_STREAM: u32 = u32::MAX;

/// Philox4x32 with ten rounds: four random words for a counter under a key.
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let p0 = u64::from(counter[0]) * 0xD251_1F53;
        let p1 = u64::from(counter[2]) * 0xCD9E_8D57;
        counter =
            [(p1 >> 32) as u32 ^ counter[1] ^ key[0], p1 as u32, (p0 >> 32) as u32 ^ counter[3] ^ key[1], p0 as u32];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

/// Fills `out` with independent standard normal numbers: element `i` depends on (seed, stream, i) only.
///
/// Each block of four words (a, b, c, d) gives `r cos t, r sin t` with `r = sqrt(-2 ln u)`, `t = 2 pi v`,
/// `u = (a + 1/2) / 2^32`, `v = (b + 1/2) / 2^32`, and the same for (c, d). Computed in f64, rounded to f32.
pub fn normal(seed: Seed, stream: u32, out: &mut [f32]) {
    fill(seed, [stream, 0], out);
}

/// Fills `out` with the `z` that a seed offers as its `candidate`-th, counted from 0: [`z`] is the first, the others have their number as the
/// third word of the counter.
pub fn candidate(seed: Seed, candidate: u32, out: &mut [f32]) {
    fill(seed, [Z_STREAM, candidate], out);
}

fn fill(seed: Seed, [stream, turn]: [u32; 2], out: &mut [f32]) {
    let key = [seed.0 as u32, (seed.0 >> 32) as u32];
    for (block, four) in out.chunks_mut(4).enumerate() {
        let words = philox([block as u32, stream, turn, 0], key);
        let (n0, n1) = box_muller(words[0], words[1]);
        let (n2, n3) = box_muller(words[2], words[3]);
        four.copy_from_slice(&[n0, n1, n2, n3][..four.len()]);
    }
}

/// The latent vector of a seed: `dim` standard normal numbers.
pub fn z(seed: Seed, dim: usize) -> Vec<f32> {
    let mut out = vec![0.0; dim];
    normal(seed, Z_STREAM, &mut out);
    out
}

/// The class that a seed chooses among `classes`, each as likely as the others (to 2^-48, with at most 2^16 classes).
pub fn class(seed: Seed, classes: usize) -> usize {
    let words = philox([0, CLASS_STREAM, 0, 0], [seed.0 as u32, (seed.0 >> 32) as u32]);
    let uniform = (u128::from(words[0]) << 32) | u128::from(words[1]);
    ((uniform * classes as u128) >> 64) as usize
}

fn box_muller(a: u32, b: u32) -> (f32, f32) {
    const SCALE: f64 = 1.0 / 4_294_967_296.0;
    let radius = libm::sqrt(-2.0 * libm::log((f64::from(a) + 0.5) * SCALE));
    let angle = 2.0 * std::f64::consts::PI * ((f64::from(b) + 0.5) * SCALE);
    ((radius * libm::cos(angle)) as f32, (radius * libm::sin(angle)) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers published with Random123 (`kat_vectors`, philox4x32 10).
    #[test]
    fn philox_gives_the_published_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn normals_have_mean_zero_and_variance_one() {
        let n = 40_000;
        let mut out = vec![0.0; n];
        normal(Seed(5), 3, &mut out);
        let mean = out.iter().map(|&v| f64::from(v)).sum::<f64>() / n as f64;
        let square = out.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / n as f64;
        let fourth = out.iter().map(|&v| f64::from(v).powi(4)).sum::<f64>() / n as f64;
        assert!(mean.abs() < 0.02, "{mean}");
        assert!((square - 1.0).abs() < 0.03, "{square}");
        assert!((fourth - 3.0).abs() < 0.2, "{fourth}");
    }

    #[test]
    fn seeds_choose_every_class_about_equally_often() {
        let mut count = [0; 10];
        (0..10_000).for_each(|seed| count[class(Seed(seed), 10)] += 1);
        assert!(count.iter().all(|n| (880..1120).contains(n)), "{count:?}");
    }

    #[test]
    fn a_number_depends_on_its_place_only_and_streams_differ() {
        let mut long = [0.0; 11];
        let mut short = [0.0; 6];
        let mut other = [0.0; 11];
        normal(Seed(9), 0, &mut long);
        normal(Seed(9), 0, &mut short);
        normal(Seed(9), 1, &mut other);
        assert_eq!(long[..6], short);
        assert!(long.iter().zip(other).all(|(a, b)| a.to_bits() != b.to_bits()));
        assert_ne!(z(Seed(1), 8), z(Seed(1 << 32), 8));
    }
}
