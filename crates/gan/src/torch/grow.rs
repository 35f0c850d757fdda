//! Starting from trained networks: as they are (fine-tuning), or as the start of larger ones (after progressive growing, arXiv 1710.10196, without the
//! fade).
//!
//! G gets a stage whose RGB output starts at zero, so it draws the old picture enlarged. D gets a stage whose output starts at zero
//! beside the old entrance, which goes on seeing the picture reduced, so it judges as before. Both learn the new size from there, most
//! of G's old stages slowly at first, and what G draws is held near what the smaller network drew ([`crate::GrowthConfig`]).

use std::collections::HashMap;

use tch::{Tensor, no_grad};

use crate::params::{Layout, block};
use crate::{Config, Device, Error, Trainer};

impl Trainer {
    /// A trainer for `config` that starts from the networks of `small`: the same channels, with any number of stages added. Moments
    /// and schedules start afresh.
    ///
    /// # Errors
    /// [`Error::Config`] if `config` is neither the same networks nor these with stages added.
    pub fn grow(small: &Self, mut config: Config, device: Device) -> Result<Self, Error> {
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
        let mut grown = Self::new(config, device)?;
        let silent = |name: &str| {
            (first_new..first_new + added).map(block).any(|b| {
                let new =
                    [format!("synthesis.{b}.torgb.weight"), format!("{b}.conv1.weight"), format!("{b}.skip.weight")];
                new.iter().any(|n| n == name)
            })
        };
        no_grad(|| {
            // What its average draws is better than what it draws itself, and is to be kept.
            inherit(&grown.g.layout, &grown.g.weights.detach(), &small.g.layout, &small.ema, silent);
            inherit(&grown.d.layout, &grown.d.weights.detach(), &small.d.layout, &small.d.weights, silent);
            inherit(&grown.g.layout, &grown.ema, &small.g.layout, &small.ema, silent);
            grown.w_avg.copy_(&small.w_avg);
            if let Some(anchor) = &mut grown.anchor {
                anchor.weights.copy_(&small.ema);
            }
            // The same critic goes on judging; of another one nothing can be kept.
            if let (Some(new), Some(old)) = (&mut grown.critic, &small.critic)
                && new.critic.mixing.size() == old.critic.mixing.size()
                && new.heads.weights.size() == old.heads.weights.size()
            {
                new.critic.mixing.copy_(&old.critic.mixing);
                new.heads.weights.detach().copy_(&old.heads.weights);
                // Its weight is warm already.
                new.heads.adam.steps = old.heads.adam.steps;
                new.heads.adam.second.copy_(&old.heads.adam.second);
            }
        });
        grown.progress.images_before = small.progress.images_before + small.progress.images;
        Ok(grown)
    }
}

