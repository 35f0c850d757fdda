//! A generator and a discriminator in training on a pool of pictures held in memory.

use gan::{Config, Error, StepMeans, Trainer};

/// Sides of pictures that there are networks for, in pixels.
pub const SIDES: [usize; 2] = [16, 32];
/// Pictures a step.
pub const BATCH: usize = 16;
/// The fewest pictures that a contest is about.
pub const FEWEST: usize = 8;

/// Why there is no contest, or no step of it.
#[derive(Debug)]
pub enum Trouble {
    /// Asked before a contest was begun.
    None,
    /// There are no networks for pictures of this side.
    Side(usize),
    /// So many bytes are not at least [`FEWEST`] pictures of this side.
    Pictures(usize, usize),
    /// The networks came to nothing.
    Training(Error),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::None => f.write_str("no contest has begun; begin one with pictures first"),
            Trouble::Side(side) => write!(f, "there are no networks for {side} pixels; use one of {SIDES:?}"),
            Trouble::Pictures(bytes, side) => write!(
                f,
                "{bytes} bytes are not pictures of {side} x {side} pixels; give at least {FEWEST} of {} bytes each",
                3 * side * side
            ),
            Trouble::Training(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Trouble {}

/// Two networks in training.
pub struct Duel {
    trainer: Trainer,
    /// The real pictures, [n, side, side, 3].
    pool: Vec<u8>,
    side: usize,
    /// Pictures that were learnt from.
    place: usize,
    batch: Vec<u8>,
}

impl std::fmt::Debug for Duel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Duel").field("side", &self.side).field("pictures", &self.len()).finish_non_exhaustive()
    }
}

/// The recipe of a contest of pictures of `side` pixels: that of the `tiny` preset, in haste: large steps and an average of the last moments only,
/// because a minute is all that it has.
fn recipe(side: usize, seed: u64) -> Result<Config, Trouble> {
    let channels: &[usize] = match side {
        16 => &[48, 32, 24],
        32 => &[64, 48, 32, 16],
        _ => return Err(Trouble::Side(side)),
    };
    let mut config = Config::preset("tiny").map_err(Trouble::Training)?;
    config.architecture.channels = channels.to_vec();
    config.discriminator.channels = channels.to_vec();
    config.discriminator.group = 4;
    (config.batch, config.seed) = (BATCH, seed);
    (config.optimizer.lr_g, config.optimizer.lr_d) = (0.005, 0.005);
    (config.loss.gamma, config.loss.gamma_final) = (0.3, 0.3);
    (config.optimizer.warmup_kimg, config.ema.half_life_kimg) = (0.2, 0.5);
    (config.kimg, config.optimizer.cooldown_start) = (1000.0, 1.0);
    Ok(config)
}

impl Duel {
    /// Fresh networks, drawn from `seed`, and the real pictures, [n, side, side, 3] with n at least [`FEWEST`] and a side of [`SIDES`].
    ///
    /// # Errors
    /// [`Trouble::Side`], [`Trouble::Pictures`].
    pub fn new(pool: Vec<u8>, side: usize, seed: u64) -> Result<Self, Trouble> {
        let config = recipe(side, seed)?;
        let bytes = 3 * side * side;
        if pool.len() < FEWEST * bytes || !pool.len().is_multiple_of(bytes) {
            return Err(Trouble::Pictures(pool.len(), side));
        }
        let trainer = Trainer::new(config, 1).map_err(Trouble::Training)?;
        Ok(Self { trainer, pool, side, place: 0, batch: Vec::new() })
    }

    /// Real pictures.
    pub fn len(&self) -> usize {
        self.pool.len() / (3 * self.side * self.side)
    }

    /// Never: there are always some.
    pub fn is_empty(&self) -> bool {
        self.pool.is_empty()
    }

