//! A run with a discriminator that sees pictures as an ink network redraws them: it learns, is told of, and resumes to the bit.

mod common;

use std::path::{Path, PathBuf};

use common::{apart, config, stopped_and_unstopped, trained};
use gan::{Config, Error, InkedConfig, Trainer};
use synth::{Ink, ModelFile, Seed};

/// A model of the configuration's size with an ink network of random weights.
fn model(folder: &Path) -> PathBuf {
    let mut architecture = config().architecture;
    architecture.ink = Some(Ink { channels: 8, blocks: 1, factor: 4 });
    let path = folder.join("inked.safetensors");
    ModelFile::random(architecture, Seed(4)).unwrap().save(&path, synth::Precision::F32).unwrap();
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

#[test]
fn a_model_that_cannot_redraw_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |c: Config| match Trainer::new(c, 1) {
        Err(Error::Config { what }) => what,
        other => panic!("{:?}", other.err()),
    };
    assert!(refused(with_ink(&dir.path().join("nowhere.safetensors"))).contains("nowhere.safetensors"));
    let plain = dir.path().join("plain.safetensors");
    ModelFile::random(config().architecture, Seed(4)).unwrap().save(&plain, synth::Precision::F32).unwrap();
    assert!(refused(with_ink(&plain)).contains("tadne ink makes one"));
    let mut large = with_ink(&model(dir.path()));
    large.inked.as_mut().unwrap().channels = vec![8; 5];
    assert!(refused(large).contains("do not fit"));
}