/// Copies every tensor that both networks have; of the others, sets those that `silent` names to zero.
fn inherit(new: &Layout, weights: &Tensor, old: &Layout, from: &Tensor, silent: impl Fn(&str) -> bool) {
    let known: HashMap<_, _> = old.parts(from).map(|(e, t)| (e.name.as_str(), (&e.shape, t))).collect();
    for (entry, mut part) in new.parts(weights) {
        match known.get(entry.name.as_str()) {
            Some((shape, values)) if **shape == entry.shape => part.copy_(values),
            _ if silent(&entry.name) => {
                let _ = part.zero_();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Checkpoint, GrowthConfig, Precision, ops};
    use tch::Kind;

    /// A small network of 16 px and the one of 32 px that grows from it.
    fn pair(growth: GrowthConfig) -> (Trainer, Trainer) {
        let mut config = Config { precision: Precision::F32, growth, ..Config::preset("tiny").unwrap() };
        let small = Trainer::new(config.clone(), Device::Cpu).unwrap();
        config.architecture.channels.push(12);
        config.discriminator.channels.push(12);
        let grown = Trainer::grow(&small, config, Device::Cpu).unwrap();
        (small, grown)
    }

    #[test]
    fn what_g_inherited_is_held_while_the_new_stages_and_d_learn() {
        for (inherited, still) in [(0.0, true), (0.5, false)] {
            let (_, mut grown) = pair(GrowthConfig { inherited, hold_kimg: 1.0, ..GrowthConfig::default() });
            let before = [grown.g.weights.detach().copy(), grown.d.weights.detach().copy()];
            let held = [still, false];
            grown.step(&pixels(&grown));
            for ((side, before), still) in [&grown.g, &grown.d].into_iter().zip(before).zip(held) {
                let new = side.layout.belongs_from(2, Device::Cpu);
                let moved = (side.weights.detach() - before).abs();
                let largest = |mask: Tensor| f64::try_from((&moved * mask).max()).unwrap();
                assert_eq!(largest(1.0 - &new) > 0.0, !still, "at factor {inherited}");
                assert!(largest(new) > 0.0, "new stages stand still");
            }
        }
    }

    /// A batch that has nothing to do with what G draws.
    fn pixels(trainer: &Trainer) -> Vec<u8> {
        (0..trainer.config.batch * 32 * 32 * 3).map(|i| (i * 37 % 251) as u8).collect()
    }

    #[test]
    fn an_anchored_g_stays_near_what_it_drew() {
        let distance = |anchor: f64| {
            let (small, mut grown) = pair(GrowthConfig { inherited: 1.0, anchor, ..GrowthConfig::default() });
            let pixels = pixels(&grown);
            for _ in 0..12 {
                grown.step(&pixels);
            }
            let z = Tensor::randn([8, grown.config.architecture.z_dim as i64], (Kind::Float, Device::Cpu));
            let reduced = |pictures: &Tensor, times: i32| (0..times).fold(pictures.copy(), |p, _| ops::downsample(&p));
            let (before, after) = (reduced(&small.draw_raw(&z), 1), reduced(&grown.draw_raw(&z), 2));
            f64::try_from((before - after).square().mean(Kind::Float)).unwrap()
        };
        let (free, held) = (distance(0.0), distance(1000.0));
        assert!(held < 0.5 * free, "{held} with an anchor, {free} without");
    }

    #[test]
    fn an_anchor_cannot_join_later_but_may_leave() {
        let (_, mut free) = pair(GrowthConfig { anchor: 0.0, ..GrowthConfig::default() });
        let mut config = free.config.clone();
        config.growth.anchor = 100.0;
        assert!(matches!(free.reconfigure(config), Err(Error::Config { what }) if what.contains("growth.anchor")));

        let (small, mut held) = pair(GrowthConfig::default());
        let mut config = held.config.clone();
        config.growth.anchor = 100.0;
        held.reconfigure(config.clone()).unwrap();
        let is_small = |t: &Trainer| t.anchor.as_ref().unwrap().weights.equal(&small.ema);
        assert!(is_small(&held), "it is still the smaller network");

        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("grown.safetensors");
        Checkpoint::save(&held, "", 0.0, &file).unwrap();
        held = Checkpoint::load(&file, Device::Cpu).unwrap().trainer;
        assert!(is_small(&held), "a checkpoint keeps it");

        config.growth.anchor = 0.0;
        held.reconfigure(config).unwrap();
        assert!(held.anchor.is_none());
    }

    #[test]
    fn a_grown_discriminator_judges_as_before() {
        let (small, grown) = pair(GrowthConfig::default());
        let pictures = Tensor::randn([8, 3, 32, 32], (Kind::Float, Device::Cpu));
        let (before, after) = (small.judge(&ops::downsample(&pictures)), grown.judge(&pictures));
        assert!(f64::try_from((&before - &after).abs().max()).unwrap() < 1e-5);
        assert!(f64::try_from(before.std(true)).unwrap() > 1e-3, "all logits are alike, nothing was compared");
    }
}
