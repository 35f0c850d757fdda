//! The random numbers of `numpy.random.RandomState`, in which the seeds of published `StyleGAN2` pictures are written.
//!
//! MT19937 is due to Matsumoto and Nishimura, "Mersenne Twister" (ACM TOMACS 8, 1998), with the seeding of their 2002
//! revision; normal numbers come from Marsaglia's polar method, two at a time. `NumPy` froze this stream in its version
//! 1.17 (NEP 19), so that it will not change.

use crate::Seed;

const N: usize = 624;
const M: usize = 397;

/// `numpy.random.RandomState(seed)`.
///
/// `NumPy` takes seeds below 2^32 only; a larger one gives here what `RandomState([low, high])` gives there.
#[derive(Clone, Debug)]
pub struct RandomState {
    words: [u32; N],
    next: usize,
    /// The second normal number of the last pair.
    spare: Option<f64>,
}

impl RandomState {
    /// Seeds the generator.
    pub fn new(seed: Seed) -> Self {
        match (seed.0 as u32, (seed.0 >> 32) as u32) {
            (low, 0) => Self::from_word(low),
            (low, high) => Self::from_key(&[low, high]),
        }
    }

    fn from_word(seed: u32) -> Self {
        let mut words = [seed; N];
        for i in 1..N {
            let last = words[i - 1];
            words[i] = 1_812_433_253_u32.wrapping_mul(last ^ (last >> 30)).wrapping_add(i as u32);
        }
        RandomState { words, next: N, spare: None }
    }

    fn from_key(key: &[u32]) -> Self {
        let mut state = Self::from_word(19_650_218);
        let words = &mut state.words;
        let mut i = 1;
        let mut step = |i: &mut usize, factor: u32, add: &dyn Fn(usize) -> u32| {
            let last = words[*i - 1];
            words[*i] = (words[*i] ^ (last ^ (last >> 30)).wrapping_mul(factor)).wrapping_add(add(*i));
            *i += 1;
            if *i == N {
                words[0] = words[N - 1];
                *i = 1;
            }
        };
        for k in 0..N.max(key.len()) {
            let j = k % key.len();
            step(&mut i, 1_664_525, &|_| key[j].wrapping_add(j as u32));
        }
        for _ in 1..N {
            step(&mut i, 1_566_083_941, &|i| (i as u32).wrapping_neg());
        }
        words[0] = 0x8000_0000;
        state
    }

    /// The next 32 random bits.
    fn word(&mut self) -> u32 {
        if self.next == N {
            for i in 0..N {
                let y = (self.words[i] & 0x8000_0000) | (self.words[(i + 1) % N] & 0x7fff_ffff);
                let twist = if y & 1 == 1 { 0x9908_b0df } else { 0 };
                self.words[i] = self.words[(i + M) % N] ^ (y >> 1) ^ twist;
            }
            self.next = 0;
        }
        let mut y = self.words[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// Uniform in [0, 1), 53 random bits.
    fn uniform(&mut self) -> f64 {
        let (a, b) = (self.word() >> 5, self.word() >> 6);
        (f64::from(a) * 67_108_864.0 + f64::from(b)) / 9_007_199_254_740_992.0
    }

    /// The next number of `randn`.
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let x = 2.0 * self.uniform() - 1.0;
            let y = 2.0 * self.uniform() - 1.0;
            let square = x * x + y * y;
            if square < 1.0 && square != 0.0 {
                let factor = libm::sqrt(-2.0 * libm::log(square) / square);
                self.spare = Some(factor * x);
                return factor * y;
            }
        }
    }

    /// `randn(out.len())`, rounded to f32.
    pub fn fill(&mut self, out: &mut [f32]) {
        for v in out {
            *v = self.normal() as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `numpy.random.RandomState(seed).randn(4)` and `.randn(1000)[[998, 999]]` of `NumPy` 2.4.
    #[test]
    fn numbers_equal_numpys() {
        let golden: [(u64, [f64; 6]); 4] = [
            (
                0,
                [
                    1.764_052_345_967_664,
                    0.400_157_208_367_223_3,
                    0.978_737_984_105_739_2,
                    2.240_893_199_201_458,
                    -1.147_610_944_843_135_3,
                    -0.358_114_075_479_856_74,
                ],
            ),
            (
                42,
                [
                    0.496_714_153_011_232_7,
                    -0.138_264_301_171_184_66,
                    0.647_688_538_100_692_5,
                    1.523_029_856_408_025_4,
                    -0.571_178_989_782_796_8,
                    0.572_582_781_356_158_6,
                ],
            ),
            (
                4_294_967_295,
                [
                    0.648_408_674_230_652_7,
                    0.669_323_530_633_816_1,
                    -1.080_543_722_747_449_3,
                    0.284_501_044_798_630_9,
                    -1.876_288_142_874_392_7,
                    0.839_677_952_579_630_8,
                ],
            ),
            (
                4_294_967_301,
                [
                    -0.489_287_412_566_659_03,
                    -0.770_951_726_586_378_9,
                    -0.161_831_600_338_920_13,
                    0.034_819_319_508_724_5,
                    -0.639_967_681_516_062_4,
                    0.166_757_865_828_036_3,
                ],
            ),
        ];
        for (seed, expected) in golden {
            let mut state = RandomState::new(Seed(seed));
            let numbers: Vec<f64> = (0..1000).map(|_| state.normal()).collect();
            let found = [&numbers[..4], &numbers[998..]].concat();
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() <= 4.0 * f64::EPSILON * expected.abs(), "{seed}: {found} {expected}");
            }
        }
    }
}
