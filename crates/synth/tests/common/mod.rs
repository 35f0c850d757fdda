//! Small untrained models.

use synth::{Architecture, Ink, ModelFile, NoiseInputs, Seed, Upsample};

/// All ways to double the size, with noise and clamp in turn, then both factors of ink.
pub(crate) fn architectures() -> Vec<Architecture> {
    let plain = Architecture::plain(12, 20, &[40, 36, 24, 12]);
    vec![
        plain.clone(),
        Architecture { upsample: Upsample::UpConv, noise: NoiseInputs::All, ..plain.clone() },
        Architecture {
            upsample: Upsample::StyleGan2,
            noise: NoiseInputs::All,
            conv_clamp: Some(1.5),
            normalize_z: false,
            ..plain.clone()
        },
        Architecture { noise: NoiseInputs::Coarse, ..plain.clone() },
        Architecture { ink: Some(Ink { channels: 20, blocks: 2, factor: 4 }), ..plain.clone() },
        Architecture { ink: Some(Ink { channels: 7, blocks: 1, factor: 2 }), channels: vec![12, 8], ..plain },
    ]
}

/// An untrained model.
pub(crate) fn model(architecture: &Architecture) -> ModelFile {
    ModelFile::random(architecture.clone(), Seed(2026)).expect("a valid architecture")
}
