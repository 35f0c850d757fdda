//! Numbers for tests.

/// Values that any language can make: a linear congruential generator.
pub(crate) struct Values(u64);

impl Values {
    pub(crate) fn new(seed: u64) -> Self {
        Values(seed)
    }

    /// A number in 0..1.
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = (self.0 * 1_103_515_245 + 12345) % (1 << 31);
        self.0 as f64 / f64::from(1u32 << 31)
    }

    /// `n` numbers in -1..1.
    pub(crate) fn signed(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| (self.next() * 2.0 - 1.0) as f32).collect()
    }
}

/// `n` normal numbers, as sums of twelve even ones.
pub(crate) fn normal(seed: u64, n: usize) -> Vec<f32> {
    let mut values = Values::new(seed);
    (0..n).map(|_| ((0..12).map(|_| values.next()).sum::<f64>() - 6.0) as f32).collect()
}
