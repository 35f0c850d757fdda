//! Seeds that follow from a run's: of its steps, of its ranks.

/// Seeds of ranks lie below this number of a step, above which those of initial weights are.
const RANK_SEEDS: u64 = u64::MAX - 3;

/// Seed of one step's random numbers (SplitMix64's mixing of seed and step).
pub(crate) fn step_seed(seed: u64, step: u64) -> u64 {
    let mut x = seed.wrapping_mul(0xD1B5_4A32_D192_ED03).wrapping_add(step).wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Where the random numbers of a rank come from: those of rank 0 are what they are alone.
pub(crate) fn rank_seed(seed: u64, rank: usize) -> u64 {
    if rank == 0 { seed } else { step_seed(seed, RANK_SEEDS - rank as u64) }
}
