//! What a training needs in memory, known before it starts.

use crate::{Config, Error, Trainer};

/// Pictures that share a deviation while it is found out: few, so that it takes no time.
const GROUP: usize = 2;
/// Pictures of a step, and those of them that the penalty looks at. What a step keeps is a sum of three parts: one that is always there, one for each
/// picture and one for each that is penalised.
const TRIED: [[usize; 2]; 3] = [[GROUP, GROUP], [2 * GROUP, GROUP], [2 * GROUP, 2 * GROUP]];
/// Times a batch of numbers that a step holds besides its layers: real and drawn pictures, gradients, directions, and batches that wait.
const BATCHES: f64 = 8.0;

impl Trainer {
    /// Bytes that a training with `config` keeps on this machine's processor from its first step on: weights, moments and averages, and what layers
    /// work with. Found by three small steps. The critics beside D, and the pictures, are not counted.
    ///
    /// # Errors
    /// [`Error::Config`] where [`Config::validate`] fails.
    pub fn bytes_of(config: &Config, threads: usize) -> Result<u64, Error> {
        config.validate()?;
        let mut found = [0.0; 3];
        for (found, [batch, penalised]) in found.iter_mut().zip(TRIED) {
            let mut tried = Config { batch, critic: None, inked: None, ..config.clone() };
            tried.discriminator.group = GROUP;
            tried.loss.penalty_fraction = penalised as f64 / batch as f64;
            let mut trainer = Self::new(tried, threads)?;
            let pixels = vec![0; batch * 3 * config.resolution().pow(2)];
            trainer.step(&pixels, &vec![0; if config.classes() > 0 { batch } else { 0 }])?;
            *found = trainer.bytes() as f64;
        }
        let [small, larger, penalised] = found;
        let (a_picture, a_penalised) = ((larger - small) / GROUP as f64, (penalised - larger) / GROUP as f64);
        let always = small - GROUP as f64 * (a_picture + a_penalised);
        let numbers = BATCHES * 4.0 * (3 * config.resolution().pow(2)) as f64;
        let (batch, share) = (config.batch as f64, config.penalty_batch() as f64);
        Ok((always + batch * (a_picture + numbers) + share * a_penalised) as u64)
    }

    /// Bytes that are kept between two steps.
    pub(crate) fn bytes(&self) -> usize {
        let averages = self.ema.len() + self.wide.iter().map(|average| average.weights.len()).sum::<usize>();
        // Weights, gradient and two moments.
        let numbers = averages + 4 * (self.g.net.weights.len() + self.d.net.weights.len());
        self.passes.bytes() + 4 * numbers
    }
}
