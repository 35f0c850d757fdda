//! A generator found in someone else's file: its architecture, and where each of our tensors lies in it.

use std::collections::BTreeMap;

use synth::{Architecture, LabelNorm, Labels, Metadata, ModelError, ModelFile, NoiseInputs, Tensor, Upsample};

use crate::error::Error;
use crate::tensor::View;

/// No `StyleGAN2` known has more than 120 million weights.
const WEIGHTS: usize = 400_000_000;

/// A generator in a file, not yet read.
#[derive(Clone, Debug)]
pub struct ForeignGenerator {
    /// Who wrote such files.
    pub origin: Origin,
    /// Name of the network in the file.
    pub name: String,
    /// What it is.
    pub architecture: Architecture,
    /// What a reader should know: assumptions made, things that differ.
    pub notes: Vec<String>,
    /// What of the file is not imported.
    pub dropped: Vec<String>,
    weights: BTreeMap<String, View>,
    /// None if the file has no mean of `w`.
    has_w_avg: bool,
}

/// Who wrote a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// NVIDIA's `PyTorch` code: stylegan2-ada-pytorch, and stylegan3 with its stylegan2 configuration.
    NvidiaTorch,
    /// NVIDIA's `TensorFlow` code, and what was built on it.
    NvidiaTensorFlow,
    /// rosinality/stylegan2-pytorch.
    Rosinality,
}

impl Origin {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Origin::NvidiaTorch => "NVIDIA StyleGAN2 (PyTorch)",
            Origin::NvidiaTensorFlow => "NVIDIA StyleGAN2 (TensorFlow)",
            Origin::Rosinality => "rosinality/stylegan2-pytorch",
        }
    }
}

/// What a layout's reader gathers for [`Parts::assemble`]. All weights are ready to use: gains are folded in.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) origin: Option<Origin>,
    pub(crate) name: String,
    pub(crate) normalize_z: bool,
    pub(crate) labels: Option<LabelNorm>,
    pub(crate) conv_clamp: Option<f32>,
    pub(crate) notes: Vec<String>,
    pub(crate) dropped: Vec<String>,
    pub(crate) weights: BTreeMap<String, View>,
}

impl Parts {
    pub(crate) fn put(&mut self, name: impl Into<String>, view: View) {
        self.weights.insert(name.into(), view);
    }

    /// Puts a `toRGB`'s weight [colours, C, 1, 1] and bias [colours] as those of three colours.
    pub(crate) fn put_colours(&mut self, name: &str, weight: View, bias: View) -> Result<(), Error> {
        let colours = weight.shape().first().copied().unwrap_or(0);
        let three = |view: View| match colours {
            1 => view.repeated(3),
            _ => view.narrowed(0, 3),
        };
        if !matches!(colours, 1 | 3 | 4) || bias.shape() != [colours] {
            return Err(Error::unsupported(format!("pictures of {colours} channels cannot be drawn; 1, 3 and 4 can")));
        }
        if colours != 3 {
            let note = if colours == 1 { "grey pictures are drawn as RGB" } else { "the fourth channel (alpha)" };
            let list = if colours == 1 { &mut self.notes } else { &mut self.dropped };
            if !list.iter().any(|said| said == note) {
                list.push(note.into());
            }
        }
        self.put(format!("{name}.weight"), three(weight));
        self.put(format!("{name}.bias"), three(bias));
        Ok(())
    }

    /// Reads the architecture off the shapes and checks every weight against it.
    pub(crate) fn assemble(self) -> Result<ForeignGenerator, Error> {
        let architecture = self.architecture()?;
        architecture.validate().map_err(ModelError::from)?;
        let mut total = 0_usize;
        let has_w_avg = self.weights.contains_key("mapping.w_avg");
        let mut optional = architecture.optional_tensors();
        optional.retain(|(name, _)| self.weights.contains_key(name));
        for (name, shape) in architecture.tensors().into_iter().chain(optional) {
            match self.weights.get(&name) {
                Some(view) if view.shape() == shape => total += view.count(),
                Some(view) => {
                    let problem = format!("has shape {:?}; its neighbours ask for {shape:?}", view.shape());
                    return Err(Error::weight(&name, problem));
                }
                None if name == "mapping.w_avg" => {}
                None => return Err(Error::weight(&name, format!("is missing; its shape should be {shape:?}"))),
            }
        }
        if total > WEIGHTS {
            return Err(Error::TooMuch(format!("{total} weights")));
        }
        let mut weights = self.weights;
        let known: Vec<String> =
            architecture.tensors().into_iter().chain(architecture.optional_tensors()).map(|t| t.0).collect();
        weights.retain(|name, _| known.contains(name));
        Ok(ForeignGenerator {
            origin: self.origin.expect("a reader says who it reads"),
            name: self.name,
            architecture,
            notes: self.notes,
            dropped: self.dropped,
            weights,
            has_w_avg,
        })
    }

