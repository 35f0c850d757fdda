//! The yardstick: fused multiply-adds in registers, with nothing to wait for.

use crate::simd::{Isa, Kernel, Simd};

/// Does `rounds` times as many independent multiply-adds as hide each other's latency, and says how many floating-point
/// operations that was. Timed by the caller it gives the most that one core can do.
pub fn peak_multiply_adds(isa: Isa, rounds: usize) -> u64 {
    let mut operations = 0;
    isa.run(Burst { rounds, operations: &mut operations });
    operations
}

struct Burst<'a> {
    rounds: usize,
    operations: &'a mut u64,
}

/// Two multiply-adds a cycle, each done after four to five cycles, need ten at a time.
const AT_A_TIME: usize = 12;

impl Kernel for Burst<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut sums = [s.splat(0.5); AT_A_TIME];
        let (factor, summand) = (s.splat(std::hint::black_box(0.5)), s.splat(0.25));
        for _ in 0..self.rounds {
            for sum in &mut sums {
                *sum = s.mul_add(*sum, factor, summand);
            }
        }
        let total = sums.into_iter().reduce(|a, b| s.add(a, b)).unwrap_or(summand);
        std::hint::black_box(s.sum4([total; 4]));
        *self.operations = (2 * AT_A_TIME * S::LANES * self.rounds) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_counts_its_lanes() {
        let counts: Vec<u64> = Isa::available().iter().map(|isa| peak_multiply_adds(*isa, 10)).collect();
        assert!(counts.iter().all(|n| n.is_multiple_of(2 * 10 * AT_A_TIME as u64) && *n > 0));
        assert!(counts.is_sorted());
    }
}
