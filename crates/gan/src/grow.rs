//! Starting from trained networks: as they are (fine-tuning), or as the start of larger ones (after progressive growing, arXiv 1710.10196).
//!
//! While it is faded in ([`crate::GrowthConfig::fade_kimg`]), G's new stage adds a growing share of its colours to the old picture, enlarged, and D's
//! takes the place of the entrance that the smaller D had, which sees the picture reduced. Without a fade the new stages begin silent: with weights of
//! zero where they would be heard.

use std::collections::HashMap;

use crate::params::{Layout, block};
use crate::{Config, Error, Trainer};

impl Trainer {
    /// A trainer for `config` that starts from the networks of `small`: the same channels, with any number of stages added. Moments
    /// and schedules start afresh.
    ///
    /// # Errors
    /// [`Error::Config`] if `config` is neither the same networks nor these with stages added.
    pub fn grow(small: &Self, mut config: Config, threads: usize) -> Result<Self, Error> {
        let (old, new) = (&small.config, &config);
        let added = new.architecture.channels.len().saturating_sub(old.architecture.channels.len());
        let mut shrunk = new.architecture.clone();
        shrunk.channels.truncate(old.architecture.channels.len());
        if new.architecture.channels.len() < old.architecture.channels.len()
            || shrunk != old.architecture
            || !new.discriminator.channels.starts_with(&old.discriminator.channels)
        {
            return Err(Error::Config {
                what: format!(
                    "starting from the networks of {:?} may add stages to them: channels must begin with {:?} and the rest of the \
                     architecture be the same",
                    old.name, old.architecture.channels
                ),
            });
        }
        config.discriminator.entrances = old.discriminator.entrances + added;
        config.augment.blur = 0.0;
        config.growth.stages = if added > 0 { old.architecture.channels.len() - 1 } else { 0 };
        let first_new = old.architecture.channels.len();
        let mut grown = Self::new(config, threads)?;
        let fades = grown.config.growth.fade_kimg > 0.0;
        let silent = |name: &str| {
            !fades
                && (first_new..first_new + added).map(block).any(|b| {
                    let new = [
                        format!("synthesis.{b}.torgb.weight"),
                        format!("{b}.conv1.weight"),
                        format!("{b}.skip.weight"),
                    ];
                    new.iter().any(|n| n == name)
                })
        };
        // What its average draws is better than what it draws itself, and is to be kept.
        let (g, d) = (grown.g.net.layout.clone(), grown.d.net.layout.clone());
        inherit(&g, &mut grown.g.net.weights, &small.g.net.layout, &small.ema, silent);
        inherit(&d, &mut grown.d.net.weights, &small.d.net.layout, &small.d.net.weights, silent);
        grown.ema.clone_from(&grown.g.net.weights);
        for average in &mut grown.wide {
            average.weights.clone_from(&grown.g.net.weights);
        }
        grown.w_avg.clone_from(&small.w_avg);
        grown.progress.images_before = small.progress.images_before + small.progress.images;
        Ok(grown)
    }
}

/// Copies every tensor that both networks have; of the others, sets those that `silent` names to zero.
fn inherit(new: &Layout, weights: &mut [f32], old: &Layout, from: &[f32], silent: impl Fn(&str) -> bool) {
    let known: HashMap<_, _> = old.entries().iter().map(|e| (e.name.as_str(), e)).collect();
    for entry in new.entries() {
        let own = &mut weights[entry.range.clone()];
        match known.get(entry.name.as_str()) {
            Some(e) if e.shape == entry.shape => own.copy_from_slice(&from[e.range.clone()]),
            _ if silent(&entry.name) => own.fill(0.0),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planes::halve;
    use crate::{GrowthConfig, Precision};

    /// A small network of 16 px and the one of 32 px that grows from it.
    fn pair(growth: GrowthConfig) -> (Trainer, Trainer) {
        let mut config = Config { precision: Precision::F32, growth, ..Config::preset("tiny").unwrap() };
        let small = Trainer::new(config.clone(), 2).unwrap();
        config.architecture.channels.push(12);
        config.discriminator.channels.push(12);
        let grown = Trainer::grow(&small, config, 2).unwrap();
        (small, grown)
    }

    #[test]
    fn what_g_inherited_is_held_while_the_new_stages_and_d_learn() {
        for (inherited, still) in [(0.0, true), (0.5, false)] {
            let (_, mut grown) = pair(GrowthConfig { inherited, hold_kimg: 1.0, ..GrowthConfig::default() });
            let before = [grown.g.net.weights.clone(), grown.d.net.weights.clone()];
            let pixels: Vec<u8> = (0..grown.config().batch * 32 * 32 * 3).map(|i| (i * 37 % 251) as u8).collect();
            grown.step(&pixels).unwrap();
            for ((side, before), still) in [&grown.g, &grown.d].into_iter().zip(before).zip([still, false]) {
                let new = side.net.layout.belongs_from(2);
                let moved = |mask: f32| {
                    let all = side.net.weights.iter().zip(&before).zip(&new);
                    all.filter(|(_, new)| new.to_bits() == mask.to_bits())
                        .any(|((now, before), _)| now.to_bits() != before.to_bits())
                };
                assert_eq!(moved(0.0), !still, "at factor {inherited}");
                assert!(moved(1.0), "new stages stand still");
            }
        }
    }

    #[test]
    fn a_grown_discriminator_judges_as_before() {
        for fade_kimg in [0.0, 10.0] {
            let (mut small, mut grown) = pair(GrowthConfig { fade_kimg, ..GrowthConfig::default() });
            let mut pictures = vec![0.0; 8 * 3 * 32 * 32];
            synth::latent::normal(synth::Seed(1), 0, &mut pictures);
            let mut halved = vec![0.0; pictures.len() / 4];
            for (to, from) in halved.chunks_exact_mut(16 * 16).zip(pictures.chunks_exact(32 * 32)) {
                halve(from, [32, 32], to);
            }
            let (before, after) = (small.judge(&halved).unwrap(), grown.judge(&pictures).unwrap());
            assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-5), "{before:?} {after:?}");
            let mean = before.iter().sum::<f32>() / 8.0;
            assert!(before.iter().any(|v| (v - mean).abs() > 1e-3), "all logits are alike, nothing was compared");
        }
    }
}
