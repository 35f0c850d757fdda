//! Starting from trained networks: as they are (fine-tuning), or as the start of larger ones (after progressive growing, arXiv 1710.10196).
//!
//! While it is faded in ([`crate::GrowthConfig::fade_kimg`]), G's new stage adds a growing share of its colours to the old picture, enlarged, and D's
//! takes the place of the entrance that the smaller D had, which sees the picture reduced. Without a fade the new stages begin silent: with weights of
//! zero where they would be heard.

use std::collections::HashMap;
use std::path::Path;

use synth::{Architecture, ModelFile};

use crate::params::{Layout, block};
use crate::{Checkpoint, Config, Error, Trainer};

/// A G whose D is not at hand is held for so many kimg, and let go in as many again: long enough for a fresh D to know real pictures from G's.
const HOLD_KIMG: f64 = 40.0;

impl Trainer {
    /// A trainer for `config` that starts from the networks of `small`: the same channels, with any number of stages added. Moments
    /// and schedules start afresh.
    ///
    /// # Errors
    /// [`Error::Config`] if `config` is neither the same networks nor these with stages added.
    pub fn grow(small: &Self, mut config: Config, threads: usize) -> Result<Self, Error> {
        let (old, new) = (&small.config, &config);
        new.check_growth_from(old)?;
        let added = new.architecture.channels.len() - old.architecture.channels.len();
        let mut shrunk = new.architecture.clone();
        shrunk.channels.truncate(old.architecture.channels.len());
        if shrunk != old.architecture {
            return Err(Error::Config {
                what: format!(
                    "starting from the networks of {:?} may add stages to them, and all else of architecture must be the same",
                    old.name
                ),
            });
        }
        config.discriminator.entrances = old.discriminator.entrances + added;
        config.augment.blur = 0.0;
        let stages = old.architecture.channels.len();
        // Otherwise it is fresh, and what it says of G's pictures is worth nothing yet.
        let d_was_trained = small.progress.images > 0;
        config.growth.stages = match added {
            0 if d_was_trained && config.growth.inherited >= 1.0 => 0,
            0 => stages,
            _ => stages - 1,
        };
        if added == 0 {
            config.growth.fade_kimg = 0.0;
        }
        if !d_was_trained {
            // At the full rate nothing would be held, however long.
            if config.growth.inherited >= 1.0 {
                config.growth.inherited = 0.0;
            }
            if config.growth.hold_kimg <= 0.0 {
                config.growth.hold_kimg = HOLD_KIMG;
            }
        }
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
        if let Some(inked) = &mut grown.auxiliaries.inked {
            let own = small.auxiliaries.inked.as_ref();
            if !own.is_some_and(|own| inked.judge.begin_as(&own.judge.net)) {
                inked.judge.begin_as(&grown.d.net);
            }
        }
        grown.ema.clone_from(&grown.g.net.weights);
        for average in &mut grown.wide {
            average.weights.clone_from(&grown.g.net.weights);
        }
        grown.w_avg.clone_from(&small.w_avg);
        grown.progress.images_before = small.progress.images_before + small.progress.images;
        Ok(grown)
    }
}

impl Config {
    /// Checks that networks of this configuration can begin as those of `small`, as far as channels say: [`Trainer::grow`] would refuse them later, when
    /// pictures have been made ready.
    ///
    /// # Errors
    /// [`Error::Config`] says which channels those must begin with.
    pub fn check_growth_from(&self, small: &Self) -> Result<(), Error> {
        let parts = [
            ("architecture", &self.architecture.channels, &small.architecture.channels),
            ("discriminator", &self.discriminator.channels, &small.discriminator.channels),
        ];
        parts.into_iter().try_for_each(|(part, new, old)| {
            if new.starts_with(old) {
                return Ok(());
            }
            Err(Error::Config {
                what: format!(
                    "starting from the networks of {:?} may add stages to them: {part}.channels must begin with {old:?} and are {new:?}; without \
                     --config they are taken from there",
                    small.name
                ),
            })
        })
    }
}

