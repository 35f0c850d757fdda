//! Small untrained models.

use synth::{Architecture, ModelFile, NoiseInputs, Seed, Upsample};

/// All ways to double the size, with noise and clamp in turn.
pub(crate) fn architectures() -> Vec<Architecture> {
    let plain = Architecture {
        z_dim: 12,
        w_dim: 20,
        mapping_layers: 2,
        normalize_z: true,
        base: [4, 4],
        channels: vec![40, 36, 24, 12],
        upsample: Upsample::ConvUp,
        noise: NoiseInputs::None,
        conv_clamp: None,
        labels: None,
    };
    vec![
        plain.clone(),
        Architecture { upsample: Upsample::UpConv, noise: NoiseInputs::All, ..plain.clone() },
        Architecture {
            upsample: Upsample::StyleGan2,
            noise: NoiseInputs::All,
            conv_clamp: Some(1.5),
            normalize_z: false,
            ..plain
        },
    ]
}

/// An untrained model.
pub(crate) fn model(architecture: &Architecture) -> ModelFile {
    ModelFile::random(architecture.clone(), Seed(2026)).expect("a valid architecture")
}