    fn architecture(&self) -> Result<Architecture, Error> {
        let shape = |name: &str, axes: usize| match self.weights.get(name).map(View::shape) {
            Some(shape) if shape.len() == axes => Ok(shape),
            Some(shape) => Err(Error::weight(name, format!("has shape {shape:?}; {axes} axes are expected"))),
            None => Err(Error::weight(name, "is missing")),
        };
        let layers = (0..64).take_while(|k| self.weights.contains_key(&format!("mapping.fc{k}.weight"))).count();
        let inputs = shape("mapping.fc0.weight", 2)?[1];
        let w_dim = shape(&format!("mapping.fc{}.weight", layers.saturating_sub(1)), 2)?[0];
        for layer in 0..layers {
            let width = shape(&format!("mapping.fc{layer}.weight"), 2)?[0];
            if width != w_dim {
                let problem =
                    format!("a mapping network {width} wide inside and {w_dim} at its end cannot be drawn yet");
                return Err(Error::unsupported(problem));
            }
        }
        let labels = match self.labels {
            None => None,
            Some(normalize) => match *shape("mapping.embed.weight", 2)? {
                [features, classes] => Some(Labels { classes, features, normalize }),
                _ => unreachable!("the number of axes was checked"),
            },
        };
        let Some(z_dim) = inputs.checked_sub(labels.map_or(0, |labels| labels.features)) else {
            return Err(Error::weight("mapping.fc0.weight", "has fewer inputs than a class has features"));
        };
        let base = shape("synthesis.b4.const", 3)?;
        let mut channels = Vec::new();
        for block in 0..24 {
            let name = format!("synthesis.b{}.conv1.weight", 4_u64 << block);
            if !self.weights.contains_key(&name) {
                break;
            }
            channels.push(shape(&name, 4)?[0]);
        }
        let noise = self.weights.contains_key("synthesis.b4.conv1.noise_strength");
        Ok(Architecture {
            z_dim,
            w_dim,
            mapping_layers: layers,
            normalize_z: self.normalize_z,
            base: [base[1], base[2]],
            channels,
            upsample: Upsample::StyleGan2,
            noise: if noise { NoiseInputs::All } else { NoiseInputs::None },
            conv_clamp: self.conv_clamp,
            labels,
            ink: None,
            lens: None,
        })
    }
}

impl ForeignGenerator {
    /// How many numbers there are.
    pub fn parameters(&self) -> usize {
        self.weights.values().map(View::count).sum()
    }

    /// Whether the file holds noise for every layer.
    pub fn stored_noise(&self) -> bool {
        self.weights.keys().any(|name| name.ends_with("noise_const"))
    }

    /// Reads the weights. `progress` gets the share that is done, 0 to 1.
    ///
    /// # Errors
    /// The file cannot be read, or a weight is not finite.
    pub fn load(&self, metadata: Metadata, progress: &mut dyn FnMut(f64)) -> Result<ModelFile, Error> {
        let (mut done, total) = (0, self.parameters().max(1));
        let mut tensors = BTreeMap::new();
        for (name, view) in &self.weights {
            let tensor = Tensor { shape: view.shape().to_vec(), data: view.values()? };
            tensors.insert(name.clone(), tensor);
            done += view.count();
            progress(done as f64 / total as f64);
        }
        let mut model = ModelFile { architecture: self.architecture.clone(), tensors, metadata };
        if !self.has_w_avg {
            let zeros = Tensor { shape: vec![self.architecture.w_dim], data: vec![0.0; self.architecture.w_dim] };
            model.tensors.insert("mapping.w_avg".into(), zeros);
            let mean = synth::mean_w(&model, crate::W_SAMPLES)?;
            model.tensors.insert("mapping.w_avg".into(), Tensor { shape: vec![mean.len()], data: mean });
        }
        model.check()?;
        Ok(model)
    }
}
