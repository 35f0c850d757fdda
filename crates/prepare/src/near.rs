//! Near duplicates: 64-bit hashes a few bits apart, found without comparing all with all.

/// A hash is cut into four bands. Of two hashes at most 7 bits apart one band differs in at most one bit (the pigeonhole
/// principle), so looking up every band and its 16 neighbours finds all of them.
const BANDS: usize = 4;
/// The most bits apart that are found.
pub const MAX_HASH_DISTANCE: u32 = 7;

/// Hashes that were kept, by their bands.
pub(crate) struct Near {
    within: u32,
    hashes: Vec<u64>,
    /// For each band and its value, the places in `hashes`.
    buckets: Vec<Vec<u32>>,
}

fn band(hash: u64, at: usize) -> usize {
    (hash >> (16 * at)) as usize & 0xffff
}

impl Near {
    /// Finds hashes at most `within` bits apart, up to [`MAX_HASH_DISTANCE`].
    pub(crate) fn new(within: u32) -> Self {
        Self { within: within.min(MAX_HASH_DISTANCE), hashes: Vec::new(), buckets: vec![Vec::new(); BANDS << 16] }
    }

    /// The nearest hash that was added, by its number; of equally near ones the first.
    pub(crate) fn find(&self, hash: u64) -> Option<usize> {
        let flips = std::iter::once(0).chain((0..16).map(|bit| 1_usize << bit));
        let places = flips.flat_map(|flip| (0..BANDS).map(move |at| (at << 16) | (band(hash, at) ^ flip)));
        let candidates = places.flat_map(|place| &self.buckets[place]);
        let apart = |&&at: &&u32| ((self.hashes[at as usize] ^ hash).count_ones(), at);
        candidates.min_by_key(apart).filter(|at| apart(at).0 <= self.within).map(|&at| at as usize)
    }

    /// Adds a hash; its number is how many were added before.
    pub(crate) fn add(&mut self, hash: u64) {
        let number = self.hashes.len() as u32;
        self.hashes.push(hash);
        for at in 0..BANDS {
            self.buckets[(at << 16) | band(hash, at)].push(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_what_comparing_all_with_all_finds() {
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state ^ (state >> 29)
        };
        for within in 0..=MAX_HASH_DISTANCE {
            let mut near = Near::new(within);
            let mut all: Vec<u64> = Vec::new();
            for n in 0..600 {
                let mut hash = random();
                // Every other one lies 0 to 9 bits from one before.
                if n % 2 == 1 {
                    hash = all[random() as usize % all.len()];
                    for _ in 0..random() % 10 {
                        hash ^= 1 << (random() % 64);
                    }
                }
                let apart = |at: &usize| (all[*at] ^ hash).count_ones();
                let nearest = (0..all.len()).min_by_key(|at| (apart(at), *at)).filter(|at| apart(at) <= within);
                assert_eq!(near.find(hash), nearest, "within {within}");
                near.add(hash);
                all.push(hash);
            }
        }
    }
}
