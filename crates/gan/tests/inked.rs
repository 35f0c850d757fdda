//! A run with a discriminator that sees pictures as an ink network redraws them: it learns, is told of, and resumes to the bit.

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{apart, config, pixels, stopped_and_unstopped, stopped_and_unstopped_by_two, threads, trained};
use gan::{Checkpoint, Collective, Config, Error, InkedConfig, LatentScores, Trainer};
use synth::{Creativity, Generator, Ink, ModelFile, Seed};

/// A model of the configuration's size with an ink network of random weights.
fn model(folder: &Path) -> PathBuf {
    let mut architecture = config().architecture;
    architecture.ink = Some(Ink { channels: 8, blocks: 1, factor: 4 });
    let path = folder.join("inked.safetensors");
    ModelFile::random(architecture, Seed(4)).unwrap().save(&path, synth::WeightDtype::F32).unwrap();
    path
}

fn with_ink(model: &Path) -> Config {
    let inked = InkedConfig {
        model: model.to_str().unwrap().to_owned(),
        channels: vec![8, 8, 8],
        warmup_kimg: 0.02,
        ..InkedConfig::default()
    };
    Config { inked: Some(inked), ..config() }
}

#[test]
fn resume_is_bit_exact_with_a_discriminator_behind_ink() {
    let dir = tempfile::tempdir().unwrap();
    stopped_and_unstopped(&with_ink(&model(dir.path())));
}

#[test]
fn two_ranks_have_one_discriminator_behind_ink() {
    let dir = tempfile::tempdir().unwrap();
    let mut c = with_ink(&model(dir.path()));
    if let Some(inked) = &mut c.inked {
        inked.fraction = 1.0;
    }
    stopped_and_unstopped_by_two(&c);
}

#[test]
fn it_changes_what_g_learns_and_is_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let mut c = with_ink(&model(dir.path()));
    if let Some(inked) = &mut c.inked {
        inked.warmup_kimg = 0.0;
    }
    let (with, said) = trained(c.clone());
    let (without, silent) = trained(Config { inked: None, ..c });
    assert!(said.inked > 0.0 && said.inked_real > said.inked_fake, "{said:?}");
    assert!(silent.inked == 0.0);
    let moved = apart(&with, &without);
    assert!(moved > 1e-3, "{moved}");
}

/// What a checkpoint's discriminators say is heard by itself, without training, and follows from the one behind ink as well.
#[test]
fn both_discriminators_of_a_checkpoint_are_heard() {
    let dir = tempfile::tempdir().unwrap();
    let ink = model(dir.path());
    let path = dir.path().join("checkpoint.safetensors");
    Checkpoint::save(&Trainer::new(with_ink(&ink), 1).unwrap(), "none", 0.0, &path).unwrap();
    let mut checkpoint = Checkpoint::load(&path, 1).unwrap();
    let (size, count) =
        (checkpoint.trainer.config().resolution(), 16 * LatentScores::group(checkpoint.trainer.config()));
    let generator = Arc::new(Generator::new(&ModelFile::open(&ink).unwrap().without_ink()).unwrap());
    assert_eq!(generator.resolution(), (size, size));
    let mut worker = generator.worker();
    let pictures: Vec<_> = (0..count as u64).map(|seed| worker.draw(Seed(seed), Creativity::default())).collect();
    let w: Vec<f32> = (0..count as u64).flat_map(|seed| generator.w(Seed(seed))).collect();
    let foretold = |checkpoint: &mut Checkpoint| {
        let mut verdicts = LatentScores::default();
        // As often as it takes to learn from.
        let times = 300_usize.div_ceil(count);
        (0..times).for_each(|_| verdicts.add(&mut checkpoint.trainer, &pictures).unwrap());
        verdicts.learn(&w.repeat(times), w.len() / count, 1, 1).unwrap().foretold
    };
    let both = foretold(&mut checkpoint);
    let mut alone = Checkpoint::load(&path, 1).unwrap();
    let without = Config { inked: None, ..alone.trainer.config().clone() };
    alone.trainer.reconfigure(without).unwrap();
    assert_ne!(both, foretold(&mut alone));
    std::fs::remove_file(&ink).unwrap();
    let mut bare = Checkpoint::load(&path, 1).unwrap();
    let error = LatentScores::default().add(&mut bare.trainer, &pictures).unwrap_err().to_string();
    assert!(error.contains("inked.safetensors"), "{error}");
}

