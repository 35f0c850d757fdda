//! From a checkpoint to the model file: the averaged generator with its gains folded in.

use std::collections::BTreeMap;

use serde_json::json;
use synth::{Metadata, ModelFile, Tensor as ModelTensor};

use crate::{Checkpoint, Error, Trainer};

impl Checkpoint {
    /// The averaged generator as a model file, ready to draw; with a `width` the further average of that relative width.
    ///
    /// # Errors
    /// [`Error::Config`] if the run keeps no average of that width, [`Error::Model`] if the tensors do not fit the architecture.
    pub fn export(&self, width: Option<f64>, license: &str) -> Result<ModelFile, Error> {
        let mut model = model(&self.trainer, width, license)?;
        model.metadata.provenance["hours"] = json!((self.seconds / 36.0).round() / 100.0);
        model.metadata.provenance["dataset_fingerprint"] = json!(self.dataset);
        Ok(model)
    }
}

/// An averaged generator of `t` as a model file.
pub(crate) fn model(t: &Trainer, width: Option<f64>, license: &str) -> Result<ModelFile, Error> {
    let mut tensors = BTreeMap::new();
    let weights = t.average(width)?;
    let fade = t.schedule().fade.unwrap_or(1.0);
    let largest = format!("synthesis.{}.torgb.", crate::params::block(t.config().architecture.channels.len() - 1));
    for e in t.g.net.layout.entries() {
        // What a stage that is being faded in adds to the picture.
        let colours = e.name.strip_prefix(&largest).is_some_and(|part| part == "weight" || part == "bias");
        let gain = (e.gain * if colours { fade } else { 1.0 }) as f32;
        let data = e.to_file(weights).iter().map(|v| v * gain).collect();
        tensors.insert(e.name.clone(), ModelTensor { shape: e.shape.clone(), data });
    }
    tensors.insert("mapping.w_avg".into(), ModelTensor { shape: vec![t.w_avg.len()], data: t.w_avg.clone() });
    let config = t.config();
    let metadata = Metadata {
        provenance: json!({
            "trained_by": concat!("tadne ", env!("CARGO_PKG_VERSION")),
            "config": config.name,
            "kimg": t.progress().total_kimg(),
            "kimg_before_growth": t.progress().images_before as f64 / 1000.0,
            "batch": config.batch,
            "seed": config.seed,
            "average": width,
            "critic": config.critic.as_ref().map(|c| &c.network),
        }),
        license: license.into(),
        ..Metadata::default()
    };
    Ok(ModelFile { architecture: config.architecture.clone(), tensors, metadata })
}