    /// Lets each network learn from the next [`BATCH`] pictures, every other time mirrored.
    #[allow(clippy::missing_panics_doc, reason = "the engine in this program does not fail")]
    pub fn round(&mut self) {
        let row = 3 * self.side;
        let bytes = row * self.side;
        self.batch.clear();
        for _ in 0..BATCH {
            let (turn, at) = (self.place / self.len(), self.place % self.len());
            let picture = &self.pool[at * bytes..][..bytes];
            if (turn + at).is_multiple_of(2) {
                self.batch.extend_from_slice(picture);
            } else {
                let mirrored = picture.chunks_exact(row).flat_map(|row| row.as_chunks::<3>().0.iter().rev().flatten());
                self.batch.extend(mirrored);
            }
            self.place += 1;
        }
        self.trainer.step(&self.batch, &[]).expect("the engine in this program does not fail");
    }

    /// Rounds so far.
    pub fn rounds(&self) -> u64 {
        self.trainer.progress().steps
    }

    /// What the networks said on average since the last call.
    ///
    /// # Errors
    /// [`Trouble::Training`] if they came to nothing; begin again with another seed.
    pub fn said(&mut self) -> Result<StepMeans, Trouble> {
        self.trainer.take_means().map_err(Trouble::Training)
    }

    /// Draws the pictures of seeds 0 to `count` as they are now, into `rgba`, one below the other: [count, side, side, 4].
    pub fn draw(&self, count: usize, rgba: &mut Vec<u8>) {
        let seeds: Vec<u64> = (0..count as u64).collect();
        rgba.clear();
        for picture in self.trainer.draw(&seeds, 1.0) {
            rgba.extend(picture.rgb.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, u8::MAX]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pictures that are dark on the left and light on the right, or the other way round.
    fn pool(n: usize, side: usize) -> Vec<u8> {
        let row =
            |dark_first: bool| (0..side).flat_map(move |x| [if (x < side / 2) == dark_first { 30 } else { 220 }; 3]);
        (0..n * side).flat_map(|at| row((at / side).is_multiple_of(2))).collect()
    }

    /// Mean of the absolute differences between the halves' means and 30 or 220, the nearer of the two ways round, over all pictures.
    fn apart(rgba: &[u8], side: usize) -> f64 {
        let half = |picture: &[u8], right: bool| {
            let pixels = picture.as_chunks::<4>().0.iter().enumerate();
            let of = pixels.filter(|(at, _)| (at % side >= side / 2) == right);
            of.map(|(_, p)| f64::from(p[0]) + f64::from(p[1]) + f64::from(p[2])).sum::<f64>()
                / (1.5 * (side * side) as f64)
        };
        let pictures = rgba.chunks_exact(4 * side * side);
        let n = pictures.len() as f64;
        let one = |picture: &[u8]| {
            let (left, right) = (half(picture, false), half(picture, true));
            let way = |a: f64, b: f64| f64::midpoint((left - a).abs(), (right - b).abs());
            way(30.0, 220.0).min(way(220.0, 30.0))
        };
        pictures.map(one).sum::<f64>() / n
    }

    #[test]
    fn in_a_hundred_rounds_the_generator_learns_what_the_pictures_have_in_common() {
        let mut duel = Duel::new(pool(32, 16), 16, 7).unwrap();
        let mut rgba = Vec::new();
        duel.draw(8, &mut rgba);
        let before = apart(&rgba, 16);
        for _ in 0..100 {
            duel.round();
        }
        duel.draw(8, &mut rgba);
        let after = apart(&rgba, 16);
        assert!(after < 0.5 * before, "{before} {after}");
        assert_eq!(duel.rounds(), 100);
        assert!(duel.said().unwrap().loss_d.is_finite());
    }

    #[test]
    fn the_same_seed_gives_the_same_contest() {
        let drawn = |seed| {
            let mut duel = Duel::new(pool(9, 16), 16, seed).unwrap();
            (0..3).for_each(|_| duel.round());
            let mut rgba = Vec::new();
            duel.draw(2, &mut rgba);
            rgba
        };
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }

    #[test]
    fn each_picture_is_shown_both_ways_round() {
        let (side, n) = (16, 10);
        let mut duel = Duel::new(pool(n, side), side, 1).unwrap();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..2 * n {
            duel.round();
            for (i, picture) in duel.batch.chunks_exact(3 * side * side).enumerate() {
                seen.insert(((duel.place - BATCH + i) % n, picture[0]));
            }
        }
        assert_eq!(seen.len(), 2 * n, "every one as it is and mirrored");
    }
}