impl Checkpoint {
    /// A generator of which nothing but its model file is left, as a run of length 0 that [`Trainer::grow`] can start from: G and its average are what
    /// the file holds, D is fresh. Ink, lens, selection, directions and calibration are not G's and are left behind. `name` is what errors call the file.
    ///
    /// # Errors
    /// [`Error::Config`] where its architecture cannot be trained.
    pub fn of_generator(model: &ModelFile, name: &Path, threads: usize) -> Result<Self, Error> {
        let provenance = &model.metadata.provenance;
        let preset = provenance["config"].as_str().and_then(|name| Config::preset(name).ok());
        let mut config = preset.map_or_else(|| Config::preset("c64"), Ok)?;
        config.architecture = Architecture { ink: None, lens: None, ..model.architecture.clone() };
        config.discriminator.channels.clone_from(&model.architecture.channels);
        let mut trainer = Trainer::bare(config, threads)
            .map_err(|e| Error::Config { what: format!("{} cannot be trained further: {e}", name.display()) })?;
        let layout = trainer.g.net.layout.clone();
        take_weights(&layout, &mut trainer.g.net.weights, model)
            .map_err(|what| Error::Config { what: format!("{}: {what}", name.display()) })?;
        trainer.ema.clone_from(&trainer.g.net.weights);
        if let Some(mean) = model.tensors.get("mapping.w_avg").filter(|t| t.data.len() == trainer.w_avg.len()) {
            trainer.w_avg.clone_from(&mean.data);
        }
        // What a file says of itself may be anything.
        let known = |name: &str| provenance[name].as_f64().filter(|v| (0.0..1e9).contains(v)).unwrap_or(0.0);
        trainer.progress.images_before = (known("kimg") * 1000.0).round() as u64;
        Ok(Self { trainer, dataset: String::new(), seconds: known("hours") * 3600.0 })
    }
}

