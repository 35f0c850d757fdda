//! Small untrained models.

use synth::{Architecture, ModelFile, NoiseInputs, Seed, Upsample};

/// All ways to double the size, with noise and clamp in turn.
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
        Architecture { noise: NoiseInputs::Coarse, ..plain },
    ]
}

/// An untrained model.
pub(crate) fn model(architecture: &Architecture) -> ModelFile {
    ModelFile::random(architecture.clone(), Seed(2026)).expect("a valid architecture")
}