/// A recipe that cannot begin leaves the one that is there at work.
#[test]
fn a_trainer_goes_on_as_it_was_where_another_recipe_fails() {
    let dir = tempfile::tempdir().unwrap();
    let c = with_ink(&model(dir.path()));
    let pixels = pixels(&c);
    let [mut alone, mut asked] = [(); 2].map(|()| Trainer::new(c.clone(), 1).unwrap());
    for missing in [dir.path().join("nowhere.safetensors"), dir.path().into()] {
        let mut other = with_ink(&missing);
        other.ema.widths = vec![0.1];
        assert!(asked.reconfigure(other).is_err());
        assert_eq!(asked.config(), &c);
    }
    for trainer in [&mut alone, &mut asked] {
        (0..3).for_each(|_| trainer.step(&pixels, &[]).unwrap());
    }
    assert!(alone.raw(1, 1.0) == asked.raw(1, 1.0));
}

/// Another precision holds for every network at once, so that what is saved goes on as what is not.
#[test]
fn precision_changes_for_all_networks_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let c = with_ink(&model(dir.path()));
    let pixels = pixels(&c);
    let mut trainer = Trainer::new(c.clone(), 1).unwrap();
    trainer.step(&pixels, &[]).unwrap();
    trainer.reconfigure(Config { precision: gan::Precision::Bf16, ..c }).unwrap();
    let path = dir.path().join("checkpoint.safetensors");
    Checkpoint::save(&trainer, "", 0.0, &path).unwrap();
    let mut saved = Checkpoint::load(&path, 1).unwrap().trainer;
    let config = saved.config().clone();
    saved.reconfigure(config).unwrap();
    let bytes = |trainer: &mut Trainer| {
        (0..2).for_each(|_| trainer.step(&pixels, &[]).unwrap());
        Checkpoint::save(trainer, "", 0.0, &path).unwrap();
        std::fs::read(&path).unwrap()
    };
    assert!(bytes(&mut trainer) == bytes(&mut saved));
}

/// The configuration names the ink network by its path only.
#[test]
fn ranks_with_different_ink_networks_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = model(dir.path());
    let mut c = with_ink(&path);
    if let Some(inked) = &mut c.inked {
        inked.fraction = 1.0;
    }
    let refused = threads::on_each(2, |mut threads| {
        let first = (threads.rank() == 0).then(|| Trainer::new(c.clone(), 1).unwrap());
        threads.sum(&mut [0.0]).unwrap();
        let mut trainer = first.unwrap_or_else(|| {
            let mut other = ModelFile::open(&path).unwrap();
            other.tensors.get_mut("ink.b0.conv0.bias").unwrap().data[0] += 1.0;
            other.save(&path, synth::WeightDtype::F32).unwrap();
            Trainer::new(c.clone(), 1).unwrap()
        });
        trainer.join(Box::new(threads), "").unwrap_err().to_string()
    });
    assert!(refused.iter().all(|refused| refused.contains("networks (RANK 1")), "{refused:?}");
}

#[test]
fn classes_that_a_discriminator_is_told_of_are_not_guessed() {
    let mut trainer = Trainer::new(config().with_classes(3), 1).unwrap();
    let picture = synth::Picture { width: 16, height: 16, rgb: vec![128; 16 * 16 * 3] };
    let error = LatentScores::default().add(&mut trainer, &vec![picture; 4]).unwrap_err().to_string();
    assert!(error.contains("classes"), "{error}");
}

#[test]
fn a_model_that_cannot_redraw_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |c: Config| match Trainer::new(c, 1) {
        Err(Error::Config { what }) => what,
        other => panic!("{:?}", other.err()),
    };
    assert!(refused(with_ink(&dir.path().join("nowhere.safetensors"))).contains("nowhere.safetensors"));
    let plain = dir.path().join("plain.safetensors");
    ModelFile::random(config().architecture, Seed(4)).unwrap().save(&plain, synth::WeightDtype::F32).unwrap();
    assert!(refused(with_ink(&plain)).contains("tadne ink makes one"));
    let mut large = with_ink(&model(dir.path()));
    large.inked.as_mut().unwrap().channels = vec![8; 5];
    assert!(refused(large).contains("do not fit"));
}