/// Fills G's weights with those of a model file, or says which tensor is not as it should be.
pub(crate) fn take_weights(layout: &Layout, weights: &mut [f32], model: &ModelFile) -> Result<(), String> {
    layout.entries().iter().try_for_each(|entry| {
        let tensor = model.tensors.get(&entry.name).filter(|t| t.shape == entry.shape);
        let tensor = tensor.ok_or_else(|| format!("tensor {} is not as this architecture has it", entry.name))?;
        let values: Vec<f32> = tensor.data.iter().map(|v| v / entry.gain as f32).collect();
        entry.set_from_file(&values, weights);
        Ok(())
    })
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
            grown.step(&pixels, &[]).unwrap();
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

    /// What is learnt behind ink is kept, and what begins there knows what D knows.
    #[test]
    fn a_discriminator_behind_ink_does_not_begin_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors");
        let without = Config { precision: Precision::F32, ..Config::preset("tiny").unwrap() };
        let ink = Some(synth::Ink { channels: 4, blocks: 1, factor: 4 });
        let architecture = Architecture { ink, ..without.architecture.clone() };
        ModelFile::random(architecture, synth::Seed(3)).unwrap().save(&path, synth::WeightDtype::F32).unwrap();
        let inked = |channels: &[usize]| crate::InkedConfig {
            model: path.to_str().unwrap().into(),
            channels: channels.to_vec(),
            ..crate::InkedConfig::default()
        };
        let own = without.discriminator.channels.clone();
        let with = |channels: &[usize]| Config { inked: Some(inked(channels)), ..without.clone() };
        let judge = |trainer: &Trainer| trainer.auxiliaries.inked.as_ref().unwrap().judge.net.weights.clone();
        let small = Trainer::new(without.clone(), 1).unwrap();
        let joined = Trainer::grow(&small, with(&own), 1).unwrap();
        assert_eq!(judge(&joined), joined.d.net.weights);
        let other = [own[0], own[1] + 8];
        let taught = Trainer::new(with(&other), 1).unwrap();
        assert_eq!(judge(&Trainer::grow(&taught, with(&other), 1).unwrap()), judge(&taught));
        // The same where it joins a run that is at work.
        let mut resumed = Trainer::new(without.clone(), 1).unwrap();
        resumed.reconfigure(with(&own)).unwrap();
        assert_eq!(judge(&resumed), resumed.d.net.weights);
    }

    #[test]
    fn a_generator_alone_is_held_while_a_fresh_discriminator_learns() {
        let config = Config { precision: Precision::F32, ..Config::preset("tiny").unwrap() };
        let mut trained = Trainer::new(config.clone(), 2).unwrap();
        let pixels: Vec<u8> = (0..config.batch * 16 * 16 * 3).map(|i| (i * 37 % 251) as u8).collect();
        trained.step(&pixels, &[]).unwrap();
        let mut model = crate::export::model(&trained, None, "").unwrap();
        let alone = Checkpoint::of_generator(&model, Path::new("m"), 2).unwrap();
        assert_eq!(alone.trainer.config().name, "tiny");
        let (was, is) = (trained.raw(5, 1.0), alone.trainer.raw(5, 1.0));
        assert!(was.iter().zip(&is).all(|(a, b)| (a - b).abs() < 1e-4), "it draws otherwise");

        // 16 pictures a step: held for two steps, half let go in the third.
        // How long is all that has to be said.
        let growth = GrowthConfig { hold_kimg: 0.032, ..GrowthConfig::default() };
        let mut run = Trainer::grow(&alone.trainer, Config { growth, ..config.clone() }, 2).unwrap();
        assert_eq!(run.progress().images_before, trained.progress().images);
        for held in [true, true, true, false] {
            let before = [run.g.net.weights.clone(), run.d.net.weights.clone()];
            run.step(&pixels, &[]).unwrap();
            assert_eq!(run.g.net.weights == before[0], held, "after {} pictures", run.progress().images);
            assert_ne!(run.d.net.weights, before[1]);
        }
        assert!(run.raw(5, 1.0).iter().all(|v| v.is_finite()));
        // Where nobody says how long, it is held all the same; a pair of networks is not. Slowly is not held.
        let growth = |small: &Trainer| Trainer::grow(small, config.clone(), 2).unwrap().config.growth.clone();
        assert_eq!((growth(&alone.trainer).stages, growth(&alone.trainer).hold_kimg), (3, HOLD_KIMG));
        assert_eq!((growth(&trained).stages, growth(&trained).hold_kimg.to_bits()), (0, 0));
        let growth = GrowthConfig { inherited: 0.25, ..GrowthConfig::default() };
        let slow = Trainer::grow(&alone.trainer, Config { growth: growth.clone(), ..config.clone() }, 2).unwrap();
        assert_eq!((slow.config.growth.inherited, slow.config.growth.hold_kimg), (0.25, HOLD_KIMG));
        // A pair may be slowed too, by whoever asks for it.
        let slow = Trainer::grow(&trained, Config { growth, ..config.clone() }, 2).unwrap();
        assert_eq!((slow.config.growth.inherited, slow.config.growth.stages), (0.25, 3));

        let bias = model.tensors.get_mut("synthesis.b4.torgb.bias").unwrap();
        bias.shape = vec![2];
        let error = Checkpoint::of_generator(&model, Path::new("m"), 2).err().unwrap().to_string();
        assert!(error.contains("m: tensor synthesis.b4.torgb.bias"), "{error}");
    }

    #[test]
    fn other_channels_are_refused_by_name() {
        let small = Config::preset("tiny").unwrap();
        let other = |change: fn(&mut Config)| {
            let mut config = small.clone();
            change(&mut config);
            config.check_growth_from(&small).map_err(|e| e.to_string())
        };
        assert_eq!(other(|c| c.architecture.channels.push(12)), Ok(()));
        assert!(other(|c| c.architecture.channels[0] += 1).unwrap_err().contains("architecture.channels must begin"));
        assert!(
            other(|c| c.architecture.channels.truncate(1)).unwrap_err().contains("architecture.channels must begin")
        );
        assert!(other(|c| c.discriminator.channels[0] += 1).unwrap_err().contains("discriminator.channels must begin"));
        let trainer = Trainer::new(small.clone(), 1).unwrap();
        let mut config = small;
        config.architecture.w_dim += 1;
        let error = Trainer::grow(&trainer, config, 1).err().unwrap().to_string();
        assert!(error.contains("all else of architecture must be the same"), "{error}");
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
            let (before, after) = (small.logits(&halved).unwrap(), grown.logits(&pictures).unwrap());
            assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-5), "{before:?} {after:?}");
            let mean = before.iter().sum::<f32>() / 8.0;
            assert!(before.iter().any(|v| (v - mean).abs() > 1e-3), "all logits are alike, nothing was compared");
        }
    }
}
