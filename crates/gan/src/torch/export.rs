//! From a checkpoint to the model file: the averaged generator with its gains folded in.

use std::collections::BTreeMap;

use serde_json::json;
use synth::{Metadata, ModelFile, Tensor as ModelTensor};
use tch::Device;

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
    for (e, part) in t.g.layout.parts(&t.average(width)?.to_device(Device::Cpu)) {
        let data = Vec::<f32>::try_from(part)?.iter().map(|v| v * e.gain as f32).collect();
        let shape = e.shape.iter().map(|&d| d as usize).collect();
        tensors.insert(e.name.clone(), ModelTensor { shape, data });
    }
    let w_avg = Vec::<f32>::try_from(t.w_avg.to_device(Device::Cpu))?;
    tensors.insert("mapping.w_avg".into(), ModelTensor { shape: vec![w_avg.len()], data: w_avg });
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
